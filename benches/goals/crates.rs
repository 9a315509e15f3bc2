//! How many crates stand behind one, by `cargo tree`.

use std::{collections::BTreeSet, path::Path, process::Command};

/// The crates that `valetkey-proto` brings along, itself left out.
pub(crate) fn below_proto() -> f64 {
    (tree(&["valetkey-proto"]).len() - 1) as f64
}

/// The crates of a program that gets its own tokens over hyper, with *ring* and the bundled roots.
pub(crate) fn of_client_credentials() -> f64 {
    let client = if root().join("crates/valetkey").is_dir() { "valetkey" } else { "valetkey-proto" };
    println!("# client-credentials-crates: those of {client} and valetkey-hyper together");
    tree(&[client, "valetkey-hyper"]).len() as f64
}

/// The union of the packages' trees, build scripts and tests left aside.
fn tree(packages: &[&str]) -> BTreeSet<String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["tree", "--offline", "--edges", "normal", "--prefix", "none"]).current_dir(root());
    for package in packages {
        cargo.args(["--package", package]);
    }
    let output = cargo.output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).expect("cargo writes UTF-8");
    // A star marks a crate that was shown before.
    let name = |line: &str| line.strip_suffix(" (*)").unwrap_or(line).to_owned();
    lines.lines().filter(|line| !line.is_empty()).map(name).collect()
}

/// The workspace.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
