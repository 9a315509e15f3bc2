//! An assertion for tokens (RFC 7523 §2.1).

use std::fmt;

use valetkey_http::Response;

use super::TokenRequest;
use crate::{
    call::{Exchange, Retry},
    draft::{Draft, Place},
    error::Result,
    flow::Env,
    oauth2::{Scope, assertion::Assertion, server::ServerMetadata, token::TokenResponse},
    secret::Secret,
    time::Timestamp,
};

/// Exchanges a JWT that the client has signed, or was given, for tokens.
///
/// The client may authenticate itself besides ([`Party::client`](crate::Party::client)), and need not (RFC 7521 §4.1).
///
/// ```
/// use valetkey_proto::{
///     crypto::{RemoteKey, SignatureAlgorithm, SigningKey},
///     oauth2::{assertion::Assertion, grant::JwtBearerGrant, server::{Issuer, ServerMetadata}},
/// };
///
/// let server = ServerMetadata::new(Issuer::parse("https://as.example")?).with_token_endpoint("https://as.example/token")?;
/// let key = SigningKey::Remote(RemoteKey::new("keys/robot", SignatureAlgorithm::Es256));
/// let assertion = Assertion::new(key, "robot")?.with_subject("alice")?;
/// let grant = JwtBearerGrant::new(&server, assertion)?.with_scope("read")?;
/// # let _ = grant;
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone)]
pub struct JwtBearerGrant {
    pub(super) request: TokenRequest,
    assertion: Source,
    pub(super) scope: Option<Scope>,
}

#[derive(Clone)]
enum Source {
    Made(Box<Assertion>),
    Given(Secret),
}

impl JwtBearerGrant {
    /// Signs an assertion for every attempt. It is for the server's issuer, unless it says for whom it is.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::MissingEndpoint`](crate::Reason::MissingEndpoint).
    pub fn new(server: &ServerMetadata, mut assertion: Assertion) -> Result<Self> {
        if !assertion.has_audience() {
            assertion = assertion.with_audience(server.issuer().as_str())?;
        }
        Self::of(server, Source::Made(Box::new(assertion)))
    }

    /// Hands in an assertion that somebody else has signed. It is sent once: a server may refuse the one that it has
    /// seen.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn given(server: &ServerMetadata, assertion: Secret) -> Result<Self> {
        Self::of(server, Source::Given(assertion))
    }

    fn of(server: &ServerMetadata, assertion: Source) -> Result<Self> {
        Ok(Self { request: TokenRequest::new(server)?, assertion, scope: None })
    }
}

impl Exchange for JwtBearerGrant {
    type Output = TokenResponse;

    fn retry(&self) -> Retry {
        match self.assertion {
            Source::Made(_) => Retry::REPEATABLE,
            Source::Given(_) => Retry::ONE_TIME,
        }
    }

    fn request(&self, env: &Env<'_>) -> Result<Draft> {
        let mut form = self.request.form("urn:ietf:params:oauth:grant-type:jwt-bearer");
        form.push("scope", self.scope.as_ref().map_or("", Scope::as_str));
        match &self.assertion {
            Source::Given(assertion) => {
                form.push("assertion", assertion.expose());
                Ok(self.request.draft(form))
            }
            Source::Made(assertion) => {
                let mut draft = self.request.draft(form);
                let claims = assertion.claims(env)?;
                assertion.writer()?.sign_into(&mut draft, &claims, Place::Form("assertion"))?;
                Ok(draft)
            }
        }
    }

    fn response(&self, response: Response, asked: Timestamp, _: &Env<'_>) -> Result<TokenResponse> {
        self.request.read(&response, asked)
    }
}

impl fmt::Debug for JwtBearerGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtBearerGrant")
            .field("request", &self.request)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}
