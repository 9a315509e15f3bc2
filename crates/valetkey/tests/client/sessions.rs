//! Sessions in a store: two programs that share an account, restarts, log-outs, and stores that fail.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use valetkey::{
    Advice, Client, Error, ErrorKind, Reason, Result, Session, SessionEvent, Sessions,
    oauth2::token::{
        TokenRecord,
        refresh::{Ended, Manner, Standing},
    },
    secret::Secret,
    store::{MemoryStore, Owner, Put, Store, StoreKey, Stored},
};
use valetkey_testkit::{Place, Provider, Spawning, block_on};

use crate::{
    builder, client, get,
    renewal::{HOUR, call},
    sign_in,
};

/// A provider whose refresh tokens rotate, without grace, and a store by its clock.
pub(crate) fn world() -> (Provider, MemoryStore) {
    let provider = Provider::new();
    let clock = provider.clone();
    (provider, MemoryStore::with_clock(move || valetkey_http::Backend::now(&clock)))
}

/// A program of its own: a client of its own, on the same server and store.
pub(crate) fn program(provider: &Provider, store: &MemoryStore) -> Sessions {
    client(provider).sessions(store.clone())
}

/// Alice, signed in by one program and kept.
pub(crate) fn alice(sessions: &Sessions, provider: &Provider) -> Session {
    let session = sign_in(&client(provider), provider).unwrap();
    block_on(sessions.save("alice", &session)).unwrap();
    session
}

pub(crate) fn open(sessions: &Sessions) -> Session {
    block_on(sessions.open("alice")).unwrap().expect("she is signed in")
}

pub(crate) fn key(provider: &Provider) -> StoreKey {
    let client = client(provider);
    let server = block_on(client.server()).unwrap();
    let id = valetkey::oauth2::client::ClientId::parse("app").unwrap();
    StoreKey::grant(server.issuer(), &id, "alice")
}

#[test]
fn what_one_program_renews_the_other_takes_over() {
    let (provider, store) = world();
    let (one, two) = (program(&provider, &store), program(&provider, &store));
    let first = alice(&one, &provider);
    let second = open(&two);
    assert_eq!(call(&second, &provider).unwrap(), 200);
    for _ in 0..5 {
        provider.advance(2 * HOUR);
        let before = provider.count(Place::Token);
        assert_eq!((call(&first, &provider).unwrap(), call(&second, &provider).unwrap()), (200, 200));
        assert_eq!(provider.count(Place::Token), before + 1, "one refresh for both");
        assert_eq!(first.record(), second.record());
    }
}

#[test]
fn r_herd_callers_of_two_programs_at_expiry_make_one_request() {
    // In virtual time nobody waits, so that whoever looks must not be on another thread than whoever asks.
    let provider = Provider::builder().yields(true).spawning(Spawning::HandBack).build();
    let store = MemoryStore::new();
    let (one, two) = (program(&provider, &store), program(&provider, &store));
    let (first, second) = (alice(&one, &provider), open(&two));
    for _ in 0..3 {
        provider.advance(2 * HOUR);
        let before = provider.count(Place::Token);
        let of = |at: usize| if at.is_multiple_of(2) { &first } else { &second };
        let answers = block_on(join_all((0..200).map(|at| of(at).send(get(provider.api("me"))))));
        assert!(answers.iter().all(|answer| answer.as_ref().unwrap().status() == 200));
        assert_eq!(provider.count(Place::Token), before + 1);
    }
}

#[test]
fn a_program_that_starts_again_goes_on() {
    let (provider, store) = world();
    drop(alice(&program(&provider, &store), &provider));
    for _ in 0..3 {
        provider.advance(10 * HOUR);
        assert_eq!(call(&open(&program(&provider, &store)), &provider).unwrap(), 200);
    }
    // Within one program an account has one session.
    let sessions = program(&provider, &store);
    let (one, two) = (open(&sessions), open(&sessions));
    provider.advance(2 * HOUR);
    let before = provider.count(Place::Token);
    assert_eq!((call(&one, &provider).unwrap(), call(&two, &provider).unwrap()), (200, 200));
    assert_eq!(provider.count(Place::Token), before + 1);
}

