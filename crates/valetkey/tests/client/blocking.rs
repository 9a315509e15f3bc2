//! The same without async, over a backend in this process and over one with a runtime elsewhere.

use valetkey::{
    ErrorKind, Reason, Runtime,
    blocking::{Client, Registrar, Session, Sessions},
    oauth2::endpoint::registration::RegistrationMetadata,
    seal::{SealingKey, SealingKeys},
    store::{FileStore, MemoryStore, Store},
};
use valetkey_hyper::HyperBackend;
use valetkey_testkit::{OpenId, Place, Provider, block_on};

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
fn accounts_in_a_store_outlive_a_program_without_async() {
    let folder = std::env::temp_dir().join(format!("valetkey-blocking-{}", std::process::id()));
    accounts_outlive_a_program(&MemoryStore::new(), Clone::clone);
    accounts_outlive_a_program(&folder, |folder| FileStore::open(folder).unwrap());
    std::fs::remove_dir_all(folder).unwrap();
}

/// Two programs, one after the other, on one store.
fn accounts_outlive_a_program<P, S: Store>(place: &P, store: impl Fn(&P) -> S) {
    let provider = Provider::new();
    let program = || Client::build(builder(&provider)).unwrap();
    let (client, sessions) = (program(), program().sessions(store(place)));
    assert!(sessions.open("alice").unwrap().is_none());
    // The user goes away and comes back, with a ticket that is good once.
    let (url, pending) = client.authorize().scope("read").start().unwrap();
    let ticket = sessions.park(pending).unwrap();
    let pending = sessions.unpark(ticket.expose()).unwrap();
    assert_eq!(sessions.unpark(ticket.expose()).unwrap_err().reason(), Reason::PendingExpired);
    let session = client.redeem(pending, provider.visit(&url).unwrap()).unwrap();
    sessions.save("alice", &session).unwrap();
    let record = session.record();
    drop((session, sessions));
    let sessions = program().sessions(store(place));
    assert_eq!(sessions.accounts().unwrap(), ["alice"]);
    let session = sessions.open("alice").unwrap().expect("she is signed in");
    assert_eq!(session.record(), record);
    // Callers on many threads make one renewal.
    provider.revoke_access_tokens();
    let before = provider.count(Place::Token);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(session.send(get(provider.api("me"))).unwrap().status(), 200));
        }
    });
    assert_eq!(provider.count(Place::Token), before + 1);
    assert!(sessions.log_out("alice").unwrap().is_none(), "there was no ID token");
    assert!(sessions.open("alice").unwrap().is_none() && sessions.accounts().unwrap().is_empty());
    assert_eq!(session.tokens().unwrap_err().reason(), Reason::SessionClosed);
    // The same with async, where a part of the program has that.
    let same: Sessions =
        valetkey::Client::sessions(&block_on(builder(&provider).build()).unwrap(), store(place)).into();
    assert!(same.open("alice").unwrap().is_none());
}

#[test]
fn a_client_registers_and_a_user_signs_out_without_async() {
    let provider = Provider::builder().openid(OpenId::new()).build();
    let registrar = Registrar::discover(Runtime::new(provider.clone()), &provider.issuer()).unwrap();
    let uri = "https://my-app.example/cb";
    let bye = "https://my-app.example/bye";
    let metadata = || {
        let metadata = RegistrationMetadata::new().with_redirect_uri(uri).unwrap();
        metadata.with_post_logout_redirect_uri(bye).unwrap()
    };
    let registration = registrar.register(metadata()).unwrap();
    let registration = registrar.read(&registration).unwrap();
    let registration = registrar.update(&registration, metadata().with_client_name("App").unwrap()).unwrap();
    let key = SealingKey::new([7; 32]);
    let client = registrar.client(&registration, Some(uri)).unwrap().sealing_keys(SealingKeys::new(key));
    let client = Client::build(client).unwrap();
    let (url, pending) = client.authorize().scope("openid").start().unwrap();
    let session = client.redeem(pending, provider.visit(&url).unwrap()).unwrap();
    let user = session.identity().expect("it was asked for");
    let (url, pending) = client.logout(|logout| logout.user(&user).redirect_uri(bye)).unwrap();
    let sealed = client.seal_logout(pending.expect("the browser comes back")).unwrap();
    client.unseal_logout(sealed.expose()).unwrap().receive(provider.visit(&url).unwrap()).unwrap();
    registrar.delete(&registration).unwrap();
    assert_eq!(registrar.read(&registration).unwrap_err().kind(), ErrorKind::Denied);
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
