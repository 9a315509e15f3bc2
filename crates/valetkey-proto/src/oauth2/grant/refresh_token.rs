//! A refresh token for a new access token (RFC 6749 §6).

use valetkey_http::Response;

use super::TokenRequest;
use crate::{
    call::{Exchange, Retry},
    draft::Draft,
    error::{ErrorCode, Reason, Result},
    flow::Env,
    oauth2::{Scope, server::ServerMetadata, token::TokenResponse},
    secret::RefreshToken,
    time::Timestamp,
};

/// Renews an access token.
///
/// It is sent once: most servers rotate refresh tokens, and take a second use for theft (RFC 9700 §4.14.2).
#[derive(Clone, Debug)]
pub struct RefreshTokenGrant {
    pub(super) request: TokenRequest,
    refresh_token: RefreshToken,
    scope: Option<Scope>,
}

impl RefreshTokenGrant {
    /// Renews by this token, which must be this server's (RFC 9700 §4.14).
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::MissingEndpoint`].
    pub fn new(server: &ServerMetadata, refresh_token: RefreshToken) -> Result<Self> {
        Ok(Self { request: TokenRequest::renewal(server)?, refresh_token, scope: None })
    }

    /// Asks for less than was granted.
    ///
    /// # Errors
    ///
    /// As [`Scope::parse`].
    pub fn with_scope(mut self, scope: &str) -> Result<Self> {
        self.scope = Some(Scope::parse(scope)?);
        Ok(self)
    }
}

impl Exchange for RefreshTokenGrant {
    type Output = TokenResponse;

    fn retry(&self) -> Retry {
        Retry::ONE_TIME
    }

    fn request(&self, _: &Env<'_>) -> Result<Draft> {
        let mut form = self.request.form("refresh_token");
        form.push("refresh_token", self.refresh_token.expose())
            .push("scope", self.scope.as_ref().map_or("", Scope::as_str));
        Ok(self.request.draft(form))
    }

    fn response(&self, response: Response, asked: Timestamp, _: &Env<'_>) -> Result<TokenResponse> {
        self.request.read(&response, asked).map_err(|error| {
            // Final for this token: it was used, revoked or is too old (RFC 6749 §5.2).
            let is_final = error.response().is_some_and(|refused| *refused.code() == ErrorCode::InvalidGrant);
            if is_final { error.with_reason(Reason::RefreshDenied) } else { error }
        })
    }
}
