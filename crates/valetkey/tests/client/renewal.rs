//! Sessions that renew themselves: when, how often, what becomes of failures, and who is told.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use valetkey::{
    Advice, Anomaly, ErrorKind, NoReplay, Reason, Session, SessionEvent, Verdict,
    oauth2::token::{GrantedScope, refresh::Manner},
};
use valetkey_testkit::{Effect, Expect, Fault, Member, Place, Provider, Spawning, block_on, fault};

use crate::{builder, client, get, machine::Machine, sign_in};

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// A session of alice's.
pub(crate) fn session(provider: &Provider) -> Session {
    sign_in(&client(provider), provider).unwrap()
}

/// Calls the API and says what it answered.
pub(crate) fn call(session: &Session, provider: &Provider) -> valetkey::Result<u16> {
    block_on(session.send(get(provider.api("me")))).map(|response| response.status().as_u16())
}

/// How often tokens were asked for.
fn asked(provider: &Provider) -> usize {
    provider.count(Place::Token)
}

/// A change to every token response.
fn token_response(edits: &'static [Member]) -> Fault {
    Fault::new("of-this-test", Place::Token, Effect::Json(edits), Expect::Accepted)
}

/// An API that says 401, with this challenge if it is not empty.
fn refusal(headers: &'static [(&'static str, &'static str)]) -> Fault {
    let effect = Effect::Answer { status: 401, headers, body: b"" };
    Fault::new("of-this-test", Place::Resource, effect, Expect::Accepted)
}

#[test]
fn a_token_is_renewed_before_it_expires_and_not_much_before() {
    let provider = Provider::new();
    let session = session(&provider);
    for (later, expected) in [(HOUR - Duration::from_secs(11), 1), (Duration::from_secs(2), 2), (HOUR / 2, 2)]
    {
        provider.advance(later);
        assert_eq!(call(&session, &provider).unwrap(), 200);
        assert_eq!(asked(&provider), expected, "after {later:?}");
    }
    assert!(session.bearer().is_some());
    provider.advance(HOUR);
    assert!(session.bearer().is_none(), "no waiting, so none");
    block_on(session.tokens()).unwrap();
    assert_eq!(
        session.bearer().unwrap().as_bytes(),
        block_on(session.tokens()).unwrap().access_token().header()
    );
}

#[test]
fn r_herd_a_thousand_callers_at_expiry_make_one_request() {
    for spawning in [Spawning::HandBack, Spawning::Thread] {
        let provider = Provider::builder().yields(true).spawning(spawning).build();
        let session = session(&provider);
        provider.advance(2 * HOUR);
        let answers = block_on(join_all((0..1000).map(|_| session.send(get(provider.api("me"))))));
        assert!(answers.iter().all(|answer| answer.as_ref().unwrap().status() == 200));
        assert_eq!(asked(&provider), 2);
    }
}

#[test]
fn r_down_an_early_renewal_that_fails_hides_no_good_token() {
    let provider = Provider::new();
    let session = session(&provider);
    provider.advance(HOUR - Duration::from_secs(5));
    provider.set_fault(fault("token-unreachable"));
    assert_eq!(call(&session, &provider).unwrap(), 200, "it has five seconds left");
    let before = asked(&provider);
    assert_eq!(call(&session, &provider).unwrap(), 200);
    assert_eq!(asked(&provider), before, "the server is left alone for a moment");
    provider.advance(Duration::from_secs(6));
    let error = call(&session, &provider).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Transport, Reason::Unreachable));
    provider.clear_faults();
    provider.advance(Duration::from_secs(60));
    assert_eq!(call(&session, &provider).unwrap(), 200);
}

#[test]
fn r_neg_what_is_refused_for_good_is_not_asked_again() {
    let provider = Provider::new();
    let session = session(&provider);
    provider.revoke_grants();
    provider.advance(2 * HOUR);
    let mark = provider.mark();
    let errors = block_on(join_all((0..50).map(|_| session.send(get(provider.api("me"))))));
    for error in errors {
        let error = error.unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::RefreshDenied));
        assert_eq!(error.advice(), Advice::Reauthorize);
    }
    provider.advance(1000 * HOUR);
    assert!(call(&session, &provider).is_err());
    assert_eq!(provider.requests_since(mark).iter().filter(|entry| entry.place() == Place::Token).count(), 1);
}

