//! Until when a keyring may take: a thread waits for it, without a backend.
#![expect(clippy::disallowed_methods, reason = "the one place that asks the system for the time")]

use std::{
    thread,
    time::{Duration, Instant},
};

/// When patience ends.
#[derive(Clone, Copy)]
pub(crate) struct Deadline {
    end: Option<Instant>,
    patience: Duration,
}

impl Deadline {
    /// The end of this time, from now on; a time that no clock can tell does not end.
    pub(crate) fn after(patience: Duration) -> Self {
        Self { end: Instant::now().checked_add(patience), patience }
    }

    /// How long there is left.
    pub(crate) fn left(&self) -> Duration {
        self.end.map_or(self.patience, |end| end.saturating_duration_since(Instant::now()))
    }

    /// How long there was.
    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }
}

/// Waits on a thread that waits for nobody else.
pub(crate) fn pause(time: Duration) {
    thread::sleep(time);
}