#[test]
fn a_program_that_died_while_it_asked_leaves_a_doubt_and_no_loss() {
    let (provider, store) = world();
    drop(alice(&program(&provider, &store), &provider));
    let key = key(&provider);
    let stored = block_on(store.load(&key)).unwrap().unwrap();
    let (record, _) = TokenRecord::parse_shared(stored.text.expose()).unwrap();
    let since = valetkey::Timestamp::from(valetkey_http::Backend::now(&provider));
    let put = |generation, standing| {
        let text = record.to_shared_text(standing);
        assert_eq!(block_on(store.put(&key, generation, &text, None)).unwrap(), Put::Written);
    };
    // It died before the request left: whoever comes next succeeds.
    put(2, Standing::InFlight { since, lost: 0 });
    provider.advance(2 * HOUR);
    assert_eq!(call(&open(&program(&provider, &store)), &provider).unwrap(), 200);
    // It died with the answer: the rotation is lost, and is called so.
    let stored = block_on(store.load(&key)).unwrap().unwrap();
    put(stored.generation + 1, Standing::InFlight { since, lost: 0 });
    provider.advance(2 * HOUR);
    let error = call(&open(&program(&provider, &store)), &provider).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::RotationLost));
    // And for everybody, without another request.
    let before = provider.count(Place::Token);
    let error = block_on(program(&provider, &store).open("alice")).unwrap_err();
    assert_eq!((error.reason(), error.advice()), (Reason::RotationLost, Advice::Reauthorize));
    assert_eq!(provider.count(Place::Token), before);
    // Until somebody signs in again.
    drop(alice(&program(&provider, &store), &provider));
    assert_eq!(call(&open(&program(&provider, &store)), &provider).unwrap(), 200);
}

#[test]
fn r_crash_a_program_goes_on_when_the_user_has_signed_in_again_elsewhere() {
    let (provider, store) = world();
    let (one, two) = (program(&provider, &store), program(&provider, &store));
    drop(alice(&one, &provider));
    let lost = open(&two);
    provider.revoke_grants();
    provider.advance(2 * HOUR);
    assert_eq!(call(&lost, &provider).unwrap_err().reason(), Reason::RefreshDenied);
    // Whoever still has the session that ended gets no other by it, and asking for one says why there is none.
    assert_eq!(block_on(two.open("alice")).unwrap_err().reason(), Reason::RefreshDenied);
    drop(alice(&one, &provider));
    assert_eq!(call(&open(&two), &provider).unwrap(), 200);
    assert_eq!(call(&open(&two), &provider).unwrap(), 200, "and it is the one that is open from now on");
    assert_eq!(call(&lost, &provider).unwrap_err().reason(), Reason::RefreshDenied);
}

#[test]
fn a_session_that_was_closed_is_opened_anew() {
    let (provider, store) = world();
    let sessions = program(&provider, &store);
    drop(alice(&sessions, &provider));
    let closed = open(&sessions);
    block_on(closed.close()).unwrap();
    provider.advance(2 * HOUR);
    assert_eq!(call(&open(&sessions), &provider).unwrap(), 200);
    assert_eq!(call(&closed, &provider).unwrap_err().reason(), Reason::SessionClosed);
}

