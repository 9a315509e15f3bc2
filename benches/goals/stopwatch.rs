//! The clock of a bench.

use std::time::{Duration, Instant};

/// A stopwatch, started.
pub(crate) struct Stopwatch(Instant);

#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
pub(crate) fn start() -> Stopwatch {
    Stopwatch(Instant::now())
}

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "a bench measures time")]
    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
