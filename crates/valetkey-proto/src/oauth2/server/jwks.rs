//! The keys that a server publishes (RFC 8414 §2, OpenID Connect Discovery §3: `jwks_uri`).

use valetkey_http::Response;

use super::ServerMetadata;
use crate::{
    call::{Exchange, Retry},
    draft::Draft,
    endpoint::Endpoint,
    error::Result,
    flow::Env,
    jose::Jwks,
    response::json,
    time::Timestamp,
};

/// Fetches the keys by which a server signs, at most 256 KiB and 100 of them.
///
/// ```
/// use valetkey_proto::oauth2::server::{Issuer, JwksRequest, ServerMetadata};
///
/// let server = ServerMetadata::new(Issuer::parse("https://op.example")?)
///     .with_endpoint("jwks_uri", "https://op.example/jwks")?;
/// let request = JwksRequest::new(&server)?;
/// # let _ = request;
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct JwksRequest {
    url: Endpoint,
}

impl JwksRequest {
    /// The keys of this server.
    ///
    /// # Errors
    ///
    /// As [`ServerMetadata::endpoint`].
    pub fn new(server: &ServerMetadata) -> Result<Self> {
        Ok(Self { url: server.endpoint("jwks_uri")? })
    }

    /// Where they are.
    #[must_use]
    pub fn url(&self) -> &Endpoint {
        &self.url
    }
}

impl Exchange for JwksRequest {
    type Output = Jwks;

    fn retry(&self) -> Retry {
        Retry::IDEMPOTENT
    }

    fn request(&self, _: &Env<'_>) -> Result<Draft> {
        Ok(Draft::get(&self.url))
    }

    fn response(&self, response: Response, _: Timestamp, _: &Env<'_>) -> Result<Jwks> {
        Jwks::parse(json(&response)?).map_err(|error| error.with_status(response.status()))
    }
}
