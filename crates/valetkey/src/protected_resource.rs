//! From an API's URL to a client of its server (RFC 9728).

use std::fmt;

use http::HeaderMap;
use valetkey_proto::{
    Call, Reason, Result,
    oauth2::protected_resource::{ResourceIdentifier, ResourceMetadata, ResourceMetadataRequest},
};

use crate::{ClientBuilder, Registrar, Runtime, run::run};

/// An API that says whose tokens it takes: for programs that know no more of it than its URL.
///
/// ```
/// use valetkey::{ProtectedResource, Runtime};
/// use valetkey_testkit::{Provider, block_on};
///
/// # block_on(async {
/// let provider = Provider::builder().resource_metadata(true).build();
/// let api = ProtectedResource::discover(Runtime::new(provider.clone()), "https://issuer.test/api/me").await?;
/// assert_eq!(api.metadata().authorization_servers()[0].as_str(), "https://issuer.test");
///
/// let client = api.client().id("app").secret("app-secret").redirect_uri("https://client.test/cb").build().await?;
/// let (url, pending) = client.authorize().scope("read").start().await?;
/// let session = client.redeem(pending, provider.visit(&url).expect("the user approves")).await?;
/// let request = http::Request::get("https://issuer.test/api/me").body(bytes::Bytes::new()).expect("a request");
/// assert_eq!(session.send(request).await?.status(), 200);
/// # Ok::<(), valetkey::Error>(())
/// # }).unwrap();
/// ```
///
/// # Security
///
/// As [`ResourceMetadata`]: an API can name any server. A client's id and secret are for the server that gave them, and
/// for no other that an API names.
#[derive(Clone)]
pub struct ProtectedResource {
    runtime: Runtime,
    metadata: ResourceMetadata,
}

impl ProtectedResource {
    /// Asks the API of this URL what it is, at its well-known place.
    ///
    /// # Errors
    ///
    /// As [`ResourceIdentifier::parse`] and [`ResourceMetadata::parse`]; what asking ends with.
    pub async fn discover(runtime: Runtime, url: &str) -> Result<Self> {
        let request = ResourceMetadataRequest::new(&ResourceIdentifier::parse(url)?)?;
        Self::ask(runtime, request).await
    }

    /// Asks the API what it is that has refused a request to this URL, where the header of its answer says so; if it does
    /// not say, at the well-known place.
    ///
    /// The document must call the API exactly as the URL that the request went to (RFC 9728 §3.3). If the program knows
    /// by what shorter name the API goes, say that.
    ///
    /// ```
    /// # use valetkey::{ProtectedResource, Runtime};
    /// # use valetkey_testkit::{Provider, block_on};
    /// # block_on(async {
    /// # let provider = Provider::builder().resource_metadata(true).build();
    /// use valetkey_http::{Backend, Limits};
    ///
    /// let request = http::Request::get("https://issuer.test/api/me").body(bytes::Bytes::new()).expect("a request");
    /// let refused = provider.send(request, Limits::default()).await?;
    /// assert_eq!(refused.status(), 401);
    /// let runtime = Runtime::new(provider.clone());
    /// let api = ProtectedResource::challenged(runtime, "https://issuer.test/api/me", refused.headers()).await?;
    /// # let _ = api;
    /// # Ok::<(), valetkey::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As [`discover`](Self::discover) and [`ResourceMetadataRequest::challenged`].
    pub async fn challenged(runtime: Runtime, url: &str, headers: &HeaderMap) -> Result<Self> {
        let resource = ResourceIdentifier::parse(url)?;
        let request = match ResourceMetadataRequest::challenged(&resource, headers) {
            Err(error) if error.reason() == Reason::MissingParameter => {
                ResourceMetadataRequest::new(&resource)?
            }
            request => request?,
        };
        Self::ask(runtime, request).await
    }

    /// Asks as this request has it: at another place, or for metadata that is signed
    /// ([`ResourceMetadataRequest::signed_by`]).
    ///
    /// # Errors
    ///
    /// As [`discover`](Self::discover).
    pub async fn ask(runtime: Runtime, request: ResourceMetadataRequest) -> Result<Self> {
        let metadata = run(Call::anonymous(request), &runtime).await?;
        Ok(Self { runtime, metadata })
    }

    /// What the API says.
    #[must_use]
    pub fn metadata(&self) -> &ResourceMetadata {
        &self.metadata
    }

    /// Registers clients with the server that the API names, or with the one of this issuer among several. A client that is
    /// registered is one for the API by [`ClientBuilder::for_resource`].
    ///
    /// # Errors
    ///
    /// As [`ResourceMetadata::server`] and [`Registrar::discover`].
    ///
    /// # Security
    ///
    /// A registration is for the server that made it, and [`Registrar::client`] refuses another's: if an API names another
    /// server one day, register there anew.
    pub async fn registrar(&self, issuer: Option<&str>) -> Result<Registrar> {
        Registrar::discover_issuer(self.runtime.clone(), self.metadata.server(issuer)?).await
    }

    /// A client for the API: see [`ClientBuilder::for_resource`].
    pub fn client(&self) -> ClientBuilder {
        ClientBuilder::on(self.runtime.clone()).for_resource(&self.metadata)
    }
}

impl fmt::Debug for ProtectedResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProtectedResource").field("metadata", &self.metadata).finish_non_exhaustive()
    }
}
