//! The layers, around services whose API is the provider in this process.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceExt};
use valetkey::{
    Client, NoReplay, Reason, Session,
    oauth1::{ClientCredentials, Signer},
    oauth2::step_up::Operation,
};
use valetkey_http::{Backend, BoxError, Limits, block_on};
use valetkey_testkit::{Effect, Expect, Fault, Place, Provider};
use valetkey_tower::{AuthorizeLayer, SignLayer};

use crate::service::Strict;

type Body = Full<Bytes>;

/// A service that carries requests to the provider.
fn api(provider: &Provider) -> Strict<Body> {
    let provider = provider.clone();
    Strict::new(move |_, request| {
        let (parts, body) = request.into_parts();
        let body = block_on(body.collect()).unwrap().to_bytes();
        let response = block_on(provider.send(http::Request::from_parts(parts, body), Limits::default()))?;
        Ok(response.map(Full::new))
    })
}

fn client(provider: &Provider) -> Client {
    let client = Client::builder(provider.clone())
        .random(provider.random())
        .discover(&provider.issuer())
        .id("app")
        .secret("app-secret")
        .redirect_uri("https://client.test/cb")
        .api(&provider.issuer());
    block_on(client.build()).unwrap()
}

fn session(provider: &Provider) -> Session {
    let client = client(provider);
    block_on(async {
        let (url, pending) = client.authorize().scope("read").start().await?;
        let callback = provider.visit(&url).expect("the user gets through");
        client.redeem(pending, &callback).await
    })
    .unwrap()
}

fn echo(provider: &Provider) -> http::Request<Body> {
    http::Request::post(provider.api("echo")).body(Full::from("a=b")).unwrap()
}

fn reason(error: &BoxError) -> Reason {
    error.downcast_ref::<valetkey::Error>().expect("an error of the session").reason()
}

#[test]
fn s_tk_22_an_answer_that_wants_more_says_what_it_answers() {
    let provider = Provider::new();
    let mut session = session(&provider);
    let admin = || http::Request::get(provider.api("admin")).body(Body::default()).unwrap();
    let call = |session: &Session| {
        block_on(AuthorizeLayer::new(session.clone()).layer(api(&provider)).oneshot(admin())).unwrap()
    };
    let refused = call(&session);
    assert!(refused.extensions().get::<Operation>().is_some());
    let next = session.step_up(&refused).unwrap().expect("a demand");
    let client = client(&provider);
    session = block_on(async {
        let (url, pending) = next.start().await?;
        client.redeem(pending, &provider.visit(&url).expect("the user gets through")).await
    })
    .unwrap();
    assert_eq!(call(&session).status(), 200);
    assert!(!session.record().unwrap().tokens().requested().was_stepped_up(), "it succeeded");
}

#[test]
fn s_tk_22_a_refused_token_is_renewed_and_the_request_repeated_once() {
    let provider = Provider::new();
    let session = session(&provider);
    let api = api(&provider);
    let calls = Arc::clone(&api.calls);
    let layer = AuthorizeLayer::new(session).repeating(|body: &Body| Some(body.clone()));
    let service = layer.layer(api);
    let call = |request| block_on(service.clone().oneshot(request));

    assert_eq!(call(echo(&provider)).unwrap().status(), 200);
    assert_eq!(*calls.lock().unwrap(), 1);
    provider.revoke_access_tokens();
    let mark = provider.mark();
    let response = call(echo(&provider)).unwrap();
    assert_eq!((response.status().as_u16(), *calls.lock().unwrap()), (200, 3));
    let sent = provider.requests_since(mark);
    let at = |place| sent.iter().filter(|entry| entry.place() == place).count();
    assert_eq!((at(Place::Token), at(Place::Resource)), (1, 2));
    let body = block_on(response.into_body().collect()).unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&body).contains("a=b"), "the same body: {body:?}");

    // An API that says 401 for ever gets two requests for the first, and one from then on.
    let refusal = Effect::Answer { status: 401, headers: &[], body: b"" };
    provider.set_fault(Fault::new("of-this-test", Place::Resource, refusal, Expect::Accepted));
    for expected in [5, 6] {
        assert_eq!(call(echo(&provider)).unwrap().status(), 401);
        assert_eq!(*calls.lock().unwrap(), expected);
    }
}

