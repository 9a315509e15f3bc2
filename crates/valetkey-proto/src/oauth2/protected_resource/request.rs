//! Asking an API what it is (RFC 9728 §3, §5).

use http::HeaderMap;
use valetkey_http::Response;

use super::{ResourceIdentifier, ResourceMetadata};
use crate::{
    call::{Exchange, Retry},
    draft::Draft,
    endpoint::Endpoint,
    error::{Error, ErrorKind, Reason, Result},
    flow::Env,
    header::Challenge,
    oauth2::server::MetadataSigner,
    response::{document::Document, json},
    time::Timestamp,
};

/// Fetches the metadata of an API. It is called by nobody in particular:
/// [`Call::anonymous`](crate::Call::anonymous).
///
/// ```
/// use valetkey_proto::{Call, oauth2::protected_resource::{ResourceIdentifier, ResourceMetadataRequest}};
///
/// let resource = ResourceIdentifier::parse("https://api.example/v1")?;
/// let call = Call::anonymous(ResourceMetadataRequest::new(&resource)?);
///
/// // Or from where the API says that its metadata is, when it refuses a request.
/// let mut headers = http::HeaderMap::new();
/// headers.insert("www-authenticate", http::HeaderValue::from_static(
///     "Bearer resource_metadata=\"https://api.example/.well-known/oauth-protected-resource/v1\"",
/// ));
/// let call = Call::anonymous(ResourceMetadataRequest::challenged(&resource, &headers)?);
/// # let _ = call;
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ResourceMetadataRequest {
    resource: ResourceIdentifier,
    url: Endpoint,
    signer: Option<MetadataSigner>,
}

impl ResourceMetadataRequest {
    /// The document at the API's well-known URL (RFC 9728 §3.1).
    ///
    /// # Errors
    ///
    /// As [`ResourceIdentifier::metadata_url`].
    pub fn new(resource: &ResourceIdentifier) -> Result<Self> {
        Ok(Self { resource: resource.clone(), url: resource.metadata_url()?, signer: None })
    }

    /// The document that the API names when it refuses a request (RFC 9728 §5.1), in the first challenge that names one.
    /// The API is called as the URL that the request went to, and the document must call it the same (§3.3).
    ///
    /// # Errors
    ///
    /// `Protocol`: [`Reason::MissingParameter`] if no challenge names a document; as [`Challenge::parse_all`] and
    /// [`at`](Self::at). `Untrusted`: [`Reason::OriginNotAllowed`] if it is on another origin than the API.
    ///
    /// # Security
    ///
    /// A document on another origin may be right, but who answers there need not be the API. Read the challenge, and if
    /// you know the place, say [`at`](Self::at).
    pub fn challenged(resource: &ResourceIdentifier, headers: &HeaderMap) -> Result<Self> {
        let challenges = Challenge::parse_all(headers)?;
        let url = challenges.iter().find_map(|challenge| challenge.parameter(PARAMETER));
        let missing = || Error::new(ErrorKind::Protocol, Reason::MissingParameter).with_detail(PARAMETER);
        let request = Self::at(resource, url.ok_or_else(missing)?)?;
        if request.url.origin() != resource.origin() {
            return Err(Error::new(ErrorKind::Untrusted, Reason::OriginNotAllowed).with_detail(PARAMETER));
        }
        Ok(request)
    }

    /// The document at this URL, of which the API or somebody else has told; it may be on another origin.
    ///
    /// # Errors
    ///
    /// `Protocol`: [`Reason::InvalidUrl`], [`Reason::InsecureUrl`]. `Untrusted`: [`Reason::AddressNotAllowed`], as
    /// [`Endpoint::learned`] has it.
    pub fn at(resource: &ResourceIdentifier, url: &str) -> Result<Self> {
        let url =
            Endpoint::told_by(resource.endpoint(), url).map_err(|error| error.with_detail(PARAMETER))?;
        Ok(Self { resource: resource.clone(), url, signer: None })
    }

    /// Demands that the metadata is signed by somebody who is trusted.
    #[must_use]
    pub fn signed_by(mut self, signer: &MetadataSigner) -> Self {
        self.signer = Some(signer.clone());
        self
    }

    /// Where it is asked for.
    #[must_use]
    pub fn url(&self) -> &Endpoint {
        &self.url
    }
}

/// RFC 9728 §5.1.
const PARAMETER: &str = "resource_metadata";

impl Exchange for ResourceMetadataRequest {
    type Output = ResourceMetadata;

    fn retry(&self) -> Retry {
        Retry::IDEMPOTENT
    }

    fn request(&self, _: &Env<'_>) -> Result<Draft> {
        Ok(Draft::get(&self.url))
    }

    fn response(&self, response: Response, _: Timestamp, env: &Env<'_>) -> Result<ResourceMetadata> {
        json(&response)?;
        let mut document = Document::new(response.body());
        if let Some(signer) = &self.signer {
            document = signer.verified(&document, "resource", env)?;
        }
        ResourceMetadata::read(&self.resource, &self.url, document)
    }
}
