//! What users of other libraries reported of grants that are kept, renewed and shared; each test is called as the report.

use std::time::Duration;

use futures_util::future::join_all;
use valetkey::{
    Advice, Client, ErrorKind, Reason, Session,
    oauth2::token::{TokenRecord, TokenSet, refresh::Standing},
    secret::Secret,
    store::{MemoryStore, Put, Store},
};
use valetkey_testkit::{Dpop, Effect, Expect, Fault, Member, Place, Provider, block_on, fault};

use crate::{
    builder, client, get,
    machine::Machine,
    renewal::{HOUR, call},
    sessions::{alice, key, open, program, world},
    sign_in,
};

/// How often tokens were asked for.
fn asked(provider: &Provider) -> usize {
    provider.count(Place::Token)
}

/// What is kept of alice's grant, and how it stands.
fn kept(store: &MemoryStore, provider: &Provider) -> (TokenRecord, Standing) {
    let stored = block_on(store.load(&key(provider))).unwrap().expect("it is there");
    TokenRecord::parse_shared(stored.text.expose()).unwrap()
}

#[test]
fn lease_expires_mid_call_and_the_grant_is_in_nobodys_hands_twice() {
    let provider = Provider::builder().rotation_grace(Duration::from_secs(600)).build();
    let clock = provider.clone();
    let store = MemoryStore::with_clock(move || valetkey_http::Backend::now(&clock));
    drop(alice(&program(&provider, &store), &provider));
    let machine = Machine::of(&provider);
    let (first, second) = (open(&machine.sessions(store.clone())), open(&program(&provider, &store)));
    provider.advance(2 * HOUR);
    // The machine stands still for so long that its lease is over, and another one renews.
    let (other, at) = (second.clone(), provider.clone());
    machine.meanwhile(async move {
        at.advance(Duration::from_secs(300));
        let response = other.send(get(at.api("me"))).await.unwrap();
        assert_eq!(response.status(), 200);
    });
    assert_eq!(call(&first, &provider).unwrap(), 200);
    for _ in 0..3 {
        provider.advance(2 * HOUR);
        let before = asked(&provider);
        assert_eq!((call(&first, &provider).unwrap(), call(&second, &provider).unwrap()), (200, 200));
        assert_eq!(asked(&provider), before + 1, "one refresh for both");
    }
}

#[test]
fn a_lease_lasts_as_long_as_the_call() {
    let (provider, store) = world();
    drop(alice(&program(&provider, &store), &provider));
    let machine = Machine::of(&provider);
    let session = open(&machine.sessions(store.clone()));
    provider.advance(2 * HOUR);
    let (rival, at) = (valetkey::store::Owner::new(&*provider.random()).unwrap(), provider.clone());
    let (leases, name) = (store.clone(), key(&provider));
    machine.meanwhile(async move {
        for _ in 0..30 {
            valetkey_http::Backend::sleep(&at, Duration::from_secs(10)).await;
            assert!(!leases.lease(&name, &rival, HOUR).await.unwrap(), "it is kept up");
        }
    });
    assert_eq!(call(&session, &provider).unwrap(), 200);
    let next = valetkey::store::Owner::new(&*provider.random()).unwrap();
    assert!(block_on(store.lease(&key(&provider), &next, HOUR)).unwrap(), "and given back");
}

#[test]
fn stale_adopter_overwrites_new_login_in_no_order() {
    // Before it asks: it takes over what the user signed in to.
    let (provider, store) = world();
    let (one, two) = (program(&provider, &store), program(&provider, &store));
    drop(alice(&one, &provider));
    let stale = open(&two);
    let renewed = alice(&one, &provider);
    provider.advance(2 * HOUR);
    let before = asked(&provider);
    assert_eq!((call(&renewed, &provider).unwrap(), call(&stale, &provider).unwrap()), (200, 200));
    assert_eq!(asked(&provider), before + 1);
    assert_eq!(stale.record(), renewed.record());

    // While it asks: what it gets is of the older sign-in.
    let (provider, store) = world();
    drop(alice(&program(&provider, &store), &provider));
    let machine = Machine::of(&provider);
    let stale = open(&machine.sessions(store.clone()));
    provider.advance(2 * HOUR);
    let (sessions, newer) = (program(&provider, &store), sign_in(&client(&provider), &provider).unwrap());
    let (login, renewed) = (newer.record().unwrap(), newer.clone());
    machine.meanwhile(async move { sessions.save("alice", &newer).await.unwrap() });
    assert_eq!(call(&stale, &provider).unwrap(), 200);
    let is_login = |record: &TokenRecord| record.tokens().refresh_token() == login.tokens().refresh_token();
    assert!(is_login(&kept(&store, &provider).0), "the new sign-in is what is kept");
    assert!(is_login(&stale.record().unwrap()), "and what is used");
    provider.advance(2 * HOUR);
    assert_eq!((call(&renewed, &provider).unwrap(), call(&stale, &provider).unwrap()), (200, 200));
    assert_eq!(stale.record(), renewed.record());
}

