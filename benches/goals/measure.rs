//! Times of several contenders, in one process and in alternating order; allocations, counted in another.

use std::{
    collections::BTreeMap,
    process::Command,
    time::{Duration, Instant},
};

use crate::contender::{BATCH, Contender};

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

/// What one operation takes.
pub(crate) struct Figures {
    /// Nanoseconds: of the fastest round.
    pub(crate) time: f64,
    /// Allocations and reallocations.
    pub(crate) allocations: f64,
}

/// Measures the contenders, after a round to warm up, back and forth.
pub(crate) fn measure<const N: usize>(
    rounds: &Rounds,
    mut contenders: [Contender; N],
    allocations: &Allocations,
) -> [Figures; N] {
    let mut times = contenders.each_mut().map(|contender| round(contender, rounds.time));
    let mut order: Vec<usize> = (0..N).collect();
    for _ in 0..rounds.count {
        for &index in &order {
            times[index] = times[index].min(round(&mut contenders[index], rounds.time));
        }
        order.reverse();
    }
    std::array::from_fn(|index| {
        let (name, time, allocations) =
            (contenders[index].name, times[index], allocations.of(contenders[index].name));
        println!("# {name:<32} {time:>6.0} ns/op {allocations:>4} allocations/op");
        Figures { time, allocations }
    })
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

/// Allocations an operation, by the names of the contenders.
pub(crate) struct Allocations(BTreeMap<String, f64>);

impl Allocations {
    /// Has them counted.
    pub(crate) fn count() -> Self {
        let output = Command::new(env!("CARGO_BIN_EXE_allocations")).output().expect("the counter runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let lines = String::from_utf8(output.stdout).expect("numbers");
        let count = |line: &str| {
            let (count, name) = line.split_once(' ')?;
            Some((name.to_owned(), count.parse().ok()?))
        };
        Self(lines.lines().map(|line| count(line).expect("a number and a name")).collect())
    }

    pub(crate) fn of(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or_else(|| panic!("{name} was not counted"))
    }
}
