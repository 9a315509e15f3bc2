//! Times of several contenders, in one process and in alternating order; allocations, counted in another.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use crate::contender::{BATCH, Contender};

/// How much is measured.
pub(crate) struct Rounds {
    count: usize,
    time: Duration,
}

impl Rounds {
    /// Enough for a minimum that holds.
    pub(crate) const MEASURE: Self = Self { count: 60, time: Duration::from_millis(4) };
    /// Enough to see that everything runs.
    pub(crate) const SMOKE: Self = Self { count: 1, time: Duration::ZERO };
}

/// What one operation takes.
pub(crate) struct Figures {
    /// Nanoseconds: of the fastest round.
    pub(crate) time: f64,
    /// Allocations and reallocations.
    pub(crate) allocations: f64,
}

/// Measures the contenders, after a round to warm up, back and forth.
pub(crate) fn measure<const N: usize>(rounds: &Rounds, mut contenders: [Contender; N]) -> [Figures; N] {
    let mut times = contenders.each_mut().map(|contender| round(contender, rounds.time));
    let mut order: Vec<usize> = (0..N).collect();
    for _ in 0..rounds.count {
        for &index in &order {
            times[index] = times[index].min(round(&mut contenders[index], rounds.time));
        }
        order.reverse();
    }
    let counts = allocations();
    std::array::from_fn(|index| {
        let (name, time, allocations) = (contenders[index].name, times[index], counts[index]);
        println!("# {name:<32} {time:>6.0} ns/op {allocations:>4} allocations/op");
        Figures { time, allocations }
    })
}

/// Nanoseconds an operation, of batches for this time and at least one.
fn round(contender: &mut Contender, time: Duration) -> f64 {
    let (mut spent, mut operations) = (Duration::ZERO, 0);
    while operations == 0 || spent < time {
        contender.batch(|run| {
            #[expect(clippy::disallowed_methods, reason = "a bench measures time")]
            let start = Instant::now();
            run();
            #[expect(clippy::disallowed_methods, reason = "a bench measures time")]
            let elapsed = start.elapsed();
            spent += elapsed;
        });
        operations += BATCH;
    }
    spent.as_secs_f64() * 1e9 / f64::from(operations)
}

/// Allocations an operation, in the order of the contenders.
fn allocations() -> Vec<f64> {
    let output = Command::new(env!("CARGO_BIN_EXE_allocations")).output().expect("the counter runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("numbers");
    let count = |line: &str| line.split(' ').next().and_then(|count| count.parse().ok());
    lines.lines().map(|line| count(line).expect("a number")).collect()
}
