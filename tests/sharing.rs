//! Processes that share one grant in one store, and are killed, left and failed: is a refresh token used by one at a time,
//! and is nothing lost that can be kept?
//!
//! The provider is the testkit's, on loopback and in real time. It rotates refresh tokens, and takes a second use for theft;
//! where it has grace, not within a minute. The processes are this program, started anew; the parent counts from what the
//! provider saw.
//!
//! `cargo test` tries some seconds of each kind. The whole campaign is ignored unless it is asked for
//! (docs/SHARING_CAMPAIGN.md), and prints its figures.

#[path = "sharing/campaign.rs"]
mod campaign;
#[path = "sharing/child.rs"]
mod child;
#[path = "sharing/judge.rs"]
mod judge;
#[path = "sharing/processes.rs"]
mod processes;
#[path = "sharing/stores.rs"]
mod stores;

use std::sync::{Arc, Mutex};

use libtest_mimic::{Arguments, Failed, Trial};

use campaign::{Kind, Size};
use judge::Figures;

type Outcome = Result<Figures, Failed>;
type Try = fn(Size) -> Outcome;

/// What is tried, by its name.
const TRIALS: [(&str, Try); 7] = [
    ("r_herd_processes_make_one_refresh_a_generation", r_herd_processes_make_one_refresh_a_generation),
    ("r_can_processes_whose_callers_leave_lose_nothing", r_can_processes_whose_callers_leave_lose_nothing),
    ("r_crash_killed_processes_lose_no_grant_with_grace", r_crash_killed_processes_lose_no_grant_with_grace),
    (
        "r_crash_killed_processes_lose_only_what_is_on_its_way",
        r_crash_killed_processes_lose_only_what_is_on_its_way,
    ),
    ("r_amb_processes_ask_once_more_with_grace", r_amb_processes_ask_once_more_with_grace),
    ("r_amb_processes_ask_once_more_without_grace", r_amb_processes_ask_once_more_without_grace),
    ("r_crash_killed_processes_and_a_server_that_fails", r_crash_killed_processes_and_a_server_that_fails),
];

fn r_herd_processes_make_one_refresh_a_generation(size: Size) -> Outcome {
    campaign::run(size, Kind::default())
}

fn r_can_processes_whose_callers_leave_lose_nothing(size: Size) -> Outcome {
    campaign::run(size, Kind { leaves: true, ..Kind::default() })
}

fn r_crash_killed_processes_lose_no_grant_with_grace(size: Size) -> Outcome {
    campaign::run(size, Kind { grace: true, kills: true, leaves: true, ..Kind::default() })
}

fn r_crash_killed_processes_lose_only_what_is_on_its_way(size: Size) -> Outcome {
    campaign::run(size, Kind { kills: true, leaves: true, ..Kind::default() })
}

fn r_amb_processes_ask_once_more_with_grace(size: Size) -> Outcome {
    campaign::run(size.at_least(6), Kind { grace: true, fails: true, ..Kind::default() })
}

fn r_amb_processes_ask_once_more_without_grace(size: Size) -> Outcome {
    campaign::run(size.at_least(6), Kind { fails: true, ..Kind::default() })
}

fn r_crash_killed_processes_and_a_server_that_fails(size: Size) -> Outcome {
    campaign::run(size, Kind { grace: true, kills: true, fails: true, leaves: true })
}

#[expect(clippy::print_stdout, reason = "a whole campaign prints its figures")]
fn main() {
    if let Some(orders) = child::orders() {
        return child::run(orders);
    }
    let mut arguments = Arguments::from_args();
    let is_whole = arguments.ignored || arguments.include_ignored;
    if is_whole {
        // Of two at once, each would see what the other costs.
        arguments.test_threads = Some(1);
    }
    let table = Arc::new(Mutex::new(Vec::new()));
    let mut trials = Vec::new();
    for (name, run) in TRIALS {
        trials.push(Trial::test(name, move || run(Size::SMALL).map(drop)));
        let table = Arc::clone(&table);
        let whole = move || {
            let figures = run(Size::of_environment())?;
            table.lock().expect("unpoisoned").push(format!("| {name} {figures}"));
            Ok(())
        };
        trials.push(Trial::test(format!("campaign::{name}"), whole).with_ignored_flag(true));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    if is_whole {
        println!("{}\n{}", Figures::HEADING, table.lock().expect("unpoisoned").join("\n"));
    }
    conclusion.exit();
}
