//! Rules about all text that is kept.

use super::source::{files, none};

/// What no file may have. Each is put together here, so that this file has none of them.
fn forbidden() -> Vec<String> {
    [
        ["/wo", "rk/"],
        ["..", "/shared"],
        ["registry.npm", "js.org"],
        ["py", "pi.org"],
        ["files.python", "hosted.org"],
        ["static.crates", ".io"],
        ["index.crates", ".io"],
    ]
    .map(|[head, tail]| format!("{head}{tail}"))
    .to_vec()
}

#[test]
fn no_file_names_a_place_that_is_not_in_the_project() {
    let forbidden = forbidden();
    let mut found = Vec::new();
    for file in files() {
        for (at, line) in file.text.lines().enumerate() {
            let words = forbidden.iter().filter(|word| line.contains(word.as_str()));
            found.extend(words.map(|word| format!("{}:{}: {word}", file.path, at + 1)));
        }
    }
    none("nobody else has this place", &found);
}

#[test]
fn no_blanks_at_the_end_and_no_tabs() {
    let mut found = Vec::new();
    for file in files().iter().filter(|file| file.path.ends_with(".rs") || file.path.ends_with(".md")) {
        for (at, line) in file.text.lines().enumerate() {
            if line.contains('\t') || line.ends_with([' ', '\r']) {
                found.push(format!("{}:{}", file.path, at + 1));
            }
        }
        if !file.text.is_empty() && !file.text.ends_with('\n') {
            found.push(format!("{}: no line end at the end", file.path));
        }
    }
    none("no blank at the end of a line, and no tab", &found);
}

/// Whether a line refers to a ticket: a `#` and a number that stand alone.
fn names_a_ticket(line: &str) -> bool {
    line.match_indices('#').any(|(at, _)| {
        let stands_alone = line[..at].chars().next_back().is_none_or(|before| matches!(before, ' ' | '('));
        stands_alone && line[at + 1..].starts_with(|next: char| next.is_ascii_digit())
    })
}

#[test]
fn no_file_refers_to_a_ticket() {
    let prose = [".rs", ".md", ".toml", ".txt", ".sh"];
    let mut found = Vec::new();
    for file in files().iter().filter(|file| prose.iter().any(|end| file.path.ends_with(end))) {
        let lines = file.text.lines().enumerate().filter(|(_, line)| names_a_ticket(line));
        found.extend(lines.map(|(at, _)| format!("{}:{}", file.path, at + 1)));
    }
    none("a reader has the text and not the tracker: say what it is about", &found);
}

#[test]
fn tickets_are_told_from_other_marks() {
    let ticket = |number: &str| names_a_ticket(&format!("fixes {}{number}", '#'));
    assert!(ticket("12") && !ticket(" 12") && !ticket("[expect]"));
    assert!(!names_a_ticket("r#1") && !names_a_ticket("&#39;"));
}
