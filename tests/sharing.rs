//! Processes that share one grant in one store, and are killed, left and failed, and programs that end in the middle of what they
//! do: is a refresh token used by one at a time, and is nothing lost that can be kept?
//!
//! The provider is the testkit's, on loopback and in real time. It rotates refresh tokens, and takes a second use for theft;
//! where it has grace, not within a minute. The processes are this program, started anew; the parent counts from what the
//! provider saw. The stores are files, and the engines whose addresses are in the environment.
//!
//! `cargo test` tries some seconds of each kind. The whole campaign is ignored unless it is asked for
//! (docs/SHARING_CAMPAIGN.md), and prints its figures.

#[path = "sharing/campaign.rs"]
mod campaign;
#[path = "sharing/child.rs"]
mod child;
#[path = "sharing/crash.rs"]
mod crash;
#[path = "sharing/judge.rs"]
mod judge;
#[path = "sharing/processes.rs"]
mod processes;
#[path = "sharing/stores.rs"]
mod stores;
#[path = "sharing/watch.rs"]
mod watch;
#[path = "sharing/world.rs"]
mod world;

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use libtest_mimic::{Arguments, Failed, Trial};

use campaign::{Kind, Size};
use crash::{Ends, Much};
use judge::Figures;
use stores::Engine;

/// A test, of this size, that has figures.
type Try<S, R> = fn(Engine, S) -> Result<R, Failed>;

/// What is tried with processes that share a grant, by its name.
const SHARED: [(&str, Try<Size, Figures>); 10] = [
    ("r_herd_processes_make_one_refresh_a_generation", r_herd_processes_make_one_refresh_a_generation),
    ("r_can_processes_whose_callers_leave_lose_nothing", r_can_processes_whose_callers_leave_lose_nothing),
    ("r_crash_killed_processes_lose_no_grant_with_grace", r_crash_killed_processes_lose_no_grant_with_grace),
    (
        "r_crash_killed_processes_lose_only_what_is_on_its_way",
        r_crash_killed_processes_lose_only_what_is_on_its_way,
    ),
    ("r_amb_processes_ask_once_more_with_grace", r_amb_processes_ask_once_more_with_grace),
    ("r_amb_processes_ask_once_more_without_grace", r_amb_processes_ask_once_more_without_grace),
    ("r_store_processes_lose_no_grant_when_it_fails", r_store_processes_lose_no_grant_when_it_fails),
    ("r_crash_killed_processes_and_a_store_that_fails", r_crash_killed_processes_and_a_store_that_fails),
    ("r_crash_killed_processes_and_a_server_that_fails", r_crash_killed_processes_and_a_server_that_fails),
    (
        "r_crash_killed_processes_when_all_fails_with_grace",
        r_crash_killed_processes_when_all_fails_with_grace,
    ),
];

/// What is tried with programs that end in the middle, by its name.
const ENDING: [(&str, Try<Much, Ends>); 4] = [
    ("r_crash_at_every_step_with_grace", r_crash_at_every_step_with_grace),
    ("r_crash_at_every_step_without_grace", r_crash_at_every_step_without_grace),
    ("r_crash_at_random_with_grace", r_crash_at_random_with_grace),
    ("r_crash_at_random_without_grace", r_crash_at_random_without_grace),
];

fn r_herd_processes_make_one_refresh_a_generation(engine: Engine, size: Size) -> Result<Figures, Failed> {
    campaign::run(engine, size, Kind::default())
}

fn r_can_processes_whose_callers_leave_lose_nothing(engine: Engine, size: Size) -> Result<Figures, Failed> {
    campaign::run(engine, size, Kind { leaves: true, ..Kind::default() })
}

fn r_crash_killed_processes_lose_no_grant_with_grace(engine: Engine, size: Size) -> Result<Figures, Failed> {
    campaign::run(engine, size, Kind { grace: true, kills: true, leaves: true, ..Kind::default() })
}

fn r_crash_killed_processes_lose_only_what_is_on_its_way(
    engine: Engine,
    size: Size,
) -> Result<Figures, Failed> {
    campaign::run(engine, size, Kind { kills: true, leaves: true, ..Kind::default() })
}

