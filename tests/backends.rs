//! One-time requests over connections that break off at a byte, on every adapter: a code for tokens, a refresh, and
//! token credentials of OAuth 1.0a, against the testkit's provider on loopback.
//!
//! Whatever happens, the provider sees the request at most once, the client gets an error that says what, the backend
//! never says that nothing was sent when the provider has the request, and no connection and no task is left over.
//!
//! `cargo test` tries some bytes; `VALETKEY_FAULTS=all` tries every one, and prints a table of what came of it.

#[path = "backends/adapters.rs"]
mod adapters;
#[path = "backends/campaign.rs"]
mod campaign;
#[path = "backends/flows.rs"]
mod flows;

use std::sync::{Arc, Mutex};

use libtest_mimic::{Arguments, Trial};
use valetkey_backend_suite::{Direction, How};

use adapters::ADAPTERS;
use campaign::Campaign;
use flows::FLOWS;

/// Every way to break off.
const HOWS: [How; 3] = [How::Reset, How::Close, How::Stall];

/// Of how many bytes one is tried, unless all are.
const SAMPLE: usize = 17;

/// The same for stalls, which each take until a deadline.
const SAMPLE_OF_STALLS: usize = 67;

#[expect(clippy::print_stdout, reason = "a whole campaign prints its figures")]
fn main() {
    let is_whole = std::env::var("VALETKEY_FAULTS").is_ok_and(|value| value == "all");
    let table = Arc::new(Mutex::new(Vec::new()));
    let mut trials = Vec::new();
    for adapter in ADAPTERS {
        for flow in FLOWS {
            let name = format!("{}::{}", adapter.name, flow.name);
            trials
                .push(Trial::test(format!("{name}::refused"), move || Ok(campaign::refused(adapter, flow)?)));
            for (at, how) in
                [Direction::Request, Direction::Response].into_iter().flat_map(|at| HOWS.map(|how| (at, how)))
            {
                let step = match how {
                    _ if is_whole => 1,
                    How::Stall => SAMPLE_OF_STALLS,
                    _ => SAMPLE,
                };
                let campaign = Campaign { adapter, flow, at, how, step };
                let table = Arc::clone(&table);
                let name = format!("{name}::{at:?}::{how:?}").to_lowercase();
                trials.push(Trial::test(name, move || {
                    let figures = campaign.run()?;
                    table.lock().expect("unpoisoned").push(format!("{campaign}{figures}"));
                    Ok(())
                }));
            }
        }
    }
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
    if is_whole {
        let mut table = table.lock().expect("unpoisoned");
        table.sort();
        println!("{}\n{}", campaign::HEADING, table.join("\n"));
    }
    conclusion.exit();
}
