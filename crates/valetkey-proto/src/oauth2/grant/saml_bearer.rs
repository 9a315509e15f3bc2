//! A SAML 2.0 assertion for tokens (RFC 7522 §2.1).

use valetkey_http::Response;

use super::TokenRequest;
use crate::{
    call::{Exchange, Retry},
    draft::Draft,
    error::Result,
    flow::Env,
    oauth2::{Scope, server::ServerMetadata, token::TokenResponse},
    secret::Secret,
    time::Timestamp,
};

/// Exchanges a SAML 2.0 assertion, which somebody else has made, for tokens.
///
/// It is sent once: its `OneTimeUse` condition may be kept by the server (RFC 7522 §3). The client may authenticate
/// itself besides, and need not.
///
/// ```
/// use valetkey_proto::{
///     oauth2::{grant::SamlBearerGrant, server::{Issuer, ServerMetadata}},
///     secret::Secret,
/// };
///
/// let server = ServerMetadata::new(Issuer::parse("https://as.example")?).with_token_endpoint("https://as.example/token")?;
/// let assertion = Secret::new("PHNhbWxwOkFzc2VydGlvbj4");
/// let grant = SamlBearerGrant::new(&server, assertion)?.with_scope("read")?;
/// # let _ = grant;
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SamlBearerGrant {
    pub(super) request: TokenRequest,
    assertion: Secret,
    pub(super) scope: Option<Scope>,
}

impl SamlBearerGrant {
    /// Takes an assertion: its XML in base64url.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::MissingEndpoint`](crate::Reason::MissingEndpoint).
    pub fn new(server: &ServerMetadata, assertion: Secret) -> Result<Self> {
        Ok(Self { request: TokenRequest::new(server)?, assertion, scope: None })
    }
}

impl Exchange for SamlBearerGrant {
    type Output = TokenResponse;

    fn retry(&self) -> Retry {
        Retry::ONE_TIME
    }

    fn request(&self, _: &Env<'_>) -> Result<Draft> {
        let mut form = self.request.form("urn:ietf:params:oauth:grant-type:saml2-bearer");
        form.push("assertion", self.assertion.expose())
            .push("scope", self.scope.as_ref().map_or("", Scope::as_str));
        Ok(self.request.draft(form))
    }

    fn response(&self, response: Response, asked: Timestamp, _: &Env<'_>) -> Result<TokenResponse> {
        self.request.read(&response, asked)
    }
}
