//! Rules about manifests and what the crates depend on, by what cargo says of them.

use std::{collections::BTreeSet, process::Command};

use serde_json::Value;

use super::source::{none, root};

/// The most crates of the core's tree, itself left out.
const CORE_TREE: usize = 36;

fn cargo(arguments: &[&str]) -> String {
    let output =
        Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().expect("cargo runs");
    assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// What cargo says of the workspace.
fn metadata() -> Value {
    let metadata = cargo(&["metadata", "--offline", "--no-deps", "--format-version=1"]);
    serde_json::from_str(&metadata).expect("JSON")
}

/// The packages of the workspace.
fn packages() -> Vec<Value> {
    let Value::Array(packages) = metadata()["packages"].take() else { panic!("no packages") };
    packages
}

fn name(package: &Value) -> &str {
    package["name"].as_str().expect("a name")
}

/// What a package depends on beyond the list; dependencies of its tests alone do not count.
fn beyond(package: &str, allowed: &[&str]) -> Vec<String> {
    let packages = packages();
    let package = packages.iter().find(|other| name(other) == package).expect("the package");
    let dependencies = package["dependencies"].as_array().expect("dependencies");
    let normal = dependencies.iter().filter(|dependency| dependency["kind"] != "dev");
    normal.map(name).filter(|name| !allowed.contains(name)).map(str::to_owned).collect()
}

#[test]
fn the_seam_depends_on_three_crates() {
    none("valetkey-http may depend on no more", &beyond("valetkey-http", &["async-trait", "bytes", "http"]));
}

#[test]
fn the_core_depends_on_what_is_listed() {
    let allowed = [
        "base64",
        "bytes",
        "hmac",
        "http",
        "httpdate",
        "ring",
        "serde",
        "serde_json",
        "serde_urlencoded",
        "sha1",
        "subtle",
        "valetkey-http",
        "zeroize",
    ];
    none("valetkey-proto may depend on no more", &beyond("valetkey-proto", &allowed));
}

#[test]
fn the_tree_of_the_core_is_small() {
    let tree = cargo(&[
        "tree",
        "--offline",
        "--package=valetkey-proto",
        "--edges=normal",
        "--prefix=none",
        "--no-dedupe",
        "--format={p}",
    ]);
    let mut crates: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    crates.remove("valetkey-proto");
    assert!(crates.len() <= CORE_TREE, "{} crates are more than {CORE_TREE}: {crates:?}", crates.len());
}

#[test]
fn what_needs_packages_of_the_system_is_built_when_asked_for() {
    let metadata = metadata();
    let [members, default] = ["workspace_members", "workspace_default_members"].map(|list| {
        let ids = metadata[list].as_array().expect("a list of ids");
        ids.iter().filter_map(Value::as_str).collect::<BTreeSet<_>>()
    });
    let apart: Vec<_> = members.difference(&default).collect();
    let [surf] = apart[..] else { panic!("not in `default-members`: {apart:?}") };
    assert!(surf.contains("/valetkey-surf#"), "{surf}");
}

#[test]
fn manifests_say_what_they_must_and_no_more() {
    let mut found = Vec::new();
    for package in packages() {
        let mut complain = |what: &str| found.push(format!("{}: {what}", name(&package)));
        if package["license"] != "MIT OR Apache-2.0" {
            complain("the licence is not MIT OR Apache-2.0");
        }
        if package["description"].as_str().is_none_or(str::is_empty) {
            complain("there is no description");
        }
        if package["authors"].as_array().is_some_and(|authors| !authors.is_empty()) {
            complain("it names authors");
        }
        for address in ["repository", "homepage"] {
            if !package[address].is_null() {
                complain(&format!("it has a {address}"));
            }
        }
    }
    none("a manifest has a licence and a description, and names nobody", &found);
}
