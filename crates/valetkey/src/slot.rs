//! A value that many callers want and one of them fetches: metadata, tokens, keys.
//!
//! The work runs on a task of its own, so that a caller who goes away does not take it along. A backend
//! without an executor hands the task back; it then stays in the slot, and whoever waits drives it on.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, Weak},
    task::{Context, Poll},
};

use arc_swap::ArcSwapOption;
use futures_channel::oneshot;
use futures_util::{
    future::{FutureExt, Shared},
    task::AtomicWaker,
};
use valetkey_http::{Backend, Task};
use valetkey_proto::{Error, ErrorKind, Reason, Result};

pub(crate) struct Slot<T>(Arc<Inner<T>>);

struct Inner<T> {
    value: ArcSwapOption<T>,
    flight: Mutex<Option<Flight<T>>>,
}

/// Work under way, and its answer for all who wait.
type Flight<T> = Shared<Landing<T>>;
type Answer<T> = Result<Arc<T>>;

impl<T: Send + Sync + 'static> Slot<T> {
    pub(crate) fn new(value: Option<T>) -> Self {
        let value = ArcSwapOption::new(value.map(Arc::new));
        Self(Arc::new(Inner { value, flight: Mutex::new(None) }))
    }

    /// The value, if there is one. It takes no lock.
    pub(crate) fn get(&self) -> Option<Arc<T>> {
        self.0.value.load_full()
    }

    /// Fetches a value in place of the one that the caller found wanting, together with all who find the
    /// same; whoever comes later than the new value gets that.
    pub(crate) async fn renew(
        &self,
        wanting: Option<&Arc<T>>,
        backend: &Arc<dyn Backend>,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Answer<T> {
        match self.join(wanting, backend, work) {
            Ok(value) => Ok(value),
            Err(flight) => flight.await,
        }
    }

    /// The value, if it is newer than the one found wanting; else the flight that fetches it.
    fn join(
        &self,
        wanting: Option<&Arc<T>>,
        backend: &Arc<dyn Backend>,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<Arc<T>, Flight<T>> {
        let mut flight = self.0.flight.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(under_way) = &*flight {
            return Err(under_way.clone());
        }
        if let Some(value) = self.get()
            && wanting.is_none_or(|wanting| !Arc::ptr_eq(wanting, &value))
        {
            return Ok(value);
        }
        let (sender, receiver) = oneshot::channel();
        let parked = Arc::new(Parked::default());
        let landing = Landing { receiver, parked: Arc::clone(&parked), driven: None }.shared();
        *flight = Some(landing.clone());
        // An executor may run the task at once, on this thread: it must find the slot unlocked.
        drop(flight);
        let pilot = Pilot { slot: Arc::downgrade(&self.0) };
        let task: Task = Box::pin(async move {
            let answer = work.await.map(Arc::new);
            pilot.land(&answer);
            // Nobody waits any more? The value is in the slot.
            let _ = sender.send(answer);
        });
        if let Err(task) = backend.spawn(task) {
            parked.leave(task);
        }
        Err(landing)
    }
}

/// Whoever brings the answer home. It holds the slot weakly: a parked task lies in the slot, and must not
/// keep it alive.
struct Pilot<T> {
    slot: Weak<Inner<T>>,
}

impl<T> Pilot<T> {
    /// Publishes what the work brought, before anybody hears of it; dropping clears the way for the next.
    fn land(self, answer: &Answer<T>) {
        if let (Some(slot), Ok(value)) = (self.slot.upgrade(), answer) {
            slot.value.store(Some(Arc::clone(value)));
        }
    }
}

impl<T> Drop for Pilot<T> {
    /// Also when an executor drops the task half done: the next caller must be able to begin anew.
    fn drop(&mut self) {
        if let Some(slot) = self.slot.upgrade() {
            *slot.flight.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}

/// Where a task is left that no executor took.
#[derive(Default)]
struct Parked {
    task: Mutex<Option<Task>>,
    waiter: AtomicWaker,
}

impl Parked {
    fn leave(&self, task: Task) {
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
        // Somebody may be waiting already, and has found nothing to drive.
        self.waiter.wake();
    }
}

/// Waits for the answer, and drives the task if it was parked.
struct Landing<T> {
    receiver: oneshot::Receiver<Answer<T>>,
    parked: Arc<Parked>,
    driven: Option<Task>,
}

impl<T> Future for Landing<T> {
    type Output = Answer<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer<T>> {
        let this = &mut *self;
        if this.driven.is_none() {
            this.parked.waiter.register(context.waker());
            this.driven = this.parked.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
        if let Some(task) = &mut this.driven
            && task.as_mut().poll(context).is_ready()
        {
            this.driven = None;
        }
        let dropped = || Error::new(ErrorKind::Transport, Reason::TaskDropped);
        Pin::new(&mut this.receiver).poll(context).map(|answer| answer.unwrap_or_else(|_| Err(dropped())))
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
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    use futures_util::future::join_all;
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

    fn backend(spawning: Spawning) -> Arc<dyn Backend> {
        Arc::new(Provider::builder().spawning(spawning).build())
    }

    #[test]
    fn many_callers_share_one_fetch() {
        for spawning in [Spawning::HandBack, Spawning::Thread] {
            let (slot, backend) = (Slot::new(None), backend(spawning));
            let fetched = AtomicUsize::new(0);
            let callers = (0..100).map(|_| async {
                turn().await;
                let count = fetched.fetch_add(1, Ordering::Relaxed);
                let work = async move {
                    turn().await;
                    Ok(count)
                };
                slot.renew(None, &backend, work).await
            });
            let values = block_on(join_all(callers));
            let first = values[0].clone().unwrap();
            assert!(values.iter().all(|value| Arc::ptr_eq(value.as_ref().unwrap(), &first)));
            // Who found the old value wanting gets the new one; who found the new one wanting, another.
            assert_eq!(*block_on(slot.renew(None, &backend, async { Ok(1000) })).unwrap(), *first);
            assert_eq!(*block_on(slot.renew(Some(&first), &backend, async { Ok(1001) })).unwrap(), 1001);
            assert_eq!(*block_on(slot.renew(Some(&first), &backend, async { Ok(1002) })).unwrap(), 1001);
        }
    }

    #[test]
    fn a_failure_reaches_all_and_hides_no_value() {
        let (slot, backend) = (Slot::new(Some(1)), backend(Spawning::HandBack));
        let old = slot.get().unwrap();
        let failing = || async {
            turn().await;
            Err(Error::new(ErrorKind::Server, Reason::ServerFailed))
        };
        let (one, two) =
            (slot.renew(Some(&old), &backend, failing()), slot.renew(Some(&old), &backend, failing()));
        let (one, two) = block_on(futures_util::future::join(one, two));
        assert_eq!(
            (one.unwrap_err().reason(), two.unwrap_err().reason()),
            (Reason::ServerFailed, Reason::ServerFailed)
        );
        assert_eq!(slot.get().as_deref(), Some(&1));
        assert_eq!(
            *block_on(slot.renew(Some(&old), &backend, async { Ok(2) })).unwrap(),
            2,
            "the way is clear"
        );
    }

    #[test]
    fn t4_a_caller_who_leaves_takes_nothing_along() {
        // Dropped after every number of polls, the next caller drives the same work on.
        for polls in 0..4 {
            let (slot, backend) = (Slot::new(None), backend(Spawning::HandBack));
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
            let mut leader = Box::pin(slot.renew(None, &backend, work()));
            for _ in 0..polls {
                assert!(
                    leader.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop())).is_pending()
                );
            }
            drop(leader);
            assert_eq!(*block_on(slot.renew(None, &backend, work())).unwrap(), 7);
            assert_eq!(begun.load(Ordering::Relaxed), 1, "after {polls} polls");
        }
    }

    #[test]
    fn a_task_that_an_executor_drops_is_an_error_and_not_the_end() {
        let (slot, dropping) = (Slot::new(None), backend(Spawning::with(drop)));
        let error = block_on(slot.renew(None, &dropping, async { Ok(1) })).unwrap_err();
        assert_eq!(error.reason(), Reason::TaskDropped);
        assert_eq!(*block_on(slot.renew(None, &backend(Spawning::HandBack), async { Ok(2) })).unwrap(), 2);
    }

    #[test]
    fn an_executor_that_runs_tasks_at_once_finds_the_slot_unlocked() {
        let (slot, inline) = (Slot::new(None), backend(Spawning::with(block_on)));
        assert_eq!(*block_on(slot.renew(None, &inline, async { Ok(1) })).unwrap(), 1);
        assert_eq!(slot.get().as_deref(), Some(&1));
    }

    #[test]
    fn a_parked_task_does_not_keep_its_slot_alive() {
        let (slot, backend) = (Slot::new(None::<Arc<()>>), backend(Spawning::HandBack));
        let witness = Arc::new(());
        let held = Arc::clone(&witness);
        let mut leader = Box::pin(slot.renew(None, &backend, async move {
            std::future::pending::<()>().await;
            Ok(held)
        }));
        assert!(leader.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop())).is_pending());
        drop(leader);
        drop(slot);
        assert_eq!(Arc::strong_count(&witness), 1);
    }

    #[test]
    fn waiting_on_another_thread_is_woken() {
        let (slot, backend) = (Arc::new(Slot::new(None)), backend(Spawning::Thread));
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
                *block_on(slot.renew(None, &backend, work)).unwrap()
            })
        });
        let values: Vec<_> =
            threads.collect::<Vec<_>>().into_iter().map(|thread| thread.join().unwrap()).collect();
        assert!(values.iter().all(|value| value == &values[0]));
    }
}
