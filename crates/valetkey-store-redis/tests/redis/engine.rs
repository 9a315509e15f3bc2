//! What the tests of both stores on engines share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use tokio::task::JoinHandle;
use valetkey::{
    Error, ErrorKind, Reason, Result,
    crypto::SystemRandom,
    secret::Secret,
    store::{Owner, Put, Store, StoreKey},
};

/// What a machine with much to do may add to a deadline.
const SLACK: Duration = Duration::from_secs(3);

pub(crate) fn owner() -> Owner {
    Owner::new(&SystemRandom::new()).unwrap()
}

pub(crate) async fn put(store: &dyn Store, key: &StoreKey, generation: u64, text: &str) -> Result<Put> {
    store.put(key, generation, &Secret::new(text), None).await
}

#[expect(clippy::disallowed_methods, reason = "what ends by the clock of the server ends in real time")]
pub(crate) async fn pause(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

/// A failure of the engine that says what to do.
pub(crate) fn assert_failed(error: &Error, says: &str) {
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Store, Reason::StoreFailed), "{error}");
    assert!(error.to_string().contains(says), "{error}");
    assert!(!error.to_string().contains("canary"), "{error}");
}

/// Asks everything that a store is asked; all of it fails in time.
#[expect(clippy::disallowed_methods, reason = "how long it takes is what is tested")]
pub(crate) async fn all_fail(store: &dyn Store, deadline: Duration, says: &str) {
    let (key, owner) = (StoreKey::of(&["a"]), owner());
    for at in 0..6 {
        let begun = Instant::now();
        let outcome = match at {
            0 => store.load(&key).await.map(|_| ()),
            1 => put(store, &key, 2, "canary").await.map(|_| ()),
            2 => store.take(&key).await.map(|_| ()),
            3 => store.list("").await.map(|_| ()),
            4 => store.lease(&key, &owner, deadline).await.map(|_| ()),
            _ => store.release(&key, &owner).await,
        };
        assert_failed(&outcome.unwrap_err(), says);
        assert!(begun.elapsed() < deadline + SLACK, "{:?}", begun.elapsed());
    }
}

/// Those who write, each its own record, until the engine is gone.
pub(crate) struct Writers {
    writers: Vec<JoinHandle<(StoreKey, u64)>>,
    /// How often each has written.
    written: Arc<[AtomicU64; 8]>,
}

impl Writers {
    pub(crate) fn start(store: &(impl Store + Clone)) -> Self {
        let written: Arc<[AtomicU64; 8]> = Arc::default();
        let writer = |at: usize| {
            let (store, key) = (store.clone(), StoreKey::of(&["writer", &at.to_string()]));
            let written = Arc::clone(&written);
            tokio::spawn(async move {
                for generation in 1.. {
                    match put(&store, &key, generation, "x").await {
                        Ok(Put::Written) => written[at].store(generation, Ordering::Relaxed),
                        Ok(Put::Conflict) => panic!("nobody else writes"),
                        Err(error) => {
                            assert_eq!(error.reason(), Reason::StoreFailed, "{error}");
                            return (key, generation - 1);
                        }
                    }
                }
                unreachable!("the engine is killed")
            })
        };
        let writers = (0..8).map(writer).collect();
        Self { writers, written }
    }

    /// Waits until all have written twice, however busy the machine is.
    pub(crate) async fn have_begun(&self) {
        while self.written.iter().any(|written| written.load(Ordering::Relaxed) < 2) {
            assert!(!self.writers.iter().any(JoinHandle::is_finished), "the engine is there");
            pause(5).await;
        }
    }

    /// Waits until all have failed, and gives what was said to be written.
    pub(crate) async fn stopped(self) -> Vec<(StoreKey, u64)> {
        join_all(self.writers).await.into_iter().map(|outcome| outcome.unwrap()).collect()
    }
}

/// All of that is there.
pub(crate) async fn assert_there(store: &dyn Store, written: Vec<(StoreKey, u64)>) {
    for (key, generation) in written {
        assert!(generation > 1, "it wrote");
        let found = store.load(&key).await.unwrap().unwrap().generation;
        // The one that failed may be written all the same.
        assert!(found == generation || found == generation + 1, "{found} after {generation}");
    }
}
