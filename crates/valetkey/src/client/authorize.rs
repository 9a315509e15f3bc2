//! Beginning to sign a user in.

use valetkey_proto::{
    Result,
    oauth2::authorization::{AuthorizationUrl, PendingAuthorization},
};

use super::Client;

/// What is asked of the user's server. [`start`](Self::start) makes a URL of it.
#[derive(Clone, Debug)]
#[must_use]
pub struct Authorize {
    client: Client,
    scope: Option<String>,
    parameters: Vec<(String, String)>,
}

impl Authorize {
    pub(super) fn new(client: Client) -> Self {
        Self { client, scope: None, parameters: Vec::new() }
    }

    /// Asks for this scope, in place of one said before.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// Adds a parameter, such as `prompt` or `login_hint`.
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }

    /// Begins: the URL for the browser, and what to keep until the browser comes back.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::MissingRedirectUri`](crate::Reason::MissingRedirectUri),
    /// [`Reason::MissingEndpoint`](crate::Reason::MissingEndpoint),
    /// [`Reason::PkceUnsupported`](crate::Reason::PkceUnsupported),
    /// [`Reason::InvalidValue`](crate::Reason::InvalidValue) in the scope. `Usage`:
    /// [`Reason::ReservedParameter`](crate::Reason::ReservedParameter). Otherwise what discovery ends with, if
    /// the metadata is too old.
    pub async fn start(self) -> Result<(AuthorizationUrl, PendingAuthorization)> {
        let relation = self.client.relation().await?;
        let mut request = relation.authorization()?;
        if let Some(dpop) = self.client.new_key(relation.server())? {
            request = request.with_dpop(&dpop)?;
        }
        if let Some(scope) = &self.scope {
            request = request.with_scope(scope)?;
        }
        for (name, value) in &self.parameters {
            request = request.with_parameter(name, value)?;
        }
        request.start(&self.client.runtime().env())
    }
}
