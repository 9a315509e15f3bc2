//! The client against a provider that misbehaves: a test for each row of the testkit's table of faults, in
//! this process and, where a row holds on a port, over hyper.
//!
//! Each row says what must come of a login and an API call. Beside that, after a rejection no further request
//! leaves, nothing ever goes to another host, and it all ends in bounded time and memory.

#[path = "adversary/grants.rs"]
mod grants;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use libtest_mimic::{Arguments, Failed, Trial};
use peak_alloc::PeakAlloc;
use valetkey::{
    Client, ClientBuilder, ProtectedResource, Reason, ResourceServer, Runtime, Session,
    crypto::{CryptoProvider, PrivateKey, SignatureAlgorithm},
    jose::Jwks,
    oauth1::{self, ClientCredentials},
    oauth2::{
        authorization::{AuthorizationUrl, Callback},
        client::ClientAuth,
        protected_resource::PresentedToken,
        server::MetadataSigner,
    },
};
use valetkey_http::{Backend, Limits, Request, Response};
use valetkey_hyper::HyperBackend;
use valetkey_testkit::{
    Body, Dpop, Effect, Expect, Fault, Feature, HMAC_SECRET, OpenId, Place, Provider, ProviderBuilder,
    block_on, faults, keys,
};

/// The longest that a login may take in virtual time, retries and their waits included.
const LONGEST: Duration = Duration::from_secs(120);

/// Where a login with OAuth 2, a call of the API and the end of it all come by.
const OAUTH2: [Place; 6] = [
    Place::Metadata,
    Place::ResourceMetadata,
    Place::Authorize,
    Place::Token,
    Place::Resource,
    Place::Revocation,
];

/// Where a login with OAuth 1.0a comes by.
const OAUTH1: [Place; 3] = [Place::TemporaryCredentials, Place::OwnerAuthorization, Place::TokenCredentials];

fn main() {
    let is_here = |fault: &&Fault| OAUTH2.contains(&fault.at) || OAUTH1.contains(&fault.at);
    // The others are for clients of OpenID Connect.
    let is_ours = |fault: &&Fault| {
        use Feature::{Assertion, Dpop, JwtAccessToken, ResourceMetadata, SignedMetadata, StepUp};
        let Some(feature) = fault.feature else { return true };
        let others = [Assertion, Dpop, ResourceMetadata, SignedMetadata, JwtAccessToken, StepUp];
        others.contains(&feature) || grants::has(fault)
    };
    let rows = || faults().filter(is_here).filter(is_ours).copied();
    let in_process =
        rows().map(|fault| Trial::test(format!("in_process::{}", fault.name), move || in_process(fault)));
    let by_secret = rows().filter(|fault| fault.feature == Some(Feature::Assertion)).map(|fault| {
        Trial::test(format!("client_secret_jwt::{}", fault.name), move || play(fault, Auth::SecretJwt))
    });
    // What is slow and has to be waited for is so in virtual time alone.
    let is_slow =
        |fault: &Fault| matches!(fault.effect, Effect::SlowHead(_)) && fault.expect == Expect::Accepted;
    // On a port, whoever answers is inside, and may name what is inside.
    let is_inside =
        |fault: &Fault| matches!(fault.expect, Expect::Rejected { reason: Reason::AddressNotAllowed, .. });
    let on_a_port = rows().filter(|fault| fault.holds_on_a_port() && !is_slow(fault) && !is_inside(fault));
    let over_hyper =
        on_a_port.map(|fault| Trial::test(format!("over_hyper::{}", fault.name), move || over_hyper(fault)));
    let trials = in_process.chain(by_secret).chain(over_hyper).collect();
    let memory = rows()
        .filter(is_large)
        .map(|fault| Trial::test(format!("memory::{}", fault.name), move || memory(fault)));
    // One at a time, so that each is charged for itself alone.
    let alone = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    libtest_mimic::run(&alone, memory.collect()).exit_if_failed();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Whether an answer is larger than it may be, or has no end.
fn is_large(fault: &Fault) -> bool {
    matches!(fault.effect, Effect::Body(Body::Padded(_) | Body::Endless) | Effect::LongHead(_))
}

/// The most memory that a login may take beside an answer: the provider is in this process, too.
const BESIDE: usize = 1 << 20;

fn memory(fault: Fault) -> Result<(), Failed> {
    // Growing a buffer takes the old one and the new one.
    let answer: usize = 2 * if fault.at == Place::Resource { 16 << 20 } else { 256 << 10 };
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    in_process(fault)?;
    match MEMORY.peak_usage().saturating_sub(before) {
        peak if peak <= answer + BESIDE => Ok(()),
        peak => Err(format!("it took {} KiB", peak >> 10).into()),
    }
}

fn in_process(fault: Fault) -> Result<(), Failed> {
    play(fault, Auth::of(&fault))
}

fn play(fault: Fault, auth: Auth) -> Result<(), Failed> {
    let provider = provider(&fault).build();
    let began = provider.now();
    let outcome = block_on(run(&fault, auth, Arc::new(provider.clone()), &provider, Limits::default()));
    if provider.now().duration_since(began)? > LONGEST {
        return Err("it took too long".into());
    }
    judge(&fault, &provider, outcome)
}

fn over_hyper(fault: Fault) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let provider = provider(&fault).real_clock().build();
    let served = block_on(provider.serve())?;
    // A slow answer is slow in earnest here.
    let mut limits = Limits::default();
    (limits.head, limits.idle, limits.total) = (FRACTION, FRACTION, 4 * FRACTION);
    let outcome = runtime.block_on(async {
        let backend = Arc::new(HyperBackend::builder().no_proxy().build()?);
        Ok::<_, Failed>(run(&fault, Auth::of(&fault), backend, &provider, limits).await)
    })?;
    drop(served);
    judge(&fault, &provider, outcome)
}

