//! APIs without async: what they say about themselves, and the tokens that they read.

use http::{HeaderMap, Request};
use valetkey_http::block_on;
use valetkey_proto::{
    Result,
    oauth2::protected_resource::{
        AccessTokenClaims, PresentedToken, Refusal, ResourceMetadata, ResourceMetadataRequest,
    },
};

use super::Registrar;
use crate::{ClientBuilder, ResourceServerBuilder, Runtime};

/// An API that says whose tokens it takes; see [`crate::ProtectedResource`].
#[derive(Clone, Debug)]
pub struct ProtectedResource(crate::ProtectedResource);

impl ProtectedResource {
    /// Asks the API of this URL what it is.
    ///
    /// # Errors
    ///
    /// As [`crate::ProtectedResource::discover`].
    pub fn discover(runtime: Runtime, url: &str) -> Result<Self> {
        block_on(crate::ProtectedResource::discover(runtime, url)).map(Self)
    }

    /// Asks the API what it is that has refused a request to this URL.
    ///
    /// # Errors
    ///
    /// As [`crate::ProtectedResource::challenged`].
    pub fn challenged(runtime: Runtime, url: &str, headers: &HeaderMap) -> Result<Self> {
        block_on(crate::ProtectedResource::challenged(runtime, url, headers)).map(Self)
    }

    /// Asks as this request has it.
    ///
    /// # Errors
    ///
    /// As [`crate::ProtectedResource::ask`].
    pub fn ask(runtime: Runtime, request: ResourceMetadataRequest) -> Result<Self> {
        block_on(crate::ProtectedResource::ask(runtime, request)).map(Self)
    }

    /// What the API says.
    #[must_use]
    pub fn metadata(&self) -> &ResourceMetadata {
        self.0.metadata()
    }

    /// Registers clients with the authorization server of the API.
    ///
    /// # Errors
    ///
    /// As [`crate::ProtectedResource::registrar`].
    pub fn registrar(&self, issuer: Option<&str>) -> Result<Registrar> {
        block_on(self.0.registrar(issuer)).map(Registrar)
    }

    /// A client for the API, for [`Client::build`](super::Client::build).
    pub fn client(&self) -> ClientBuilder {
        self.0.client()
    }
}

/// The side of an API; see [`crate::ResourceServer`].
#[derive(Clone, Debug)]
pub struct ResourceServer(crate::ResourceServer);

impl ResourceServer {
    /// Puts the side of an API together; see [`ResourceServerBuilder::build`].
    ///
    /// # Errors
    ///
    /// As [`ResourceServerBuilder::build`].
    pub fn build(builder: ResourceServerBuilder) -> Result<Self> {
        block_on(builder.build()).map(Self)
    }

    /// Verifies the token in a request's header.
    ///
    /// # Errors
    ///
    /// As [`crate::ResourceServer::verify`].
    pub fn verify<B>(&self, request: &Request<B>) -> std::result::Result<AccessTokenClaims, Refusal> {
        block_on(self.0.verify(request))
    }

    /// Verifies a token that was shown in some other way, or with a certificate.
    ///
    /// # Errors
    ///
    /// As [`crate::ResourceServer::verify`].
    pub fn verify_presented(
        &self,
        shown: &PresentedToken<'_>,
    ) -> std::result::Result<AccessTokenClaims, Refusal> {
        block_on(self.0.verify_presented(shown))
    }

    /// Whether a token gives access to all of this scope.
    ///
    /// # Errors
    ///
    /// As [`crate::ResourceServer::require`].
    pub fn require(&self, claims: &AccessTokenClaims, scope: &str) -> std::result::Result<(), Refusal> {
        self.0.require(claims, scope)
    }
}