#[test]
fn r_neg_a_client_that_is_refused_waits_longer_and_longer() {
    let provider = Provider::new();
    let session = session(&provider);
    provider.advance(2 * HOUR);
    provider.set_fault(fault("invalid-client-401"));
    for (wait, expected) in [(0, 2), (59, 2), (2, 3), (119, 3), (2, 4), (1000, 5)] {
        provider.advance(Duration::from_secs(wait));
        assert_eq!(call(&session, &provider).unwrap_err().reason(), Reason::RequestDenied);
        assert_eq!(asked(&provider), expected, "after {wait} s");
    }
    provider.clear_faults();
    provider.advance(HOUR);
    assert_eq!(call(&session, &provider).unwrap(), 200);
}

#[test]
fn retry_after_of_the_token_endpoint_is_kept() {
    const BUSY: Fault = Fault::new(
        "of-this-test",
        Place::Token,
        Effect::Answer { status: 429, headers: &[("retry-after", "100")], body: b"" },
        Expect::Accepted,
    );
    let provider = Provider::new();
    let session = session(&provider);
    provider.advance(2 * HOUR);
    provider.set_fault(BUSY);
    let error = call(&session, &provider).unwrap_err();
    assert_eq!(
        (error.kind(), error.advice()),
        (ErrorKind::Server, Advice::RetryAfter(Duration::from_secs(100)))
    );
    provider.clear_faults();
    provider.advance(Duration::from_secs(98));
    assert!(call(&session, &provider).is_err(), "not yet");
    provider.advance(Duration::from_secs(3));
    assert_eq!(call(&session, &provider).unwrap(), 200, "the refresh token was not used up");
}

/// The ways to lose an answer to a refresh: the server has acted on all of them.
const LOST: [&str; 5] =
    ["token-dropped", "token-truncated", "token-cut", "token-stalling", "token-slow-head"];

#[test]
fn r_amb_a_lost_answer_is_asked_for_once_more() {
    for name in LOST.into_iter().chain(["token-html", "token-500-html"]) {
        let told: Arc<Mutex<Vec<SessionEvent>>> = Arc::default();
        let hears = Arc::clone(&told);
        // The server lets the old token be used again for a while: the second request succeeds.
        let provider = Provider::builder().rotation_grace(Duration::from_secs(120)).build();
        let builder = builder(&provider)
            .observer(move |event: &SessionEvent| hears.lock().unwrap().push(event.clone()));
        let session = sign_in(&block_on(builder.build()).unwrap(), &provider).unwrap();
        provider.advance(2 * HOUR);
        provider.set_fault(fault(name).times(1));
        let before = asked(&provider);
        assert_eq!(call(&session, &provider).unwrap(), 200, "{name}");
        assert_eq!(asked(&provider) - before, 2, "{name}");
        let told = told.lock().unwrap();
        assert!(
            matches!(&told[..], [SessionEvent::RenewalFailed { error }, SessionEvent::Renewed { generation: 1 }]
                if error.reason() == Reason::OutcomeUnknown),
            "{name}: {told:?}"
        );
    }
}

#[test]
fn r_amb_a_rotation_whose_answer_is_lost_is_named() {
    for name in LOST {
        let provider = Provider::new();
        let session = session(&provider);
        provider.advance(2 * HOUR);
        provider.set_fault(fault(name).times(1));
        let before = asked(&provider);
        let error = call(&session, &provider).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::RotationLost), "{name}");
        assert_eq!(error.advice(), Advice::Reauthorize);
        provider.advance(HOUR);
        assert_eq!(call(&session, &provider).unwrap_err().reason(), Reason::RotationLost);
        assert_eq!(asked(&provider) - before, 2, "{name}: twice at most");
    }
}

#[test]
fn r_amb_a_second_lost_answer_ends_it() {
    let provider = Provider::builder().rotation_grace(HOUR).build();
    let session = session(&provider);
    provider.advance(2 * HOUR);
    provider.set_fault(fault("token-dropped"));
    let before = asked(&provider);
    for _ in 0..10 {
        let error = call(&session, &provider).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Transport, Reason::OutcomeUnknown));
        provider.advance(HOUR);
    }
    assert_eq!(asked(&provider) - before, 2);
}

#[test]
fn r_amb_a_program_may_forbid_the_one_more_time() {
    let provider = Provider::builder().rotation_grace(HOUR).build();
    let mut manner = Manner::new();
    manner.once_more = false;
    let client = block_on(builder(&provider).renewal_manner(manner).build()).unwrap();
    let session = sign_in(&client, &provider).unwrap();
    provider.advance(2 * HOUR);
    provider.set_fault(fault("token-dropped").times(1));
    let before = asked(&provider);
    for _ in 0..3 {
        assert_eq!(call(&session, &provider).unwrap_err().reason(), Reason::OutcomeUnknown);
        provider.advance(HOUR);
    }
    assert_eq!(asked(&provider) - before, 1);
}

