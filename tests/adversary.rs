//! The client against a provider that misbehaves: a test for each row of the testkit's table of faults, in
//! this process and, where a row holds on a port, over hyper; rows of OAuth 1.0a with a login of its own.
//!
//! Each row says what must come of a login and an API call. Beside that, after a rejection no further request
//! leaves, nothing ever goes to another host, and it all ends in bounded time and memory.

#[path = "adversary/oauth1.rs"]
mod oauth1;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use libtest_mimic::{Arguments, Failed, Trial};
use peak_alloc::PeakAlloc;
use valetkey::{Client, oauth2::authorization::Callback};
use valetkey_http::{Backend, Limits, Response};
use valetkey_hyper::HyperBackend;
use valetkey_testkit::{Body, Effect, Expect, Fault, Place, Provider, block_on, faults};

/// The longest that a login may take in virtual time, retries and their waits included.
const LONGEST: Duration = Duration::from_secs(120);

/// Where a login with OAuth 2 and a call of the API come by, and a login with OAuth 1.0a. The client has no
/// revocation yet.
const PLACES: [Place; 7] = [
    Place::Metadata,
    Place::Authorize,
    Place::Token,
    Place::Resource,
    Place::TemporaryCredentials,
    Place::OwnerAuthorization,
    Place::TokenCredentials,
];

fn main() {
    let rows = || faults().filter(|fault| PLACES.contains(&fault.at)).copied();
    let in_process =
        rows().map(|fault| Trial::test(format!("in_process::{}", fault.name), move || in_process(fault)));
    // What is slow and has to be waited for is so in virtual time alone.
    let is_slow =
        |fault: &Fault| matches!(fault.effect, Effect::SlowHead(_)) && fault.expect == Expect::Accepted;
    let on_a_port = rows().filter(|fault| fault.holds_on_a_port() && !is_slow(fault));
    let over_hyper =
        on_a_port.map(|fault| Trial::test(format!("over_hyper::{}", fault.name), move || over_hyper(fault)));
    let trials = in_process.chain(over_hyper).collect();
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
    let provider = Provider::builder().fault(fault).build();
    let began = provider.now();
    let outcome = block_on(login(&fault, Arc::new(provider.clone()), &provider, Limits::default()));
    if provider.now().duration_since(began)? > LONGEST {
        return Err("it took too long".into());
    }
    judge(&fault, &provider, outcome)
}

fn over_hyper(fault: Fault) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let provider = Provider::builder().real_clock().fault(fault).build();
    let served = block_on(provider.serve())?;
    // A slow answer is slow in earnest here.
    let mut limits = Limits::default();
    (limits.head, limits.idle, limits.total) = (FRACTION, FRACTION, 4 * FRACTION);
    let outcome = runtime.block_on(async {
        let backend = Arc::new(HyperBackend::builder().no_proxy().build()?);
        Ok::<_, Failed>(login(&fault, backend, &provider, limits).await)
    })?;
    drop(served);
    judge(&fault, &provider, outcome)
}

/// Long for loopback, short for a test.
const FRACTION: Duration = Duration::from_millis(400);

/// The login that comes by the place of the fault, and a call of the API.
async fn login(
    fault: &Fault,
    backend: Arc<dyn Backend>,
    provider: &Provider,
    limits: Limits,
) -> valetkey::Result<Response> {
    match fault.at {
        Place::TemporaryCredentials | Place::OwnerAuthorization | Place::TokenCredentials => {
            oauth1::login_and_call(backend, provider, limits).await
        }
        _ => login_and_call(backend, provider, limits).await,
    }
}

/// A login and a call of the API, as a program does them.
async fn login_and_call(
    backend: Arc<dyn Backend>,
    provider: &Provider,
    limits: Limits,
) -> valetkey::Result<Response> {
    let client = Client::builder(backend)
        .random(provider.random())
        .limits(limits)
        .discover(&provider.issuer())
        .id("app")
        .secret("app-secret")
        .redirect_uri("https://client.test/cb")
        .api(&provider.issuer())
        .build()
        .await?;
    let (url, pending) = client.authorize().scope("read write").start().await?;
    // A listener leaves aside what is not for this login; if nothing is, the user pastes the last.
    let callbacks = provider.callbacks(&url).expect("the browser comes back");
    let ours = callbacks.iter().find(|callback| pending.matches(&Callback::from(*callback)));
    let session = client.redeem(pending, ours.unwrap_or(&callbacks[callbacks.len() - 1])).await?;
    let request = http::Request::get(provider.api("me")).body(Bytes::new()).expect("a request");
    session.send(request).await
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
        Place::Metadata => &[Place::Authorize, Place::Token, Place::Resource],
        Place::Authorize => &[Place::Token, Place::Resource],
        Place::Token | Place::TokenCredentials => &[Place::Resource],
        Place::TemporaryCredentials => &[Place::OwnerAuthorization, Place::TokenCredentials, Place::Resource],
        Place::OwnerAuthorization => &[Place::TokenCredentials, Place::Resource],
        _ => &[],
    };
    if outcome.is_err() && later.iter().any(|&place| provider.count(place) > 0) {
        return Err("a request left after the rejection".into());
    }
    Ok(())
}
