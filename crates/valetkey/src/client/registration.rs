//! Becoming a client: registering with a server (RFC 7591), and managing that (RFC 7592).

use std::fmt;

use valetkey_proto::{
    Call, Exchange, Result,
    crypto::SignatureAlgorithm,
    oauth2::{
        endpoint::registration::{
            DeleteRequest, ReadRequest, Registration, RegistrationMetadata, RegistrationRequest,
            UpdateRequest,
        },
        server::{Discovery, Issuer, ServerMetadata},
    },
    secret::AccessToken,
};

use super::ClientBuilder;
use crate::{Runtime, run::run};

/// Registers clients with one server.
///
/// ```
/// use valetkey::{Registrar, Runtime, oauth2::endpoint::registration::{Registration, RegistrationMetadata}};
/// use valetkey_testkit::{OpenId, Provider, block_on};
///
/// # block_on(async {
/// let provider = Provider::builder().openid(OpenId::new()).build();
/// let registrar = Registrar::discover(Runtime::new(provider.clone()), "https://issuer.test").await?;
/// let metadata = RegistrationMetadata::new()
///     .with_client_name("My App")?
///     .with_redirect_uri("https://my-app.example/cb")?;
/// let registration = registrar.register(metadata).await?;
///
/// // Keep this text as you would keep a password; read it when the program starts again.
/// let text = registration.to_text();
/// let registration = Registration::parse(text.expose())?;
///
/// let client = registrar.client(&registration, Some("https://my-app.example/cb"))?.build().await?;
/// let (url, pending) = client.authorize().scope("read").start().await?;
/// let session = client.redeem(pending, provider.visit(&url).expect("the user approves")).await?;
/// # let _ = session;
/// # Ok::<(), valetkey::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Registrar {
    runtime: Runtime,
    server: ServerMetadata,
    /// Whether the metadata was fetched, so that clients fetch it, too.
    is_discovered: bool,
    token: Option<AccessToken>,
}

impl Registrar {
    /// With the server of this issuer, whose metadata is fetched.
    ///
    /// # Errors
    ///
    /// As [`Issuer::parse`], and what [`Discovery`] ends with.
    pub async fn discover(runtime: Runtime, issuer: &str) -> Result<Self> {
        Self::discover_issuer(runtime, &Issuer::parse(issuer)?).await
    }

    /// With the server of this issuer, which was learned from somebody: requests to it go to the addresses that
    /// [it says](Issuer::with_addresses), and so do those of its clients.
    ///
    /// # Errors
    ///
    /// What [`Discovery`] ends with.
    pub async fn discover_issuer(runtime: Runtime, issuer: &Issuer) -> Result<Self> {
        let server = run(Discovery::new(issuer)?, &runtime).await?;
        Ok(Self { is_discovered: true, ..Self::new(runtime, server) })
    }

    /// With the server of this metadata.
    #[must_use]
    pub fn new(runtime: Runtime, server: ServerMetadata) -> Self {
        Self { runtime, server, is_discovered: false, token: None }
    }

    /// Shows a token that the server gave beforehand to those who may register.
    #[must_use]
    pub fn with_initial_access_token(mut self, token: AccessToken) -> Self {
        self.token = Some(token);
        self
    }

    /// The server.
    #[must_use]
    pub fn server(&self) -> &ServerMetadata {
        &self.server
    }

    /// Registers a client. Keep the registration.
    ///
    /// # Errors
    ///
    /// As [`RegistrationRequest::new`]. `Denied`: [`Reason::RequestDenied`](crate::Reason::RequestDenied) if the server
    /// refuses it. `Transport` or `Timeout`: [`Reason::OutcomeUnknown`](crate::Reason::OutcomeUnknown) if it cannot be
    /// known whether there is such a client now. `Protocol`: whatever is wrong with the answer.
    pub async fn register(&self, metadata: RegistrationMetadata) -> Result<Registration> {
        let mut request = RegistrationRequest::new(&self.server, metadata)?;
        if let Some(token) = &self.token {
            request = request.with_initial_access_token(token.clone());
        }
        self.call(request).await
    }

    /// Asks how a client is registered. Keep the answer in place of the registration.
    ///
    /// # Errors
    ///
    /// `Store`: [`Reason::IssuerMismatch`](crate::Reason::IssuerMismatch) if another server registered it. As
    /// [`Registration::management`]. `Denied` if the server knows it no more. `Protocol`: whatever is wrong with the
    /// answer.
    pub async fn read(&self, registration: &Registration) -> Result<Registration> {
        registration.check(self.server.issuer())?;
        self.call(ReadRequest::new(registration)?).await
    }

    /// Registers a client with other metadata. Keep the answer in place of the registration.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub async fn update(
        &self,
        registration: &Registration,
        metadata: RegistrationMetadata,
    ) -> Result<Registration> {
        registration.check(self.server.issuer())?;
        self.call(UpdateRequest::new(registration, metadata)?).await
    }

    /// Ends a registration, and all tokens that the client has with it.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub async fn delete(&self, registration: &Registration) -> Result<()> {
        registration.check(self.server.issuer())?;
        self.call(DeleteRequest::new(registration)?).await
    }

    /// The client that was registered, to whom the browser comes back at this redirect URI, if at any.
    ///
    /// One that is registered with a key is given it by [`ClientBuilder::auth`], and one whose tokens are encrypted what
    /// decrypts them, by [`ClientBuilder::id_token_decrypter`].
    ///
    /// # Errors
    ///
    /// `Store`: [`Reason::IssuerMismatch`](crate::Reason::IssuerMismatch) if another server registered it. As
    /// [`Registration::client_at`].
    pub fn client(&self, registration: &Registration, redirect_uri: Option<&str>) -> Result<ClientBuilder> {
        registration.check(self.server.issuer())?;
        let now = self.runtime.now();
        let client = match redirect_uri {
            Some(uri) => registration.client_at(uri, now)?,
            None => registration.client(now)?,
        };
        let mut builder =
            ClientBuilder::on(self.runtime.clone()).id(client.id().as_str()).auth(client.auth().clone());
        if let Some(uri) = redirect_uri {
            builder = builder.redirect_uri(uri);
        }
        let algorithm = |name| registration.metadata().text(name).and_then(SignatureAlgorithm::parse);
        if let Some(algorithm) = algorithm("id_token_signed_response_alg") {
            builder = builder.id_token_algorithm(algorithm);
        }
        if let Some(algorithm) = algorithm("userinfo_signed_response_alg") {
            builder = builder.user_info_algorithm(algorithm);
        }
        Ok(if self.is_discovered {
            builder.discover_issuer(self.server.issuer())
        } else {
            builder.server(self.server.clone())
        })
    }

    /// Nobody in particular calls: there is no client yet, or the exchange brings its own token.
    async fn call<E: Exchange>(&self, exchange: E) -> Result<E::Output> {
        run(Call::anonymous(exchange), &self.runtime).await
    }
}

impl fmt::Debug for Registrar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registrar").field("issuer", self.server.issuer()).finish_non_exhaustive()
    }
}