/// Long for loopback, short for a test.
const FRACTION: Duration = Duration::from_millis(400);

/// A provider that knows of what the client of this row uses.
fn provider(fault: &Fault) -> ProviderBuilder {
    let provider = Provider::builder().fault(*fault);
    match fault.feature {
        Some(Feature::Dpop) => provider.dpop(Dpop::Offered),
        Some(Feature::ResourceMetadata) => provider.resource_metadata(true),
        Some(Feature::SignedMetadata) => provider.signed_metadata(true),
        Some(Feature::JwtAccessToken) => provider.openid(OpenId::new()).jwt_access_tokens(API),
        _ if grants::has(fault) => grants::register(provider),
        _ => provider,
    }
}

/// What the API that reads tokens is called.
const API: &str = "https://api.test";

/// How the client authenticates.
#[derive(Clone, Copy)]
enum Auth {
    Secret,
    SecretJwt,
    PrivateKeyJwt,
}

impl Auth {
    fn of(fault: &Fault) -> Self {
        if fault.feature == Some(Feature::Assertion) { Self::PrivateKeyJwt } else { Self::Secret }
    }

    /// The client that the provider knows so.
    fn client(self, builder: ClientBuilder) -> valetkey::Result<ClientBuilder> {
        Ok(match self {
            Self::Secret => builder.id("app").secret("app-secret"),
            Self::SecretJwt => builder.id("hmac").auth(ClientAuth::secret_jwt(HMAC_SECRET)),
            Self::PrivateKeyJwt => {
                let key = PrivateKey::parse(keys::es256().pem().as_bytes())?;
                let key = key.signing_key(SignatureAlgorithm::Es256, &CryptoProvider::ring())?;
                builder.id("signed").auth(ClientAuth::private_key_jwt(key))
            }
        })
    }
}

async fn run(
    fault: &Fault,
    auth: Auth,
    backend: Arc<dyn Backend>,
    provider: &Provider,
    limits: Limits,
) -> valetkey::Result<Response> {
    if OAUTH1.contains(&fault.at) {
        sign_and_call(backend, provider, limits).await
    } else if grants::has(fault) {
        grants::get_and_call(fault, backend, provider, limits).await
    } else {
        login_and_call(fault, auth, backend, provider, limits).await
    }
}

/// A login and a call of the API, as a program does them.
async fn login_and_call(
    fault: &Fault,
    auth: Auth,
    backend: Arc<dyn Backend>,
    provider: &Provider,
    limits: Limits,
) -> valetkey::Result<Response> {
    let client = Client::builder(Arc::clone(&backend))
        .random(provider.random())
        .limits(limits)
        .redirect_uri("https://client.test/cb")
        .api(&provider.issuer());
    let client = match fault.feature {
        Some(Feature::ResourceMetadata) => {
            let runtime = Runtime::new(Arc::clone(&backend)).with_limits(limits);
            let api = ProtectedResource::discover(runtime, &provider.api("me")).await?;
            client.for_resource(api.metadata())
        }
        _ => client.discover(&provider.issuer()),
    };
    let client = match fault.feature {
        Some(Feature::Dpop) => client.dpop(),
        Some(Feature::SignedMetadata) => client.metadata_signer(signer(provider)?),
        _ => client,
    };
    let client = auth.client(client)?.build().await?;
    let (url, pending) = client.authorize().scope("read write").start().await?;
    let callback = callback(provider, &url, |callback| pending.matches(callback));
    let session = client.redeem(pending, &callback).await?;
    if fault.feature == Some(Feature::JwtAccessToken) {
        return read_token(&session, backend, provider, limits).await;
    }
    let response = session.send(get(&provider.api("me"))).await?;
    if fault.feature == Some(Feature::StepUp) {
        return Box::pin(step_up(&client, session, provider, response)).await;
    }
    if fault.at == Place::Revocation {
        session.revoke().await?;
    }
    Ok(response)
}

/// Asks the user for more until the API is content.
async fn step_up(
    client: &Client,
    mut session: Session,
    provider: &Provider,
    mut response: Response,
) -> valetkey::Result<Response> {
    while let Some(next) = session.step_up(&response)? {
        let (url, pending) = next.start().await?;
        assert!(provider.count(Place::Authorize) < 4, "a loop");
        session = client.redeem(pending, &callback(provider, &url, |_| true)).await?;
        response = session.send(get(&provider.api("me"))).await?;
    }
    Ok(response)
}