#[test]
fn a_log_out_ends_it_everywhere() {
    let (provider, store) = world();
    let (one, two) = (program(&provider, &store), program(&provider, &store));
    let (first, second) = (alice(&one, &provider), open(&two));
    assert_eq!(block_on(one.accounts()).unwrap(), ["alice"]);
    block_on(one.log_out("alice")).unwrap();
    assert_eq!(call(&first, &provider).unwrap_err().reason(), Reason::SessionClosed);
    assert!(block_on(two.accounts()).unwrap().is_empty());
    assert!(block_on(program(&provider, &store).open("alice")).unwrap().is_none());
    // Whoever has it open hears of it when the token is refused or too old.
    let error = call(&second, &provider).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::LoggedOut));
    let kept = block_on(store.load(&key(&provider))).unwrap().unwrap();
    assert_eq!(TokenRecord::parse_shared(kept.text.expose()).unwrap().1, Standing::Ended(Ended::LoggedOut));
    assert!(!kept.text.expose().contains("refresh"), "no token is left");
    assert!(
        block_on(one.log_out("alice")).unwrap().is_none() && block_on(one.log_out("bob")).unwrap().is_none()
    );
}

#[test]
fn a_log_out_revokes_what_the_store_has_also_of_a_sign_in_that_was_not_seen_here() {
    let (provider, store) = world();
    let (one, two) = (program(&provider, &store), program(&provider, &store));
    for signs_in_anew in [false, true] {
        drop(alice(&one, &provider));
        let stale = open(&two);
        let newest = if signs_in_anew { alice(&one, &provider) } else { open(&one) };
        if !signs_in_anew {
            provider.advance(2 * HOUR);
        }
        let newest = block_on(newest.tokens()).unwrap();
        let old = stale.record().unwrap().tokens().access_token().clone();
        assert_ne!(newest.access_token(), &old);
        block_on(two.log_out("alice")).unwrap();
        for token in [newest.access_token(), &old] {
            assert!(block_on(client(&provider).introspect(token)).unwrap().active().is_none());
        }
    }
}

#[test]
fn a_log_out_while_tokens_come_wins_and_they_are_given_back() {
    let (provider, store) = world();
    let (one, two) = (program(&provider, &store), program(&provider, &store));
    let session = alice(&one, &provider);
    provider.advance(2 * HOUR);
    // The store signs out between the question and the write.
    let meddling = Meddling { below: store.clone(), log_out: Mutex::new(Some(two)), ..Meddling::default() };
    let sessions = client(&provider).sessions(meddling);
    drop(session);
    let error = call(&open(&sessions), &provider).unwrap_err();
    assert_eq!(error.reason(), Reason::LoggedOut);
    let record = block_on(store.load(&key(&provider))).unwrap().unwrap();
    assert!(TokenRecord::parse(record.text.expose()).is_err());
    assert_eq!(provider.count(Place::Revocation), 3, "two of the log-out, and the one that came too late");
}

#[test]
fn a_log_out_while_an_account_is_opened_wins() {
    let (provider, store) = world();
    drop(alice(&program(&provider, &store), &provider));
    let meanwhile = Meanwhile::default();
    let meddling = Meddling { below: store.clone(), meanwhile: meanwhile.clone(), ..Meddling::default() };
    let sessions = client(&provider).sessions(meddling);
    let other = sessions.clone();
    meanwhile.after_a_load(async move { drop(other.log_out("alice").await.unwrap()) });
    assert!(block_on(sessions.open("alice")).unwrap().is_none());
    // Whoever logs out here is logged out here, also if somebody was before, elsewhere.
    let (one, two) = (program(&provider, &store), program(&provider, &store));
    drop(alice(&one, &provider));
    let held = open(&two);
    block_on(one.log_out("alice")).unwrap();
    block_on(two.log_out("alice")).unwrap();
    assert!(block_on(two.open("alice")).unwrap().is_none());
    assert_eq!(call(&held, &provider).unwrap_err().reason(), Reason::SessionClosed);
}

