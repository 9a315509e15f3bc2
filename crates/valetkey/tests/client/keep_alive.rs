//! Grants that nobody uses, renewed before the server forgets them; and a server that wants to be left alone.

use std::{
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use valetkey::{
    Client, KeepAlive, Reason, SessionEvent, Sessions,
    secret::Secret,
    store::{MemoryStore, Store},
};
use valetkey_http::Backend;
use valetkey_testkit::{Effect, Expect, Fault, Place, Provider, block_on};

use crate::{builder, renewal::HOUR, sign_in};

const DAY: Duration = Duration::from_secs(24 * 3600);

struct World {
    provider: Provider,
    store: MemoryStore,
    client: Client,
    events: Arc<Mutex<Vec<SessionEvent>>>,
}

fn world() -> World {
    let provider = Provider::builder().yields(true).build();
    let clock = provider.clone();
    let store = MemoryStore::with_clock(move || clock.now());
    let events: Arc<Mutex<Vec<SessionEvent>>> = Arc::default();
    let heard = Arc::clone(&events);
    let observer = move |event: &SessionEvent| heard.lock().unwrap().push(event.clone());
    let client = block_on(builder(&provider).observer(observer).build()).unwrap();
    World { provider, store, client, events }
}

impl World {
    fn sessions(&self) -> Sessions {
        self.client.sessions(self.store.clone())
    }

    fn save(&self, accounts: impl IntoIterator<Item = String>) {
        let sessions = self.sessions();
        for account in accounts {
            block_on(sessions.save(&account, &sign_in(&self.client, &self.provider).unwrap())).unwrap();
        }
    }

    fn asked(&self) -> usize {
        self.provider.count(Place::Token)
    }

    /// Keeps alive until this much time has passed, in one or in several processes.
    fn keep_alive(&self, processes: usize, how: KeepAlive, time: Duration) {
        let end = self.provider.now() + time;
        let sessions: Vec<_> = (0..processes).map(|_| self.sessions()).collect();
        let mut running: Vec<_> =
            sessions.iter().map(|sessions| Box::pin(sessions.keep_alive(how))).collect();
        let mut context = Context::from_waker(Waker::noop());
        while self.provider.now() < end {
            for one in &mut running {
                assert!(pin!(one).as_mut().poll(&mut context).is_pending());
            }
        }
    }
}

fn accounts(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|at| format!("account-{at:03}"))
}

#[test]
fn r_idle_every_grant_is_renewed_in_time_and_not_much_more_often() {
    for processes in [1, 3] {
        let world = world();
        world.save(accounts(20));
        let before = world.asked();
        world.keep_alive(processes, KeepAlive::idle_for(DAY).at_once(3), 10 * DAY);
        let asked = world.asked() - before;
        // Each grant is renewed after 18 to 24 hours and at most an hour of waiting, whoever does it.
        assert!((20 * 9..=20 * 14).contains(&asked), "{processes}: {asked}");
        // Nobody has lost any: the last refresh token is the one that is kept.
        let sessions = world.sessions();
        for account in accounts(20) {
            let session = block_on(sessions.open(&account)).unwrap().unwrap();
            block_on(session.refresh()).unwrap();
        }
    }
}

#[test]
fn who_is_used_is_left_alone_and_who_has_logged_out_too() {
    let world = world();
    world.save(accounts(2));
    let (sessions, [used, gone]) = (world.sessions(), ["account-000", "account-001"]);
    block_on(sessions.log_out(gone)).unwrap();
    let session = block_on(sessions.open(used)).unwrap().unwrap();
    for _ in 0..40 {
        block_on(session.refresh()).unwrap();
        let before = world.asked();
        world.keep_alive(1, KeepAlive::idle_for(DAY), DAY / 2);
        assert_eq!(world.asked(), before);
    }
}

#[test]
fn one_that_cannot_be_read_or_is_refused_keeps_none_of_the_others() {
    let world = world();
    world.save(accounts(5));
    let keys = block_on(world.store.list("")).unwrap();
    let stored = block_on(world.store.load(&keys[1])).unwrap().unwrap();
    let broken = Secret::new("{not a record");
    block_on(world.store.put(&keys[1], stored.generation + 1, &broken, None)).unwrap();
    let before = world.asked();
    world.keep_alive(1, KeepAlive::idle_for(DAY), 2 * DAY);
    assert!(world.asked() >= before + 4);
    let events = world.events.lock().unwrap();
    let malformed = events.iter().filter(|event| match event {
        SessionEvent::RenewalFailed { error } => error.reason() == Reason::Malformed,
        _ => false,
    });
    assert!(malformed.count() > 2, "it is said each time");
    let after = block_on(world.store.load(&keys[1])).unwrap().unwrap();
    assert_eq!(after.text.expose(), "{not a record", "what cannot be read is not written over");
}

#[test]
fn a_server_that_wants_to_be_left_alone_is_left_alone_by_all_sessions() {
    const BUSY: Fault = Fault::new(
        "of-this-test",
        Place::Token,
        Effect::Answer { status: 503, headers: &[("retry-after", "600")], body: b"" },
        Expect::Accepted,
    );
    let world = world();
    let open: Vec<_> = (0..50).map(|_| sign_in(&world.client, &world.provider).unwrap()).collect();
    world.provider.advance(2 * HOUR);
    world.provider.set_fault(BUSY);
    let before = world.asked();
    for session in &open {
        let error = block_on(session.tokens()).unwrap_err();
        assert_eq!(error.reason(), Reason::ServerFailed, "{error:?}");
    }
    assert_eq!(world.asked() - before, 1);
    world.provider.clear_faults();
    assert!(block_on(open[7].tokens()).is_err());
    // The others try again after a minute, and the one who was told when it was told.
    world.provider.advance(Duration::from_secs(61));
    assert!(block_on(open[0].tokens()).is_err());
    for session in &open[1..] {
        block_on(session.tokens()).unwrap();
    }
    world.provider.advance(Duration::from_secs(540));
    block_on(open[0].tokens()).unwrap();
}

#[test]
fn keeping_alive_is_a_future_that_crosses_threads() {
    fn crosses<T: Send>(_: T) -> Poll<()> {
        Poll::Pending
    }
    let world = world();
    let sessions = world.sessions();
    assert!(crosses(sessions.keep_alive(KeepAlive::idle_for(Duration::ZERO))).is_pending());
}
