//! An API that reads the tokens that it is shown (RFC 9068).

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Request, Uri};
use valetkey_http::{Backend, Limits};
use valetkey_proto::{
    Error, ErrorKind, Reason, Result,
    crypto::{CryptoProvider, SignatureAlgorithm},
    endpoint::Endpoint,
    jose::{Jwks, VerifyingKeys, jwt::ReplayGuard},
    oauth2::{
        protected_resource::{
            AccessTokenClaims, AccessTokenVerifier, PresentedToken, Refusal, ResourceIdentifier,
        },
        server::{Issuer, MetadataSigner, ServerMetadata},
    },
};

use crate::{
    Runtime,
    kept::{self, Age, Published},
    keys::{KeyCache, KeyOwner},
    slot::Slot,
};

/// How many proofs are remembered, so that none is taken twice.
const REMEMBERED: usize = 100_000;

/// The side of an API: verifies the access tokens that requests show, which are JWTs (RFC 9068), by the server's keys,
/// which it keeps. It is cheap to clone.
///
/// ```
/// use valetkey::ResourceServer;
/// # use valetkey::Client;
/// use valetkey_testkit::{OpenId, Provider, block_on};
///
/// # block_on(async {
/// let provider = Provider::builder().openid(OpenId::new()).jwt_access_tokens("https://api.test").build();
/// # let client = Client::builder(provider.clone()).discover("https://issuer.test").id("service").secret("service-secret")
/// #     .api("https://api.test").build().await?;
/// # let session = client.client_credentials().scope("read").session()?;
/// # let mut request = http::Request::get("https://api.test/me").body(()).expect("a request");
/// # session.attach(&mut request).await?;
/// let api = ResourceServer::builder(provider.clone())
///     .discover("https://issuer.test")
///     .resource("https://api.test")
///     .build()
///     .await?;
///
/// // For each request:
/// let answer = match api.verify(&request).await {
///     Ok(claims) => match claims.require("read") {
///         Ok(()) => format!("hello, {}", claims.subject()),
///         Err(refusal) => return Err(refusal.into()),
///     },
///     // To be answered by `refusal.response()`.
///     Err(refusal) => return Err(refusal.into()),
/// };
/// assert_eq!(answer, "hello, service");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// # Security
///
/// As [`AccessTokenVerifier`]. Proofs are remembered in this process: where several take requests for one API, each takes
/// a proof once, within two minutes of its making (RFC 9449 §11.1).
#[derive(Clone)]
pub struct ResourceServer(Arc<Inner>);

struct Inner {
    runtime: Runtime,
    source: Source,
    known: Slot<Known>,
    keys: KeyCache<Known>,
    seen: Mutex<ReplayGuard>,
    /// Where clients see the API.
    base: Option<ResourceIdentifier>,
    metadata: Option<Endpoint>,
}

/// What the program said of the server and the API.
#[derive(Clone)]
struct Source {
    issuer: Issuer,
    /// `None` if the metadata is to be fetched.
    given: Option<ServerMetadata>,
    signer: Option<MetadataSigner>,
    resource: Box<str>,
    algorithms: Option<Vec<SignatureAlgorithm>>,
    leeway: Option<Duration>,
}

/// The server as it was known at a time.
struct Known {
    server: ServerMetadata,
    verifier: AccessTokenVerifier,
    age: Age,
}

impl Source {
    async fn discover(self, runtime: Runtime) -> Result<Known> {
        let (server, age) = match self.given {
            Some(server) => (server, Age::ENDLESS),
            None => kept::discover(&self.issuer, None, self.signer.as_ref(), &runtime).await?,
        };
        let mut verifier = AccessTokenVerifier::new(&server, &self.resource);
        if let Some(algorithms) = &self.algorithms {
            verifier = verifier.with_algorithms(algorithms);
        }
        if let Some(leeway) = self.leeway {
            verifier = verifier.with_leeway(leeway);
        }
        Ok(Known { server, verifier, age })
    }
}

impl Published for Known {
    fn age(&self) -> Age {
        self.age
    }
}

impl KeyOwner for Known {
    type Keys = VerifyingKeys;

    fn server(&self) -> &ServerMetadata {
        &self.server
    }

    fn needs_published_keys(&self) -> bool {
        true
    }

