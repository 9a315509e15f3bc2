//! Times of several contenders, in one process and in alternating order; allocations, counted in another.

use std::{collections::BTreeMap, process::Command};

use crate::{
    contender::Contender,
    rounds::{Rounds, fastest},
};

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
    let times = fastest(rounds, &mut contenders);
    std::array::from_fn(|index| {
        let (name, time, allocations) =
            (contenders[index].name, times[index], allocations.of(contenders[index].name));
        println!("# {name:<32} {time:>6.0} ns/op {allocations:>4} allocations/op");
        Figures { time, allocations }
    })
}

/// Allocations an operation, by the names of the contenders.
pub(crate) struct Allocations(BTreeMap<String, f64>);

impl Allocations {
    /// Has them counted.
    pub(crate) fn count() -> Self {
        let measures = std::env::args().filter(|argument| argument == "--bench");
        let output = Command::new(env!("CARGO_BIN_EXE_allocations")).args(measures).output();
        let output = output.expect("the counter runs");
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
