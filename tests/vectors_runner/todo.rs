//! The list of what no code answers yet. Its format is described at its top.

use std::{fs, path::Path, sync::Arc};

use serde_json::Value;

use super::case::Case;

/// The lines of `todo.txt`.
pub(crate) struct TodoList(Vec<Entry>);

struct Entry {
    text: String,
    what: What,
}

/// What a line means.
enum What {
    Area(String),
    Case(String),
    /// The cases of an area whose input has all these members.
    Inputs(String, Vec<(String, String)>),
}

impl TodoList {
    pub(crate) fn read(file: &Path) -> Self {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
        Self(lines.filter(|line| !line.is_empty()).map(Entry::parse).collect())
    }

    /// The line that means this case.
    pub(crate) fn entry(&self, case: &Case) -> Option<&str> {
        self.0.iter().find(|entry| entry.what.means(case)).map(|entry| entry.text.as_str())
    }

    /// The areas that are listed as a whole.
    pub(crate) fn areas(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|entry| match &entry.what {
            What::Area(area) => Some(area.as_str()),
            What::Case(_) | What::Inputs(..) => None,
        })
    }

    /// The lines that mean none of these cases.
    pub(crate) fn idle(&self, cases: &[Arc<Case>]) -> impl Iterator<Item = &str> {
        self.0
            .iter()
            .filter(|entry| !cases.iter().any(|case| entry.what.means(case)))
            .map(|entry| entry.text.as_str())
    }
}

impl Entry {
    fn parse(line: &str) -> Self {
        let mut words = line.split_ascii_whitespace();
        let first = words.next().unwrap_or_default().to_owned();
        let conditions: Vec<_> = words
            .map(|word| {
                let (name, value) = word.split_once('=').unwrap_or_else(|| panic!("todo.txt: {line}"));
                (name.to_owned(), value.to_owned())
            })
            .collect();
        let what = match (first.contains('/'), conditions.is_empty()) {
            (true, true) => What::Case(first),
            (false, true) => What::Area(first),
            (false, false) => What::Inputs(first, conditions),
            (true, false) => panic!("todo.txt: {line}"),
        };
        Self { text: line.to_owned(), what }
    }
}

impl What {
    fn means(&self, case: &Case) -> bool {
        match self {
            Self::Area(area) => case.area == *area,
            Self::Case(id) => case.id == *id,
            Self::Inputs(area, conditions) => {
                case.area == *area && conditions.iter().all(|(name, value)| is(case.input.get(name), value))
            }
        }
    }
}

/// Whether a member is this: a text as it is, anything else as JSON has it.
fn is(member: Option<&Value>, value: &str) -> bool {
    match member {
        Some(Value::String(text)) => text == value,
        Some(other) => serde_json::to_string(other).is_ok_and(|text| text == value),
        None => false,
    }
}