/// Whoever signs the provider's metadata, by keys that the program has from elsewhere.
fn signer(provider: &Provider) -> valetkey::Result<MetadataSigner> {
    let algorithms = [SignatureAlgorithm::Rs256];
    Ok(MetadataSigner::new(&provider.issuer(), Jwks::parse(&provider.jwks())?, &algorithms))
}

/// What an API says of the token of a session.
async fn read_token(
    session: &Session,
    backend: Arc<dyn Backend>,
    provider: &Provider,
    limits: Limits,
) -> valetkey::Result<Response> {
    let api = ResourceServer::builder(backend).limits(limits).discover(&provider.issuer()).resource(API);
    let api = api.build().await?;
    let tokens = session.tokens().await?;
    match api.verify_presented(&PresentedToken::bearer(tokens.access_token().expose())).await {
        Ok(claims) => Ok(Response::new(claims.subject().to_owned().into())),
        Err(refusal) => Err(refusal.error().expect("there is a token").clone()),
    }
}

/// The same by OAuth 1.0a.
async fn sign_and_call(
    backend: Arc<dyn Backend>,
    provider: &Provider,
    limits: Limits,
) -> valetkey::Result<Response> {
    let client = oauth1::Client::builder(backend)
        .random(provider.random())
        .limits(limits)
        .credentials(ClientCredentials::new("dpf43f3p2l4k3l03", "kd94hf93k423kf44")?)
        .temporary_credentials(&provider.oauth1("request_token"))
        .authorization(&provider.oauth1("authorize"))
        .token_credentials(&provider.oauth1("access_token"))
        .redirect_uri("https://client.test/cb")
        .api(&provider.oauth1("api"))
        .build()?;
    let (url, pending) = client.authorize().start().await?;
    let callback = callback(provider, &url, |callback| pending.matches(callback));
    let session = client.redeem(pending, &callback).await?;
    session.send(get(&provider.oauth1("api"))).await
}

/// A listener leaves aside what is not for this login; if nothing is, the user pastes the last.
fn callback(provider: &Provider, url: &AuthorizationUrl, is_ours: impl Fn(&Callback) -> bool) -> String {
    let mut callbacks = provider.callbacks(url).expect("the browser comes back");
    let ours = callbacks.iter().position(|callback| is_ours(&Callback::from(callback)));
    callbacks.swap_remove(ours.unwrap_or(callbacks.len() - 1))
}

fn get(url: &str) -> Request {
    http::Request::get(url).body(Bytes::new()).expect("a request")
}

fn judge(fault: &Fault, provider: &Provider, outcome: valetkey::Result<Response>) -> Result<(), Failed> {
    if provider.faults_happened() == 0 {
        return Err("the fault did not happen".into());
    }
    match (&outcome, fault.expect) {
        (Ok(_), Expect::Accepted) => {}
        (Err(error), Expect::Rejected { kind, reason })
            if (error.kind(), error.reason()) == (kind, reason) => {}
        _ => return Err(format!("expected {:?}, got {outcome:?}", fault.expect).into()),
    }
    if provider.count(Place::Elsewhere) > 0 {
        return Err("a request went astray".into());
    }
    let later: &[Place] = match fault.at {
        Place::Metadata | Place::ResourceMetadata => &[Place::Authorize, Place::Token, Place::Resource],
        Place::Authorize => &[Place::Token, Place::Resource],
        Place::TemporaryCredentials => &[Place::OwnerAuthorization, Place::TokenCredentials, Place::Resource],
        Place::OwnerAuthorization => &[Place::TokenCredentials, Place::Resource],
        Place::Token | Place::TokenCredentials => &[Place::Resource],
        _ => &[],
    };
    nothing_is_signed_twice(fault, provider)?;
    if outcome.is_err() && later.iter().any(|&place| provider.count(place) > 0) {
        return Err("a request left after the rejection".into());
    }
    Ok(())
}

/// Whatever goes out once more is signed anew (RFC 7523 §3, RFC 9449 §11.1): at most one more time where the fault is.
fn nothing_is_signed_twice(fault: &Fault, provider: &Provider) -> Result<(), Failed> {
    if !matches!(fault.feature, Some(Feature::Assertion | Feature::Dpop)) {
        return Ok(());
    }
    let transcript = provider.transcript();
    let proofs = transcript.iter().filter_map(|entry| Some(entry.headers().get("dpop")?.as_bytes()));
    let assertions = transcript.iter().filter_map(|entry| Some(entry.param("client_assertion")?.as_bytes()));
    let signed: Vec<&[u8]> = proofs.chain(assertions).collect();
    if signed.is_empty() {
        return Err("nothing was signed".into());
    }
    if signed.iter().collect::<BTreeSet<_>>().len() < signed.len() {
        return Err("a proof or an assertion was sent twice".into());
    }
    match provider.count(fault.at) {
        0..=2 => Ok(()),
        count => Err(format!("{count} requests").into()),
    }
}
