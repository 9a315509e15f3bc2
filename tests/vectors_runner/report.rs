//! The score, and how it is printed.

use std::{collections::BTreeMap, fmt};

use super::case::Case;

/// What became of a case.
pub(crate) enum Verdict {
    Passed,
    Failed(String),
    /// Both outcomes conform; with what differs from the case, if anything does.
    Policy(Option<String>),
    Todo,
}

#[derive(Default)]
struct Score {
    passed: usize,
    failed: usize,
    policy: usize,
    todo: usize,
}

/// The score of every area, and what there is to say.
#[derive(Default)]
pub(crate) struct Report {
    scores: BTreeMap<String, Score>,
    notes: Vec<String>,
    policies: Vec<String>,
    failures: Vec<String>,
}

impl Report {
    pub(crate) fn add(&mut self, case: &Case, verdict: Verdict) {
        let score = self.scores.entry(case.area.clone()).or_default();
        match verdict {
            Verdict::Passed => score.passed += 1,
            Verdict::Policy(difference) => {
                score.policy += 1;
                self.policies.extend(difference.map(|how| format!("{}: {how}", case.id)));
            }
            Verdict::Todo => score.todo += 1,
            Verdict::Failed(how) => {
                score.failed += 1;
                self.failures.push(format!("{}: {how}", case.id));
            }
        }
    }

    /// Something worth knowing.
    pub(crate) fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    /// A failure that belongs to no single case.
    pub(crate) fn fail(&mut self, text: String) {
        self.failures.push(text);
    }

    pub(crate) fn has_failures(&self) -> bool {
        !self.failures.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (area, Score { passed, failed, policy, todo }) in &self.scores {
            writeln!(f, "{area:<28} {passed}/{failed}/{policy}/{todo}")?;
        }
        let sections = [("note", &self.notes), ("policy", &self.policies), ("FAILED", &self.failures)];
        for (title, lines) in sections {
            lines.iter().try_for_each(|line| writeln!(f, "{title}: {line}"))?;
        }
        Ok(())
    }
}
