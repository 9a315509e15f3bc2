//! Tokens in the client's own name.

use std::sync::Arc;

use valetkey_proto::{
    Error, ErrorKind, Reason, Result,
    oauth2::{Scope, binding::Dpop, grant::ClientCredentialsGrant, token::TokenSet},
};

use super::{Client, binding::hold};
use crate::session::{Renewal, Session};

/// What a program asks for in its own name. [`session`](Self::session) asks.
#[derive(Clone, Debug)]
#[must_use]
pub struct ClientCredentials {
    client: Client,
    scope: Option<String>,
    parameters: Vec<(String, String)>,
}

impl ClientCredentials {
    pub(super) fn new(client: Client) -> Self {
        Self { client, scope: None, parameters: Vec::new() }
    }

    /// Asks for this scope, in place of one said before.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// Adds a parameter, such as `audience`.
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }

    /// A session in the client's own name. It gets its first token when it is first needed, and another one
    /// by [`Session::refresh`].
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::MissingClientAuthentication`] for a public client (RFC 6749 §4.4),
    /// [`Reason::InvalidValue`] in the scope, [`Reason::UnsupportedAlgorithm`] if no key can be made for the server.
    pub fn session(self) -> Result<Session> {
        if !self.client.is_confidential() {
            return Err(Error::new(ErrorKind::Config, Reason::MissingClientAuthentication));
        }
        Scope::parse(self.scope.as_deref().unwrap_or_default())?;
        let client = self.client.clone();
        let dpop = client.new_key(client.known()?.server())?;
        Ok(Session::new(client, Renewal::ClientCredentials(Arc::new(self)), None, dpop))
    }

    /// Gets tokens, once.
    ///
    /// # Errors
    ///
    /// `Denied`: [`Reason::RequestDenied`]. Otherwise whatever is wrong with the response, or what discovery
    /// ends with.
    pub(crate) async fn fetch(&self, dpop: Option<&Dpop>) -> Result<TokenSet> {
        let relation = self.client.relation().await?;
        let mut grant = ClientCredentialsGrant::new(relation.server(), relation.client())?
            .with_strictness(self.client.strictness());
        if let Some(scope) = &self.scope {
            grant = grant.with_scope(scope)?;
        }
        for (name, value) in &self.parameters {
            grant = grant.with_parameter(name, value)?;
        }
        let requested = grant.scope().cloned();
        let response = self.client.call_as(&relation, grant, dpop.cloned()).await?;
        hold(&response, requested.as_ref(), dpop)
    }
}
