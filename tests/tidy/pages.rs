//! Rules about the pages and scripts at the top. A page that does not exist yet breaks none.

use std::{fs, process::Command};

use super::source::{File, files, has_word, none, root};

fn page(name: &str) -> Option<String> {
    fs::read_to_string(root().join(name)).ok()
}

/// Everything but prose: where a name that a page uses must occur.
fn sources() -> Vec<File> {
    files().into_iter().filter(|file| !file.path.ends_with(".md")).collect()
}

/// The pieces of a text between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Whether a piece is written like the name of a test: lower case, with several underscores.
fn is_test_name(piece: &str) -> bool {
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    piece.bytes().all(is_name) && piece.bytes().filter(|&byte| byte == b'_').count() >= 2
}

/// Whether a piece is written like a path.
fn is_path(piece: &str) -> bool {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte);
    let ends_like_a_file =
        [".rs", ".toml", ".md", ".txt", ".json", ".sh"].iter().any(|end| piece.ends_with(end));
    piece.bytes().all(is_name) && ends_like_a_file && !piece.starts_with('.')
}

/// The names among these pieces that occur nowhere in the sources.
fn unknown<'a>(pieces: impl Iterator<Item = &'a str>, sources: &[File]) -> Vec<String> {
    let is_known = |piece: &str| {
        if is_path(piece) {
            let ending = format!("/{piece}");
            return root().join(piece).exists() || sources.iter().any(|file| file.path.ends_with(&ending));
        }
        // `tests/tidy.rs::name` and `tidy::name` are names of tests, too.
        let name = piece.rsplit("::").next().unwrap_or(piece);
        !is_test_name(name) || sources.iter().any(|file| has_word(&file.text, name))
    };
    pieces.filter(|piece| !is_known(piece)).map(str::to_owned).collect()
}

/// The ids in a row, such as `S-AZ-16`: a letter, a topic, a number.
fn ids(row: &str) -> impl Iterator<Item = &str> {
    let is_id = |word: &&str| {
        let mut parts = word.split('-');
        let family = parts.next().is_some_and(|family| ["S", "V", "R", "G"].contains(&family));
        let topic = parts.next().is_some_and(|topic| {
            topic.len() >= 2 && topic.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        });
        let number = parts.next().is_none_or(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
        family && topic && number && parts.next().is_none()
    };
    row.split(|character: char| !character.is_ascii_alphanumeric() && character != '-').filter(is_id)
}

#[test]
fn coverage_names_tests_that_exist() {
    let Some(coverage) = page("COVERAGE.md") else { return };
    let sources = sources();
    let mut found = unknown(quoted(&coverage), &sources);
    // A row that says `not yet` promises nothing.
    for row in coverage.lines().filter(|row| row.starts_with('|') && !row.contains("not yet")) {
        for id in ids(row) {
            let name = format!("fn {}", id.to_ascii_lowercase().replace('-', "_"));
            let begins = |file: &File| {
                let ends = |text: &str| !text.starts_with(|next: char| next.is_ascii_alphanumeric());
                file.text.match_indices(&name).any(|(at, _)| ends(&file.text[at + name.len()..]))
            };
            if !sources.iter().any(begins) {
                found.push(format!("{id}: no test whose name begins with `{}`", &name[3..]));
            }
        }
    }
    none("COVERAGE.md names what does not exist", &found);
}

#[test]
fn architecture_names_what_exists() {
    let Some(architecture) = page("ARCHITECTURE.md") else { return };
    none("ARCHITECTURE.md names what does not exist", &unknown(quoted(&architecture), &sources()));
}

#[test]
fn names_in_pages_are_told_from_prose() {
    assert!(is_test_name("s_az_16_bounds") && !is_test_name("expires_in") && !is_test_name("Call::new_a_b"));
    assert!(is_path("crates/valetkey-proto/src/call.rs") && is_path("call.rs") && !is_path("a.rs b"));
    let row = "| S-AZ-16, V-RED-2 | OL-1 S-az-1 RS-AZ-1 | R-AMB |";
    assert_eq!(ids(row).collect::<Vec<_>>(), ["S-AZ-16", "V-RED-2", "R-AMB"]);
    let pieces = ["no_such_test_is_here".to_owned() + "_at_all", "tidy/nothing.rs".to_owned()];
    let found = unknown(pieces.iter().map(String::as_str).chain(["tidy/pages.rs", "word"]), &sources());
    assert_eq!(found, pieces);
}

#[test]
fn the_readme_is_the_documentation_of_the_main_crate() {
    let Some(readme) = page("README.md") else { return };
    let own = page("crates/valetkey/README.md").expect("crates/valetkey has the README, as a link to it");
    assert!(own == readme, "crates/valetkey/README.md is another text than README.md");
    let lib = page("crates/valetkey/src/lib.rs").expect("the crate");
    assert!(
        lib.lines().any(|line| line.trim() == "#![doc = include_str!(\"../README.md\")]"),
        "crates/valetkey does not include its README, so that nothing compiles its snippets"
    );
}

#[test]
fn every_page_with_code_is_compiled() {
    let lib = page("examples/lib.rs").expect("the crate whose doc-tests the pages are");
    let found: Vec<_> = files()
        .into_iter()
        .filter(|file| file.path.starts_with("docs/") && file.text.contains("```rust"))
        .filter(|file| !lib.contains(&format!("#[doc = include_str!(\"../{}\")]", file.path)))
        .map(|file| file.path)
        .collect();
    none("nothing compiles the snippets of these pages", &found);
}

#[test]
fn the_script_of_all_checks_can_be_run() {
    let output = Command::new("git")
        .args(["ls-files", "--stage", ".ci/run"])
        .current_dir(root())
        .output()
        .expect("git runs");
    let entry = String::from_utf8_lossy(&output.stdout);
    assert!(entry.starts_with("100755 "), ".ci/run is not executable in git: {entry}");
}
