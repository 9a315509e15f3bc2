//! The user's trip to the server (RFC 5849 §2.2).

use super::{
    AuthorizationUrl, PendingAuthorization, TemporaryCredentials,
    temporary::{Way, add},
};
use crate::{
    endpoint::Endpoint,
    error::Result,
    form::{self, Form},
    oauth2::authorization::with_joint,
};

/// Where users authorize, and what is said to the server there; the same value starts any number of sign-ins.
///
/// ```
/// use valetkey_proto::{endpoint::Endpoint, oauth1::AuthorizationRequest};
///
/// let request = AuthorizationRequest::new(Endpoint::parse("https://www.flickr.example/services/oauth/authorize")?)
///     .with_parameter("perms", "read")?;
/// assert!(request.with_parameter("oauth_token", "x").is_err());
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct AuthorizationRequest {
    endpoint: Endpoint,
    extra: Form,
}

impl AuthorizationRequest {
    /// At this endpoint.
    #[must_use]
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, extra: Form::new() }
    }

    /// Adds a parameter of the provider's, such as `perms`. An empty value adds nothing.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::ReservedParameter`](crate::Reason::ReservedParameter) for one that the protocol sets, or
    /// that is set already; [`Reason::InvalidValue`](crate::Reason::InvalidValue) for an empty name.
    pub fn with_parameter(mut self, name: &str, value: &str) -> Result<Self> {
        add(&mut self.extra, name, value)?;
        Ok(self)
    }

    /// Begins one sign-in: the URL for the browser, and what must be kept until the user comes back.
    #[must_use]
    pub fn start(&self, credentials: TemporaryCredentials) -> (AuthorizationUrl, PendingAuthorization) {
        let mut url = with_joint(&self.endpoint);
        url.push_str("oauth_token=");
        form::encode(&mut url, credentials.pair.identifier.expose());
        if let Way::Legacy(Some(redirect_uri)) = &credentials.way {
            url.push_str("&oauth_callback=");
            form::encode(&mut url, redirect_uri.as_str());
        }
        if !self.extra.is_empty() {
            url.push('&');
            url.push_str(self.extra.expose());
        }
        (AuthorizationUrl::of(url), PendingAuthorization::new(self.server(), credentials))
    }

    /// What the server is told by.
    pub(super) fn server(&self) -> &str {
        self.endpoint.as_str()
    }
}
