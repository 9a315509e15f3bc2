//! The same without async, over a backend in this process and over one with a runtime elsewhere.

use valetkey::blocking::{Client, Session};
use valetkey_hyper::HyperBackend;
use valetkey_testkit::{Place, Provider, block_on};

use crate::{builder, get};

fn sign_in(client: &Client, provider: &Provider) -> Session {
    let (url, pending) = client.authorize().scope("read").start().unwrap();
    client.redeem(pending, provider.visit(&url).unwrap()).unwrap()
}

#[test]
fn a_program_without_async_signs_in_and_stays_signed_in() {
    let provider = Provider::new();
    let client = Client::build(builder(&provider)).unwrap();
    let session = sign_in(&client, &provider);
    provider.revoke_access_tokens();
    assert_eq!(session.send(get(provider.api("me"))).unwrap().status(), 200);
    let again = client.restore(session.record().unwrap()).unwrap();
    assert_eq!(again.tokens().unwrap(), session.tokens().unwrap());
    again.refresh().unwrap();
    assert_eq!(again.bearer().as_deref(), Some(again.tokens().unwrap().access_token().header()));
    again.close().unwrap();
    assert!(client.introspect(again.tokens().unwrap().access_token()).unwrap().is_active());
    client.revoke(again.tokens().unwrap().access_token()).unwrap();
    session.revoke().unwrap();
    assert!(session.record().is_none());
    assert_eq!(client.server().unwrap().issuer().as_str(), "https://issuer.test");
    let service = Client::build(builder(&provider).id("service").secret("service-secret")).unwrap();
    let service = service.client_credentials().scope("read").session().unwrap();
    assert_eq!(service.send(get(provider.api("me"))).unwrap().status(), 200);
}

#[test]
fn over_hyper_the_runtime_runs_on_other_threads() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let backend = HyperBackend::builder().handle(runtime.handle().clone()).no_proxy().build().unwrap();
    let provider = Provider::builder().real_clock().build();
    let _served = block_on(provider.serve()).unwrap();
    let builder =
        valetkey::Client::builder(backend).discover(&provider.issuer()).id("app").secret("app-secret");
    let builder = builder.redirect_uri("https://client.test/cb").api(&provider.issuer());
    let session = sign_in(&Client::build(builder).unwrap(), &provider);
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (session, url) = (session.clone(), provider.api("me"));
            std::thread::spawn(move || session.send(get(url)).unwrap().status())
        })
        .collect();
    assert!(threads.into_iter().all(|thread| thread.join().unwrap() == 200));
    assert_eq!(provider.count(Place::Token), 1);
}
