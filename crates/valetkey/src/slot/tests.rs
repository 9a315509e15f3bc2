//! What the slot promises to callers who come, wait and leave.

use std::{
    future::pending,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::SystemTime,
};

use futures_util::future::join_all;
use valetkey_http::{Failure, Limits, Request, Response};
use valetkey_proto::{ErrorKind, Reason};
use valetkey_testkit::{Provider, Spawning, block_on, turn};

use super::*;

/// A slot that leaves nobody alone.
fn slot<T: Send + Sync + 'static>(value: Option<T>) -> Slot<T> {
    Slot::new(value, |_, _| Some(Duration::ZERO))
}

fn backend(spawning: Spawning) -> Arc<dyn Backend> {
    Arc::new(Provider::builder().spawning(spawning).build())
}

/// How often its waker was called.
struct Calls(AtomicUsize);

impl Wake for Calls {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn counting() -> (Arc<Calls>, Waker) {
    let calls = Arc::new(Calls(AtomicUsize::new(0)));
    (Arc::clone(&calls), Waker::from(calls))
}

#[test]
fn r_sf_many_callers_share_one_fetch() {
    for spawning in [Spawning::HandBack, Spawning::Thread] {
        let (slot, backend) = (slot(None), backend(spawning));
        let fetched = AtomicUsize::new(0);
        let callers = (0..100).map(|_| async {
            turn().await;
            let count = fetched.fetch_add(1, Ordering::Relaxed);
            let work = async move {
                turn().await;
                Ok(count)
            };
            slot.renew(None, &backend, || work).await
        });
        let values = block_on(join_all(callers));
        let first = values[0].clone().unwrap();
        assert!(values.iter().all(|value| Arc::ptr_eq(value.as_ref().unwrap(), &first)));
        // Who found the old value wanting gets the new one; who found the new one wanting, another.
        assert_eq!(*block_on(slot.renew(None, &backend, || async { Ok(1000) })).unwrap(), *first);
        assert_eq!(*block_on(slot.renew(Some(&first), &backend, || async { Ok(1001) })).unwrap(), 1001);
        assert_eq!(*block_on(slot.renew(Some(&first), &backend, || async { Ok(1002) })).unwrap(), 1001);
    }
}

#[test]
fn a_failure_reaches_all_and_hides_no_value() {
    let (slot, backend) = (slot(Some(1)), backend(Spawning::HandBack));
    let old = slot.get().unwrap();
    let failing = || async {
        turn().await;
        Err(Error::new(ErrorKind::Server, Reason::ServerFailed))
    };
    let (one, two) = (slot.renew(Some(&old), &backend, failing), slot.renew(Some(&old), &backend, failing));
    let (one, two) = block_on(futures_util::future::join(one, two));
    assert_eq!(
        (one.unwrap_err().reason(), two.unwrap_err().reason()),
        (Reason::ServerFailed, Reason::ServerFailed)
    );
    assert_eq!(slot.get().as_deref(), Some(&1));
    assert_eq!(
        *block_on(slot.renew(Some(&old), &backend, || async { Ok(2) })).unwrap(),
        2,
        "the way is clear"
    );
}

#[test]
fn t4_a_caller_who_leaves_takes_nothing_along() {
    // Dropped after every number of polls, the next caller drives the same work on.
    for polls in 0..4 {
        let (slot, backend) = (slot(None), backend(Spawning::HandBack));
        let begun = Arc::new(AtomicUsize::new(0));
        let work = || {
            let begun = Arc::clone(&begun);
            async move {
                begun.fetch_add(1, Ordering::Relaxed);
                for _ in 0..3 {
                    turn().await;
                }
                Ok(7)
            }
        };
        let mut leader = Box::pin(slot.renew(None, &backend, work));
        for _ in 0..polls {
            assert!(leader.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        drop(leader);
        assert_eq!(*block_on(slot.renew(None, &backend, work)).unwrap(), 7);
        assert_eq!(begun.load(Ordering::Relaxed), 1, "after {polls} polls");
    }
}

#[test]
fn t4_a_caller_who_leaves_when_woken_leaves_nobody_asleep() {
    let (slot, backend) = (Arc::new(slot(None)), backend(Spawning::HandBack));
    let (witness, woken) = counting();
    let other = Arc::new(Mutex::new(None));
    let work = {
        let (slot, backend, other) = (Arc::clone(&slot), Arc::clone(&backend), Arc::clone(&other));
        let mut looks = 0;
        move |context: &mut Context<'_>| {
            looks += 1;
            if looks == 2 {
                // While the leader looks, there is news, and the other caller comes to look, too.
                context.waker().wake_by_ref();
                let (slot, backend) = (Arc::clone(&slot), Arc::clone(&backend));
                let mut caller: Task =
                    Box::pin(async move { drop(slot.renew(None, &backend, pending::<Result<i32>>).await) });
                assert!(caller.as_mut().poll(&mut Context::from_waker(&woken)).is_pending());
                *other.lock().unwrap() = Some(caller);
            }
            Poll::Pending
        }
    };
    let mut leader = Box::pin(slot.renew(None, &backend, || std::future::poll_fn(work)));
    for _ in 0..2 {
        assert!(leader.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    assert_eq!(witness.0.load(Ordering::Relaxed), 0);
    drop(leader);
    assert_eq!(witness.0.load(Ordering::Relaxed), 1, "somebody looks at the news");
}

#[test]
fn a_task_that_an_executor_drops_is_an_error_and_not_the_end() {
    let (slot, dropping) = (slot(None), backend(Spawning::with(drop)));
    let error = block_on(slot.renew(None, &dropping, || async { Ok(1) })).unwrap_err();
    assert_eq!(error.reason(), Reason::TaskDropped);
    assert_eq!(*block_on(slot.renew(None, &backend(Spawning::HandBack), || async { Ok(2) })).unwrap(), 2);
}

#[test]
fn an_executor_that_runs_tasks_at_once_finds_the_slot_unlocked() {
    let (slot, inline) = (slot(None), backend(Spawning::with(block_on)));
    assert_eq!(*block_on(slot.renew(None, &inline, || async { Ok(1) })).unwrap(), 1);
    assert_eq!(slot.get().as_deref(), Some(&1));
}

#[test]
fn a_parked_task_does_not_keep_its_slot_alive() {
    let (slot, backend) = (slot(None::<Arc<()>>), backend(Spawning::HandBack));
    let witness = Arc::new(());
    let held = Arc::clone(&witness);
    let mut leader = Box::pin(slot.renew(None, &backend, || async move {
        pending::<()>().await;
        Ok(held)
    }));
    assert!(leader.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(leader);
    drop(slot);
    assert_eq!(Arc::strong_count(&witness), 1);
}

#[test]
fn waiting_on_another_thread_is_woken() {
    let (slot, backend) = (Arc::new(slot(None)), backend(Spawning::Thread));
    let threads = (0..8).map(|index| {
        let (slot, backend) = (Arc::clone(&slot), Arc::clone(&backend));
        std::thread::spawn(move || {
            let work = {
                let backend = Arc::clone(&backend);
                async move {
                    backend.sleep(Duration::from_millis(1)).await;
                    Ok(index)
                }
            };
            *block_on(slot.renew(None, &backend, || work)).unwrap()
        })
    });
    let values: Vec<_> =
        threads.collect::<Vec<_>>().into_iter().map(|thread| thread.join().unwrap()).collect();
    assert!(values.iter().all(|value| value == &values[0]));
}

/// A backend of which nothing but the clock is used, in seconds.
struct Stepped(Arc<AtomicUsize>);

#[async_trait::async_trait]
impl Backend for Stepped {
    async fn send(&self, _: Request, _: Limits) -> std::result::Result<Response, Failure> {
        pending().await
    }

    async fn sleep(&self, _: Duration) {}

    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.0.load(Ordering::Relaxed) as u64)
    }
}

#[test]
fn r_clock_a_failure_is_not_remembered_by_a_clock_that_was_set_back() {
    let clock = Arc::new(AtomicUsize::new(10_000));
    let backend: Arc<dyn Backend> = Arc::new(Stepped(Arc::clone(&clock)));
    let slot: Slot<u8> = Slot::new(None, |_, _| Some(Duration::from_secs(60)));
    let failing = || async { Err(Error::new(ErrorKind::Server, Reason::ServerFailed)) };
    block_on(slot.renew(None, &backend, failing)).unwrap_err();
    for (now, is_asked) in [(10_059, false), (10_060, true), (6_400, true)] {
        clock.store(now, Ordering::Relaxed);
        let answer = block_on(slot.renew(None, &backend, || async { Ok(1) }));
        assert_eq!(answer.is_ok(), is_asked, "{now}");
        slot.0.value.store(None);
        clock.store(10_000, Ordering::Relaxed);
        block_on(slot.renew(None, &backend, failing)).unwrap_err();
    }
}

#[test]
fn r_neg_a_failure_is_remembered_for_its_time() {
    let provider = Provider::new();
    let backend: Arc<dyn Backend> = Arc::new(provider.clone());
    let pause: PauseAfter = |error, failures| {
        (error.reason() == Reason::ServerFailed).then(|| Duration::from_secs(10) * failures)
    };
    let slot: Slot<u8> = Slot::new(None, pause);
    let asked = Arc::new(AtomicUsize::new(0));
    let ask = |reason| {
        let asked = Arc::clone(&asked);
        block_on(slot.renew(None, &backend, || async move {
            asked.fetch_add(1, Ordering::Relaxed);
            Err(Error::new(ErrorKind::Server, reason))
        }))
        .unwrap_err()
        .reason()
    };
    for (advance, expected) in [(0, 1), (9, 1), (1, 2), (19, 2), (1, 3), (29, 3), (1, 4)] {
        provider.advance(Duration::from_secs(advance));
        let last = advance == 1 && expected == 4;
        let reason = ask(if last { Reason::RefreshDenied } else { Reason::ServerFailed });
        assert_eq!((asked.load(Ordering::Relaxed), reason == Reason::RefreshDenied), (expected, last));
    }
    provider.advance(Duration::from_secs(1_000_000));
    assert_eq!(ask(Reason::ServerFailed), Reason::RefreshDenied, "for good");
    assert_eq!(asked.load(Ordering::Relaxed), 4);
}