fn r_amb_processes_ask_once_more_with_grace(engine: Engine, size: Size) -> Result<Figures, Failed> {
    campaign::run(engine, size.at_least(6), Kind { grace: true, fails: true, ..Kind::default() })
}

fn r_amb_processes_ask_once_more_without_grace(engine: Engine, size: Size) -> Result<Figures, Failed> {
    campaign::run(engine, size.at_least(6), Kind { fails: true, ..Kind::default() })
}

fn r_store_processes_lose_no_grant_when_it_fails(engine: Engine, size: Size) -> Result<Figures, Failed> {
    campaign::run(engine, size.at_least(10), Kind { store_fails: true, ..Kind::default() })
}

fn r_crash_killed_processes_and_a_store_that_fails(engine: Engine, size: Size) -> Result<Figures, Failed> {
    campaign::run(
        engine,
        size.at_least(10),
        Kind { kills: true, store_fails: true, leaves: true, ..Kind::default() },
    )
}

fn r_crash_killed_processes_and_a_server_that_fails(engine: Engine, size: Size) -> Result<Figures, Failed> {
    let kind = Kind { grace: true, kills: true, fails: true, leaves: true, ..Kind::default() };
    campaign::run(engine, size, kind)
}

fn r_crash_killed_processes_when_all_fails_with_grace(engine: Engine, size: Size) -> Result<Figures, Failed> {
    let kind = Kind { grace: true, kills: true, fails: true, store_fails: true, leaves: true };
    campaign::run(engine, size.at_least(6), kind)
}

fn r_crash_at_every_step_with_grace(engine: Engine, much: Much) -> Result<Ends, Failed> {
    crash::at_every_step(engine, true, much)
}

fn r_crash_at_every_step_without_grace(engine: Engine, much: Much) -> Result<Ends, Failed> {
    crash::at_every_step(engine, false, much)
}

fn r_crash_at_random_with_grace(engine: Engine, much: Much) -> Result<Ends, Failed> {
    crash::at_random(engine, true, much)
}

fn r_crash_at_random_without_grace(engine: Engine, much: Much) -> Result<Ends, Failed> {
    crash::at_random(engine, false, much)
}

/// Rows of a table, by the tests that are over.
type Table = Arc<Mutex<Vec<String>>>;

/// A trial as `cargo test` has it, and the whole one, which is ignored and adds a row.
fn trials<S: Copy + Send + 'static, R: fmt::Display + 'static>(
    name: &str,
    run: Try<S, R>,
    engine: Engine,
    [small, whole]: [S; 2],
    table: &Table,
) -> [Trial; 2] {
    let name = format!("{engine}::{name}");
    let row = (name.clone(), Arc::clone(table));
    let whole = move || {
        let figures = run(engine, whole)?;
        let (name, table) = row;
        table.lock().expect("unpoisoned").push(format!("| {name} {figures}"));
        Ok(())
    };
    let whole = Trial::test(format!("campaign::{name}"), whole).with_ignored_flag(true);
    [Trial::test(name, move || run(engine, small).map(drop)), whole]
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a campaign prints its figures, and what is skipped"
)]
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
    let (shared, ending) = (Table::default(), Table::default());
    let mut all = Vec::new();
    for engine in Engine::ALL {
        if !engine.is_here() {
            let variable = engine.variable().unwrap_or_default();
            eprintln!(
                "skipped: {variable} is not set; tests/interop/up.sh --{engine} --no-servers -- sets it"
            );
            continue;
        }
        for (name, run) in ENDING {
            let sizes = [Much::SMALL, Much::of_environment()];
            all.extend(trials(name, run, engine, sizes, &ending));
        }
        // What is sealed makes no difference to what processes do.
        for (name, run) in SHARED.into_iter().filter(|_| engine != Engine::SealedFile) {
            all.extend(trials(name, run, engine, [Size::SMALL, Size::of_environment()], &shared));
        }
    }
    let conclusion = libtest_mimic::run(&arguments, all);
    if is_whole {
        for (heading, table) in [(Figures::HEADING, shared), (Ends::HEADING, ending)] {
            println!("{heading}\n{}\n", table.lock().expect("unpoisoned").join("\n"));
        }
    }
    conclusion.exit();
}
