//! The slot: callers who share, leave and are refused, executors of every kind, and values that come from elsewhere.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use shuttle::thread;
use valetkey_http::{Backend, Task};
use valetkey_proto::{Error, ErrorKind, Reason, Result};
use valetkey_testkit::Spawning;

use super::{backend, below, block_on, executor, explore, leaving, spawn, together};
use crate::{
    slot::{PauseAfter, Slot},
    sync::oneshot,
};

/// A slot, who fetches for it, and how often somebody has begun to.
struct World {
    slot: Slot<usize>,
    backend: Arc<dyn Backend>,
    begun: Arc<AtomicUsize>,
}

impl World {
    fn new(spawning: Spawning, pause: PauseAfter) -> Arc<Self> {
        let begun = Arc::new(AtomicUsize::new(0));
        Arc::new(Self { slot: Slot::new(None, pause), backend: backend(spawning), begun })
    }

    fn begun(&self) -> usize {
        self.begun.load(SeqCst)
    }

    /// Renews by work whose outcome, which follows from its number, comes from another thread.
    async fn renew(
        &self,
        wanting: Option<&Arc<usize>>,
        outcome: impl Fn(usize) -> Result<usize> + Send + 'static,
    ) -> Result<Arc<usize>> {
        let begun = Arc::clone(&self.begun);
        let work = move || async move {
            let number = begun.fetch_add(1, SeqCst) + 1;
            let (sender, receiver) = oneshot::channel();
            thread::spawn(move || sender.send(outcome(number)));
            receiver.await.expect("an outcome")
        };
        self.slot.renew(wanting, &self.backend, work).await
    }
}

/// A slot that leaves nobody alone.
const AT_ONCE: PauseAfter = |_, _| Some(Duration::ZERO);

fn failed() -> Error {
    Error::new(ErrorKind::Server, Reason::ServerFailed)
}

#[test]
fn r_sf_in_every_order_callers_share_one_fetch() {
    explore("r_sf_in_every_order_callers_share_one_fetch", || {
        let world = World::new(executor(), AT_ONCE);
        let of_caller = Arc::clone(&world);
        let values = together(4, move |_| block_on(of_caller.renew(None, Ok)).expect("a value"));
        assert!(values.iter().all(|value| Arc::ptr_eq(value, &values[0])));
        assert_eq!(world.begun(), 1);
    });
}

#[test]
fn t4_in_every_order_callers_may_leave() {
    explore("t4_in_every_order_callers_may_leave", || {
        let world = World::new(executor(), AT_ONCE);
        // The first leaves at any poll, and so may all but one; or all do.
        let stayers = below(2);
        let of_caller = Arc::clone(&world);
        let values = together(4, move |caller| {
            let polls = if caller < stayers { usize::MAX } else { below(4) };
            block_on(leaving(polls, of_caller.renew(None, Ok)))
        });
        let value = block_on(world.renew(None, Ok)).expect("a value");
        assert_eq!(values.iter().take(stayers).flatten().count(), stayers, "who stays has a value");
        assert!(values.iter().flatten().all(|other| Arc::ptr_eq(other.as_ref().unwrap(), &value)));
        assert_eq!(world.begun(), 1, "who leaves takes nothing along");
    });
}

#[test]
fn r_neg_in_every_order_a_failure_is_for_all_who_wait_and_one_begins_anew() {
    explore("r_neg_in_every_order_a_failure_is_for_all_who_wait_and_one_begins_anew", || {
        let world = World::new(executor(), AT_ONCE);
        let failures = 1 + below(2);
        let outcome = move |number| if number <= failures { Err(failed()) } else { Ok(number) };
        let of_caller = Arc::clone(&world);
        together(3, move |_| {
            let tries = 0..=failures;
            let values = tries.filter_map(|_| block_on(of_caller.renew(None, outcome)).ok());
            assert!(values.take(1).all(|value| *value == failures + 1), "a failure is told once");
        });
        assert_eq!(world.begun(), failures + 1);
    });
}

#[test]
fn r_neg_in_every_order_a_refusal_is_remembered() {
    explore("r_neg_in_every_order_a_refusal_is_remembered", || {
        const FOR_GOOD: PauseAfter = |_, _| None;
        const FOR_A_WHILE: PauseAfter = |_, _| Some(Duration::from_secs(10));
        let is_for_good = below(2) == 0;
        let world = World::new(executor(), if is_for_good { FOR_GOOD } else { FOR_A_WHILE });
        let of_caller = Arc::clone(&world);
        let answers = together(4, move |caller| {
            let polls = if caller == 0 { below(4) } else { usize::MAX };
            block_on(leaving(polls, of_caller.renew(None, |_| Err(failed()))))
        });
        let is_refused = |answer: Result<Arc<usize>>| answer.unwrap_err().reason() == Reason::ServerFailed;
        assert!(answers.into_iter().flatten().all(is_refused));
        assert_eq!((world.begun(), world.slot.has_ended()), (1, is_for_good));
    });
}

