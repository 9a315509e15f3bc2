//! A value that many callers want and one of them fetches: metadata, tokens, keys.
//!
//! The work runs on a task of its own, so that a caller who goes away does not take it along. A backend
//! without an executor hands the task back; it then stays in the slot, and whoever waits drives it on.
//!
//! A failure is remembered for a while, so that a server that is down or says no is not asked by every caller.

mod flight;

use std::{
    fmt,
    sync::{Arc, PoisonError, Weak},
    time::Duration,
};

use valetkey_http::{Backend, Task};
use valetkey_proto::{Error, Result, Timestamp, Window};

use self::flight::{Answer, Flight, dropped};
use crate::sync::{ArcSwapOption, Guard, Mutex, MutexGuard, oneshot};

pub(crate) struct Slot<T>(Arc<Inner<T>>);

struct Inner<T> {
    value: ArcSwapOption<T>,
    pause: PauseAfter,
    traffic: Mutex<Traffic<T>>,
}

/// How long to leave the server alone after this error, the n-th in a row; `None`: for good.
pub(crate) type PauseAfter = fn(&Error, u32) -> Option<Duration>;

/// What is under way, and what was refused. Both are about the present value: a new one clears them.
struct Traffic<T> {
    flight: Option<Flight<T>>,
    /// Whether it brings no other value, but the same under another name.
    is_renaming: bool,
    refusal: Option<Refusal>,
}

/// The answer for who comes before the pause is over.
struct Refusal {
    error: Error,
    failures: u32,
    /// When nobody else asks; `None`: never. A clock that was set back ends it.
    during: Option<Window>,
}

/// What there is for a caller.
enum Join<T> {
    Value(Arc<T>),
    Refused(Error),
    Flight(Flight<T>),
    /// The value gets another name: ask again when it has.
    Later(Flight<T>),
}

impl<T: Send + Sync + 'static> Slot<T> {
    pub(crate) fn new(value: Option<T>, pause: PauseAfter) -> Self {
        let value = ArcSwapOption::new(value.map(Arc::new));
        Self(Arc::new(Inner {
            value,
            pause,
            traffic: Mutex::new(Traffic { flight: None, is_renaming: false, refusal: None }),
        }))
    }

    /// The value, if there is one. It takes no lock.
    pub(crate) fn get(&self) -> Option<Arc<T>> {
        self.0.value.load_full()
    }

    /// The value, for a moment: it counts no reference, so that threads do not get in each other's way.
    pub(crate) fn peek(&self) -> Guard<Option<Arc<T>>> {
        self.0.value.load()
    }

    /// Fetches a value in place of the one that the caller found wanting, together with all who find the
    /// same; whoever comes later than the new value gets that. Only who begins needs `work`.
    pub(crate) async fn renew<W>(
        &self,
        wanting: Option<&Arc<T>>,
        backend: &Arc<dyn Backend>,
        work: impl FnOnce() -> W,
    ) -> Answer<T>
    where
        W: Future<Output = Result<T>> + Send + 'static,
    {
        let mut work = Some(work);
        loop {
            match self.join(wanting, backend, &mut work) {
                Join::Value(value) => return Ok(value),
                Join::Refused(error) => return Err(error),
                Join::Flight(flight) => return flight.await,
                Join::Later(flight) => drop(flight.await),
            }
        }
    }

    /// Puts the same value under another name in the place of the present one, as this work does it. It waits for what is
    /// under way, and whoever finds the value wanting meanwhile waits for it. An error changes nothing.
    pub(crate) async fn rename<W>(
        &self,
        backend: &Arc<dyn Backend>,
        work: impl FnOnce(Option<Arc<T>>) -> W,
    ) -> Answer<T>
    where
        W: Future<Output = Result<T>> + Send + 'static,
    {
        let mut work = Some(work);
        loop {
            self.settle().await;
            // Somebody may have begun anew meanwhile.
            if let Some(flight) = self.begin_to_rename(backend, &mut work) {
                return flight.await;
            }
        }
    }

    /// Begins to rename the value, unless something is under way.
    fn begin_to_rename<W>(
        &self,
        backend: &Arc<dyn Backend>,
        work: &mut Option<impl FnOnce(Option<Arc<T>>) -> W>,
    ) -> Option<Flight<T>>
    where
        W: Future<Output = Result<T>> + Send + 'static,
    {
        let mut traffic = self.0.traffic();
        if traffic.flight.is_some() {
            return None;
        }
        let (work, present) = (work.take()?, self.get());
        traffic.is_renaming = true;
        Some(self.begin(traffic, backend, || work(present)))
    }

    /// Waits for what is under way, if anything is.
    pub(crate) async fn settle(&self) {
        let flight = self.0.traffic().flight.clone();
        if let Some(flight) = flight {
            // Its outcome is for those who asked.
            let _ = flight.await;
        }
    }

    /// Whether there will be no other value: the last refusal is for good.
    pub(crate) fn has_ended(&self) -> bool {
        self.0.traffic().refusal.as_ref().is_some_and(|refusal| refusal.during.is_none())
    }

    /// Takes the value away for good: whoever wants it later gets this error. It waits for what is under way.
    pub(crate) async fn shut(&self, error: Error) -> Option<Arc<T>> {
        loop {
            self.settle().await;
            let mut traffic = self.0.traffic();
            // Somebody may have begun anew meanwhile.
            if traffic.flight.is_none() {
                traffic.refusal = Some(Refusal { error, failures: 0, during: None });
                return self.0.value.swap(None);
            }
        }
    }

    /// The value, if it is newer than the one found wanting; else the flight that fetches it, unless that failed
    /// too short a time ago.
    fn join<W>(
        &self,
        wanting: Option<&Arc<T>>,
        backend: &Arc<dyn Backend>,
        work: &mut Option<impl FnOnce() -> W>,
    ) -> Join<T>
    where
        W: Future<Output = Result<T>> + Send + 'static,
    {
        let mut traffic = self.0.traffic();
        if let Some(under_way) = &traffic.flight {
            let under_way = under_way.clone();
            return if traffic.is_renaming { Join::Later(under_way) } else { Join::Flight(under_way) };
        }
        if let Some(value) = self.get()
            && wanting.is_none_or(|wanting| !Arc::ptr_eq(wanting, &value))
        {
            return Join::Value(value);
        }
        if let Some(refusal) = &traffic.refusal
            && refusal.during.is_none_or(|during| during.contains(backend.now().into()))
        {
            return Join::Refused(refusal.error.clone());
        }
        let Some(work) = work.take() else { return Join::Refused(dropped()) };
        traffic.is_renaming = false;
        Join::Flight(self.begin(traffic, backend, work))
    }

    /// Begins work, which nobody else has begun.
    fn begin<W>(
        &self,
        mut traffic: MutexGuard<'_, Traffic<T>>,
        backend: &Arc<dyn Backend>,
        work: impl FnOnce() -> W,
    ) -> Flight<T>
    where
        W: Future<Output = Result<T>> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let (flight, parked) = Flight::new(receiver);
        traffic.flight = Some(flight.clone());
        // An executor may run the task at once, on this thread: it must find the slot unlocked.
        drop(traffic);
        let pilot = Pilot { slot: Arc::downgrade(&self.0), backend: Arc::clone(backend) };
        let work = work();
        let task: Task = Box::pin(async move {
            let answer = work.await.map(Arc::new);
            pilot.land(&answer);
            // Nobody waits any more? The value is in the slot.
            let _ = sender.send(answer);
        });
        if let Err(task) = backend.spawn(task) {
            parked.leave(task);
        }
        flight
    }
}