    fn keys(&self, published: &Jwks, crypto: &CryptoProvider) -> Result<VerifyingKeys> {
        self.verifier.keys(published, crypto)
    }
}

impl ResourceServer {
    /// Sets up the side of an API on this backend.
    pub fn builder(backend: impl Backend) -> ResourceServerBuilder {
        ResourceServerBuilder::new(Runtime::new(backend))
    }

    /// Verifies the token in a request's header: `Bearer`, or `DPoP` with its proof. Proofs are for the URL that the
    /// client has seen: the request's path at the origin of [`resource`](ResourceServerBuilder::resource) or
    /// [`origin`](ResourceServerBuilder::origin), whatever host the request itself names.
    ///
    /// # Errors
    ///
    /// A [`Refusal`], which has the answer to give, and for the log what was wrong: as
    /// [`AccessTokenVerifier::verify`], or that the server's metadata or keys cannot be had.
    pub async fn verify<B>(&self, request: &Request<B>) -> std::result::Result<AccessTokenClaims, Refusal> {
        let uri = self.seen_by_client(request.uri());
        let shown = PresentedToken::read(request.method(), &uri, request.headers());
        let shown = shown.map_err(|refusal| self.with_metadata(refusal))?;
        let shown = shown.ok_or_else(|| self.with_metadata(Refusal::no_token()))?;
        self.verify_presented(&shown).await
    }

    /// Verifies a token that was shown in some other way, or with a certificate.
    ///
    /// # Errors
    ///
    /// As [`verify`](Self::verify).
    pub async fn verify_presented(
        &self,
        shown: &PresentedToken<'_>,
    ) -> std::result::Result<AccessTokenClaims, Refusal> {
        let Inner { runtime, keys, .. } = &*self.0;
        let unavailable = |error: Error| self.with_metadata(Refusal::unavailable(error));
        let known = self.known().await.map_err(unavailable)?;
        let env = runtime.env();
        let verify = |keys: &VerifyingKeys| known.verifier.verify(shown, keys, &self.0.seen, &env);
        let verdict = keys.check(&known, runtime, verify).await.map_err(unavailable)?;
        verdict.map_err(|refusal| self.with_metadata(refusal))
    }

    /// Whether a token gives access to all of this scope.
    ///
    /// # Errors
    ///
    /// As [`AccessTokenClaims::require`]; the refusal tells where the API's metadata is, if that was said.
    pub fn require(&self, claims: &AccessTokenClaims, scope: &str) -> std::result::Result<(), Refusal> {
        claims.require(scope).map_err(|refusal| self.with_metadata(refusal))
    }

    fn with_metadata(&self, refusal: Refusal) -> Refusal {
        match &self.0.metadata {
            Some(url) => refusal.with_resource_metadata(url),
            None => refusal,
        }
    }

    fn seen_by_client(&self, target: &Uri) -> Uri {
        let base = self.0.base.as_ref().and_then(|base| base.as_str().parse::<Uri>().ok());
        // Not the host that the request names: whoever sends it can write what they like there.
        let Some(base) = base else { return target.clone() };
        let mut parts = base.into_parts();
        parts.path_and_query = target.path_and_query().cloned();
        Uri::from_parts(parts).unwrap_or_else(|_| target.clone())
    }

    /// The server as it is known now; asked anew when that is too old.
    async fn known(&self) -> Result<Arc<Known>> {
        let Inner { runtime, source, known, .. } = &*self.0;
        kept::current(known, |_| true, runtime, |_| source.clone().discover(runtime.clone())).await
    }
}

impl fmt::Debug for ResourceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourceServer")
            .field("issuer", &self.0.source.issuer)
            .field("resource", &self.0.source.resource)
            .finish_non_exhaustive()
    }
}

/// The parts of a [`ResourceServer`]. What is wrong with one of them is said by [`build`](Self::build).
#[must_use]
pub struct ResourceServerBuilder {
    runtime: Runtime,
    server: Option<Result<(Issuer, Option<ServerMetadata>)>>,
    signer: Option<MetadataSigner>,
    resource: String,
    origin: Option<Result<ResourceIdentifier>>,
    metadata: Option<Result<Endpoint>>,
    algorithms: Option<Vec<SignatureAlgorithm>>,
    leeway: Option<Duration>,
}