#[test]
fn r_amb_while_the_old_token_is_good_it_is_used() {
    let provider = Provider::builder().rotation_grace(HOUR).build();
    let session = session(&provider);
    provider.advance(HOUR - Duration::from_secs(9));
    provider.set_fault(fault("token-dropped").times(1));
    assert_eq!(call(&session, &provider).unwrap(), 200);
    assert_eq!(asked(&provider), 2);
    provider.advance(Duration::from_secs(6));
    assert_eq!(call(&session, &provider).unwrap(), 200);
    assert_eq!(asked(&provider), 3, "the one more time, later");
}

#[test]
fn s_tk_22_and_r_401_a_refusal_is_answered_by_one_renewal_and_one_replay() {
    let provider = Provider::new();
    let session = session(&provider);
    provider.revoke_access_tokens();
    let mark = provider.mark();
    assert_eq!(call(&session, &provider).unwrap(), 200);
    let places: Vec<_> = provider.requests_since(mark).iter().map(|entry| entry.place()).collect();
    assert_eq!(places, [Place::Resource, Place::Token, Place::Resource]);

    // Many are refused with the same token: one renewal.
    provider.revoke_access_tokens();
    let before = asked(&provider);
    let answers = block_on(join_all((0..100).map(|_| session.send(get(provider.api("me"))))));
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().status() == 200));
    assert_eq!(asked(&provider), before + 1);
}

#[test]
fn s_tk_22_an_api_that_refuses_for_ever_costs_one_renewal() {
    let told = Arc::new(AtomicUsize::new(0));
    let hears = Arc::clone(&told);
    let provider = Provider::new();
    let builder = builder(&provider).observer(move |event: &SessionEvent| {
        let refused = matches!(event, SessionEvent::Anomaly(Anomaly::NewTokenRefused));
        hears.fetch_add(usize::from(refused), Ordering::Relaxed);
    });
    let session = sign_in(&block_on(builder.build()).unwrap(), &provider).unwrap();
    for headers in [
        &[][..],
        &[("www-authenticate", "Bearer error=\"invalid_token\"")],
        &[("www-authenticate", "Bearer")],
        &[("www-authenticate", "Negotiate, Basic realm=\"x\", Bearer realm=\"y\"")],
        &[("www-authenticate", "\"junk")],
    ] {
        provider.set_fault(refusal(headers));
        let before = asked(&provider);
        for _ in 0..10 {
            assert_eq!(call(&session, &provider).unwrap(), 401, "{headers:?}");
        }
        assert_eq!(asked(&provider), before + 1, "{headers:?}");
        provider.clear_faults();
        assert_eq!(call(&session, &provider).unwrap(), 200);
    }
    assert!(told.load(Ordering::Relaxed) >= 5);
}

#[test]
fn r_401_a_token_that_expires_under_way_is_exchanged_although_it_follows_a_refusal() {
    let provider = Provider::new();
    let session = session(&provider);
    let refused = http::Response::builder().status(401).body(bytes::Bytes::new()).unwrap();
    let mut request = get(provider.api("me"));
    let before = asked(&provider);
    let mut goes = |time| {
        let attached = block_on(session.attach(&mut request)).unwrap();
        provider.advance(time);
        block_on(session.learn(&attached, &refused)).unwrap()
    };
    assert_eq!(goes(Duration::ZERO), Verdict::Again);
    // It was refused before it could be used at all, and is as old as that.
    assert_eq!(goes(2 * HOUR), Verdict::Again);
    assert_eq!(asked(&provider), before + 2);
    // A good one that is refused again is the API's doing.
    assert_eq!(goes(Duration::ZERO), Verdict::Final);
    assert_eq!(asked(&provider), before + 2);
}

#[test]
fn r_401_that_is_not_about_the_token_is_an_answer() {
    let provider = Provider::new();
    let session = session(&provider);
    let before = asked(&provider);
    for challenge in [
        &[("www-authenticate", "Basic realm=\"x\"")],
        &[("www-authenticate", "Bearer error=\"invalid_request\"")],
        &[("www-authenticate", "A, B, C, D, E, F, G, H, I, J")],
    ] {
        provider.set_fault(refusal(challenge));
        assert_eq!(call(&session, &provider).unwrap(), 401);
    }
    assert_eq!(asked(&provider), before);
}