#[test]
fn a_session_is_saved_with_its_newest_tokens() {
    let (provider, store) = world();
    let meanwhile = Meanwhile::default();
    let meddling = Meddling { below: store.clone(), meanwhile: meanwhile.clone(), ..Meddling::default() };
    let session = sign_in(&client(&provider), &provider).unwrap();
    // Somebody renews it when the record is about to be written: before that, or after, but not in between.
    let other = session.clone();
    meanwhile.after_a_load(async move { drop(other.refresh().now_or_never()) });
    let sessions = client(&provider).sessions(meddling);
    block_on(sessions.save("alice", &session)).unwrap();
    let elsewhere = open(&program(&provider, &store));
    for session in [&elsewhere, &session, &open(&sessions)] {
        block_on(session.refresh()).unwrap();
    }
}

/// What others do in the middle of something.
#[derive(Clone, Default)]
struct Meanwhile(Arc<Mutex<Option<BoxFuture<'static, ()>>>>);

impl Meanwhile {
    fn after_a_load(&self, others: impl Future<Output = ()> + Send + 'static) {
        *self.0.lock().unwrap() = Some(Box::pin(others));
    }
}

impl std::fmt::Debug for Meanwhile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Meanwhile")
    }
}

/// A store that fails or meddles as it is told.
#[derive(Debug, Default)]
struct Meddling {
    below: MemoryStore,
    /// Who logs out before the next tokens are kept.
    log_out: Mutex<Option<Sessions>>,
    /// What is done after the next record was read.
    meanwhile: Meanwhile,
    /// How many of the next writes fail that say that the server is asked.
    failing: Arc<AtomicU32>,
    /// How many of the next leases fail.
    unleased: Arc<AtomicU32>,
    /// How many of the next ones fail that keep what it answered.
    losing: Arc<AtomicU32>,
}

/// Whether there is one more to fail.
fn fails(left: &AtomicU32) -> Result<()> {
    match left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
        Ok(_) => Err(Error::new(ErrorKind::Store, Reason::StoreFailed).with_detail("of this test")),
        Err(_) => Ok(()),
    }
}

#[async_trait]
impl Store for Meddling {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>> {
        let stored = self.below.load(key).await;
        let others = self.meanwhile.0.lock().unwrap().take();
        if let Some(others) = others {
            others.await;
        }
        stored
    }

    async fn put(
        &self,
        key: &StoreKey,
        generation: u64,
        text: &Secret,
        lifetime: Option<Duration>,
    ) -> Result<Put> {
        let is_new = !text.expose().contains("in_flight");
        let who = self.log_out.lock().unwrap().take_if(|_| is_new);
        if let Some(sessions) = who {
            sessions.log_out("alice").await?;
        }
        fails(if is_new { &self.losing } else { &self.failing })?;
        self.below.put(key, generation, text, lifetime).await
    }

