//! Sessions: where tokens go, and how they are renewed by many at once.

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

use futures_util::future::join_all;
use http::Method;
use valetkey::{
    Advice, ErrorKind, NoReplay, Reason,
    oauth2::{grant::RefreshTokenGrant, token::GrantedScope},
};
use valetkey_testkit::{Place, Provider, Spawning, block_on, fault};

use crate::{builder, client, get, sign_in};

#[test]
fn s_tk_21_tokens_go_to_the_apis_origin_alone() {
    let provider = Provider::new();
    let session = sign_in(&client(&provider), &provider).unwrap();
    let mark = provider.mark();
    for url in [
        "https://evil.test/api/me",
        "http://issuer.test/api/me",
        "https://issuer.test:444/api/me",
        "https://issuer.test@evil.test/",
        "https://evil@issuer.test/",
        "/api/me",
    ] {
        let error = block_on(session.send(get(url))).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Usage, Reason::OriginNotAllowed), "{url}");
    }
    let mut request = get(provider.api("me"));
    request.headers_mut().insert("authorization", "Basic x".parse().unwrap());
    assert_eq!(block_on(session.send(request)).unwrap_err().reason(), Reason::AlreadyAuthorized);
    provider.assert_quiet_since(mark);
    assert_eq!(block_on(session.send(get("https://ISSUER.test:443/api/me"))).unwrap().status(), 200);
}

#[test]
fn s_net_03_a_redirect_of_an_api_is_an_answer() {
    let provider = Provider::new();
    let session = sign_in(&client(&provider), &provider).unwrap();
    provider.set_fault(fault("resource-redirect-307"));
    let mark = provider.mark();
    assert_eq!(block_on(session.send(get(provider.api("me")))).unwrap().status(), 307);
    assert_eq!(provider.requests_since(mark).len(), 1);
}

#[test]
fn r_down_an_api_that_does_not_answer_says_nothing_of_the_grant() {
    let provider = Provider::new();
    let session = sign_in(&client(&provider), &provider).unwrap();
    for (name, method, replay, advice) in [
        ("resource-dropped", Method::GET, true, Advice::RetryAfter(Duration::from_secs(1))),
        ("resource-slow-head", Method::PUT, true, Advice::RetryAfter(Duration::from_secs(1))),
        ("resource-slow-head", Method::POST, true, Advice::GiveUp),
        ("resource-dropped", Method::GET, false, Advice::GiveUp),
    ] {
        provider.set_fault(fault(name));
        let mut request = get(provider.api("me"));
        *request.method_mut() = method;
        if !replay {
            request.extensions_mut().insert(NoReplay);
        }
        let error = block_on(session.send(request)).unwrap_err();
        assert_eq!((error.reason(), error.advice()), (Reason::OutcomeUnknown, advice), "{name}");
    }
    provider.clear_faults();
    assert_eq!(block_on(session.send(get(provider.api("me")))).unwrap().status(), 200);
}

#[test]
fn r_clock_a_new_token_that_an_api_refuses_is_exchanged_once_in_five_minutes() {
    let provider = Provider::new();
    let session = sign_in(&client(&provider), &provider).unwrap();
    provider.set_fault(fault("resource-401-once").times(1000));
    for (later, refreshes) in [(0, 1), (0, 1), (299, 1), (1, 2), (1, 2), (300, 3)] {
        provider.advance(Duration::from_secs(later));
        assert_eq!(block_on(session.send(get(provider.api("me")))).unwrap().status(), 401);
        assert_eq!(provider.count(Place::Token), 1 + refreshes, "after {later} s");
    }
}

#[test]
fn s_tk_13_a_refresh_rotates_and_a_reuse_ends_the_family() {
    let provider = Provider::new();
    let client = client(&provider);
    let session = sign_in(&client, &provider).unwrap();
    let (first, second) =
        block_on(async { (session.tokens().await.unwrap(), session.refresh().await.unwrap()) });
    assert_ne!(first.access_token(), second.access_token());
    assert_ne!(first.refresh_token(), second.refresh_token());
    assert_eq!(block_on(session.tokens()).unwrap(), second);
    assert_eq!(block_on(session.send(get(provider.api("me")))).unwrap().status(), 200);

    let server = block_on(client.server()).unwrap();
    let thief = RefreshTokenGrant::new(&server, first.refresh_token().unwrap().clone()).unwrap();
    assert_eq!(block_on(client.call(thief)).unwrap_err().reason(), Reason::RefreshDenied);
    let error = block_on(session.refresh()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::RefreshDenied));
    assert_eq!(error.advice(), Advice::Reauthorize);
    assert_eq!(block_on(session.tokens()).unwrap(), second, "the tokens stay as they are");
}