#[test]
fn what_must_not_be_sent_twice_says_so() {
    let provider = Provider::new();
    let session = session(&provider);
    provider.revoke_access_tokens();
    let mark = provider.mark();
    let pay = || {
        let mut request = get(provider.api("me"));
        request.extensions_mut().insert(NoReplay);
        request
    };
    let error = block_on(session.send(pay())).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::NotReplayed));
    assert_eq!(error.status().unwrap(), 401);
    assert!(error.challenges()[0].is("bearer"));
    let calls = provider.requests_since(mark).iter().filter(|entry| entry.place() == Place::Resource).count();
    assert_eq!(calls, 1);
    assert_eq!(block_on(session.send(pay())).unwrap().status(), 200, "the token was renewed");
}

#[test]
fn a_program_with_its_own_http_client_attaches_and_learns() {
    use valetkey_http::{Backend, Limits};
    let provider = Provider::new();
    let session = session(&provider);
    let own_client = |request| block_on(provider.send(request, Limits::default())).unwrap();
    provider.revoke_access_tokens();
    let mut request = get(provider.api("me"));
    let mut rounds = 0;
    let response = loop {
        rounds += 1;
        let attached = block_on(session.attach(&mut request)).unwrap();
        assert!(!format!("{attached:?}").contains(session.bearer().unwrap().to_str().unwrap()));
        let response = own_client(request.clone());
        match block_on(session.learn(&attached, &response)).unwrap() {
            Verdict::Again => {}
            Verdict::Final => break response,
        }
    };
    assert_eq!((response.status().as_u16(), rounds), (200, 2));

    let error = block_on(session.attach(&mut get("https://evil.test/"))).unwrap_err();
    assert_eq!(error.reason(), Reason::OriginNotAllowed);
    let mut authorized = get(provider.api("me"));
    authorized.headers_mut().insert("authorization", "Basic x".parse().unwrap());
    assert_eq!(block_on(session.attach(&mut authorized)).unwrap_err().reason(), Reason::AlreadyAuthorized);
}

#[test]
fn t7_t8_what_a_renewal_leaves_out_stays() {
    let told: Arc<Mutex<Vec<SessionEvent>>> = Arc::default();
    let hears = Arc::clone(&told);
    let provider = Provider::builder().rotation(false).build();
    let builder =
        builder(&provider).observer(move |event: &SessionEvent| hears.lock().unwrap().push(event.clone()));
    let session = sign_in(&block_on(builder.build()).unwrap(), &provider).unwrap();
    let first = block_on(session.tokens()).unwrap();
    let leaves_out: &[Member] =
        &[Member::Remove("refresh_token"), Member::Remove("scope"), Member::Remove("expires_in")];
    provider.set_fault(token_response(leaves_out));
    let second = block_on(session.refresh()).unwrap();
    assert_eq!((second.refresh_token(), second.scope()), (first.refresh_token(), first.scope()));
    assert_eq!(second.expires_at(), None);
    provider.advance(HOUR / 2);
    assert_eq!(call(&session, &provider).unwrap(), 200, "an unknown lifetime ends with a refusal");
    provider.clear_faults();
    provider.advance(HOUR);
    assert_eq!(call(&session, &provider).unwrap(), 200);
    assert_eq!(asked(&provider), 3);

    provider.set_fault(token_response(&[Member::Set("scope", b"\"read everything\"")]));
    let third = block_on(session.refresh()).unwrap();
    assert!(matches!(third.scope(), GrantedScope::Explicit(scope) if scope.contains("everything")));
    let told = told.lock().unwrap();
    assert!(
        told.iter().any(|event| matches!(event, SessionEvent::Anomaly(Anomaly::ScopeChanged))),
        "{told:?}"
    );
}

#[test]
fn r_clock_lifetimes_of_every_kind_end_without_a_storm() {
    for (lifetime, calls, most) in [
        (&b"0"[..], 100, 3),
        (b"-1", 100, 3),
        (b"1e300", 100, 2),
        (b"\"soon\"", 100, 2),
        (b"99999999999999999999", 100, 2),
    ] {
        let edits: &'static [Member] =
            Box::leak(Box::new([Member::Set("expires_in", Box::leak(lifetime.into()))]));
        let provider = Provider::new();
        let session = session(&provider);
        provider.set_fault(token_response(edits));
        block_on(session.refresh()).unwrap();
        for _ in 0..calls {
            assert_eq!(call(&session, &provider).unwrap(), 200);
        }
        assert!(asked(&provider) <= most, "{lifetime:?}: {}", asked(&provider));
    }
}