#[test]
fn store_401_with_newer_token_in_store_asks_for_none() {
    let (provider, store) = world();
    let (one, two) = (program(&provider, &store), program(&provider, &store));
    let (first, second) = (alice(&one, &provider), open(&two));
    provider.revoke_access_tokens();
    block_on(second.refresh()).unwrap();
    let before = asked(&provider);
    assert_eq!(call(&first, &provider).unwrap(), 200);
    assert_eq!((asked(&provider), first.record()), (before, second.record()));
}

#[test]
fn refresh_omits_rt_scope_expires_in_id_token_and_the_store_has_them() {
    let (provider, store) = (Provider::builder().rotation(false).build(), MemoryStore::new());
    let session = alice(&program(&provider, &store), &provider);
    let first = block_on(session.tokens()).unwrap();
    const OMITS: &[Member] =
        &[Member::Remove("refresh_token"), Member::Remove("scope"), Member::Remove("expires_in")];
    provider.set_fault(Fault::new("of-this-test", Place::Token, Effect::Json(OMITS), Expect::Accepted));
    block_on(session.refresh()).unwrap();
    drop(session);
    provider.clear_faults();
    let (record, _) = kept(&store, &provider);
    let left = |tokens: &TokenSet| (tokens.refresh_token().cloned(), tokens.scope().clone());
    assert_eq!(left(record.tokens()), left(&first));
    assert_eq!(record.tokens().expires_at(), None);
    // In another program, once the API refuses it.
    provider.revoke_access_tokens();
    assert_eq!(call(&open(&program(&provider, &store)), &provider).unwrap(), 200);
}

/// An answer of the token endpoint.
fn answers(status: u16, headers: &'static [(&'static str, &'static str)], body: &'static [u8]) -> Fault {
    Fault::new("of-this-test", Place::Token, Effect::Answer { status, headers, body }, Expect::Accepted)
}

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

#[test]
fn error_bodies_200_and_400_html_and_401_invalid_client_and_429_retry_after_end_no_grant() {
    let said = |code| -> &'static [u8] { Box::leak(format!("{{\"error\":\"{code}\"}}").into_bytes().into()) };
    for (name, fault, wait) in [
        ("200 with an error", answers(200, JSON, said("temporarily_unavailable")), 120),
        ("401 invalid_client", answers(401, JSON, said("invalid_client")), 120),
        ("400 unauthorized_client", answers(400, JSON, said("unauthorized_client")), 120),
        ("429", answers(429, &[("retry-after", "100")], b""), 120),
        ("503", answers(503, &[("retry-after", "100")], b""), 120),
        ("nobody listens", fault("token-unreachable"), 120),
    ] {
        let (provider, store) = world();
        let sessions = program(&provider, &store);
        let session = alice(&sessions, &provider);
        let refresh_token = session.record().unwrap().tokens().refresh_token().cloned();
        provider.advance(2 * HOUR);
        provider.set_fault(fault);
        assert!(call(&session, &provider).is_err(), "{name}");
        let (record, standing) = kept(&store, &provider);
        assert_eq!(standing, Standing::Idle, "{name}: whoever comes next need not doubt it");
        assert_eq!(record.tokens().refresh_token().cloned(), refresh_token, "{name}");
        provider.clear_faults();
        // In another program at once, and in this one after its pause.
        assert_eq!(call(&open(&program(&provider, &store)), &provider).unwrap(), 200, "{name}");
        provider.advance(Duration::from_secs(wait));
        assert_eq!(call(&session, &provider).unwrap(), 200, "{name}");
    }
    // A page says nothing of whether the server has acted: it is asked once more.
    let (provider, store) = world();
    let session = alice(&program(&provider, &store), &provider);
    provider.advance(2 * HOUR);
    provider.set_fault(answers(400, &[("content-type", "text/html")], b"<html>").times(1));
    let before = asked(&provider);
    assert_eq!(call(&session, &provider).unwrap(), 200);
    assert_eq!((asked(&provider), kept(&store, &provider).1), (before + 2, Standing::Idle));
}

