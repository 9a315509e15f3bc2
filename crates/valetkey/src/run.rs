//! The driver: it does what a flow asks for, until the flow is done.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use valetkey_http::{Addresses, Backend, BoxError, Limits};
use valetkey_proto::{
    Demand, Env, Event, Flow, Result, Signing, Step, Timestamp,
    crypto::{CryptoProvider, SystemRandom},
    random::SecureRandom,
};

/// Signs by keys that are elsewhere: a KMS, an HSM, an agent.
#[async_trait]
pub trait RemoteSigner: Send + Sync + fmt::Debug {
    /// Signs `signing.message` by the key of the name `signing.key.name()`; ECDSA signatures are r‖s.
    ///
    /// # Errors
    ///
    /// Whatever the signer fails with; the flow ends with
    /// [`Reason::SigningFailed`](valetkey_proto::Reason::SigningFailed).
    async fn sign(&self, signing: &Signing) -> Result<Vec<u8>, BoxError>;
}

/// What it takes to run flows: a backend, and where time, randomness, cryptography and signatures come from.
///
/// ```
/// use valetkey::Runtime;
/// use valetkey_testkit::Provider;
///
/// let provider = Provider::new();
/// let runtime = Runtime::new(provider.clone()).with_random(provider.random());
/// # let _ = runtime;
/// ```
#[derive(Clone)]
pub struct Runtime {
    backend: Arc<dyn Backend>,
    random: Arc<dyn SecureRandom>,
    crypto: CryptoProvider,
    signer: Option<Arc<dyn RemoteSigner>>,
    limits: Limits,
    allows_private: bool,
}

impl Runtime {
    /// This backend, the system's randomness, *ring*, and the default limits.
    #[must_use]
    pub fn new(backend: impl Backend) -> Self {
        Self {
            backend: Arc::new(backend),
            random: Arc::new(SystemRandom::new()),
            crypto: CryptoProvider::ring(),
            signer: None,
            limits: Limits::default(),
            allows_private: false,
        }
    }

    /// Another source of randomness: a seeded one, for tests.
    #[must_use]
    pub fn with_random(mut self, random: Arc<dyn SecureRandom>) -> Self {
        self.random = random;
        self
    }

    /// Another provider of cryptography.
    #[must_use]
    pub fn with_crypto(mut self, crypto: CryptoProvider) -> Self {
        self.crypto = crypto;
        self
    }

    /// A signer for keys that are elsewhere.
    #[must_use]
    pub fn with_signer(mut self, signer: impl RemoteSigner + 'static) -> Self {
        self.signer = Some(Arc::new(signer));
        self
    }

    /// Other deadlines. The cap on bodies is the flow's.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sends requests also to private addresses that the names in learned URLs lead to: for servers inside of a network
    /// whose metadata names endpoints on several hosts.
    ///
    /// What a URL says by itself stays refused: an issuer with a public name cannot name `https://10.0.0.1/`.
    /// [`ServerMetadata::with_endpoint`](crate::oauth2::server::ServerMetadata::with_endpoint) can. And
    /// [`Limits::addresses`], if the program sets it, holds.
    ///
    /// # Security
    ///
    /// Without this, a URL that a server names on another host than its own is asked for at public addresses alone, so
    /// that no server on the Internet has the program make requests inside of its network (RFC 9728 §7.7). Say it only
    /// where every issuer that the program knows is inside, too.
    #[must_use]
    pub fn with_private_addresses(mut self) -> Self {
        self.allows_private = true;
        self
    }

    /// Something from 0 to 255, by which those who do the same do it at different times; without randomness, the middle.
    pub(crate) fn draw(&self) -> u8 {
        let mut byte = [128];
        let _ = self.random.fill(&mut byte);
        byte[0]
    }

    /// The limits of one send.
    fn limits(&self, mut demand: Demand) -> Limits {
        if self.allows_private {
            demand.addresses = Addresses::Any;
        }
        demand.limits(self.limits)
    }

    /// The backend.
    #[must_use]
    pub fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    /// The time of the backend's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.backend.now().into()
    }

    /// What a step may know of the world, now.
    #[must_use]
    pub fn env(&self) -> Env<'_> {
        Env { now: self.now(), random: &*self.random, crypto: &self.crypto }
    }

    async fn sign(&self, signing: &Signing) -> Result<Vec<u8>, BoxError> {
        match &self.signer {
            Some(signer) => signer.sign(signing).await,
            None => Err("no signer".into()),
        }
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// Runs a flow to its end.
///
/// Dropping the future abandons the flow where it is; a request that is under way may still be acted on.
///
/// ```
/// use valetkey::{Runtime, oauth2::server::{Discovery, Issuer}, run};
/// use valetkey_testkit::{Provider, block_on};
///
/// let discovery = Discovery::new(&Issuer::parse("https://issuer.test")?)?;
/// let server = block_on(run(discovery, &Runtime::new(Provider::new())))?;
/// assert_eq!(server.token_endpoint()?.as_str(), "https://issuer.test/token");
/// # Ok::<(), valetkey::Error>(())
/// ```
///
/// # Errors
///
/// Whatever ends the flow.
pub async fn run<F: Flow>(mut flow: F, runtime: &Runtime) -> Result<F::Output> {
    // Not the `Arc`, which is a backend too, and would put each send into one more box.
    let backend = &*runtime.backend;
    let mut event = Event::Go;
    loop {
        event = match flow.step(event, &runtime.env())? {
            Step::Send(request, demand) => match backend.send(request, runtime.limits(demand)).await {
                Ok(response) => Event::Response(response),
                Err(failure) => Event::Failure(failure),
            },
            Step::Sign(signing) => Event::Signed(runtime.sign(&signing).await),
            Step::Wait(time) => {
                backend.sleep(time).await;
                Event::Go
            }
            Step::Done(output) => return Ok(output),
        };
    }
}
