//! The modules by which the OpenID Foundation's conformance suite tests clients, by their names there, and beyond them
//! every fault of OpenID Connect that the testkit knows, against our client.
//!
//! Each says what the provider does and what must come of it; after a rejection no further request leaves.

#[path = "conformance/faults.rs"]
mod faults;
#[path = "conformance/module.rs"]
mod module;

use libtest_mimic::{Arguments, Trial};
use valetkey_testkit::{Run, Verdict, modules};

fn main() {
    let can_be_tried = |run: &Run| run.module.verdict.expect().is_some();
    let runs = || modules().flat_map(valetkey_testkit::Module::runs);
    let modules = runs().map(|run| {
        let trial = Trial::test(run.to_string(), move || module::play(&run));
        let kind = match run.module.verdict {
            Verdict::BrowserOnly => "in a browser only",
            Verdict::Waits => "to come",
            _ => "",
        };
        trial.with_ignored_flag(!can_be_tried(&run)).with_kind(kind)
    });
    let faults = faults::rows().map(|fault| Trial::test(fault.name, move || faults::play(fault)));
    libtest_mimic::run(&Arguments::from_args(), modules.chain(faults).collect()).exit();
}
