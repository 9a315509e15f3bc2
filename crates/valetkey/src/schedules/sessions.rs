//! Sessions: sign-ins that are parked, accounts that are opened, saved, renewed and logged out, by many at once.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use valetkey_http::{Backend, Request};
use valetkey_proto::Reason;
use valetkey_testkit::{Place, Provider};

use super::{Still, below, block_on, executor, explore, leaving, provider, together};
use crate::{Client, Session, Sessions, store::MemoryStore};

/// A provider whose refresh tokens rotate without grace, and a store by its clock.
struct World {
    provider: Provider,
    store: MemoryStore,
}

const HOUR: Duration = Duration::from_secs(3600);

impl World {
    fn new() -> Self {
        let provider = provider(executor());
        let clock = provider.clone();
        Self { provider, store: MemoryStore::with_clock(move || clock.now()) }
    }

    fn client(&self) -> Client {
        let builder = Client::builder(Still { provider: self.provider.clone(), answer: None })
            .random(self.provider.random())
            .discover(&self.provider.issuer())
            .id("app")
            .secret("app-secret")
            .redirect_uri("https://client.test/cb")
            .api(&self.provider.issuer());
        block_on(builder.build()).expect("a client")
    }

    /// A program of its own.
    fn program(&self) -> Sessions {
        self.client().sessions(self.store.clone())
    }

    fn sign_in(&self, client: &Client) -> Session {
        let (url, pending) = block_on(client.authorize().scope("read").start()).expect("a URL");
        let callback = self.provider.visit(&url).expect("the user approves");
        block_on(client.redeem(pending, &callback)).expect("a session")
    }

    /// Alice, signed in by a program that has ended.
    fn alice(&self) {
        let client = self.client();
        let session = self.sign_in(&client);
        block_on(client.sessions(self.store.clone()).save("alice", &session)).expect("saved");
    }

    fn request(&self) -> Request {
        http::Request::get(self.provider.api("me")).body(Bytes::new()).expect("a request")
    }

    /// The refreshes that the server has seen.
    fn refreshes(&self) -> usize {
        self.provider.count(Place::Token) - 1
    }
}

fn open(sessions: &Sessions) -> Option<Session> {
    block_on(sessions.open("alice")).expect("no error")
}

#[test]
fn s_az_06_in_every_order_a_parked_sign_in_is_taken_once() {
    explore("s_az_06_in_every_order_a_parked_sign_in_is_taken_once", || {
        let world = World::new();
        let client = world.client();
        let sessions = client.sessions(world.store);
        let (_, pending) = block_on(client.authorize().start()).expect("a URL");
        let ticket = block_on(sessions.park(pending)).expect("parked");
        let taken = together(3, move |_| block_on(sessions.unpark(ticket.expose())));
        assert_eq!(taken.iter().filter(|taken| taken.is_ok()).count(), 1);
        let refused = taken.iter().filter_map(|taken| taken.as_ref().err());
        assert!(refused.map(crate::Error::reason).all(|reason| reason == Reason::PendingExpired));
    });
}

#[test]
fn r_herd_in_every_order_callers_at_expiry_make_one_request() {
    explore("r_herd_in_every_order_callers_at_expiry_make_one_request", || {
        let world = Arc::new(World::new());
        let session = world.sign_in(&world.client());
        // It has expired, or an API refuses it.
        if below(2) == 0 {
            world.provider.advance(2 * HOUR);
        } else {
            world.provider.revoke_access_tokens();
        }
        let of_caller = Arc::clone(&world);
        let caller = session.clone();
        together(3, move |number| {
            let polls = if number == 0 { below(6) } else { usize::MAX };
            let answer = block_on(leaving(polls, caller.send(of_caller.request())));
            assert!(answer.is_none_or(|answer| answer.expect("an answer").status() == 200));
        });
        assert_eq!(block_on(session.send(world.request())).expect("an answer").status(), 200);
        assert_eq!(world.refreshes(), 1);
    });
}

#[test]
fn in_every_order_an_account_has_one_session() {
    explore("in_every_order_an_account_has_one_session", || {
        let world = World::new();
        world.alice();
        let sessions = world.program();
        let opened = together(3, move |_| open(&sessions).expect("she is signed in"));
        assert!(opened.iter().all(|session| session.is_same(&opened[0])));
    });
}

#[test]
fn in_every_order_a_log_out_ends_it() {
    explore("in_every_order_a_log_out_ends_it", || {
        let world = World::new();
        world.alice();
        let sessions = world.program();
        let of_caller = sessions.clone();
        let known = (below(2) == 0).then(|| open(&sessions).expect("she is signed in"));
        let held = together(3, move |caller| {
            if caller < 2 {
                block_on(of_caller.log_out("alice")).expect("logged out");
            }
            let session = open(&of_caller);
            assert!(caller == 2 || session.is_none(), "she has logged out");
            session
        });
        assert!(open(&sessions).is_none(), "she has logged out");
        assert!(held.into_iter().flatten().chain(known).all(|session| block_on(session.refresh()).is_err()));
    });
}

#[test]
fn r_sf_in_every_order_a_session_is_saved_with_its_newest_tokens() {
    explore("r_sf_in_every_order_a_session_is_saved_with_its_newest_tokens", || {
        let world = World::new();
        let client = world.client();
        let session = world.sign_in(&client);
        let sessions = client.sessions(world.store.clone());
        let of_caller = (session.clone(), sessions.clone());
        together(3, move |caller| match caller {
            0 => block_on(of_caller.1.save("alice", &of_caller.0)).expect("saved"),
            _ => drop(block_on(of_caller.0.refresh()).expect("new tokens")),
        });
        // Neither here nor elsewhere is a refresh token used again.
        let elsewhere = open(&world.program()).expect("she is signed in");
        for session in [&elsewhere, &session, &open(&sessions).expect("she is signed in")] {
            block_on(session.refresh()).expect("new tokens");
        }
    });
}

#[test]
fn r_sf_in_every_order_programs_use_a_refresh_token_once() {
    explore("r_sf_in_every_order_programs_use_a_refresh_token_once", || {
        let world = World::new();
        world.alice();
        let programs = [world.program(), world.program()].map(|program| open(&program).expect("signed in"));
        let sessions = programs.clone();
        together(4, move |caller| {
            let polls = if caller < 2 { usize::MAX } else { below(6) };
            let tokens = block_on(leaving(polls, sessions[caller % 2].refresh()));
            assert!(tokens.is_none_or(|tokens| tokens.is_ok()));
        });
        for session in programs {
            block_on(session.refresh()).expect("the grant is as good as before");
        }
    });
}
