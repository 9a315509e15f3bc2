//! Grants that this crate does not know (RFC 6749 §4.5).

use valetkey_http::Response;

use super::{TokenRequest, legacy};
use crate::{
    call::{Exchange, Retry},
    draft::Draft,
    error::{Error, ErrorKind, Reason, Result},
    flow::Env,
    oauth2::{Scope, server::ServerMetadata, token::TokenResponse},
    secret::Secret,
    time::Timestamp,
};

/// A grant of the program's own, by its name and its parameters.
///
/// It is sent once, unless [`with_retry`](Self::with_retry) says otherwise.
///
/// ```
/// use valetkey_proto::{
///     Retry,
///     oauth2::{grant::ExtensionGrant, server::{Issuer, ServerMetadata}},
///     secret::Secret,
/// };
///
/// let server = ServerMetadata::new(Issuer::parse("https://as.example")?).with_token_endpoint("https://as.example/token")?;
/// let grant = ExtensionGrant::new(&server, "https://as.example/grants/one-time-password")?
///     .with_parameter("device", "12")?
///     .with_secret("otp", &Secret::new("492039"))?
///     .with_scope("read")?
///     .with_retry(Retry::NEVER);
/// # let _ = grant;
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ExtensionGrant {
    pub(super) request: TokenRequest,
    grant_type: Box<str>,
    retry: Retry,
    pub(super) scope: Option<Scope>,
}

/// Parameters that are set by other means.
const RESERVED: [&str; 6] =
    ["client_assertion", "client_assertion_type", "client_id", "client_secret", "grant_type", "scope"];

impl ExtensionGrant {
    /// A grant of this type: a URI (RFC 6749 §4.5), or a name that a server has invented.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::MissingEndpoint`]. `Usage`: [`Reason::InvalidValue`] for an empty type, one with anything but
    /// visible ASCII, and for the one of [`legacy::PasswordGrant`].
    pub fn new(server: &ServerMetadata, grant_type: &str) -> Result<Self> {
        let is_name = !grant_type.is_empty() && grant_type.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_name || grant_type == legacy::GRANT_TYPE {
            return Err(Error::new(ErrorKind::Usage, Reason::InvalidValue).with_detail("grant_type"));
        }
        let (request, grant_type) = (TokenRequest::new(server)?, grant_type.into());
        Ok(Self { request, grant_type, retry: Retry::ONE_TIME, scope: None })
    }

    /// Adds a parameter.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::ReservedParameter`] for one that is set already, or by another method,
    /// [`Reason::InvalidValue`] for an empty name.
    pub fn with_parameter(mut self, name: &str, value: &str) -> Result<Self> {
        self.request.add_unless(&RESERVED, name, value)?;
        Ok(self)
    }

    /// Adds a parameter whose value is not to be seen.
    ///
    /// # Errors
    ///
    /// As [`with_parameter`](Self::with_parameter).
    pub fn with_secret(self, name: &str, value: &Secret) -> Result<Self> {
        self.with_parameter(name, value.expose())
    }

    /// Says how often the request may be sent again.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }
}

impl Exchange for ExtensionGrant {
    type Output = TokenResponse;

    fn retry(&self) -> Retry {
        self.retry
    }

    fn request(&self, _: &Env<'_>) -> Result<Draft> {
        let mut form = self.request.form(&self.grant_type);
        form.push("scope", self.scope.as_ref().map_or("", Scope::as_str));
        Ok(self.request.draft(form))
    }

    fn response(&self, response: Response, asked: Timestamp, _: &Env<'_>) -> Result<TokenResponse> {
        self.request.read(&response, asked)
    }
}
