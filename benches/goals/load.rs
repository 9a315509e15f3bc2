//! Many requests at a time, and how long each takes.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::stopwatch::start;

/// In a round: few, so that some rounds are not disturbed.
const REQUESTS: usize = 1000;

/// A round of requests, which several tasks share.
pub(crate) struct Load {
    begun: AtomicUsize,
    /// Nanoseconds, one for each request; allocated before the clock starts.
    times: Box<[AtomicU64]>,
}

/// The best of all rounds.
#[derive(Clone, Copy)]
pub(crate) struct Best {
    /// Requests a second.
    pub(crate) rate: f64,
    /// Nanoseconds within which 99 of 100 requests were answered.
    pub(crate) p99: f64,
}

impl Load {
    /// Asks in one of the tasks, one request after the other, until all of the round have been sent.
    pub(crate) async fn ask<F: Future<Output = ()>>(&self, get: impl Fn() -> F) {
        while let Some(time) = self.times.get(self.begun.fetch_add(1, Ordering::Relaxed)) {
            let began = start();
            get().await;
            time.store(began.elapsed().as_nanos() as u64, Ordering::Relaxed);
        }
    }

    fn p99(&self) -> f64 {
        let mut times: Vec<_> = self.times.iter().map(|time| time.load(Ordering::Relaxed)).collect();
        times.sort_unstable();
        times[REQUESTS * 99 / 100 - 1] as f64
    }
}

impl Default for Load {
    fn default() -> Self {
        Self { begun: AtomicUsize::new(0), times: (0..REQUESTS).map(|_| AtomicU64::new(0)).collect() }
    }
}

impl Best {
    pub(crate) const NONE: Self = Self { rate: 0.0, p99: f64::INFINITY };

    /// Takes in a round, which `run` runs.
    pub(crate) fn take(&mut self, load: &Load, run: impl FnOnce()) {
        let began = start();
        run();
        self.rate = self.rate.max(REQUESTS as f64 / began.elapsed().as_secs_f64());
        self.p99 = self.p99.min(load.p99());
    }

    /// For people.
    pub(crate) fn print(&self, name: &str) {
        println!("# {name:<32} {:>6.0} a second, 99 of 100 in {:>5.0} µs", self.rate, self.p99 / 1e3);
    }
}
