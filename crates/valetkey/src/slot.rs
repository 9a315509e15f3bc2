//! A value that many callers want and one of them fetches: metadata, tokens, keys.
//!
//! The work runs on a task of its own, so that a caller who goes away does not take it along. A backend
//! without an executor hands the task back; it then stays in the slot, and whoever waits drives it on.
//!
//! A failure is remembered for a while, so that a server that is down or says no is not asked by every caller.

mod flight;
#[cfg(test)]
mod tests;

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

/// A slot that others hold, or have let go.
pub(crate) struct WeakSlot<T>(Weak<Inner<T>>);

impl<T> Clone for Slot<T> {
    /// The same slot.
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> WeakSlot<T> {
    pub(crate) fn upgrade(&self) -> Option<Slot<T>> {
        self.0.upgrade().map(Slot)
    }
}

struct Inner<T> {
    value: ArcSwapOption<T>,
    pause: PauseAfter,
    traffic: Mutex<Traffic<T>>,
}

/// How long to leave the server alone after this error, the n-th in a row; `None`: for good.
pub(crate) type PauseAfter = fn(&Error, u32) -> Option<Duration>;

/// What is under way, and what was refused. Both are about the present value: a new one clears them. In boxes, because most
/// slots have neither at most times.
struct Traffic<T> {
    flight: Option<Box<Flight<T>>>,
    /// Whether it brings no other value, but the same under another name.
    is_renaming: bool,
    refusal: Option<Box<Refusal>>,
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

    pub(crate) fn downgrade(&self) -> WeakSlot<T> {
        WeakSlot(Arc::downgrade(&self.0))
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
        let flight = self.0.traffic().flight.as_deref().cloned();
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
                traffic.refusal = Some(Box::new(Refusal { error, failures: 0, during: None }));
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
        if let Some(under_way) = traffic.flight.as_deref().cloned() {
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
        traffic.flight = Some(Box::new(flight.clone()));
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
                traffic.refusal = Some(Box::new(Refusal { error: error.clone(), failures, during }));
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
