//! A goal, and how it is told.

/// One goal, and what was measured: a ratio of two times of one run, or a count.
pub(crate) struct Goal {
    row: u8,
    name: &'static str,
    value: f64,
    bound: Bound,
}

enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Goal {
    pub(crate) fn at_most(row: u8, name: &'static str, value: f64, limit: f64) -> Self {
        Self { row, name, value, bound: Bound::AtMost(limit) }
    }

    pub(crate) fn at_least(row: u8, name: &'static str, value: f64, limit: f64) -> Self {
        Self { row, name, value, bound: Bound::AtLeast(limit) }
    }

    pub(crate) fn is_met(&self) -> bool {
        match self.bound {
            Bound::AtMost(limit) => self.value <= limit,
            Bound::AtLeast(limit) => self.value >= limit,
        }
    }

    pub(crate) fn print(&self) {
        let Self { row, name, value, bound } = self;
        let (relation, limit) = match bound {
            Bound::AtMost(limit) => ("le", limit),
            Bound::AtLeast(limit) => ("ge", limit),
        };
        let verdict = if self.is_met() { "ok" } else { "MISS" };
        println!("goal {row} {name} value {value:.3} {relation} {limit} {verdict}");
    }
}