#[test]
fn r_401_a_request_that_cannot_or_must_not_be_repeated_is_sent_once() {
    let provider = Provider::new();
    let session = session(&provider);
    let api = api(&provider);
    let calls = Arc::clone(&api.calls);
    let once = AuthorizeLayer::new(session.clone()).layer(api.clone());
    let unable = AuthorizeLayer::new(session.clone()).repeating(|_: &Body| None).layer(api.clone());
    let able = AuthorizeLayer::new(session).repeating(|body: &Body| Some(body.clone())).layer(api);
    let unwilling = |mut request: http::Request<Body>| {
        request.extensions_mut().insert(NoReplay);
        request
    };
    for which in 0..3 {
        provider.revoke_access_tokens();
        // The refusal is the answer, and the next request has the new token.
        for (status, expected) in [(401, 2 * which + 1), (200, 2 * which + 2)] {
            let outcome = match which {
                0 => block_on(once.clone().oneshot(echo(&provider))),
                1 => block_on(unable.clone().oneshot(echo(&provider))),
                _ => block_on(able.clone().oneshot(unwilling(echo(&provider)))),
            };
            assert_eq!((outcome.unwrap().status().as_u16(), *calls.lock().unwrap()), (status, expected));
        }
    }
}

#[test]
fn s_tk_21_tokens_go_to_the_apis_origin_alone() {
    let provider = Provider::new();
    let session = session(&provider);
    let api = api(&provider);
    let calls = Arc::clone(&api.calls);
    let service = AuthorizeLayer::new(session).layer(api);
    for url in ["https://evil.test/api/me", "http://issuer.test/api/me", "/api/me"] {
        let request = http::Request::get(url).body(Body::default()).unwrap();
        let error = block_on(service.clone().oneshot(request)).unwrap_err();
        assert_eq!(reason(&error), Reason::OriginNotAllowed, "{url}");
    }
    let mut request = echo(&provider);
    request.headers_mut().insert("authorization", "Basic x".parse().unwrap());
    let error = block_on(service.oneshot(request)).unwrap_err();
    assert_eq!(reason(&error), Reason::AlreadyAuthorized);
    assert_eq!(*calls.lock().unwrap(), 0);
}

#[test]
fn errors_of_the_service_are_its_own() {
    let provider = Provider::new();
    let session = session(&provider);
    let broken = Strict::<Body>::new(|_, _| Err("broken".into()));
    let error =
        block_on(AuthorizeLayer::new(session.clone()).layer(broken).oneshot(echo(&provider))).unwrap_err();
    assert_eq!(error.to_string(), "broken");
    let closed = Strict::<Body>::refusing(|| "not ready".into());
    let error = block_on(AuthorizeLayer::new(session).layer(closed).oneshot(echo(&provider))).unwrap_err();
    assert_eq!(error.to_string(), "not ready");
}

#[test]
fn requests_are_signed_by_oauth_1_0a() {
    let provider = Provider::builder().real_clock().build();
    let credentials = ClientCredentials::new("dpf43f3p2l4k3l03", "kd94hf93k423kf44").unwrap();
    let client = valetkey::oauth1::Client::builder(provider.clone())
        .credentials(credentials.clone())
        .temporary_credentials(&provider.oauth1("request_token"))
        .authorization(&provider.oauth1("authorize"))
        .token_credentials(&provider.oauth1("access_token"))
        .redirect_uri("https://client.test/cb")
        .build()
        .unwrap();
    let session = block_on(async {
        let (url, pending) = client.authorize().start().await?;
        let callback = provider.visit(&url).expect("the user gets through");
        client.redeem(pending, &callback).await
    });
    let token = session.unwrap().credentials().unwrap().clone();
    let signer = Arc::new(Signer::new(credentials).token(token));
    let api = api(&provider);
    let calls = Arc::clone(&api.calls);
    let full = |request: http::Request<Bytes>| request.map(Full::new);
    let service = SignLayer::new(Arc::clone(&signer)).layer(api.map_request(full));

    // Each has a nonce of its own, or the second were refused.
    for _ in 0..2 {
        let request = http::Request::post(provider.oauth1("api/photos?size=original"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Bytes::from_static(b"file=vacation%20%2b.jpg"))
            .unwrap();
        assert_eq!(block_on(service.clone().oneshot(request)).unwrap().status(), 200);
    }
    let unsigned = http::Request::get("/relative").body(Bytes::new()).unwrap();
    let error = block_on(service.oneshot(unsigned)).unwrap_err();
    assert!(error.is::<valetkey::Error>());
    assert_eq!(*calls.lock().unwrap(), 2);
}
