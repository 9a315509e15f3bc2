//! Measures valetkey against its goals, and prints one line a goal:
//!
//! ```text
//! goal ROW NAME value V le LIMIT ok|MISS
//! ```
//!
//! `V` is a ratio of two times of this run, or a count; never a time, which says more about the machine. Lines
//! that begin with `#` are for people. With `--strict`, a miss is a failure.
#![expect(clippy::print_stdout, reason = "printing is what a bench does")]

mod contender;
mod crates;
mod measure;
mod peer;
mod subject;
mod world;

use std::process::ExitCode;

use measure::{Figures, Rounds, measure};

/// One goal, and what was measured.
#[derive(Clone)]
struct Goal {
    row: u8,
    name: &'static str,
    value: f64,
    at_most: f64,
}

fn main() -> ExitCode {
    let given = |name: &str| std::env::args().any(|argument| argument == name);
    // Cargo passes `--bench` to a bench and not to a test, which only asks whether it runs.
    let measures = given("--bench");
    let rounds = if measures { Rounds::MEASURE } else { Rounds::SMOKE };
    peer::assert_alike();

    let goals = [speeds(&rounds), sizes()].concat();
    if !measures {
        println!("# everything runs; nothing was measured");
        return ExitCode::SUCCESS;
    }
    for Goal { row, name, value, at_most } in &goals {
        let verdict = if value <= at_most { "ok" } else { "MISS" };
        println!("goal {row} {name} value {value:.3} le {at_most} {verdict}");
    }
    let missed = goals.iter().any(|goal| goal.value > goal.at_most);
    if missed && given("--strict") { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Rows 2, 3, 4 and 11: times as ratios, and allocations.
fn speeds(rounds: &Rounds) -> Vec<Goal> {
    let [url, peer_url, request, peer_request, response, flat, peer_response, flow] =
        measure(rounds, contender::all());
    let peer_sum = peer_url.time + peer_request.time + peer_response.time;
    let goal = |row, name, value, at_most| Goal { row, name, value, at_most };
    let ratio = |ours: &Figures, theirs: &Figures| ours.time / theirs.time;
    vec![
        goal(2, "authorization-url-to-oauth2", ratio(&url, &peer_url), 0.50),
        goal(2, "authorization-url-allocations", url.allocations, 2.0),
        goal(3, "token-request-to-oauth2", ratio(&request, &peer_request), 0.48),
        goal(3, "token-request-allocations", request.allocations, 5.0),
        goal(4, "token-response-to-flat-struct", ratio(&response, &flat), 1.5),
        goal(4, "token-response-to-oauth2", ratio(&response, &peer_response), 0.23),
        goal(4, "token-response-allocations", response.allocations, 5.0),
        goal(11, "code-flow-to-oauth2-rows-2-to-4", flow.time / peer_sum, 1.85),
    ]
}

/// Row 12: how many crates a user takes on.
fn sizes() -> Vec<Goal> {
    vec![
        Goal { row: 12, name: "proto-crates", value: crates::below_proto(), at_most: 36.0 },
        Goal {
            row: 12,
            name: "client-credentials-crates",
            value: crates::of_client_credentials(),
            at_most: 80.0,
        },
    ]
}
