//! Tokens that are kept: before they are used, across restarts, in spite of keepers that fail, and when a session
//! ends.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use valetkey::{BoxError, ErrorKind, Reason, SessionEvent, TokenKeeper, TokenRecord};
use valetkey_testkit::{Place, Provider, Spawning, block_on};

use crate::{
    builder, client, get,
    renewal::{HOUR, call, session},
    sign_in,
};

/// Keeps records in memory; or fails, or hangs, for as long as it is told.
#[derive(Clone, Default)]
struct Shelf(Arc<Mutex<(Vec<TokenRecord>, Trouble)>>);

#[derive(Clone, Copy, Default, PartialEq)]
enum Trouble {
    #[default]
    None,
    Fails,
    Hangs,
}

impl Shelf {
    fn is_in(&self, trouble: Trouble) {
        self.0.lock().unwrap().1 = trouble;
    }

    fn generations(&self) -> Vec<u64> {
        self.0.lock().unwrap().0.iter().map(TokenRecord::generation).collect()
    }

    fn last(&self) -> TokenRecord {
        self.0.lock().unwrap().0.last().cloned().unwrap()
    }
}

#[async_trait]
impl TokenKeeper for Shelf {
    async fn keep(&self, record: &TokenRecord) -> Result<(), BoxError> {
        let trouble = self.0.lock().unwrap().1;
        match trouble {
            Trouble::None => self.0.lock().unwrap().0.push(record.clone()),
            Trouble::Fails => return Err("no room".into()),
            Trouble::Hangs => std::future::pending::<()>().await,
        }
        Ok(())
    }
}

#[test]
fn a_program_that_restarts_carries_on() {
    let provider = Provider::new();
    let (shelf, first) = (Shelf::default(), session(&provider));
    block_on(first.keep(shelf.clone())).unwrap();
    provider.advance(HOUR);
    assert_eq!(call(&first, &provider).unwrap(), 200);
    assert_eq!(shelf.generations(), [0, 1]);

    let text = shelf.last().to_text();
    drop(first);
    let client = client(&provider);
    let session = client.restore(TokenRecord::parse(text.expose()).unwrap()).unwrap();
    assert_eq!(call(&session, &provider).unwrap(), 200);
    provider.advance(HOUR);
    assert_eq!(call(&session, &provider).unwrap(), 200);
    assert_eq!(session.record().unwrap().generation(), 2);

    let other = block_on(builder(&provider).id("special").build());
    let error = other.unwrap().restore(session.record().unwrap()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Store, Reason::IssuerMismatch));
}

#[test]
fn r_store_tokens_are_kept_before_they_are_used() {
    let provider = Provider::new();
    let session = session(&provider);
    /// Notes how many requests the API had seen when it was called.
    struct Noting(Provider, Arc<Mutex<Vec<usize>>>);

    #[async_trait]
    impl TokenKeeper for Noting {
        async fn keep(&self, _: &TokenRecord) -> Result<(), BoxError> {
            self.1.lock().unwrap().push(self.0.count(Place::Resource));
            Ok(())
        }
    }
    let noted: Arc<Mutex<Vec<usize>>> = Arc::default();
    block_on(session.keep(Noting(provider.clone(), Arc::clone(&noted)))).unwrap();
    provider.advance(HOUR);
    assert_eq!(call(&session, &provider).unwrap(), 200);
    assert_eq!(*noted.lock().unwrap(), [0, 0]);
}

#[test]
fn a_keeper_that_fails_or_hangs_costs_no_token() {
    for trouble in [Trouble::Fails, Trouble::Hangs] {
        let told: Arc<Mutex<Vec<SessionEvent>>> = Arc::default();
        let hears = Arc::clone(&told);
        let provider = Provider::new();
        let builder = builder(&provider)
            .observer(move |event: &SessionEvent| hears.lock().unwrap().push(event.clone()));
        let session = sign_in(&block_on(builder.build()).unwrap(), &provider).unwrap();
        let shelf = Shelf::default();
        block_on(session.keep(shelf.clone())).unwrap();
        shelf.is_in(trouble);
        provider.advance(HOUR);
        assert_eq!(call(&session, &provider).unwrap(), 200, "what was got is used");
        assert!(matches!(told.lock().unwrap()[0], SessionEvent::NotKept { generation: 1 }));
        assert_eq!(block_on(session.clone().close()).unwrap_err().reason(), Reason::NotKept);
        shelf.is_in(Trouble::None);
        block_on(session.close()).unwrap();
        assert_eq!(shelf.generations(), [0, 1], "kept in the end");
    }
}

#[test]
fn r_can_a_session_that_is_dropped_in_mid_refresh_still_keeps_what_it_got() {
    let provider = Provider::builder().spawning(Spawning::Thread).build();
    let (shelf, session) = (Shelf::default(), session(&provider));
    block_on(session.keep(shelf.clone())).unwrap();
    provider.advance(HOUR);
    {
        let mut leader = Box::pin(session.send(get(provider.api("me"))));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let _ = leader.as_mut().poll(&mut context);
    }
    drop(session);
    // The task is on a thread of its own: give it its time.
    for _ in 0..1000 {
        if shelf.generations() == [0, 1] {
            return;
        }
        std::thread::yield_now();
        #[expect(clippy::disallowed_methods, reason = "another thread has to run")]
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("the tokens were lost: {:?}", shelf.generations());
}

#[test]
fn r_can_closing_drains() {
    let provider = Provider::builder().yields(true).build();
    let (shelf, session) = (Shelf::default(), session(&provider));
    block_on(session.keep(shelf.clone())).unwrap();
    provider.advance(HOUR);
    {
        let mut leader = Box::pin(session.send(get(provider.api("me"))));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(leader.as_mut().poll(&mut context).is_pending());
    }
    block_on(session.close()).unwrap();
    assert_eq!(shelf.generations(), [0, 1], "the parked renewal was driven to its end");
    assert_eq!(call(&session, &provider).unwrap(), 200, "what there is can be used");
    provider.advance(HOUR);
    assert_eq!(call(&session, &provider).unwrap_err().reason(), Reason::SessionClosed);
}
