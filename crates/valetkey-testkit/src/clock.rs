//! Time that moves only when somebody waits.

use std::{
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Poll},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Where virtual time begins unless told otherwise: 2030-01-01 00:00:00 UTC.
pub(crate) fn beginning() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_893_456_000)
}

/// A wall clock: a base, and how far it was moved ahead.
#[derive(Debug)]
pub(crate) struct Clock {
    /// Where it began; `None` for the system's clock, which moves by itself.
    base: Option<SystemTime>,
    /// Nanoseconds; enough for 584 years.
    ahead: AtomicU64,
}

impl Clock {
    pub(crate) fn new(base: Option<SystemTime>) -> Self {
        Self { base, ahead: AtomicU64::new(0) }
    }

    pub(crate) fn now(&self) -> SystemTime {
        let base = self.base.unwrap_or_else(system);
        let ahead = Duration::from_nanos(self.ahead.load(Ordering::Relaxed));
        base.checked_add(ahead).unwrap_or(base)
    }

    pub(crate) fn advance(&self, time: Duration) {
        let nanos = nanos(time);
        let moved = |ahead: u64| Some(ahead.saturating_add(nanos));
        // The closure always returns a value, so that this never fails.
        let _ = self.ahead.fetch_update(Ordering::Relaxed, Ordering::Relaxed, moved);
    }
}

/// A wait in virtual time: everybody else gets a few turns first, so that of two things that are waited for
/// together the one that is ready wins; then the clock stands at the end of the wait.
#[derive(Debug)]
pub(crate) struct Wait<'a> {
    clock: &'a Clock,
    end: u64,
    turns: u32,
}

/// The turns that others get.
const TURNS: u32 = 16;

impl Clock {
    pub(crate) fn wait(&self, time: Duration) -> Wait<'_> {
        let end = self.ahead.load(Ordering::Relaxed).saturating_add(nanos(time));
        Wait { clock: self, end, turns: 0 }
    }
}

impl Future for Wait<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.turns < TURNS {
            self.turns += 1;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        // Others who waited meanwhile have waited at the same time, not before.
        self.clock.ahead.fetch_max(self.end, Ordering::Relaxed);
        Poll::Ready(())
    }
}

/// A duration in nanoseconds, saturating.
pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "the provider's real clock, for when it is served on a port")]
fn system() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stands_still_and_moves_by_what_it_is_told() {
        let clock = Clock::new(Some(beginning()));
        assert_eq!(clock.now(), beginning());
        clock.advance(Duration::from_millis(1500));
        assert_eq!(clock.now(), beginning() + Duration::from_millis(1500));
        let waits = [Duration::from_secs(1), Duration::from_secs(3)].map(|time| clock.wait(time));
        waits.into_iter().for_each(crate::block_on);
        assert_eq!(clock.now(), beginning() + Duration::from_millis(4500), "both waited at once");
        clock.advance(Duration::MAX);
        assert!(clock.now() > beginning() + Duration::from_secs(1));
    }
}
