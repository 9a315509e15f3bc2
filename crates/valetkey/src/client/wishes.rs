//! What a program asks for in its own name, whatever it shows for it.

use valetkey_proto::{Result, oauth2::Scope};

/// A scope, and parameters that the standard does not have.
#[derive(Clone, Debug, Default)]
pub(super) struct Wishes {
    pub(super) scope: Option<String>,
    pub(super) parameters: Vec<(String, String)>,
}

impl Wishes {
    pub(super) fn check(&self) -> Result<()> {
        Scope::parse(self.scope.as_deref().unwrap_or_default()).map(drop)
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
        for (name, value) in &self.parameters {
            grant = with_parameter(grant, name, value)?;
        }
        Ok(grant)
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

            /// Adds a parameter, such as `audience`.
            pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
                self.wishes.parameters.push((name.into(), value.into()));
                self
            }
        }
    };
}
pub(super) use wishes;