    async fn take(&self, key: &StoreKey) -> Result<Option<Stored>> {
        self.below.take(key).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<StoreKey>> {
        self.below.list(prefix).await
    }

    async fn lease(&self, key: &StoreKey, owner: &Owner, time: Duration) -> Result<bool> {
        fails(&self.unleased)?;
        self.below.lease(key, owner, time).await
    }

    async fn release(&self, key: &StoreKey, owner: &Owner) -> Result<()> {
        self.below.release(key, owner).await
    }
}

#[test]
fn r_store_a_store_that_fails_costs_no_grant() {
    let (provider, store) = world();
    let (failing, losing) = (Arc::<AtomicU32>::default(), Arc::<AtomicU32>::default());
    drop(alice(&program(&provider, &store), &provider));
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let hears = Arc::clone(&told);
    let tells = move |event: &SessionEvent| hears.lock().unwrap().push(format!("{event:?}"));
    let observed: Client = block_on(builder(&provider).observer(tells).build()).unwrap();
    let (below, fail, lose) = (store.clone(), Arc::clone(&failing), Arc::clone(&losing));
    let session =
        open(&observed.sessions(Meddling { below, failing: fail, losing: lose, ..Meddling::default() }));
    // If it cannot be written down that the server is asked, it is not asked.
    provider.advance(2 * HOUR);
    failing.store(1, Ordering::Relaxed);
    let before = provider.count(Place::Token);
    let error = call(&session, &provider).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Store, Reason::StoreFailed));
    assert_eq!(provider.count(Place::Token), before);
    provider.advance(HOUR);
    assert_eq!(call(&session, &provider).unwrap(), 200);
    // What it answered is tried to be kept for half a minute, in which nobody else uses the old token.
    for failures in [1, 5, 12] {
        provider.advance(2 * HOUR);
        losing.store(failures, Ordering::Relaxed);
        assert_eq!(call(&session, &provider).unwrap(), 200);
        assert_eq!(losing.load(Ordering::Relaxed), 0);
        assert_eq!(open(&program(&provider, &store)).record(), session.record(), "it is kept");
    }
    assert!(!told.lock().unwrap().iter().any(|event| event.starts_with("NotKept")));
    // Longer than that: the tokens are used, and that they are not kept is told.
    provider.advance(2 * HOUR);
    losing.store(100, Ordering::Relaxed);
    assert_eq!(call(&session, &provider).unwrap(), 200);
    assert!(told.lock().unwrap().iter().any(|event| event.starts_with("NotKept")));
    // When the store is back, the next renewal is by them, and not by what the store has.
    losing.store(0, Ordering::Relaxed);
    provider.advance(2 * HOUR);
    assert_eq!(call(&session, &provider).unwrap(), 200);
    assert_eq!(open(&program(&provider, &store)).record(), session.record());
}

#[test]
fn r_store_whether_to_renew_without_the_store_is_said_by_the_program() {
    for without_store in [false, true] {
        let (provider, store) = world();
        drop(alice(&program(&provider, &store), &provider));
        let mut manner = Manner::new();
        manner.without_store = without_store;
        let client = block_on(builder(&provider).renewal_manner(manner).build()).unwrap();
        let unleased = Arc::<AtomicU32>::default();
        let (below, count) = (store.clone(), Arc::clone(&unleased));
        let session = open(&client.sessions(Meddling { below, unleased: count, ..Meddling::default() }));
        provider.advance(2 * HOUR);
        unleased.store(1, Ordering::Relaxed);
        match call(&session, &provider) {
            Ok(status) => assert_eq!((without_store, status), (true, 200)),
            Err(error) => assert_eq!((without_store, error.reason()), (false, Reason::StoreFailed)),
        }
        // What was got without it is kept, and others go on with that.
        provider.advance(2 * HOUR);
        assert_eq!(call(&open(&program(&provider, &store)), &provider).unwrap(), 200);
        assert_eq!(call(&session, &provider).unwrap(), 200);
    }
}

#[test]
fn s_az_06_a_parked_sign_in_is_taken_once_by_who_has_the_ticket() {
    let (provider, store) = world();
    let (one, two) = (program(&provider, &store), program(&provider, &store));
    let client = client(&provider);
    let (url, pending) = block_on(client.authorize().scope("read").start()).unwrap();
    let ticket = block_on(one.park(pending)).unwrap();
    let names = block_on(store.list("pending/")).unwrap();
    assert!(names.len() == 1 && !names[0].as_str().contains(ticket.expose()), "{names:?}");
    let missing = |ticket: &str| block_on(two.unpark(ticket)).unwrap_err();
    assert_eq!((missing("").reason(), missing("x").kind()), (Reason::PendingExpired, ErrorKind::Expired));
    let taken =
        block_on(join_all((0..8).map(|at| if at % 2 == 0 { &one } else { &two }.unpark(ticket.expose()))));
    let mut taken: Vec<_> = taken.into_iter().filter_map(Result::ok).collect();
    assert_eq!(taken.len(), 1, "one of eight");
    let callback = provider.visit(&url).unwrap();
    block_on(client.redeem(taken.remove(0), &callback)).unwrap();
    let (_, pending) = block_on(client.authorize().start()).unwrap();
    let ticket = block_on(one.park(pending)).unwrap();
    provider.advance(Duration::from_secs(601));
    assert_eq!(missing(ticket.expose()).reason(), Reason::PendingExpired);
}