#[test]
fn r_clock_a_clock_that_jumps_a_day_either_way_loses_nothing() {
    for jump in [86_400, -86_400] {
        let provider = Provider::new();
        let machine = Machine::of(&provider);
        let session = sign_in(&machine.client(), &provider).unwrap();
        machine.is_ahead(jump);
        for _ in 0..10 {
            assert_eq!(call(&session, &provider).unwrap(), 200);
        }
        assert_eq!(asked(&provider), 2, "its age is not known, so that it is renewed once");
        machine.is_ahead(0);
        for _ in 0..10 {
            assert_eq!(call(&session, &provider).unwrap(), 200);
        }
        assert!(asked(&provider) <= 3);
    }
}

#[test]
fn r_can_futures_are_dropped_at_every_await() {
    for polls in 0..40 {
        let provider = Provider::builder().yields(true).build();
        let session = session(&provider);
        provider.revoke_access_tokens();
        provider.advance(HOUR - Duration::from_secs(1));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        {
            let mut request = get(provider.api("me"));
            let mut futures: Vec<std::pin::Pin<Box<dyn Future<Output = ()> + '_>>> = vec![
                Box::pin(async { drop(session.send(get(provider.api("me"))).await) }),
                Box::pin(async { drop(session.tokens().await) }),
                Box::pin(async { drop(session.attach(&mut request).await) }),
                Box::pin(async { drop(session.refresh().await) }),
            ];
            for _ in 0..polls {
                futures.retain_mut(|future| future.as_mut().poll(&mut context).is_pending());
            }
        }
        assert_eq!(call(&session, &provider).unwrap(), 200, "after {polls} polls");
        // Never was a refresh token used twice: the family lives.
        block_on(session.refresh()).unwrap();
        assert_eq!(call(&session, &provider).unwrap(), 200, "after {polls} polls");
    }
}

#[test]
fn r_can_the_other_futures_are_dropped_at_every_await() {
    for polls in 0..40 {
        let provider = Provider::builder().yields(true).build();
        let client = client(&provider);
        let session = sign_in(&client, &provider).unwrap();
        let (url, pending) = block_on(client.authorize().start()).unwrap();
        let callback = provider.visit(&url).unwrap();
        let attached = block_on(session.attach(&mut get(provider.api("me")))).unwrap();
        let refused = http::Response::builder().status(401).body(()).unwrap();
        // Metadata that is too old, and a token that is refused, give every future something to wait for.
        provider.advance(HOUR / 2);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        {
            let mut futures: Vec<std::pin::Pin<Box<dyn Future<Output = ()> + '_>>> = vec![
                Box::pin(async { drop(session.learn(&attached, &refused).await) }),
                Box::pin(async { drop(client.authorize().start().await) }),
                Box::pin(async { drop(client.redeem(pending, &callback).await) }),
                Box::pin(async { drop(client.server().await) }),
                Box::pin(async { drop(builder(&provider).build().await) }),
            ];
            for _ in 0..polls {
                futures.retain_mut(|future| future.as_mut().poll(&mut context).is_pending());
            }
        }
        assert_eq!(call(&session, &provider).unwrap(), 200, "after {polls} polls");
        sign_in(&client, &provider).unwrap();
        {
            let mut closing: std::pin::Pin<Box<dyn Future<Output = ()> + '_>> =
                Box::pin(async { drop(session.close().await) });
            for _ in 0..polls {
                if closing.as_mut().poll(&mut context).is_ready() {
                    break;
                }
            }
        }
        block_on(session.close()).unwrap();
    }
}

#[test]
fn a_session_without_a_refresh_token_ends_with_its_access_token() {
    let provider = Provider::builder().refresh_tokens(false).build();
    let session = session(&provider);
    provider.advance(HOUR - Duration::from_secs(5));
    assert_eq!(call(&session, &provider).unwrap(), 200, "stale, and all there is");
    provider.revoke_access_tokens();
    assert_eq!(call(&session, &provider).unwrap(), 401, "nothing can be done about it");
    provider.advance(Duration::from_secs(6));
    let error = call(&session, &provider).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Expired, Reason::TokenExpired));
    assert_eq!(error.advice(), Advice::Reauthorize);
}