#[test]
fn r_401_in_every_order_nobody_gets_what_they_found_wanting() {
    explore("r_401_in_every_order_nobody_gets_what_they_found_wanting", || {
        let world = World::new(executor(), AT_ONCE);
        let of_caller = Arc::clone(&world);
        let values = together(3, move |_| {
            let mut held = of_caller.slot.get();
            for _ in 0..2 {
                let value = block_on(of_caller.renew(held.as_ref(), Ok)).expect("a value");
                assert!(held.is_none_or(|held| *held < *value), "another one, and newer");
                held = Some(value);
            }
            *held.expect("a value")
        });
        let newest = values.iter().max().copied();
        assert_eq!((world.slot.get().as_deref().copied(), Some(world.begun())), (newest, newest));
    });
}

#[test]
fn r_can_in_every_order_a_task_that_an_executor_drops_is_begun_anew() {
    explore("r_can_in_every_order_a_task_that_an_executor_drops_is_begun_anew", || {
        // The first ones are dropped after some polls, and the others run.
        let drops = 1 + below(2);
        let given = AtomicUsize::new(0);
        let spawning = Spawning::with(move |task: Task| {
            let polls = if given.fetch_add(1, SeqCst) < drops { below(2) } else { usize::MAX };
            spawn(leaving(polls, task));
        });
        let world = World::new(spawning, AT_ONCE);
        let of_caller = Arc::clone(&world);
        let failed = together(3, move |_| {
            let answers = (0..=drops).map(|_| block_on(of_caller.renew(None, Ok)));
            let answers: Vec<_> = answers.take_while(Result::is_err).collect();
            assert!(
                answers.iter().all(|answer| answer.as_ref().unwrap_err().reason() == Reason::TaskDropped)
            );
            answers.len()
        });
        assert!(failed.iter().all(|failed| *failed <= drops), "each dropped task is told once: {failed:?}");
        assert!(block_on(world.renew(None, Ok)).is_ok());
    });
}

#[test]
fn in_every_order_what_is_under_way_is_waited_for() {
    explore("in_every_order_what_is_under_way_is_waited_for", || {
        let world = World::new(executor(), AT_ONCE);
        // It is under way, and may have no caller any more.
        let is_done = block_on(leaving(1, world.renew(None, Ok))).is_some();
        let of_caller = Arc::clone(&world);
        together(3, move |caller| match caller {
            0 => {
                block_on(of_caller.slot.settle());
                assert!(of_caller.slot.get().is_some());
            }
            1 => drop(block_on(leaving(below(3), of_caller.slot.settle()))),
            _ => drop(block_on(leaving(below(3), of_caller.renew(None, Ok)))),
        });
        assert_eq!((world.slot.get().as_deref(), world.begun()), (Some(&1), 1), "{is_done}");
    });
}

#[test]
fn in_every_order_a_value_is_not_renewed_while_it_is_renamed() {
    explore("in_every_order_a_value_is_not_renewed_while_it_is_renamed", || {
        let world = World::new(executor(), AT_ONCE);
        let held = block_on(world.renew(None, Ok)).expect("a value");
        let (fails, of_caller) = (below(2) == 0, Arc::clone(&world));
        together(3, move |caller| {
            let polls = if caller < 2 { usize::MAX } else { below(4) };
            if caller > 0 {
                let value = block_on(leaving(polls, of_caller.renew(Some(&held), Ok)));
                return assert!(value.is_none_or(|value| value.is_ok()), "whatever becomes of the name");
            }
            let begun = Arc::clone(&of_caller.begun);
            let rename = |present: Option<Arc<usize>>| async move {
                let before = begun.load(SeqCst);
                shuttle::future::yield_now().await;
                assert_eq!(begun.load(SeqCst), before);
                if fails { Err(failed()) } else { Ok(*present.expect("a value")) }
            };
            assert_eq!(block_on(of_caller.slot.rename(&of_caller.backend, rename)).is_err(), fails);
        });
        assert_eq!(world.slot.get().as_deref(), Some(&world.begun()));
    });
}

#[test]
fn in_every_order_nothing_comes_after_it_was_shut() {
    explore("in_every_order_nothing_comes_after_it_was_shut", || {
        let world = World::new(executor(), AT_ONCE);
        let of_caller = Arc::clone(&world);
        let closed = || Error::new(ErrorKind::Usage, Reason::SessionClosed);
        let answers = together(4, move |caller| {
            if caller == 0 {
                return block_on(of_caller.slot.shut(closed())).ok_or_else(closed);
            }
            let polls = if caller == 1 { below(4) } else { usize::MAX };
            let held = of_caller.slot.get();
            block_on(leaving(polls, of_caller.renew(held.as_ref(), Ok))).unwrap_or_else(|| Err(closed()))
        });
        let newest = answers.iter().flatten().map(|value| **value).max();
        let taken = answers[0].as_deref().ok().copied();
        assert!(newest <= taken, "the last of all values is taken away: {newest:?} {taken:?}");
        assert_eq!(taken.unwrap_or(0), world.begun(), "all that was begun has come before");
        assert!(world.slot.get().is_none() && world.slot.has_ended());
        assert_eq!(block_on(world.renew(None, Ok)).unwrap_err().reason(), Reason::SessionClosed);
    });
}
