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
