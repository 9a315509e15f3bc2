//! The trials: each case in each of its ways, side by side or alone.

use std::{
    io::{self, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, PoisonError, RwLock, mpsc},
    thread,
    time::Duration,
};

use libtest_mimic::{Arguments, Conclusion, Failed, Trial};

use crate::{
    Exception, Subject,
    cases::{self, Case},
    scene::Scene,
    verdict::{Check, Trouble, judge},
};

/// Longer than any case takes; whoever needs more hangs.
const LONGEST: Duration = Duration::from_secs(120);

/// How many trials run at the same time unless the arguments say otherwise: most of them wait.
const SIDE_BY_SIDE: usize = 8;

/// Held by those that run side by side; one that wants the process for itself takes it alone.
static TOGETHER: RwLock<()> = RwLock::new(());

/// The names of all cases, each with `pooled::` or `fresh::` in front: whether its requests share connections,
/// or ask for their own ([`Limits::fresh`](valetkey_http::Limits::fresh)).
///
/// ```
/// assert!(valetkey_backend_suite::cases().any(|name| name == "fresh::redirects::s_net_03_redirects_are_answers"));
/// ```
pub fn cases() -> impl Iterator<Item = String> {
    every().map(|(case, fresh)| full_name(case, fresh))
}

fn every() -> impl Iterator<Item = (&'static Case, bool)> {
    cases::all().flat_map(|case| case.ways.iter().map(move |&fresh| (case, fresh)))
}

fn full_name(case: &Case, fresh: bool) -> String {
    format!("{}::{}", if fresh { "fresh" } else { "pooled" }, case.name)
}

/// Runs the suite as a test target with `harness = false`, with the arguments of `cargo test`.
///
pub fn run(subject: impl Subject) -> Conclusion {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(SIDE_BY_SIDE);
    libtest_mimic::run(&arguments, trials(subject))
}

/// One trial a case, called `NAME::CASE`, for a target that has others as well.
pub fn trials(subject: impl Subject) -> Vec<Trial> {
    let subject: Arc<dyn Subject> = Arc::new(subject);
    let unknown = {
        let subject = Arc::clone(&subject);
        move || unknown_exceptions(&*subject)
    };
    let mut trials = vec![Trial::test(format!("{}::exceptions_name_cases", subject.name()), unknown)];
    for (case, fresh) in every() {
        let subject = Arc::clone(&subject);
        let is_excepted = exceptions(&*subject, case, fresh).next().is_some();
        let name = format!("{}::{}", subject.name(), full_name(case, fresh));
        let trial = Trial::test(name, move || Ok(run_case(subject, case, fresh)?));
        trials.push(if is_excepted { trial.with_kind("exception") } else { trial });
    }
    trials
}

/// Runs one case, by its full name.
///
/// # Errors
///
/// If the case does not pass, or there is none of this name, this says so.
pub fn check(subject: impl Subject, name: &str) -> Result<(), String> {
    let found = every().find(|&(case, fresh)| full_name(case, fresh) == name);
    let (case, fresh) = found.ok_or_else(|| format!("there is no case {name}"))?;
    run_case(Arc::new(subject), case, fresh)
}

fn exceptions<'a>(
    subject: &'a dyn Subject,
    case: &Case,
    fresh: bool,
) -> impl Iterator<Item = Exception> + use<'a> {
    let (name, full) = (case.name, full_name(case, fresh));
    let all = subject.exceptions().iter().copied();
    all.filter(move |exception| exception.case == name || exception.case == full)
}

fn unknown_exceptions(subject: &dyn Subject) -> Result<(), Failed> {
    let is_known =
        |name: &str| every().any(|(case, fresh)| name == case.name || name == full_name(case, fresh));
    let unknown: Vec<_> =
        subject.exceptions().iter().map(|exception| exception.case).filter(|name| !is_known(name)).collect();
    if unknown.is_empty() { Ok(()) } else { Err(format!("there are no such cases: {unknown:?}").into()) }
}

/// How often a case may be played until it ends as it should.
const TRIES: usize = 3;

/// Plays a case. Sockets live in real time, and on a machine that is busy a case may come too late: it is played again,
/// and that is said. What nothing excuses is not played again.
fn run_case(subject: Arc<dyn Subject>, case: &'static Case, fresh: bool) -> Result<(), String> {
    let excepted: Vec<_> = exceptions(&*subject, case, fresh).collect();
    for tries in 1.. {
        let check = run_once(Arc::clone(&subject), case, fresh)?;
        let is_final = matches!(check, Err(Trouble::Never(_))) || tries == TRIES;
        let outcome = judge(check, &excepted);
        match &outcome {
            Err(complaint) if !is_final => {
                let name = full_name(case, fresh);
                // Past the harness, which may swallow what is printed.
                let _ = writeln!(io::stderr(), "PLAYED AGAIN {}::{name}: {complaint}", subject.name());
            }
            Ok(()) | Err(_) => return outcome,
        }
    }
    unreachable!("the last try is final")
}

fn run_once(subject: Arc<dyn Subject>, case: &'static Case, fresh: bool) -> Result<Check, String> {
    let (done, outcome) = mpsc::channel();
    // A thread of its own, so that a backend that hangs does not hang the suite.
    thread::spawn(move || {
        let together = (!case.alone).then(|| TOGETHER.read().unwrap_or_else(PoisonError::into_inner));
        let alone = case.alone.then(|| TOGETHER.write().unwrap_or_else(PoisonError::into_inner));
        let _ = done.send(None);
        let outcome = catch_unwind(AssertUnwindSafe(|| play(subject, case, fresh)));
        drop((together, alone));
        let _ = done.send(Some(outcome.unwrap_or_else(|_| Err(Trouble::Never("it panicked".to_owned())))));
    });
    // It has begun; the wait for the others does not count.
    let _ = outcome.recv();
    match outcome.recv_timeout(LONGEST) {
        Ok(Some(outcome)) => Ok(outcome),
        _ => Err(format!("it did not end within {LONGEST:?}")),
    }
}

fn play(subject: Arc<dyn Subject>, case: &Case, fresh: bool) -> Check {
    let scene = Scene::new(subject, fresh);
    // What was sent twice is told first, whatever else went wrong.
    let outcome = (case.check)(&scene);
    match outcome {
        Err(Trouble::Never(_)) => outcome,
        _ => scene.settle().and(outcome),
    }
}
