//! What a program asks for in its own name, whatever it shows for it.

use valetkey_proto::{
    Result,
    oauth2::{AuthorizationDetails, Requested, ResourceIndicator, Scope},
};

use super::Client;

/// A scope, APIs, details, and parameters that the standard does not have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wishes {
    pub(crate) scope: Option<String>,
    pub(crate) resources: Vec<String>,
    pub(crate) details: Option<AuthorizationDetails>,
    pub(super) parameters: Vec<(String, String)>,
}

impl Wishes {
    /// What is kept of it with the tokens.
    ///
    /// # Errors
    ///
    /// As the types' own functions.
    pub(crate) fn requested(&self) -> Result<Requested> {
        let scope = self.scope.as_deref().map(Scope::parse).transpose()?;
        let requested = Requested::new().with_scope(scope).with_authorization_details(self.details.clone());
        self.resources.iter().try_fold(requested, |requested, resource| {
            requested.with_resource(ResourceIndicator::parse(resource)?)
        })
    }

    /// Puts all of it into a grant.
    pub(super) fn put<G>(
        &self,
        mut grant: G,
        with_scope: fn(G, &str) -> Result<G>,
        with_parameter: fn(G, &str, &str) -> Result<G>,
    ) -> Result<G> {
        if let Some(scope) = &self.scope {
            grant = with_scope(grant, scope)?;
        }
        for resource in &self.resources {
            grant = with_parameter(grant, "resource", resource)?;
        }
        if let Some(details) = &self.details {
            grant = with_parameter(grant, "authorization_details", &details.to_json())?;
        }
        for (name, value) in &self.parameters {
            grant = with_parameter(grant, name, value)?;
        }
        Ok(grant)
    }
}

impl Client {
    /// What is asked for unless a program says more: tokens for the API that the client is for, if it is for one.
    pub(super) fn wishes(&self) -> Wishes {
        Wishes { resources: self.resources(), ..Wishes::default() }
    }

    pub(super) fn resources(&self) -> Vec<String> {
        self.0.resource.iter().map(|resource| resource.to_string()).collect()
    }
}

/// How it is said.
macro_rules! wishes {
    ($name:ident) => {
        impl $name {
            /// Asks for this scope, in place of one said before. Some providers read it in an assertion instead.
            pub fn scope(mut self, scope: impl Into<String>) -> Self {
                self.wishes.scope = Some(scope.into());
                self
            }

            /// Asks for tokens for this API (RFC 8707): an absolute URI without a fragment. May be said several times; tokens
            /// that are got anew are for the same.
            ///
            /// # Security
            ///
            /// As [`Authorize::resource`](crate::Authorize::resource).
            pub fn resource(mut self, resource: impl Into<String>) -> Self {
                self.wishes.resources.push(resource.into());
                self
            }

            /// Asks for tokens that are good for this (RFC 9396), in place of what was said before.
            pub fn authorization_details(
                mut self,
                details: valetkey_proto::oauth2::AuthorizationDetails,
            ) -> Self {
                self.wishes.details = Some(details);
                self
            }

            /// Adds a parameter, such as `audience`.
            pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
                self.wishes.parameters.push((name.into(), value.into()));
                self
            }
        }
    };
}
pub(super) use wishes;