#[test]
fn what_cannot_be_read_is_not_written_over() {
    let (provider, store) = world();
    let sessions = program(&provider, &store);
    let session = alice(&sessions, &provider);
    let key = key(&provider);
    let stored = block_on(store.load(&key)).unwrap().unwrap();
    for text in ["", "{}", "junk", &stored.text.expose().replace("\"v\":\"1\"", "\"v\":\"9\"")] {
        block_on(store.take(&key)).unwrap();
        block_on(store.put(&key, 1, &Secret::new(text), None)).unwrap();
        let sessions = program(&provider, &store);
        for error in [
            block_on(sessions.open("alice")).map(|_| ()).unwrap_err(),
            block_on(sessions.save("alice", &session)).unwrap_err(),
            block_on(sessions.log_out("alice")).map(|_| ()).unwrap_err(),
            block_on(sessions.accounts()).map(|_| ()).unwrap_err(),
        ] {
            assert_eq!((error.kind(), error.reason()), (ErrorKind::Store, Reason::Malformed), "{text}");
            assert!(
                error.to_string().contains("alice") && error.to_string().contains("move it away"),
                "{error}"
            );
            assert_eq!(error.to_string().contains("newer version"), text.contains("\"9\""), "{error}");
        }
        assert_eq!(block_on(store.load(&key)).unwrap().unwrap().text.expose(), text);
    }
}

#[test]
fn records_that_are_moved_between_accounts_or_clients_by_hand_are_nobodys() {
    let (provider, store) = world();
    let sessions = program(&provider, &store);
    let (session, key) = (alice(&sessions, &provider), key(&provider));
    let own = block_on(store.load(&key)).unwrap().unwrap().text;
    let bob = sign_in(&client(&provider), &provider).unwrap();
    block_on(sessions.save("bob", &bob)).unwrap();
    let name = key.as_str().replace("/alice", "/bob");
    let bobs = block_on(store.load(&StoreKey::parse(&name).unwrap())).unwrap().unwrap().text;
    let of_other = own.expose().replace("\"client_id\":\"app\"", "\"client_id\":\"other\"");
    for (text, reason) in [(bobs, Reason::Malformed), (Secret::new(of_other), Reason::IssuerMismatch)] {
        block_on(store.take(&key)).unwrap();
        block_on(store.put(&key, 1, &text, None)).unwrap();
        // Who has alice's session open does not become somebody else by it, and asks for nothing.
        provider.advance(2 * HOUR);
        let before = provider.mark();
        let errors = [
            call(&session, &provider).map(|_| ()).unwrap_err(),
            block_on(program(&provider, &store).open("alice")).map(|_| ()).unwrap_err(),
            block_on(sessions.save("alice", &session)).unwrap_err(),
            block_on(sessions.log_out("alice")).map(|_| ()).unwrap_err(),
            block_on(sessions.accounts()).map(|_| ()).unwrap_err(),
        ];
        for error in errors {
            assert_eq!((error.kind(), error.reason()), (ErrorKind::Store, reason), "{error}");
            assert!(
                error.to_string().contains("was moved here") && error.to_string().contains("move it away")
            );
        }
        let asked = provider.requests_since(before);
        assert!(
            asked.iter().all(|entry| !matches!(entry.place(), Place::Token | Place::Revocation)),
            "{asked:?}"
        );
        assert_eq!(block_on(store.load(&key)).unwrap().unwrap().text, text, "and nothing is written over");
    }
    // Brought back, it is hers again.
    block_on(store.take(&key)).unwrap();
    block_on(store.put(&key, 1, &own, None)).unwrap();
    provider.advance(HOUR);
    assert_eq!(call(&session, &provider).unwrap(), 200);
}