#[test]
fn dcr_client_purged_is_said_and_not_asked_for_ever() {
    let (provider, store) = world();
    let session = alice(&program(&provider, &store), &provider);
    provider.advance(2 * HOUR);
    provider.set_fault(fault("invalid-client-401"));
    let before = asked(&provider);
    let errors = block_on(join_all((0..100).map(|_| session.send(get(provider.api("me"))))));
    for error in errors.into_iter().map(Result::unwrap_err) {
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::RequestDenied));
        assert_ne!(error.advice(), Advice::Reauthorize, "another sign-in of this client would not help");
    }
    assert_eq!(asked(&provider), before + 1);
    assert!(kept(&store, &provider).0.tokens().refresh_token().is_some());
}

#[test]
fn as_changed_issuer_and_no_token_goes_there() {
    let (provider, store) = world();
    drop(alice(&program(&provider, &store), &provider));
    let stored = block_on(store.load(&key(&provider))).unwrap().unwrap();
    let other = Provider::builder().issuer("https://other.test").build();
    let sessions = program(&other, &store);
    assert!(
        block_on(sessions.open("alice")).unwrap().is_none()
            && block_on(sessions.accounts()).unwrap().is_empty()
    );
    // Somebody brings it along by hand.
    block_on(store.put(&key(&other), 1, &stored.text, None)).unwrap();
    let error = block_on(sessions.open("alice")).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Store, Reason::IssuerMismatch));
    assert_eq!(asked(&other), 0);
}

#[test]
fn suspend_8_h_costs_one_refresh() {
    let (provider, store) = world();
    let (one, two) = (program(&provider, &store), program(&provider, &store));
    let (first, second) = (alice(&one, &provider), open(&two));
    provider.advance(8 * HOUR);
    let before = asked(&provider);
    for _ in 0..50 {
        assert_eq!((call(&first, &provider).unwrap(), call(&second, &provider).unwrap()), (200, 200));
    }
    assert_eq!(asked(&provider), before + 1);
}

#[test]
fn clock_an_hour_behind_or_ahead_loses_no_grant_and_makes_no_storm() {
    for ahead in [3600, -3600] {
        let (provider, store) = world();
        let (right, wrong) = (Machine::of(&provider), Machine::of(&provider));
        wrong.is_ahead(ahead);
        drop(alice(&right.sessions(store.clone()), &provider));
        let (first, second) = (open(&right.sessions(store.clone())), open(&wrong.sessions(store.clone())));
        for hour in 1..=5 {
            let before = asked(&provider);
            for _ in 0..20 {
                assert_eq!((call(&first, &provider).unwrap(), call(&second, &provider).unwrap()), (200, 200));
            }
            assert!(asked(&provider) <= before + 2, "one refresh for each at most, in hour {hour}");
            provider.advance(HOUR);
        }
        // What one of them keeps, the other one opens, and nothing was used twice.
        for machine in [&right, &wrong] {
            assert_eq!(call(&open(&machine.sessions(store.clone())), &provider).unwrap(), 200);
        }
    }
}

#[test]
fn clock_an_hour_off_ends_a_parked_sign_in_in_time_and_says_so() {
    let (provider, store) = world();
    let (right, wrong) = (Machine::of(&provider), Machine::of(&provider));
    for ahead in [3600, -3600] {
        wrong.is_ahead(ahead);
        let (_, pending) = block_on(right.client().authorize().start()).unwrap();
        let ticket = block_on(right.sessions(store.clone()).park(pending)).unwrap();
        match block_on(wrong.sessions(store.clone()).unpark(ticket.expose())) {
            Ok(_) => assert!(ahead < 0, "to a clock that is behind, it is not over"),
            Err(error) => {
                assert_eq!((error.kind(), error.reason()), (ErrorKind::Expired, Reason::PendingExpired))
            }
        }
    }
}

