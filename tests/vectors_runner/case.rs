//! A case, and how folders of them are read.

use std::{collections::BTreeSet, fs, path::Path, sync::Arc};

use serde_json::{Map, Value};

/// One case of a file.
pub(crate) struct Case {
    /// `area/name`.
    pub(crate) id: String,
    /// What it is about: the name of its file, without folder and ending.
    pub(crate) area: String,
    /// What is given.
    pub(crate) input: Map<String, Value>,
    /// Facts that must hold; empty for a case that must be refused.
    pub(crate) expected: Map<String, Value>,
    /// Why it must be refused.
    pub(crate) reject: Option<String>,
    /// Whether accepting and refusing both conform.
    pub(crate) policy: bool,
    /// What all cases of a file share.
    pub(crate) shared: Arc<Value>,
}

impl Case {
    /// A text of the input.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.input.get(name).and_then(Value::as_str)
    }

    /// Whether the input has a member that is not `null`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.input.get(name).is_some_and(|value| !value.is_null())
    }
}

/// Reads all cases of a folder, file by file in the order of their names.
pub(crate) fn read(folder: &Path) -> Vec<Case> {
    let listing = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = listing.map(|entry| entry.expect("a readable folder").path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "json"));
    files.sort();
    assert!(!files.is_empty(), "{}: no vectors here", folder.display());
    files.iter().flat_map(|file| read_file(file)).collect()
}

fn read_file(file: &Path) -> Vec<Case> {
    let text = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut document: Value =
        serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let area = document["area"].as_str().expect("a file names its area").to_owned();
    let shared = Arc::new(document["shared"].take());
    let Value::Array(cases) = document["cases"].take() else { panic!("{}: no cases", file.display()) };
    cases.into_iter().map(|case| of_value(&area, case, &shared)).collect()
}

fn of_value(area: &str, mut case: Value, shared: &Arc<Value>) -> Case {
    let id = case["id"].as_str().expect("a case has an id").to_owned();
    let mut object = |name: &str| match case[name].take() {
        Value::Object(object) => object,
        Value::Null => Map::new(),
        _ => panic!("{id}: {name} is no object"),
    };
    let (input, expected) = (object("input"), object("expected"));
    let reject = case["reject"].as_str().map(str::to_owned);
    let policy = case["policy"].as_bool().unwrap_or(false);
    assert!(reject.is_some() == expected.is_empty(), "{id}: either facts or a refusal");
    Case { id, area: area.to_owned(), input, expected, reject, policy, shared: shared.clone() }
}

/// The ids that occur more than once.
pub(crate) fn twice(cases: &[Arc<Case>]) -> Vec<&str> {
    let mut seen = BTreeSet::new();
    cases.iter().map(|case| case.id.as_str()).filter(|id| !seen.insert(*id)).collect()
}
