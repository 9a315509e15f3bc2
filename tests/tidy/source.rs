//! The files of the project, and Rust code without its comments and texts.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A file of the project, by its path from the top.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// The top of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What git knows or would add, as far as it is text.
pub(crate) fn files() -> Vec<File> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git runs");
    assert!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    let paths = String::from_utf8(output.stdout).expect("paths are UTF-8");
    let read = |path: &str| {
        let full = root().join(path);
        // A link is a file elsewhere, and what was removed may still be in the index.
        let is_file = fs::symlink_metadata(&full).is_ok_and(|metadata| metadata.is_file());
        let text = is_file.then(|| fs::read_to_string(&full).ok()).flatten()?;
        Some(File { path: path.to_owned(), text })
    };
    let files: Vec<_> = paths.split('\0').filter(|path| !path.is_empty()).filter_map(read).collect();
    assert!(files.len() > 50, "there are more files than these {}", files.len());
    files
}

/// All Rust files of the project.
pub(crate) fn rust_files() -> Vec<File> {
    files().into_iter().filter(|file| file.path.ends_with(".rs")).collect()
}

impl File {
    /// The crate that the file is source of.
    pub(crate) fn source_of(&self) -> Option<&str> {
        let (name, rest) = self.path.strip_prefix("crates/")?.split_once('/')?;
        rest.starts_with("src/").then_some(name)
    }

    /// The lines of the code, with comments and texts blanked out, and their numbers.
    pub(crate) fn code_lines(&self) -> Vec<(usize, String)> {
        code(&self.text).lines().map(str::to_owned).enumerate().map(|(at, line)| (at + 1, line)).collect()
    }

    /// Where one of these occurs in the code, as `path:line: word`. A letter or digit at either end of a
    /// word is also the end of the word there.
    pub(crate) fn occurrences(&self, words: &[&str]) -> Vec<String> {
        let lines = self.code_lines();
        let found = |line: &str| words.iter().find(|word| has_word(line, word)).copied();
        lines
            .iter()
            .filter_map(|(number, line)| Some(format!("{}:{number}: {}", self.path, found(line)?)))
            .collect()
    }
}

/// Fails with all that was found.
pub(crate) fn none(rule: &str, found: &[String]) {
    assert!(found.is_empty(), "{rule}:\n  {}", found.join("\n  "));
}

/// Whether a text has a word, not as a part of a longer one.
pub(crate) fn has_word(text: &str, word: &str) -> bool {
    let is_part = |character: Option<char>| character.is_some_and(is_word);
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + word.len()..]);
        let begins = !(word.starts_with(is_word) && is_part(before.chars().next_back()));
        begins && !(word.ends_with(is_word) && is_part(after.chars().next()))
    })
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// Rust code in which comments and the insides of texts are blanks. Lines stay where they are.
pub(crate) fn code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (length, is_code) = match piece(rest, out.chars().next_back()) {
            Some(length) => (length, false),
            None => (first.len_utf8(), true),
        };
        let (taken, left) = rest.split_at(length);
        let blank = |character| if is_code || character == '\n' { character } else { ' ' };
        out.extend(taken.chars().map(blank));
        rest = left;
    }
    out
}

/// The length of the comment or text that begins here.
fn piece(rest: &str, before: Option<char>) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(block_comment(rest));
    }
    if rest.starts_with('"') {
        return Some(quoted(rest, 1, '"'));
    }
    if rest.starts_with('r') && !before.is_some_and(is_word) {
        let hashes = rest[1..].bytes().take_while(|&byte| byte == b'#').count();
        if rest[1 + hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            let begun = hashes + 2;
            return Some(rest[begun..].find(&end).map_or(rest.len(), |at| begun + at + end.len()));
        }
    }
    // A character, and not a lifetime: it is closed behind one character or an escape.
    if let Some(inside) = rest.strip_prefix('\'') {
        let first = inside.chars().next()?;
        if first == '\\' {
            return Some(quoted(rest, 1, '\''));
        }
        if inside[first.len_utf8()..].starts_with('\'') {
            return Some(first.len_utf8() + 2);
        }
    }
    None
}

fn quoted(rest: &str, begun: usize, end: char) -> usize {
    let mut escaped = false;
    for (at, character) in rest[begun..].char_indices() {
        if !escaped && character == end {
            return begun + at + 1;
        }
        escaped = !escaped && character == '\\';
    }
    rest.len()
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

#[test]
fn comments_and_texts_are_not_code() {
    let text = "a // b\n/* c /* d */ e */ f \"g \\\" h\" 'i' '\\'' &'j k r#\"l \" m\"# 'n: \"\u{e9}\" o";
    let words: Vec<_> = code(text).split_ascii_whitespace().map(str::to_owned).collect();
    assert_eq!(words, ["a", "f", "&'j", "k", "'n:", "o"]);
    assert_eq!(code(text).lines().count(), text.lines().count());
    assert!(has_word("x.unsafe {", "unsafe") && !has_word("unsafe_code", "unsafe"));
    assert!(has_word("todo!()", "todo!") && !has_word("get_todo!", "todo!"));
}