impl<T> Inner<T> {
    fn traffic(&self) -> MutexGuard<'_, Traffic<T>> {
        self.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever brings the answer home. It holds the slot weakly: a parked task lies in the slot, and must not
/// keep it alive.
struct Pilot<T> {
    slot: Weak<Inner<T>>,
    backend: Arc<dyn Backend>,
}

impl<T> Pilot<T> {
    /// Publishes what the work brought, before anybody hears of it, and clears the way for the next in one step: whoever
    /// finds the new value wanting at once must not be given it again.
    fn land(mut self, answer: &Answer<T>) {
        let Some(slot) = std::mem::take(&mut self.slot).upgrade() else { return };
        let mut traffic = slot.traffic();
        traffic.flight = None;
        match answer {
            Ok(value) => {
                slot.value.store(Some(Arc::clone(value)));
                if !traffic.is_renaming {
                    traffic.refusal = None;
                }
            }
            Err(_) if traffic.is_renaming => {}
            Err(error) => {
                let failures = traffic.refusal.as_ref().map_or(0, |refusal| refusal.failures) + 1;
                let from = Timestamp::from(self.backend.now());
                // At the end of the pause it is over.
                let last = |pause: Duration| from + pause - Duration::from_millis(1);
                let during = (slot.pause)(error, failures).map(|pause| Window { from, until: last(pause) });
                traffic.refusal = Some(Refusal { error: error.clone(), failures, during });
            }
        }
    }
}

impl<T> Drop for Pilot<T> {
    /// An executor drops the task half done: the next caller must be able to begin anew.
    fn drop(&mut self) {
        if let Some(slot) = self.slot.upgrade() {
            slot.traffic().flight = None;
        }
    }
}

impl<T> fmt::Debug for Slot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
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
    use valetkey_testkit::{Provider, Spawning, block_on};

    use super::*;

    /// Is pending once, so that others get a turn.
    async fn turn() {
        let mut polled = false;
        std::future::poll_fn(|context| {
            context.waker().wake_by_ref();
            if std::mem::replace(&mut polled, true) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

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
        let (one, two) =
            (slot.renew(Some(&old), &backend, failing), slot.renew(Some(&old), &backend, failing));
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
                        Box::pin(
                            async move { drop(slot.renew(None, &backend, pending::<Result<i32>>).await) },
                        );
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
}
