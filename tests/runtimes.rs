//! The same two sign-ins, by OAuth 2 and by OAuth 1.0a, on every adapter under every executor.
//!
//! A test a pair of adapter and executor; libtest-mimic makes them.

#[path = "backends/adapters.rs"]
#[expect(dead_code, reason = "tasks are counted where connections break off")]
mod adapters;
#[path = "runtimes/elsewhere.rs"]
mod elsewhere;

use std::{pin::Pin, sync::Arc};

use adapters::ADAPTERS;
use bytes::Bytes;
use libtest_mimic::{Arguments, Failed, Trial};
use valetkey::{Client, Session, oauth1};
use valetkey_http::{Backend, block_on};
use valetkey_testkit::Provider;

const CALLBACK: &str = "https://client.test/cb";

type Work = Pin<Box<dyn Future<Output = Result<(), Failed>> + Send>>;

/// What runs futures.
struct Executor {
    name: &'static str,
    run: fn(Work) -> Result<(), Failed>,
}

static EXECUTORS: [Executor; 6] = [
    Executor { name: "tokio-multi-thread", run: on_tokio },
    Executor { name: "tokio-current-thread", run: on_one_thread_of_tokio },
    Executor { name: "async-std", run: |work| async_std::task::block_on(async_std::task::spawn(work)) },
    Executor { name: "smol", run: |work| smol::block_on(smol::spawn(work)) },
    Executor { name: "futures", run: futures_executor::block_on },
    Executor { name: "a-thread", run: block_on },
];

fn on_tokio(work: Work) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async { tokio::spawn(work).await.map_err(|error| Failed::from(error.to_string()))? })
}

fn on_one_thread_of_tokio(work: Work) -> Result<(), Failed> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

fn main() {
    let mut trials = elsewhere::trials();
    for adapter in ADAPTERS {
        for executor in &EXECUTORS {
            let name = format!("{}::{}", adapter.name, executor.name);
            trials.push(Trial::test(name, move || {
                let running = (adapter.start)();
                let backend = running.backend();
                // The adapter's own runtime goes on beside, where it has one.
                std::thread::scope(|scope| {
                    let outside = scope.spawn(move || (executor.run)(Box::pin(sign_ins(backend))));
                    running.drive(Box::pin(async {
                        while !outside.is_finished() {
                            running.backend().sleep(std::time::Duration::from_millis(2)).await;
                        }
                    }));
                    outside.join().map_err(|_| Failed::from("it panicked"))?
                })
            }));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// Both, at a provider of their own.
async fn sign_ins(backend: Arc<dyn Backend>) -> Result<(), Failed> {
    let provider = Provider::builder().real_clock().build();
    let _served = block_on(provider.serve())?;
    by_oauth2(Arc::clone(&backend), &provider).await?;
    by_oauth1(backend, &provider).await
}

/// From the URL to renewed tokens.
pub(crate) async fn by_oauth2(backend: Arc<dyn Backend>, provider: &Provider) -> Result<(), Failed> {
    let client = client(backend, provider).await?;
    let (url, pending) = client.authorize().scope("read").start().await?;
    let session = client.redeem(pending, provider.visit(&url)?).await?;
    use_session(&session, provider).await
}

pub(crate) async fn client(backend: Arc<dyn Backend>, provider: &Provider) -> Result<Client, Failed> {
    let client = Client::builder(backend).discover(&provider.issuer()).id("app").secret("app-secret");
    Ok(client.redirect_uri(CALLBACK).api(&provider.issuer()).build().await?)
}

pub(crate) async fn use_session(session: &Session, provider: &Provider) -> Result<(), Failed> {
    call(session, provider).await?;
    provider.revoke_access_tokens();
    call(session, provider).await?;
    session.close().await?;
    Ok(())
}

pub(crate) async fn call(session: &Session, provider: &Provider) -> Result<(), Failed> {
    let request = http::Request::get(provider.api("me")).body(Bytes::new())?;
    is(session.send(request).await?.status() == 200, "the API knows the user")
}

async fn by_oauth1(backend: Arc<dyn Backend>, provider: &Provider) -> Result<(), Failed> {
    let client = oauth1::Client::builder(backend)
        .credentials(oauth1::ClientCredentials::new("dpf43f3p2l4k3l03", "kd94hf93k423kf44")?)
        .temporary_credentials(&provider.oauth1("request_token"))
        .authorization(&provider.oauth1("authorize"))
        .token_credentials(&provider.oauth1("access_token"))
        .redirect_uri(CALLBACK)
        .api(&provider.oauth1("api"))
        .build()?;
    let (url, pending) = client.authorize().start().await?;
    let session = client.redeem(pending, &provider.visit(&url)?).await?;
    let request = http::Request::get(provider.oauth1("api/photos?size=original")).body(Bytes::new())?;
    is(session.send(request).await?.status() == 200, "the API takes the signature")
}

pub(crate) fn is(holds: bool, what: &str) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(format!("it does not hold that {what}").into()) }
}
