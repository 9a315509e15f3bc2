//! The whole way: announce, browser, wait, redeem.

use std::{
    sync::{Arc, Mutex},
    thread,
};

use valetkey::{Client, ErrorKind, Reason, oauth2::authorization::AuthorizationUrl};
use valetkey_hyper::HyperBackend;
use valetkey_native::{LoopbackListener, NativeLogin};
use valetkey_testkit::{Provider, User, block_on};

use super::support::{begin, visit};

/// A browser that goes where it is sent; the provider's part of the way is in this process.
fn robot(provider: &Provider) -> impl FnOnce(&AuthorizationUrl) + Send + 'static {
    let provider = provider.clone();
    move |url| {
        let callback = provider.visit(url).expect("the provider sends the browser back");
        let (host, target) = callback.strip_prefix("http://").and_then(|rest| rest.split_once('/')).unwrap();
        assert_eq!(visit(host.parse().expect("an address"), &format!("/{target}")).len(), 2);
    }
}

fn listener() -> LoopbackListener {
    LoopbackListener::builder().path("/cb").bind().expect("a port")
}

async fn client(provider: &Provider, redirect_uri: &str) -> Client {
    let builder = Client::builder(provider.clone()).random(provider.random());
    let builder = builder.discover(&provider.issuer()).id("native").redirect_uri(redirect_uri);
    builder.build().await.expect("a client")
}

#[test]
fn a_sign_in_needs_no_runtime() {
    let provider = Provider::new();
    let announced = Arc::new(Mutex::new(String::new()));
    let heard = Arc::clone(&announced);
    let session = block_on(async {
        let listener = listener();
        let client = client(&provider, listener.redirect_uri()).await;
        let login = NativeLogin::new(listener)
            .announce(move |url| heard.lock().unwrap().push_str(url.as_str()))
            .browser(robot(&provider));
        login.sign_in(&client, client.authorize().scope("read")).await
    });
    session.expect("a session");
    assert!(announced.lock().unwrap().starts_with("https://issuer.test/authorize?"));
}

#[test]
fn s_na_05_the_client_is_public_and_has_a_verifier() {
    let provider = Provider::new();
    let session = block_on(async {
        let listener = listener();
        let client = client(&provider, listener.redirect_uri()).await;
        let login = NativeLogin::new(listener).browser(robot(&provider));
        login.sign_in(&client, client.authorize()).await
    });
    session.expect("a session");
    let transcript = provider.transcript();
    let entry = transcript.iter().find(|entry| entry.param("code_verifier").is_some()).expect("a request");
    assert!(entry.param("client_secret").is_none());
    assert!(!entry.headers().contains_key("authorization"));
}

#[tokio::test]
async fn a_sign_in_on_tokio() {
    let provider = Provider::builder().real_clock().build();
    let _served = provider.serve().await.expect("a provider");
    let listener = listener();
    let client = Client::builder(HyperBackend::new().expect("a backend"))
        .discover(&provider.issuer())
        .id("native")
        .redirect_uri(listener.redirect_uri())
        .build()
        .await
        .expect("a client");
    let login = NativeLogin::new(listener).browser(robot(&provider));
    // On another task: the future may go from thread to thread.
    let task = tokio::spawn(async move { login.sign_in(&client, client.authorize()).await });
    task.await.expect("no panic").expect("a session");
}

#[test]
fn a_refusal_reaches_the_program_and_the_user() {
    let (session, pages) = begin(User::refuses()).sign_in(visit);
    let error = session.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::AuthorizationDenied));
    assert_eq!(pages[0].field("location"), Some("/cb/told"));
    assert!(pages[1].0.contains("The program has been told."), "{}", pages[1].0);
    assert!(!pages[1].0.contains("access_denied"));
}

#[test]
fn a_client_with_another_redirect_uri_does_not_wait_for_ever() {
    let provider = Provider::new();
    let error = block_on(async {
        let client = client(&provider, "http://127.0.0.1:1/cb").await;
        NativeLogin::new(listener()).browser(|_| {}).sign_in(&client, client.authorize()).await
    })
    .unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Usage, Reason::RedirectUriMismatch));
}

#[test]
fn a_browser_that_panics_does_not_end_the_wait() {
    let provider = Provider::new();
    let robot = robot(&provider);
    let session = block_on(async {
        let listener = listener();
        let client = client(&provider, listener.redirect_uri()).await;
        let login = NativeLogin::new(listener).browser(|url| {
            let url = url.clone();
            thread::spawn(move || robot(&url));
            panic!("a browser that fails; this panic is part of the test");
        });
        login.sign_in(&client, client.authorize()).await
    });
    session.expect("a session");
}
