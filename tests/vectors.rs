//! Runs every test vector against the protocol crate and prints `AREA passed/failed/policy/todo`.
//!
//! The vectors are those of `tests/vectors/` and of every folder named in `$VALETKEY_VECTORS`, a list
//! with colons between the folders.

mod vectors_runner;

use std::process::ExitCode;

#[expect(clippy::print_stdout, reason = "the table is what this target is for")]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        println!("vectors: test");
        return ExitCode::SUCCESS;
    }
    // As with other targets, a name on the command line leaves out what does not contain it.
    let mut filters = arguments.iter().filter(|argument| !argument.starts_with('-')).peekable();
    if filters.peek().is_some() && !filters.any(|filter| "vectors".contains(filter.as_str())) {
        return ExitCode::SUCCESS;
    }
    let report = vectors_runner::run();
    print!("{report}");
    if report.has_failures() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
