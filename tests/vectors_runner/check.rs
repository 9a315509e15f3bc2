//! Comparing what came out with what the case expects.

use std::{cell::RefCell, collections::BTreeSet, fmt::Display};

use serde_json::Value;
use valetkey_proto::Error;

use super::case::Case;

/// What a runner says of a case: what is wrong with the result, or why there is none.
pub(crate) type Answer = Result<Vec<Difference>, Stop>;

/// What differs from a fact.
pub(crate) struct Difference {
    pub(crate) text: String,
    /// Whether it is wrong even where accepting and refusing both conform: a number or a token was taken
    /// for another one.
    pub(crate) is_grave: bool,
}

/// Why there is no result.
pub(crate) enum Stop {
    /// The code refused the input, and said why.
    Refused(String),
    /// No code answers this yet.
    Unanswered(String),
}

impl Stop {
    /// The input was refused.
    pub(crate) fn refused(why: impl Display) -> Self {
        Self::Refused(why.to_string())
    }

    /// No code answers this yet.
    pub(crate) fn unanswered(what: impl Display) -> Self {
        Self::Unanswered(what.to_string())
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::refused(error)
    }
}

/// The facts that a case expects, each to be looked at once. One that nobody looked at counts as
/// unanswered, so that no fact is passed over in silence.
pub(crate) struct Checks<'a> {
    case: &'a Case,
    left: RefCell<BTreeSet<&'a str>>,
    wrong: RefCell<Vec<Difference>>,
}

/// The most characters of a value that are shown: enough to see what differs, and never a whole body.
const SHOWN: usize = 160;

impl<'a> Checks<'a> {
    pub(crate) fn of(case: &'a Case) -> Self {
        let left = case.expected.keys().map(String::as_str).collect();
        Self { case, left: RefCell::new(left), wrong: RefCell::default() }
    }

    /// The expected value of this name, which is then looked at.
    pub(crate) fn expected(&self, name: &str) -> Option<&'a Value> {
        self.left.borrow_mut().remove(name);
        self.case.expected.get(name)
    }

    /// Passes over a member that is said about others, or for people.
    pub(crate) fn pass_over(&self, name: &str) {
        self.left.borrow_mut().remove(name);
    }

    /// The value, if one is expected, is this.
    pub(crate) fn same(&self, name: &str, actual: impl Into<Value>) {
        if let Some(expected) = self.expected(name) {
            let actual = actual.into();
            if *expected != actual {
                let text = format!("{name} is {}, not {}", short(&actual), short(expected));
                let is_token = matches!(name, "access_token" | "code" | "refresh_token");
                let is_grave = is_token || (actual.is_number() && expected.is_number());
                self.wrong.borrow_mut().push(Difference { text, is_grave });
            }
        }
    }

    /// If a value is expected, this holds of it.
    pub(crate) fn holds(&self, name: &str, test: impl FnOnce(&Value) -> bool) {
        if let Some(expected) = self.expected(name).filter(|expected| !test(expected)) {
            self.wrong(format!("{name} is not {}", short(expected)));
        }
    }

    /// Notes what is wrong.
    pub(crate) fn wrong(&self, how: impl Display) {
        self.wrong.borrow_mut().push(Difference { text: how.to_string(), is_grave: false });
    }

    /// The answer: all that is wrong.
    pub(crate) fn done(self) -> Answer {
        match self.left.borrow().first() {
            Some(name) => Err(Stop::unanswered(format!("expected.{name}"))),
            None => Ok(self.wrong.take()),
        }
    }
}

/// A value in short.
pub(crate) fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text,
    }
}
