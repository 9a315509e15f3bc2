//! Times of several contenders, in one process and in alternating order.

use std::time::Duration;

use crate::{
    contender::{BATCH, Contender},
    stopwatch::start,
};

/// How much is measured.
pub(crate) struct Rounds {
    pub(crate) count: usize,
    pub(crate) time: Duration,
}

impl Rounds {
    /// Enough for a minimum that holds.
    pub(crate) const MEASURE: Self = Self { count: 60, time: Duration::from_millis(4) };
    /// Enough to see that everything runs.
    pub(crate) const SMOKE: Self = Self { count: 1, time: Duration::ZERO };
}

/// Nanoseconds an operation of each: of its fastest round, after one to warm up, back and forth.
pub(crate) fn fastest<const N: usize>(rounds: &Rounds, contenders: &mut [Contender; N]) -> [f64; N] {
    let mut times = contenders.each_mut().map(|contender| round(contender, rounds.time));
    let mut order: Vec<usize> = (0..N).collect();
    for _ in 0..rounds.count {
        for &index in &order {
            times[index] = times[index].min(round(&mut contenders[index], rounds.time));
        }
        order.reverse();
    }
    times
}

/// Nanoseconds an operation, of batches for this time and at least one.
fn round(contender: &mut Contender, time: Duration) -> f64 {
    let (mut spent, mut operations) = (Duration::ZERO, 0);
    while operations == 0 || spent < time {
        contender.batch(|run| {
            let began = start();
            run();
            spent += began.elapsed();
        });
        operations += BATCH;
    }
    spent.as_secs_f64() * 1e9 / f64::from(operations)
}