#[test]
fn different_resource_concurrently_gets_a_token_of_its_own() {
    let (one, two) = ("https://one.test/", "https://two.test/");
    let provider = Provider::builder().resources([one, two]).yields(true).build();
    let client = client(&provider);
    let of = |resource: &str| -> Session {
        client.client_credentials().resource(resource).session().expect("a session")
    };
    let sessions = [of(one), of(two)];
    let tokens = block_on(join_all((0..20).map(|at| sessions[at % 2].tokens())));
    let token = |at: usize| tokens[at].as_ref().unwrap().access_token().expose();
    assert_ne!(token(0), token(1));
    assert!((0..20).all(|at| token(at) == token(at % 2)));
    assert_eq!(asked(&provider), 2);
}

#[test]
fn dead_process_with_a_lease_delays_and_ends_nothing() {
    let (provider, store) = world();
    drop(alice(&program(&provider, &store), &provider));
    provider.advance(2 * HOUR);
    let dead = valetkey::store::Owner::new(&*provider.random()).unwrap();
    assert!(block_on(store.lease(&key(&provider), &dead, Duration::from_secs(60))).unwrap());
    let session = open(&program(&provider, &store));
    let before = asked(&provider);
    let error = call(&session, &provider).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Store, Reason::StoreFailed));
    assert!(matches!(error.advice(), Advice::RetryAfter(_)), "{error}");
    assert!(error.to_string().contains("try again"), "{error}");
    assert_eq!(asked(&provider), before);
    provider.advance(Duration::from_secs(60));
    assert_eq!(call(&session, &provider).unwrap(), 200);
}

#[test]
fn a_record_of_an_older_store_is_read_and_renewed() {
    let (provider, store) = world();
    let session = alice(&program(&provider, &store), &provider);
    let tokens = block_on(session.tokens()).unwrap();
    drop(session);
    let key = key(&provider);
    let stored = block_on(store.take(&key)).unwrap().unwrap();
    // As the first version wrote it: no standing, nothing of what was asked for.
    let first = format!(
        r#"{{"v":"1","issuer":"{}","client_id":"app","generation":7,"access_token":"{}","refresh_token":"{}","issued_at":1893456000000,"lifetime":3600,"scope":"read","scope_is_explicit":true,"note":"of the program"}}"#,
        provider.issuer(),
        tokens.access_token().expose(),
        tokens.refresh_token().unwrap().expose(),
    );
    assert_ne!(first, stored.text.expose());
    assert_eq!(block_on(store.put(&key, 1, &Secret::new(first), None)).unwrap(), Put::Written);
    provider.advance(2 * HOUR);
    assert_eq!(call(&open(&program(&provider, &store)), &provider).unwrap(), 200);
    let stored = block_on(store.load(&key)).unwrap().unwrap();
    let (record, standing) = TokenRecord::parse_shared(stored.text.expose()).unwrap();
    assert_eq!((record.generation(), standing), (8, Standing::Idle));
    assert!(stored.text.expose().contains(r#""note":"of the program""#), "what it does not know is kept");
}

#[test]
fn stale_adopter_of_a_login_with_another_key_proves_that_one() {
    let provider = Provider::builder().dpop(Dpop::Demanded).build();
    let store = MemoryStore::new();
    let client = || -> Client { block_on(builder(&provider).dpop().build()).unwrap() };
    let (one, two) = (client(), client());
    let (here, there) = (one.sessions(store.clone()), two.sessions(store));
    block_on(here.save("alice", &sign_in(&one, &provider).unwrap())).unwrap();
    let stale = open(&there);
    block_on(here.save("alice", &sign_in(&one, &provider).unwrap())).unwrap();
    // What it takes over is fresh, and then too old.
    let newer = open(&here);
    assert_eq!(call(&newer, &provider).unwrap(), 200);
    for time in [Duration::ZERO, 2 * HOUR, 2 * HOUR] {
        provider.revoke_access_tokens();
        provider.advance(time);
        let before = asked(&provider);
        assert_eq!((call(&newer, &provider).unwrap(), call(&stale, &provider).unwrap()), (200, 200));
        assert_eq!(asked(&provider), before + 1);
        assert_eq!(stale.record(), newer.record());
    }
}
