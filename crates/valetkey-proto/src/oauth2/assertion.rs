//! Assertions that are a grant, or a token: what a program says and signs itself (RFC 7521, RFC 7523).
//!
//! An [`Assertion`] is a recipe, and a JWT is made by it anew whenever one is needed. It is exchanged for tokens by
//! [`JwtBearerGrant`](crate::oauth2::grant::JwtBearerGrant), or shown to an API as it is ([`SelfSigned`]). A
//! [`ServiceAccount`] knows what some providers want to read in it.

mod self_signed;
mod service_account;

use std::{fmt, time::Duration};

pub use self_signed::SelfSigned;
pub use service_account::ServiceAccount;

use crate::{
    crypto::SigningKey,
    error::{Error, ErrorKind, Reason, Result},
    flow::Env,
    jose::jwt::{ClaimSet, Kind, Writer},
};

/// How JWTs are written that speak for a user or a service (RFC 7523 §3).
///
/// Each is good for five minutes, unless said otherwise, and has a name of 256 random bits (`jti`).
///
/// ```
/// use std::time::Duration;
/// use valetkey_proto::{crypto::{RemoteKey, SignatureAlgorithm, SigningKey}, oauth2::assertion::Assertion};
///
/// let key = SigningKey::Remote(RemoteKey::new("keys/robot", SignatureAlgorithm::Rs256));
/// let assertion = Assertion::new(key, "robot@project.example")?
///     .with_subject("alice@example.com")?
///     .with_audience("https://as.example")?
///     .with_text("scope", "read write")?
///     .with_json("roles", r#"["a",1,true]"#)?
///     .with_lifetime(Duration::from_secs(60))
///     .with_kid("2026-01");
/// assert!(assertion.with_number("exp", 0).is_err(), "it is said anew in each");
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone)]
pub struct Assertion {
    key: SigningKey,
    kid: Option<Box<str>>,
    is_typed: bool,
    /// What each of them says.
    claims: ClaimSet,
    has_audience: bool,
    lifetime: Duration,
    backdating: Duration,
    has_start: bool,
}

/// How long an assertion is good that is sent at once.
const LIFETIME: Duration = Duration::from_secs(300);
/// The claims that have a method of their own, or are said anew in each.
const RESERVED: [&str; 7] = ["aud", "exp", "iat", "iss", "jti", "nbf", "sub"];

impl Assertion {
    /// Says by whom they are (`iss`), and what signs them.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::UnsupportedAlgorithm`] if the key signs by nothing that JOSE knows.
    pub fn new(key: SigningKey, issuer: &str) -> Result<Self> {
        Writer::new(Kind::AuthorizationGrant, key.clone())?;
        let mut claims = ClaimSet::new();
        claims.text("iss", issuer)?;
        Ok(Self {
            key,
            kid: None,
            is_typed: false,
            claims,
            has_audience: false,
            lifetime: LIFETIME,
            backdating: Duration::ZERO,
            has_start: false,
        })
    }

    /// Says about whom they are (`sub`): the user, or the service itself.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::ReservedParameter`] if it is said already.
    pub fn with_subject(mut self, subject: &str) -> Result<Self> {
        self.claims.text("sub", subject)?;
        Ok(self)
    }

    /// Says for whom they are (`aud`). A grant is for the server's issuer if this is not said.
    ///
    /// # Errors
    ///
    /// As [`with_subject`](Self::with_subject).
    ///
    /// # Security
    ///
    /// Whoever is named here takes what is signed. Write down what you know, and not what a server says of itself.
    pub fn with_audience(mut self, audience: &str) -> Result<Self> {
        self.claims.text("aud", audience)?;
        self.has_audience = true;
        Ok(self)
    }

    /// Adds a claim that is a text.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::ReservedParameter`] for a claim that has a method of its own, is said anew in each (`jti`,
    /// `iat`, `exp`, `nbf`), or is there already; [`Reason::InvalidValue`] for a name that cannot be written.
    pub fn with_text(self, name: &str, text: &str) -> Result<Self> {
        self.with(name, |claims| claims.text(name, text).map(drop))
    }

    /// Adds a claim that is a list of texts.
    ///
    /// # Errors
    ///
    /// As [`with_text`](Self::with_text).
    pub fn with_texts(self, name: &str, texts: &[&str]) -> Result<Self> {
        self.with(name, |claims| claims.texts(name, texts).map(drop))
    }

    /// Adds a claim that is a number.
    ///
    /// # Errors
    ///
    /// As [`with_text`](Self::with_text).
    pub fn with_number(self, name: &str, number: i64) -> Result<Self> {
        self.with(name, |claims| claims.number(name, number).map(drop))
    }

    /// Adds a claim that is written in JSON, as it is.
    ///
    /// # Errors
    ///
    /// As [`with_text`](Self::with_text); [`Reason::InvalidValue`] if it is not JSON.
    pub fn with_json(self, name: &str, value: &str) -> Result<Self> {
        self.with(name, |claims| claims.json(name, value).map(drop))
    }

    fn with(mut self, name: &str, add: impl FnOnce(&mut ClaimSet) -> Result<()>) -> Result<Self> {
        if RESERVED.contains(&name) {
            return Err(Error::new(ErrorKind::Usage, Reason::ReservedParameter).with_detail("a claim"));
        }
        add(&mut self.claims)?;
        Ok(self)
    }

    /// How long each is good, from the time at which it says that it was issued.
    #[must_use]
    pub fn with_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Says that each was issued this long ago (`iat`), for servers whose clocks are behind.
    #[must_use]
    pub fn with_backdating(mut self, time: Duration) -> Self {
        self.backdating = time;
        self
    }

    /// Says that each is not good before it was issued (`nbf`).
    #[must_use]
    pub fn with_not_before(mut self) -> Self {
        self.has_start = true;
        self
    }

    /// Names the key in the header (`kid`).
    #[must_use]
    pub fn with_kid(mut self, kid: &str) -> Self {
        self.kid = Some(kid.into());
        self
    }

    /// Says the type of a grant, `authorization-grant+jwt` (draft-ietf-oauth-rfc7523bis), in place of `JWT`.
    #[must_use]
    pub fn with_typ(mut self) -> Self {
        self.is_typed = true;
        self
    }

    pub(crate) fn has_audience(&self) -> bool {
        self.has_audience
    }

    pub(crate) fn writer(&self) -> Result<Writer> {
        let writer = Writer::new(Kind::AuthorizationGrant, self.key.clone())?;
        let writer = if self.is_typed { writer.with_typ() } else { writer.with_plain_typ() };
        Ok(match &self.kid {
            Some(kid) => writer.with_kid(kid),
            None => writer,
        })
    }

    /// The claims of one of them.
    pub(crate) fn claims(&self, env: &Env<'_>) -> Result<ClaimSet> {
        let issued = Env { now: env.now - self.backdating, ..*env };
        let mut claims = self.claims.clone();
        claims.fresh(Some(self.lifetime), &issued)?;
        if self.has_start {
            claims.number("nbf", issued.now.as_secs())?;
        }
        Ok(claims)
    }
}

impl fmt::Debug for Assertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assertion")
            .field("claims", &self.claims)
            .field("kid", &self.kid)
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}
