//! A program's own tokens (RFC 6749 §4.4).

use valetkey_http::Response;

use super::TokenRequest;
use crate::{
    call::{Exchange, Retry},
    draft::Draft,
    error::{Error, ErrorKind, Reason, Result},
    flow::Env,
    oauth2::{Scope, client::ClientMetadata, server::ServerMetadata, token::TokenResponse},
    time::Timestamp,
};

/// Asks for a token in the client's own name.
#[derive(Clone, Debug)]
pub struct ClientCredentialsGrant {
    pub(super) request: TokenRequest,
    pub(super) scope: Option<Scope>,
}

impl ClientCredentialsGrant {
    /// A token of this server for this client.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::MissingEndpoint`]; [`Reason::MissingClientAuthentication`] for a public client
    /// (RFC 6749 §4.4).
    pub fn new(server: &ServerMetadata, client: &ClientMetadata) -> Result<Self> {
        if !client.auth().is_confidential() {
            return Err(Error::new(ErrorKind::Config, Reason::MissingClientAuthentication));
        }
        Ok(Self { request: TokenRequest::new(server)?, scope: None })
    }
}

impl Exchange for ClientCredentialsGrant {
    type Output = TokenResponse;

    fn retry(&self) -> Retry {
        Retry::REPEATABLE
    }

    fn request(&self, _: &Env<'_>) -> Result<Draft> {
        let mut form = self.request.form("client_credentials");
        form.push("scope", self.scope.as_ref().map_or("", Scope::as_str));
        Ok(self.request.draft(form))
    }

    fn response(&self, response: Response, asked: Timestamp, _: &Env<'_>) -> Result<TokenResponse> {
        self.request.read(&response, asked)
    }
}
