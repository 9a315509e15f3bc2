//! Grants that nobody should use any more, for servers that have nothing else.

use std::fmt;

use valetkey_http::Response;

use super::TokenRequest;
use crate::{
    call::{Exchange, Retry},
    draft::Draft,
    error::{Error, ErrorKind, Reason, Result},
    flow::Env,
    oauth2::{Scope, server::ServerMetadata, token::TokenResponse},
    secret::Secret,
    time::Timestamp,
};

/// The type of [`PasswordGrant`].
pub(super) const GRANT_TYPE: &str = "password";

/// Exchanges a user's name and password for tokens (RFC 6749 §4.3).
///
/// It is sent once: a wrong password that is tried again may lock the account. The password is wiped with the grant.
///
/// ```
/// use valetkey_proto::{
///     oauth2::{grant::legacy::PasswordGrant, server::{Issuer, ServerMetadata}},
///     secret::Secret,
/// };
///
/// let server = ServerMetadata::new(Issuer::parse("https://as.example")?).with_token_endpoint("https://as.example/token")?;
/// let grant = PasswordGrant::new(&server, "johndoe", Secret::new("A3ddj3w"))?.with_scope("read")?;
/// # let _ = grant;
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
///
/// # Security
///
/// RFC 9700 §2.4 forbids it, and OAuth 2.1 does not have it: the program sees the password, the user learns to type it
/// into programs, and neither a second factor nor a sign-in elsewhere can come into it. Use it only to move away from it.
pub struct PasswordGrant {
    pub(super) request: TokenRequest,
    username: Box<str>,
    password: Secret,
    pub(super) scope: Option<Scope>,
}

impl PasswordGrant {
    /// Takes a user's name and password.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::MissingEndpoint`]. `Usage`: [`Reason::InvalidValue`] if the name is empty.
    pub fn new(server: &ServerMetadata, username: &str, password: Secret) -> Result<Self> {
        if username.is_empty() {
            return Err(Error::new(ErrorKind::Usage, Reason::InvalidValue).with_detail("username"));
        }
        Ok(Self { request: TokenRequest::new(server)?, username: username.into(), password, scope: None })
    }

    /// Adds a parameter that the standard does not have.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::ReservedParameter`] for one that the grant sets itself or that is set already,
    /// [`Reason::InvalidValue`] for an empty name.
    pub fn with_parameter(mut self, name: &str, value: &str) -> Result<Self> {
        if ["username", "password"].contains(&name) {
            return Err(Error::new(ErrorKind::Usage, Reason::ReservedParameter));
        }
        self.request.add(name, value)?;
        Ok(self)
    }
}

impl Exchange for PasswordGrant {
    type Output = TokenResponse;

    fn retry(&self) -> Retry {
        Retry::ONE_TIME
    }

    fn request(&self, _: &Env<'_>) -> Result<Draft> {
        let mut form = self.request.form(GRANT_TYPE);
        form.push("username", &self.username)
            .push("password", self.password.expose())
            .push("scope", self.scope.as_ref().map_or("", Scope::as_str));
        Ok(self.request.draft(form))
    }

    fn response(&self, response: Response, asked: Timestamp, _: &Env<'_>) -> Result<TokenResponse> {
        self.request.read(&response, asked)
    }
}

impl fmt::Debug for PasswordGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordGrant")
            .field("request", &self.request)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}
