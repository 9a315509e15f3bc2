//! The system's time, for stores: they are used without a backend, some by a thread of their own.
#![expect(clippy::disallowed_methods, reason = "the one place of stores that asks the system for the time")]

use std::{
    thread,
    time::{Duration, Instant, SystemTime},
};

/// The wall clock, by which records are forgotten.
pub(super) fn now() -> SystemTime {
    SystemTime::now()
}

/// The time since the program began or so, by which its own leases end.
pub(super) fn instant() -> Instant {
    Instant::now()
}

/// Waits on a thread that waits for nobody else.
pub(super) fn pause(time: Duration) {
    thread::sleep(time);
}
