//! Measures valetkey against its goals, and prints one line a goal:
//!
//! ```text
//! goal ROW NAME value V le|ge LIMIT ok|MISS
//! ```
//!
//! `V` is a ratio of two times of this run, or a count; never a time, which says more about the machine. Lines
//! that begin with `#` are for people. With `--strict`, a miss is a failure; with numbers, only these rows, and those
//! that are measured along with them, are measured.
#![expect(clippy::print_stdout, reason = "printing is what a bench does")]

mod cached;
mod contender;
mod crates;
mod expiry;
mod goal;
mod list;
mod load;
mod managed;
mod many;
mod measure;
mod openid;
mod peer;
mod rounds;
mod server;
mod session;
mod signing;
mod stopwatch;
mod subject;
mod throughput;
mod tokens;
mod transport;
mod world;

use std::process::ExitCode;

use goal::Goal;
use measure::{Allocations, Figures, measure};
use rounds::Rounds;

fn main() -> ExitCode {
    let given = |name: &str| std::env::args().any(|argument| argument == name);
    // Cargo passes `--bench` to a bench and not to a test, which only asks whether it runs.
    let measures = given("--bench");
    let rounds = if measures { Rounds::MEASURE } else { Rounds::SMOKE };
    peer::assert_alike();
    signing::assert_alike();
    tokens::assert_alike();

    let allocations = Allocations::count();
    let wanted: Vec<u8> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let mut goals = Vec::new();
    let mut add = |rows: &[u8], measure: &dyn Fn() -> Vec<Goal>| {
        if wanted.is_empty() || rows.iter().any(|row| wanted.contains(row)) {
            goals.extend(measure());
        }
    };
    add(&[1], &|| signatures(&rounds, &allocations));
    add(&[2, 3, 4, 11], &|| speeds(&rounds, &allocations));
    add(&[5, 6], &|| {
        openid::report(&rounds);
        validations(&rounds, &allocations)
    });
    add(&[7], &|| cached::goals(&rounds, &allocations));
    add(&[8], &|| expiry::goals(&rounds));
    add(&[9], &|| managed::goals(&rounds, &allocations, measures));
    add(&[10], &|| throughput::goals(&rounds, &allocations));
    add(&[12], &sizes);
    if !measures {
        println!("# everything runs; nothing was measured");
        return ExitCode::SUCCESS;
    }
    goals.iter().for_each(Goal::print);
    let missed = !goals.iter().all(Goal::is_met);
    if missed && given("--strict") { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Row 1: for 4, 10 and 100 parameters.
fn signatures(rounds: &Rounds, allocations: &Allocations) -> Vec<Goal> {
    let figures = measure(rounds, list::signing(), allocations);
    let names = [
        ["sign-4-to-hmac", "sign-4-to-oauth1-request", "sign-4-allocations"],
        ["sign-10-to-hmac", "sign-10-to-oauth1-request", "sign-10-allocations"],
        ["sign-100-to-hmac", "sign-100-to-oauth1-request", "sign-100-allocations"],
    ];
    let goals = figures.chunks_exact(3).zip(names).zip([2.5, 2.2, 2.2]);
    goals
        .flat_map(|((figures, [to_hmac, to_peer, count]), limit)| {
            let [ours, peer, hmac] = figures else { unreachable!("three contenders a case") };
            [
                Goal::at_most(1, to_hmac, ours.time / hmac.time, limit),
                Goal::at_most(1, to_peer, ours.time / peer.time, 0.75),
                Goal::at_most(1, count, ours.allocations, 1.0),
            ]
        })
        .collect()
}

/// Rows 2, 3, 4 and 11: times as ratios, and allocations.
fn speeds(rounds: &Rounds, allocations: &Allocations) -> Vec<Goal> {
    let [url, peer_url, request, peer_request, response, flat, peer_response, flow] =
        measure(rounds, list::all(), allocations);
    let peer_sum = peer_url.time + peer_request.time + peer_response.time;
    let ratio = |ours: &Figures, theirs: &Figures| ours.time / theirs.time;
    vec![
        Goal::at_most(2, "authorization-url-to-oauth2", ratio(&url, &peer_url), 0.50),
        Goal::at_most(2, "authorization-url-allocations", url.allocations, 2.0),
        Goal::at_most(3, "token-request-to-oauth2", ratio(&request, &peer_request), 0.48),
        Goal::at_most(3, "token-request-allocations", request.allocations, 5.0),
        Goal::at_most(4, "token-response-to-flat-struct", ratio(&response, &flat), 1.5),
        Goal::at_most(4, "token-response-to-oauth2", ratio(&response, &peer_response), 0.23),
        Goal::at_most(4, "token-response-allocations", response.allocations, 5.0),
        Goal::at_most(11, "code-flow-to-oauth2-rows-2-to-4", flow.time / peer_sum, 1.85),
    ]
}

/// Rows 5 and 6: for RS256, ES256 and EdDSA, and a proof.
fn validations(rounds: &Rounds, allocations: &Allocations) -> Vec<Goal> {
    let figures = measure(rounds, list::tokens(), allocations);
    let (validated, [proof, _, signature]) = figures.split_at(12) else {
        unreachable!("a proof is measured thrice")
    };
    let names = [
        ["id-token-rs256-to-ring", "id-token-rs256-on-aws-lc-to-jsonwebtoken", "id-token-rs256-allocations"],
        ["id-token-es256-to-ring", "id-token-es256-on-aws-lc-to-jsonwebtoken", "id-token-es256-allocations"],
        ["id-token-eddsa-to-ring", "id-token-eddsa-on-aws-lc-to-jsonwebtoken", "id-token-eddsa-allocations"],
    ];
    let limits = [(1.06, 0.82), (1.04, 1.0), (1.03, 1.0)];
    let mut goals: Vec<_> = validated
        .chunks_exact(4)
        .zip(names)
        .zip(limits)
        .flat_map(|((figures, [to_ring, to_peer, count]), (limit, limit_to_peer))| {
            let [ours, ours_on_aws_lc, peer, ring] = figures else { unreachable!("four contenders a case") };
            [
                Goal::at_most(5, to_ring, ours.time / ring.time, limit),
                Goal::at_most(5, to_peer, ours_on_aws_lc.time / peer.time, limit_to_peer),
                Goal::at_most(5, count, ours.allocations, 8.0),
            ]
        })
        .collect();
    goals.push(Goal::at_most(6, "dpop-proof-to-ring", proof.time / signature.time, 1.08));
    goals.push(Goal::at_most(6, "dpop-proof-allocations", proof.allocations, 4.0));
    goals
}

/// Row 12: how many crates a user takes on.
fn sizes() -> Vec<Goal> {
    vec![
        Goal::at_most(12, "proto-crates", crates::below_proto(), 36.0),
        Goal::at_most(12, "client-credentials-crates", crates::of_client_credentials(), 80.0),
    ]
}
