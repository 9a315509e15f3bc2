//! Asking for more about the user (OpenID Connect Core §5.3).

use std::fmt;

use valetkey_http::Response;

use super::{Claims, IdToken};
use crate::{
    call::{Exchange, Retry},
    draft::Draft,
    endpoint::{Endpoint, Origin},
    error::{Error, ErrorKind, Reason, Result},
    flow::Env,
    form::Form,
    jose::{
        VerifyingKeys, check_shape,
        jwe::Decrypter,
        jwt::{Expected, Kind, Validator},
    },
    oauth2::{client::ClientId, server::ServerMetadata},
    response::{
        self,
        members::{members, read},
        value::Text,
    },
    secret::AccessToken,
    time::Timestamp,
};

/// What the server says about the user whose access token it was shown. The subject has been compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserInfo {
    claims: Claims,
    is_signed: bool,
}

impl UserInfo {
    /// What it says.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Whether it was signed by the server.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.is_signed
    }
}

/// Asks for more about the user of a verified ID token.
///
/// The access token goes in the header, by [`Party::bearer`](crate::Party::bearer), or in the body
/// ([`with_token_in_body`](Self::with_token_in_body)).
///
/// # Security
///
/// An access token alone identifies nobody: somebody else's application may have got it (OpenID Connect Core §16.11). So it
/// takes an ID token to ask, and the answer must be about the same subject.
pub struct UserInfoRequest {
    url: Endpoint,
    issuer: Box<str>,
    subject: Box<str>,
    token_in_body: Option<AccessToken>,
    signed: Option<(Validator, VerifyingKeys)>,
    decrypter: Option<Decrypter>,
}

members! {
    struct Subject {
        sub: Text<'de>,
    }
}

impl UserInfoRequest {
    /// About the user of this token, which is the server's.
    ///
    /// # Errors
    ///
    /// As [`ServerMetadata::endpoint`]; `Untrusted`: [`Reason::IssuerMismatch`] if another server made the token.
    pub fn new(server: &ServerMetadata, user: &IdToken) -> Result<Self> {
        if !server.speaks_for(user.issuer()) {
            return Err(Error::new(ErrorKind::Untrusted, Reason::IssuerMismatch));
        }
        Ok(Self {
            url: server.endpoint("userinfo_endpoint")?,
            issuer: user.issuer().into(),
            subject: user.subject().into(),
            token_in_body: None,
            signed: None,
            decrypter: None,
        })
    }

    /// Shows the access token in a posted form (RFC 6750 §2.2), for servers that take it nowhere else.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::InvalidValue`] for a token that is bound to a key, which goes in the header alone.
    pub fn with_token_in_body(mut self, token: AccessToken) -> Result<Self> {
        if token.is_bound() {
            return Err(Error::new(ErrorKind::Usage, Reason::InvalidValue).with_detail("a bound token"));
        }
        self.token_in_body = Some(token);
        Ok(self)
    }

    /// Takes answers that are signed for this client by one of these keys, and no others
    /// (`userinfo_signed_response_alg`).
    #[must_use]
    pub fn signed(mut self, client: &ClientId, keys: VerifyingKeys) -> Self {
        self.signed = Some((Validator::new(Kind::UserInfo, &self.issuer, client.as_str()), keys));
        self
    }

    /// Takes answers that are encrypted for the client, and no others (`userinfo_encrypted_response_alg`).
    #[must_use]
    pub fn encrypted(mut self, decrypter: Decrypter) -> Self {
        self.decrypter = Some(decrypter);
        self
    }

    /// Where it is asked, and the access token so shown.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.url.origin()
    }

    fn claims(&self, text: &str, env: &Env<'_>) -> Result<UserInfo> {
        let decrypted = match &self.decrypter {
            Some(decrypter) => Some(decrypter.decrypt(text.trim(), env.crypto)?),
            None => None,
        };
        let text = decrypted.as_deref().unwrap_or(text).trim();
        let is_json = text.starts_with('{');
        match &self.signed {
            Some(_) if is_json => {
                Err(Error::new(ErrorKind::Untrusted, Reason::KindMismatch).with_detail("not signed"))
            }
            Some((validator, keys)) => {
                let expected = Expected::new().subject(&self.subject);
                let jwt = validator.validate(text, keys, &expected, env)?;
                Ok(UserInfo { claims: Claims::of_json(jwt.claims()), is_signed: true })
            }
            None => {
                check_shape(text)?;
                let found: Subject<'_> = read(text)?;
                let missing = || Error::new(ErrorKind::Protocol, Reason::MissingParameter).with_detail("sub");
                if *found.sub.ok_or_else(missing)? != *self.subject {
                    return Err(Error::new(ErrorKind::Untrusted, Reason::SubjectMismatch));
                }
                Ok(UserInfo { claims: Claims::of_json(text), is_signed: false })
            }
        }
    }
}

impl Exchange for UserInfoRequest {
    type Output = UserInfo;

    fn retry(&self) -> Retry {
        Retry::IDEMPOTENT
    }

    fn request(&self, _: &Env<'_>) -> Result<Draft> {
        Ok(match &self.token_in_body {
            None => Draft::get(&self.url),
            Some(token) => {
                let mut form = Form::new();
                form.push("access_token", token.expose());
                Draft::post(&self.url, form)
            }
        })
    }

    fn response(&self, response: Response, _: Timestamp, env: &Env<'_>) -> Result<UserInfo> {
        let text = response::text(&response)?;
        if self.signed.is_none() && self.decrypter.is_none() && !text.trim_start().starts_with('{') {
            return Err(response::unreadable(&response));
        }
        self.claims(text, env).map_err(|error| error.with_status(response.status()))
    }
}

impl fmt::Debug for UserInfoRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserInfoRequest").field("url", &self.url).finish_non_exhaustive()
    }
}
