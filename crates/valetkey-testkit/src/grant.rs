//! Grants that a client may use only if that is registered: those for tokens of others, and those of old.

/// A grant beyond those that every client may use.
///
/// ```
/// use valetkey_testkit::{Grant, Provider, RegisteredClient};
///
/// let gateway = RegisteredClient::confidential("gateway", "s3cret").grants([Grant::TokenExchange]);
/// let provider = Provider::builder().client(gateway).outside_token("eyJhbGciOi.e30.c2ln", "alice").build();
/// # drop(provider);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Grant {
    /// Token exchange (RFC 8693). The provider takes its own access tokens, and
    /// [others](crate::ProviderBuilder::outside_token) that it was told of.
    TokenExchange,
    /// SAML 2.0 bearer assertions (RFC 7522): [tokens](crate::ProviderBuilder::outside_token) that it was told of.
    SamlBearer,
    /// Names and [passwords](crate::ProviderBuilder::password) (RFC 6749 §4.3).
    Password,
    /// `response_type=token` (RFC 6749 §4.2).
    Implicit,
    /// A grant of this type, whose parameters nobody looks at (RFC 6749 §4.5).
    Extension(String),
}

impl Grant {
    /// The value of `grant_type`.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::TokenExchange => "urn:ietf:params:oauth:grant-type:token-exchange",
            Self::SamlBearer => "urn:ietf:params:oauth:grant-type:saml2-bearer",
            Self::Password => "password",
            Self::Implicit => "implicit",
            Self::Extension(name) => name,
        }
    }
}
