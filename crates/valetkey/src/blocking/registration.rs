//! Registering clients, without async.

use valetkey_http::block_on;
use valetkey_proto::{
    Result,
    oauth2::{
        endpoint::registration::{Registration, RegistrationMetadata},
        server::{Issuer, ServerMetadata},
    },
    secret::AccessToken,
};

use crate::{ClientBuilder, Runtime};

/// Registers clients at a server; see [`crate::Registrar`].
///
/// ```
/// use valetkey::{Runtime, blocking::{Client, Registrar}, oauth2::endpoint::registration::RegistrationMetadata};
/// use valetkey_testkit::{OpenId, Provider};
///
/// let provider = Provider::builder().openid(OpenId::new()).build();
/// let registrar = Registrar::discover(Runtime::new(provider), "https://issuer.test")?;
/// let uri = "https://my-app.example/cb";
/// let registration = registrar.register(RegistrationMetadata::new().with_redirect_uri(uri)?)?;
/// let client = Client::build(registrar.client(&registration, Some(uri))?)?;
/// let (url, pending) = client.authorize().start()?;
/// # let _ = (url, pending);
/// # Ok::<(), valetkey::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Registrar(pub(super) crate::Registrar);

impl Registrar {
    /// With the server of this issuer, whose metadata is fetched.
    ///
    /// # Errors
    ///
    /// As [`crate::Registrar::discover`].
    pub fn discover(runtime: Runtime, issuer: &str) -> Result<Self> {
        block_on(crate::Registrar::discover(runtime, issuer)).map(Self)
    }

    /// With the server of this issuer, which was learned from somebody.
    ///
    /// # Errors
    ///
    /// As [`crate::Registrar::discover_issuer`].
    pub fn discover_issuer(runtime: Runtime, issuer: &Issuer) -> Result<Self> {
        block_on(crate::Registrar::discover_issuer(runtime, issuer)).map(Self)
    }

    /// With the server of this metadata.
    #[must_use]
    pub fn new(runtime: Runtime, server: ServerMetadata) -> Self {
        Self(crate::Registrar::new(runtime, server))
    }

    /// Shows a token that the server gave beforehand to those who may register.
    #[must_use]
    pub fn with_initial_access_token(self, token: AccessToken) -> Self {
        Self(self.0.with_initial_access_token(token))
    }

    /// The server.
    #[must_use]
    pub fn server(&self) -> &ServerMetadata {
        self.0.server()
    }

    /// Registers a client. Keep the registration.
    ///
    /// # Errors
    ///
    /// As [`crate::Registrar::register`].
    pub fn register(&self, metadata: RegistrationMetadata) -> Result<Registration> {
        block_on(self.0.register(metadata))
    }

    /// Asks how a client is registered. Keep the answer in place of the registration.
    ///
    /// # Errors
    ///
    /// As [`crate::Registrar::read`].
    pub fn read(&self, registration: &Registration) -> Result<Registration> {
        block_on(self.0.read(registration))
    }

    /// Registers a client with other metadata. Keep the answer in place of the registration.
    ///
    /// # Errors
    ///
    /// As [`crate::Registrar::update`].
    pub fn update(
        &self,
        registration: &Registration,
        metadata: RegistrationMetadata,
    ) -> Result<Registration> {
        block_on(self.0.update(registration, metadata))
    }

    /// Ends a registration, and all tokens that the client has with it.
    ///
    /// # Errors
    ///
    /// As [`crate::Registrar::delete`].
    pub fn delete(&self, registration: &Registration) -> Result<()> {
        block_on(self.0.delete(registration))
    }

    /// The client that was registered, for [`Client::build`](super::Client::build).
    ///
    /// # Errors
    ///
    /// As [`crate::Registrar::client`].
    pub fn client(&self, registration: &Registration, redirect_uri: Option<&str>) -> Result<ClientBuilder> {
        self.0.client(registration, redirect_uri)
    }
}
