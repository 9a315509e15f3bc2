//! Times and allocations of several contenders, in one process and in alternating order.

use std::{
    alloc::System,
    hint::black_box,
    time::{Duration, Instant},
};

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

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
    /// Allocations and reallocations: of the most greedy round.
    pub(crate) allocations: f64,
}

/// Something that can be measured.
pub(crate) struct Contender {
    name: &'static str,
    batch: Box<dyn FnMut() -> Batch>,
}

/// What [`BATCH`] operations took.
struct Batch {
    time: Duration,
    allocations: usize,
}

/// Operations between two looks at the clock: enough to make the looks cheap, few enough for their inputs to
/// stay in the cache.
const BATCH: u32 = 64;

impl Contender {
    /// An operation. What `prepare` makes and what is left of it afterwards costs nothing; the operation
    /// itself and dropping its result are measured.
    pub(crate) fn new<I, O>(
        name: &'static str,
        mut prepare: impl FnMut() -> I + 'static,
        mut run: impl FnMut(&mut I) -> O + 'static,
    ) -> Self {
        let batch = move || {
            let mut inputs: Vec<I> = (0..BATCH).map(|_| prepare()).collect();
            let region = Region::new(ALLOCATOR);
            #[expect(clippy::disallowed_methods, reason = "a bench measures time")]
            let start = Instant::now();
            for input in &mut inputs {
                drop(black_box(run(black_box(input))));
            }
            #[expect(clippy::disallowed_methods, reason = "a bench measures time")]
            let time = start.elapsed();
            let change = region.change();
            Batch { time, allocations: change.allocations + change.reallocations }
        };
        Self { name, batch: Box::new(batch) }
    }

    /// Runs for this time, and at least one batch.
    fn round(&mut self, time: Duration) -> Figures {
        let (mut spent, mut allocations, mut operations) = (Duration::ZERO, 0, 0);
        while operations == 0 || spent < time {
            let batch = (self.batch)();
            spent += batch.time;
            allocations += batch.allocations;
            operations += BATCH;
        }
        Figures {
            time: spent.as_secs_f64() * 1e9 / f64::from(operations),
            allocations: (allocations as f64 / f64::from(operations)).ceil(),
        }
    }
}

/// Measures the contenders, after a round to warm up, back and forth.
pub(crate) fn measure<const N: usize>(rounds: &Rounds, mut contenders: [Contender; N]) -> [Figures; N] {
    let mut figures = contenders.each_mut().map(|contender| contender.round(rounds.time));
    let mut order: Vec<usize> = (0..N).collect();
    for _ in 0..rounds.count {
        for &index in &order {
            let round = contenders[index].round(rounds.time);
            let best = &mut figures[index];
            best.time = best.time.min(round.time);
            best.allocations = best.allocations.max(round.allocations);
        }
        order.reverse();
    }
    for (contender, Figures { time, allocations }) in contenders.iter().zip(&figures) {
        println!("# {:<32} {time:>7.0} ns/op {allocations:>4} allocations/op", contender.name);
    }
    figures
}
