//! The ID token (OpenID Connect Core §2).

use std::{fmt, sync::Arc};

use super::Claims;
use crate::{
    error::{Error, ErrorKind, Reason, Result},
    jose::jwt::Jwt,
    secret::Secret,
    time::Timestamp,
};

/// Who has signed in, and where: an ID token that was verified. It is cheap to clone.
///
/// [`IdTokenVerifier`](super::IdTokenVerifier) alone makes it, and a record of tokens restores what was verified before.
///
/// # Security
///
/// [`key`](Self::key) tells users apart. The text of the token is for its issuer alone, as a hint; it is no access token,
/// and no API should be shown it (OpenID Connect Core §16).
#[derive(Clone)]
pub struct IdToken(Arc<Verified>);

struct Verified {
    /// The signed token, decrypted if it came encrypted.
    text: Secret,
    issuer: Box<str>,
    subject: Box<str>,
    session: Option<Box<str>>,
    expires_at: Option<Timestamp>,
    issued_at: Option<Timestamp>,
    authenticated_at: Option<Timestamp>,
    claims: Claims,
}

impl IdToken {
    pub(super) fn of(text: &str, jwt: &Jwt) -> Result<Self> {
        let missing =
            |name| move || Error::new(ErrorKind::Protocol, Reason::MissingParameter).with_detail(name);
        Ok(Self(Arc::new(Verified {
            text: Secret::new(text),
            issuer: jwt.issuer().ok_or_else(missing("iss"))?.into(),
            subject: jwt.subject().ok_or_else(missing("sub"))?.into(),
            session: jwt.session().map(Into::into),
            expires_at: jwt.expires_at(),
            issued_at: jwt.issued_at(),
            authenticated_at: jwt.authenticated_at(),
            claims: Claims::of_json(jwt.claims()),
        })))
    }

    /// A token that was verified when it was put into a record.
    pub(crate) fn of_record(text: &str) -> Option<Self> {
        Self::of(text, &Jwt::kept(text)?).ok()
    }

    /// Who the user is: issuer and subject, which together are never given to anybody else (OpenID Connect Core §5.7).
    #[must_use]
    pub fn key(&self) -> (&str, &str) {
        (&self.0.issuer, &self.0.subject)
    }

    /// The server that says so (`iss`).
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// The user, in the words of the issuer (`sub`).
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// The user's session at the server (`sid`), if it names one.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        self.0.session.as_deref()
    }

    /// Until when the token was to be taken (`exp`). How long the user stays signed in is for the program to say.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.0.expires_at
    }

    /// When it was made (`iat`).
    #[must_use]
    pub fn issued_at(&self) -> Option<Timestamp> {
        self.0.issued_at
    }

    /// When the user was authenticated (`auth_time`), if it says.
    #[must_use]
    pub fn authenticated_at(&self) -> Option<Timestamp> {
        self.0.authenticated_at
    }

    /// How the user was authenticated (`acr`), if it says.
    #[must_use]
    pub fn acr(&self) -> Option<String> {
        self.claims().get("acr")
    }

    /// The methods by which the user was authenticated (`amr`, RFC 8176).
    #[must_use]
    pub fn amr(&self) -> Vec<String> {
        self.claims().get("amr").unwrap_or_default()
    }

    /// What else it says about the user.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.0.claims
    }

    /// The token, to be shown to its issuer as a hint (`id_token_hint`).
    #[must_use]
    pub fn text(&self) -> &Secret {
        &self.0.text
    }

    /// Whether this, which came with a refresh, or with a code beside which the first came, is about the same sign-in
    /// (OpenID Connect Core §3.3.3.6, §12.2).
    pub(super) fn check_continues(&self, first: &Self) -> Result<()> {
        let untrusted = |reason| Err(Error::new(ErrorKind::Untrusted, reason));
        if self.issuer() != first.issuer() {
            return untrusted(Reason::IssuerMismatch);
        }
        if self.subject() != first.subject() {
            return untrusted(Reason::SubjectMismatch);
        }
        if let (Some(now), Some(then)) = (self.authenticated_at(), first.authenticated_at())
            && now != then
        {
            let error = Error::new(ErrorKind::Untrusted, Reason::AuthenticationMismatch);
            return Err(error.with_detail("auth_time"));
        }
        Ok(())
    }
}

impl PartialEq for IdToken {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text
    }
}

impl Eq for IdToken {}

impl fmt::Debug for IdToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdToken").field("issuer", &self.0.issuer).finish_non_exhaustive()
    }
}
