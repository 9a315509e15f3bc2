//! Beginning to sign a user in.

use std::time::Duration;

use valetkey_proto::{
    Result,
    oauth2::authorization::{AuthorizationUrl, PendingAuthorization, ResponseMode, ResponseType},
};

use super::Client;

/// What is asked of the user's server. [`start`](Self::start) makes a URL of it.
#[derive(Clone, Debug)]
#[must_use]
pub struct Authorize {
    client: Client,
    scope: Option<String>,
    response_type: ResponseType,
    response_mode: Option<ResponseMode>,
    max_age: Option<Duration>,
    parameters: Vec<(String, String)>,
}

impl Authorize {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            scope: None,
            response_type: ResponseType::Code,
            response_mode: None,
            max_age: None,
            parameters: Vec::new(),
        }
    }

    /// Asks for this scope, in place of one said before.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scope = Some(scope.into());
        self
    }

    /// Asks for something else than a code.
    ///
    /// # Security
    ///
    /// See [`ResponseType`].
    pub fn response_type(mut self, response_type: ResponseType) -> Self {
        self.response_type = response_type;
        self
    }

    /// Asks the browser to bring the answer in this way, such as a posted form, and takes it in no other.
    pub fn response_mode(mut self, mode: ResponseMode) -> Self {
        self.response_mode = Some(mode);
        self
    }

    /// Asks that the user was authenticated no longer ago than this; the ID token must say so.
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = Some(max_age);
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
        if self.response_type != ResponseType::Code {
            request = request.with_response_type(self.response_type)?;
        }
        if let Some(mode) = self.response_mode {
            request = request.with_response_mode(mode)?;
        }
        if let Some(max_age) = self.max_age {
            request = request.with_max_age(max_age)?;
        }
        for (name, value) in &self.parameters {
            request = request.with_parameter(name, value)?;
        }
        request.start(&self.client.runtime().env())
    }
}