#[test]
fn t2_a_thousand_callers_make_one_refresh() {
    let provider = Provider::new();
    let session = sign_in(&client(&provider), &provider).unwrap();
    let before = provider.count(Place::Token);
    let tokens = block_on(join_all((0..1000).map(|_| session.refresh())));
    let first = tokens[0].as_ref().unwrap();
    assert!(tokens.iter().all(|tokens| Arc::ptr_eq(tokens.as_ref().unwrap(), first)));
    assert_eq!(provider.count(Place::Token), before + 1);
    assert_eq!(block_on(session.send(get(provider.api("me")))).unwrap().status(), 200);
}

#[test]
fn t2_callers_on_many_threads_never_use_a_refresh_token_twice() {
    let provider = Provider::builder().spawning(Spawning::Thread).build();
    let session = sign_in(&client(&provider), &provider).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..50).for_each(|_| drop(block_on(session.refresh()).unwrap())));
        }
    });
    // A second use would have ended the family.
    assert_eq!(block_on(session.send(get(provider.api("me")))).unwrap().status(), 200);
}

#[test]
fn t4_a_refresh_survives_its_callers() {
    for polls in 0..6 {
        let provider = Provider::new();
        let session = sign_in(&client(&provider), &provider).unwrap();
        let before = provider.count(Place::Token);
        {
            let mut leader = pin!(session.refresh());
            for _ in 0..polls {
                if leader.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                    break;
                }
            }
        }
        block_on(session.refresh()).unwrap();
        assert!(provider.count(Place::Token) <= before + 2, "after {polls} polls");
        assert_eq!(
            block_on(session.send(get(provider.api("me")))).unwrap().status(),
            200,
            "after {polls} polls"
        );
    }
}

#[test]
fn s_tk_18_a_refresh_whose_outcome_is_unknown_is_not_repeated() {
    let provider = Provider::new();
    let session = sign_in(&client(&provider), &provider).unwrap();
    provider.set_fault(fault("token-dropped").times(1));
    let mark = provider.mark();
    let error = block_on(session.refresh()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Transport, Reason::OutcomeUnknown));
    assert_eq!(provider.requests_since(mark).len(), 1);
}

#[test]
fn a_service_gets_its_token_when_it_needs_it() {
    let provider = Provider::new();
    let service = builder(&provider).id("service").secret("service-secret");
    let service = block_on(service.build()).unwrap();
    let session = service.client_credentials().scope("read").session().unwrap();
    assert_eq!(provider.count(Place::Token), 0);
    let answers = block_on(join_all((0..50).map(|_| session.send(get(provider.api("me"))))));
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().status() == 200));
    assert_eq!(provider.count(Place::Token), 1, "fifty requests, one token");

    let tokens = block_on(session.tokens()).unwrap();
    assert!(matches!(tokens.scope(), GrantedScope::Explicit(scope) if scope.contains("read")));
    provider.advance(Duration::from_secs(3601));
    assert_eq!(block_on(session.send(get(provider.api("me")))).unwrap().status(), 200);
    assert_eq!(provider.count(Place::Token), 2, "an hour later, another");
}

#[test]
fn s_tk_19_a_public_client_has_no_credentials_of_its_own() {
    let provider = Provider::new();
    let public = valetkey::Client::builder(provider).discover("https://issuer.test").id("native");
    let error = block_on(public.build()).unwrap().client_credentials().session().unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::MissingClientAuthentication));
}

#[test]
fn without_a_refresh_token_the_session_says_so() {
    let provider = Provider::builder().refresh_tokens(false).build();
    let session = sign_in(&client(&provider), &provider).unwrap();
    let error = block_on(session.refresh()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Usage, Reason::MissingRefreshToken));
}
