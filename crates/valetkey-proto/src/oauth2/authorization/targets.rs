//! What a sign-in asks for beside a scope: for which APIs (RFC 8707), and what for in detail (RFC 9396).

use std::sync::Arc;

use super::{AuthorizationRequest, AuthorizationResponse};
use crate::{
    error::Result,
    jose::jwt::ClaimSet,
    oauth2::{AuthorizationDetails, Requested, ResourceIndicator, details},
};

/// ```
/// # use valetkey_proto::{
/// #     Env, Timestamp,
/// #     crypto::{CryptoProvider, SystemRandom},
/// #     oauth2::{
/// #         AuthorizationDetail, AuthorizationDetails, ResourceIndicator, authorization::AuthorizationRequest,
/// #         client::ClientMetadata, server::{Issuer, ServerMetadata},
/// #     },
/// # };
/// # let server = ServerMetadata::new(Issuer::parse("https://as.example")?)
/// #     .with_authorization_endpoint("https://as.example/authorize")?;
/// # let client = ClientMetadata::new("my-app")?.with_redirect_uri("https://my-app.example/cb")?;
/// # let env = Env { now: Timestamp::from_secs(0), random: &SystemRandom::new(), crypto: &CryptoProvider::ring() };
/// let details = AuthorizationDetails::new().with(AuthorizationDetail::new("account_information")?)?;
/// let request = AuthorizationRequest::new(&server, &client)?
///     .with_resource(ResourceIndicator::parse("https://cal.example/")?)?
///     .with_resource(ResourceIndicator::parse("https://contacts.example/")?)?
///     .with_authorization_details(details)?;
/// let (url, _) = request.start(&env)?;
/// assert!(url.as_str().contains("&resource=https%3A%2F%2Fcal.example%2F&resource=https%3A%2F%2Fcontacts.example%2F&"));
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
impl AuthorizationRequest {
    /// Asks for tokens for this API; may be said several times. The exchange of the code asks for the same, unless it is told
    /// otherwise.
    ///
    /// # Errors
    ///
    /// As [`Requested::with_resource`].
    pub fn with_resource(mut self, resource: ResourceIndicator) -> Result<Self> {
        let requested = self.asked.requested.clone().with_resource(resource)?;
        Arc::make_mut(&mut self.asked).requested = requested;
        Ok(self)
    }

    /// Asks for tokens that are good for this.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::ReservedParameter`](crate::Reason::ReservedParameter) if it was said before.
    pub fn with_authorization_details(mut self, all: AuthorizationDetails) -> Result<Self> {
        let requested = self.asked.requested.clone().with_first_details(all)?;
        Arc::make_mut(&mut self.asked).requested = requested;
        Ok(self)
    }

    /// Asks for what was asked for before, but for the scope, which is said by itself; what was said here already counts.
    pub(in crate::oauth2) fn with_requested(mut self, before: &Requested) -> Result<Self> {
        let said = self.asked.requested.clone();
        let details = said.authorization_details().cloned();
        let details = details.or_else(|| before.authorization_details().cloned());
        let mut requested = before.clone().with_scope(None).with_authorization_details(details);
        for resource in said.resources() {
            requested = requested.with_resource(resource.clone())?;
        }
        Arc::make_mut(&mut self.asked).requested = requested;
        Ok(self)
    }

    /// Puts it into a request object, by its types: several resources are a list there, as there is one claim of a name.
    pub(super) fn add_requested(&self, claims: &mut ClaimSet) -> Result<()> {
        let requested = &self.asked.requested;
        let resources: Vec<_> = requested.resources().iter().map(ResourceIndicator::as_str).collect();
        match resources[..] {
            [] => {}
            [one] => drop(claims.text("resource", one)?),
            _ => drop(claims.texts("resource", &resources)?),
        }
        if let Some(all) = requested.authorization_details() {
            claims.json(details::NAME, &all.to_json())?;
        }
        Ok(())
    }
}

impl AuthorizationResponse {
    /// What was asked for: the scope, the APIs, and what for.
    #[must_use]
    pub fn requested(&self) -> Requested {
        self.asked.requested.clone().with_scope(self.asked.scope.clone())
    }

    /// The APIs that were asked for.
    pub(crate) fn resources(&self) -> &[ResourceIndicator] {
        self.asked.requested.resources()
    }
}
