//! Signing in on a device that has no browser, by a browser elsewhere (RFC 8628).

mod polling;
mod response;

use valetkey_http::Response;

pub use polling::DevicePolling;
pub use response::DeviceAuthorizationResponse;

use super::TokenRequest;
use crate::{
    call::{Exchange, Retry},
    draft::Draft,
    error::Result,
    flow::Env,
    form::Form,
    oauth2::{Scope, profile::RequestKind, server::ServerMetadata, token::TokenResponse},
    time::Timestamp,
};

/// Asks for a code that the user types in a browser elsewhere (RFC 8628 §3.1).
///
/// ```
/// use valetkey_proto::oauth2::{grant::DeviceAuthorizationRequest, server::{Issuer, ServerMetadata}};
///
/// let server = ServerMetadata::new(Issuer::parse("https://as.example")?)
///     .with_endpoint("device_authorization_endpoint", "https://as.example/device_authorization")?;
/// let request = DeviceAuthorizationRequest::new(&server)?.with_scope("tv")?;
/// # let _ = request;
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[doc(alias = "RFC 8628")]
#[derive(Clone, Debug)]
pub struct DeviceAuthorizationRequest {
    pub(super) request: TokenRequest,
    pub(super) scope: Option<Scope>,
}

impl DeviceAuthorizationRequest {
    /// A code of this server.
    ///
    /// # Errors
    ///
    /// As [`ServerMetadata::endpoint`].
    pub fn new(server: &ServerMetadata) -> Result<Self> {
        let endpoint = server.endpoint("device_authorization_endpoint")?;
        Ok(Self {
            request: TokenRequest::to(server, endpoint, RequestKind::DeviceAuthorization),
            scope: None,
        })
    }
}

impl Exchange for DeviceAuthorizationRequest {
    type Output = DeviceAuthorizationResponse;

    /// A code that nobody sees expires by itself.
    fn retry(&self) -> Retry {
        Retry { maybe: 1, ..Retry::REPEATABLE }
    }

    fn request(&self, _: &Env<'_>) -> Result<Draft> {
        let mut form = Form::new();
        form.push("scope", self.scope.as_ref().map_or("", Scope::as_str));
        Ok(self.request.draft(form))
    }

    fn response(
        &self,
        response: Response,
        asked: Timestamp,
        _: &Env<'_>,
    ) -> Result<DeviceAuthorizationResponse> {
        DeviceAuthorizationResponse::parse(&response, asked)
    }
}

/// Asks once whether the user has decided (RFC 8628 §3.4). [`DevicePolling`] asks until it is so.
#[derive(Clone, Debug)]
pub struct DeviceCodeGrant {
    pub(super) request: TokenRequest,
    device: DeviceAuthorizationResponse,
}

impl DeviceCodeGrant {
    /// Asks about this code, which must be this server's.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::MissingEndpoint`](crate::Reason::MissingEndpoint).
    pub fn new(server: &ServerMetadata, device: &DeviceAuthorizationResponse) -> Result<Self> {
        Ok(Self { request: TokenRequest::new(server)?, device: device.clone() })
    }
}

impl Exchange for DeviceCodeGrant {
    type Output = TokenResponse;

    /// When to ask again is what polling is about.
    fn retry(&self) -> Retry {
        Retry::NEVER
    }

    /// A poll that is lost is asked again, and there are many.
    fn fresh(&self) -> bool {
        false
    }

    fn request(&self, _: &Env<'_>) -> Result<Draft> {
        let mut form = self.request.form("urn:ietf:params:oauth:grant-type:device_code");
        form.push("device_code", self.device.device_code().expose());
        Ok(self.request.draft(form))
    }

    fn response(&self, response: Response, asked: Timestamp, _: &Env<'_>) -> Result<TokenResponse> {
        self.request.read(&response, asked)
    }
}
