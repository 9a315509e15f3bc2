//! How a case ends, and what an exception makes of it.

use valetkey_http::{Failure, FailureKind, Response, Sent};

use crate::{Exception, Outcome};

/// What a case returns.
pub(crate) type Check = Result<(), Trouble>;

/// Why a case does not pass.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Something that no exception is for.
    Never(String),
    /// What an exception may be for, each with what was seen.
    Excusable(Vec<(Outcome, String)>),
}

impl Trouble {
    pub(crate) fn one(outcome: Outcome, detail: impl Into<String>) -> Self {
        Self::Excusable(vec![(outcome, detail.into())])
    }
}

/// What an exception may excuse.
pub(crate) fn ensure(holds: bool, what: &'static str, detail: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(Trouble::one(Outcome::Differs(what), detail())) }
}

/// What nothing excuses.
pub(crate) fn insist(holds: bool, detail: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(Trouble::Never(detail())) }
}

/// An answer, where one should come.
pub(crate) fn answered(outcome: Result<Response, Failure>) -> Result<Response, Trouble> {
    outcome.map_err(|failure| failed(&failure, "an answer"))
}

/// How far a request got, as far as it matters.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Far {
    /// Nothing was sent, for certain.
    Nothing,
    /// Not as far as an answer.
    Unanswered,
    /// The server may have acted.
    Maybe,
    /// It answered with 200.
    Ok,
    /// The head was there or nearly.
    MaybeOrOk,
}

impl Far {
    fn allows(self, sent: Sent) -> bool {
        let is_ok = matches!(sent, Sent::Answered(status) if status == 200);
        match self {
            Self::Nothing => sent == Sent::Nothing,
            Self::Unanswered => sent == Sent::Nothing || sent == Sent::Maybe,
            Self::Maybe => sent == Sent::Maybe,
            Self::Ok => is_ok,
            Self::MaybeOrOk => is_ok || sent == Sent::Maybe,
        }
    }
}

/// A failure of one of these kinds. `what` is an answer called that should not be one.
pub(crate) fn fails(
    outcome: Result<Response, Failure>,
    what: &'static str,
    kinds: &[FailureKind],
    far: Far,
) -> Check {
    match outcome {
        Ok(response) => {
            let text = format!("{} and {} bytes", response.status(), response.body().len());
            Err(Trouble::one(Outcome::Differs(what), text))
        }
        Err(failure) if kinds.contains(&failure.kind()) && far.allows(failure.sent()) => Ok(()),
        Err(failure) => Err(failed(&failure, &format!("one of {kinds:?}, {far:?}"))),
    }
}

/// A failure, where an answer would be a breach that nothing excuses.
pub(crate) fn must_fail(outcome: Result<Response, Failure>, kinds: &[FailureKind], far: Far) -> Check {
    insist(outcome.is_err(), || "there was an answer where there must not be one".to_owned())?;
    fails(outcome, "an answer", kinds, far)
}

fn failed(failure: &Failure, expected: &str) -> Trouble {
    let outcome = Outcome::Fails(failure.kind(), failure.sent());
    Trouble::one(outcome, format!("{failure:?}, where {expected} was expected"))
}

/// Checks all rows, and puts together how they end.
pub(crate) fn rows<T>(rows: impl IntoIterator<Item = T>, mut check: impl FnMut(T) -> Check) -> Check {
    let mut found: Vec<(Outcome, String)> = Vec::new();
    for row in rows {
        match check(row) {
            Ok(()) => {}
            Err(Trouble::Never(detail)) => return Err(Trouble::Never(detail)),
            Err(Trouble::Excusable(outcomes)) => {
                for (outcome, detail) in outcomes {
                    if !found.iter().any(|(known, _)| *known == outcome) {
                        found.push((outcome, detail));
                    }
                }
            }
        }
    }
    if found.is_empty() { Ok(()) } else { Err(Trouble::Excusable(found)) }
}

/// Whether a trial passes: the case does, or ends in just the ways that are excepted.
pub(crate) fn judge(check: Check, exceptions: &[Exception]) -> Result<(), String> {
    let found = match check {
        Ok(()) => Vec::new(),
        Err(Trouble::Never(detail)) => return Err(format!("{detail} (nothing excuses that)")),
        Err(Trouble::Excusable(found)) => found,
    };
    let unexpected =
        found.iter().filter(|(outcome, _)| !exceptions.iter().any(|exception| exception.what == *outcome));
    let mut complaints: Vec<_> =
        unexpected.map(|(outcome, detail)| format!("{outcome:?}: {detail}")).collect();
    let outdated =
        exceptions.iter().filter(|exception| !found.iter().any(|(outcome, _)| exception.what == *outcome));
    complaints.extend(outdated.map(|exception| format!("the exception is out of date: {exception:?}")));
    if complaints.is_empty() { Ok(()) } else { Err(complaints.join("\n")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXCEPTION: Exception = Exception { case: "a", what: Outcome::Differs("x"), why: "it is so" };

    fn differs(what: &'static str) -> Check {
        ensure(false, what, || "seen".to_owned())
    }

    #[test]
    fn an_exception_holds_exactly() {
        assert!(judge(Ok(()), &[]).is_ok());
        assert!(judge(differs("x"), &[EXCEPTION]).is_ok());
        let outdated = judge(Ok(()), &[EXCEPTION]).unwrap_err();
        assert!(outdated.contains("out of date") && outdated.contains("it is so"), "{outdated}");
        let other = judge(differs("y"), &[EXCEPTION]).unwrap_err();
        assert!(other.contains("Differs(\"y\"): seen") && other.contains("out of date"), "{other}");
        let never = judge(insist(false, || "twice".to_owned()), &[EXCEPTION]).unwrap_err();
        assert_eq!(never, "twice (nothing excuses that)");
    }

    #[test]
    fn every_way_in_which_rows_end_wants_an_exception() {
        let check = || rows(["x", "", "y", "x"], |row| if row.is_empty() { Ok(()) } else { differs(row) });
        let both = [EXCEPTION, Exception { what: Outcome::Differs("y"), ..EXCEPTION }];
        assert!(judge(check(), &both).is_ok());
        assert!(judge(check(), &both[..1]).is_err());
    }

    #[test]
    fn failures_are_compared_by_kind_and_reach() {
        let failure = || Err(Failure::new(Sent::Maybe, FailureKind::Closed));
        assert!(fails(failure(), "", &[FailureKind::Closed], Far::Unanswered).is_ok());
        assert!(fails(failure(), "", &[FailureKind::Closed], Far::Nothing).is_err());
        assert!(fails(failure(), "", &[FailureKind::Tls], Far::Maybe).is_err());
        let excused = Exception { what: Outcome::Fails(FailureKind::Closed, Sent::Maybe), ..EXCEPTION };
        assert!(judge(answered(failure()).map(drop), &[excused]).is_ok());
        let answer = Ok(Response::new(bytes::Bytes::new()));
        assert!(matches!(must_fail(answer, &[], Far::Maybe), Err(Trouble::Never(_))));
    }
}
