//! What every backend must do, case by case.

mod answers;
mod cancelling;
mod closing;
mod connecting;
mod framing;
mod limits;
mod redirects;
mod reusing;
mod sending;
mod tls;
mod together;

use crate::{scene::Scene, verdict::Check};

/// One case, and the ways in which it is played.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// With connections that are shared, or not.
    pub(crate) ways: &'static [bool],
    /// Whether nothing else may run in this process meanwhile.
    pub(crate) alone: bool,
    pub(crate) check: fn(&Scene) -> Check,
}

/// A case that is played both ways.
const fn both(name: &'static str, check: fn(&Scene) -> Check) -> Case {
    Case { name, ways: &[false, true], alone: false, check }
}

/// A case about connections that are shared.
const fn pooled(name: &'static str, check: fn(&Scene) -> Check) -> Case {
    Case { ways: &[false], ..both(name, check) }
}

/// A case about connections of one's own.
const fn fresh(name: &'static str, check: fn(&Scene) -> Check) -> Case {
    Case { ways: &[true], ..both(name, check) }
}

pub(crate) fn all() -> impl Iterator<Item = &'static Case> {
    [
        sending::CASES,
        answers::CASES,
        framing::CASES,
        closing::CASES,
        reusing::CASES,
        connecting::CASES,
        tls::CASES,
        limits::CASES,
        redirects::CASES,
        cancelling::CASES,
        together::CASES,
    ]
    .into_iter()
    .flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_those_of_their_modules() {
        let names: BTreeSet<_> = all().map(|case| case.name).collect();
        assert_eq!(names.len(), all().count());
        assert!(names.iter().all(|name| name.split("::").count() == 2), "{names:?}");
    }
}