impl ResourceServerBuilder {
    fn new(runtime: Runtime) -> Self {
        let (server, signer, resource) = (None, None, String::new());
        let (origin, metadata) = (None, None);
        Self { runtime, server, signer, resource, origin, metadata, algorithms: None, leeway: None }
    }

    /// The server of this issuer, whose metadata is fetched.
    pub fn discover(mut self, issuer: &str) -> Self {
        self.server = Some(Issuer::parse(issuer).map(|issuer| (issuer, None)));
        self
    }

    /// The server of this metadata, which is not fetched. It must say where its keys are (`jwks_uri`).
    pub fn server(mut self, server: ServerMetadata) -> Self {
        self.server = Some(Ok((server.issuer().clone(), Some(server))));
        self
    }

    /// Demands that the server's metadata is signed by somebody who is trusted.
    pub fn metadata_signer(mut self, signer: MetadataSigner) -> Self {
        self.signer = Some(signer);
        self
    }

    /// What the API is called in tokens (`aud`), byte for byte: its URL, or whatever the server calls it.
    pub fn resource(mut self, resource: impl Into<String>) -> Self {
        self.resource = resource.into();
        self
    }

    /// Where clients see the API, if that is not at the origin of its [`resource`](Self::resource).
    pub fn origin(mut self, url: &str) -> Self {
        self.origin = Some(ResourceIdentifier::parse(url));
        self
    }

    /// Where the API's metadata is, for refusals to tell (RFC 9728 §5.1).
    pub fn resource_metadata(mut self, url: &str) -> Self {
        self.metadata = Some(Endpoint::parse(url));
        self
    }

    /// The algorithms by which tokens may be signed, in place of `RS256`, `PS256`, `ES256` and `EdDSA`.
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = SignatureAlgorithm>) -> Self {
        self.algorithms = Some(algorithms.into_iter().collect());
        self
    }

    /// How much this machine's clock and the server's may differ, in place of 30 seconds; more than a minute is a minute.
    pub fn clock_leeway(mut self, leeway: Duration) -> Self {
        self.leeway = Some(leeway);
        self
    }

    /// Deadlines for every request.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.runtime = self.runtime.with_limits(limits);
        self
    }

    /// Sends requests also to private addresses that the names in learned URLs lead to.
    ///
    /// # Security
    ///
    /// As [`Runtime::with_private_addresses`]: only if the issuer is inside, too.
    pub fn allow_private_addresses(mut self) -> Self {
        self.runtime = self.runtime.with_private_addresses();
        self
    }

    /// Another provider of cryptography.
    pub fn crypto(mut self, crypto: CryptoProvider) -> Self {
        self.runtime = self.runtime.with_crypto(crypto);
        self
    }

    /// Checks the parts, and fetches the server's metadata.
    ///
    /// # Errors
    ///
    /// `Config`: what is wrong with a part, or [`Reason::InvalidValue`] if the server or the resource is missing. Otherwise
    /// what discovery ends with; `Config`: [`Reason::MissingEndpoint`] if the server does not say where its keys are.
    pub async fn build(self) -> Result<ResourceServer> {
        let invalid = |detail| Error::new(ErrorKind::Config, Reason::InvalidValue).with_detail(detail);
        let server = self.server.ok_or_else(|| invalid("no server: say discover or server"))?;
        let (issuer, given) = server?;
        if self.resource.is_empty() {
            return Err(invalid("no resource"));
        }
        let server = ResourceServer(Arc::new(Inner {
            runtime: self.runtime,
            base: self.origin.transpose()?.or_else(|| ResourceIdentifier::parse(&self.resource).ok()),
            source: Source {
                issuer,
                given,
                signer: self.signer,
                resource: self.resource.into(),
                algorithms: self.algorithms,
                leeway: self.leeway,
            },
            known: Slot::new(None, kept::pause_after),
            keys: KeyCache::new(),
            seen: Mutex::new(ReplayGuard::new(REMEMBERED)),
            metadata: self.metadata.transpose()?,
        }));
        server.known().await?.server.endpoint("jwks_uri")?;
        Ok(server)
    }
}

impl fmt::Debug for ResourceServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourceServerBuilder").field("resource", &self.resource).finish_non_exhaustive()
    }
}
