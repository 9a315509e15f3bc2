//! A code for tokens (RFC 6749 §4.1.3).

use valetkey_http::Response;

use super::TokenRequest;
use crate::{
    call::{Exchange, Retry},
    draft::Draft,
    error::{Error, ErrorKind, Reason, Result},
    flow::Env,
    oauth2::{authorization::AuthorizationResponse, server::ServerMetadata, token::TokenResponse},
    secret::AuthorizationCode,
    time::Timestamp,
};

/// Exchanges the code of a received [`AuthorizationResponse`].
///
/// It asks for tokens for the APIs that the sign-in asked for (RFC 8707 §2.2), or for those of them that
/// [`with_resource`](Self::with_resource) says. What it is to be good for in detail, the server knows.
///
/// It is sent once: a code that the server sees twice may revoke what it was exchanged for (RFC 6749 §4.1.2).
#[derive(Debug)]
pub struct AuthorizationCodeGrant {
    pub(super) request: TokenRequest,
    received: AuthorizationResponse,
}

impl AuthorizationCodeGrant {
    /// Takes the response, which must have come from this server.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::MissingEndpoint`]. `Usage`: [`Reason::InvalidValue`] if no code was asked for. `Untrusted`: [`Reason::IssuerMismatch`] if the sign-in went to
    /// another server: the code must not reach this one (RFC 9700 §4.4).
    pub fn new(server: &ServerMetadata, received: AuthorizationResponse) -> Result<Self> {
        if received.issuer() != server.issuer() {
            return Err(Error::new(ErrorKind::Untrusted, Reason::IssuerMismatch));
        }
        if received.code().is_none() {
            return Err(
                Error::new(ErrorKind::Usage, Reason::InvalidValue).with_detail("response without a code")
            );
        }
        Ok(Self { request: TokenRequest::new(server)?, received })
    }
}

impl Exchange for AuthorizationCodeGrant {
    type Output = TokenResponse;

    fn retry(&self) -> Retry {
        Retry::ONE_TIME
    }

    fn request(&self, _: &Env<'_>) -> Result<Draft> {
        let mut form = self.request.form("authorization_code");
        form.push("code", self.received.code().map(AuthorizationCode::expose).unwrap_or_default())
            .push("redirect_uri", self.received.redirect_uri().as_str())
            .push("code_verifier", self.received.verifier());
        if self.request.requested.resources().is_empty() {
            self.received.resources().iter().for_each(|resource| {
                form.push("resource", resource.as_str());
            });
        }
        Ok(self.request.draft(form))
    }

    fn response(&self, response: Response, asked: Timestamp, _: &Env<'_>) -> Result<TokenResponse> {
        self.request.read(&response, asked).map(|response| response.with_kept(self.received.kept()))
    }
}
