//! Rules about code.

use super::source::{File, code, has_word, none, rust_files};

/// The longest file, in lines.
const LONGEST: usize = 600;

fn in_source_of(crates: &[&str], words: &[&str]) -> Vec<String> {
    let of_them = |file: &File| file.source_of().is_some_and(|name| crates.contains(&name));
    rust_files().iter().filter(|file| of_them(file)).flat_map(|file| file.occurrences(words)).collect()
}

#[test]
fn every_source_file_begins_with_its_purpose() {
    let begins = |file: &File| {
        let first = file.text.lines().next().unwrap_or_default();
        first.starts_with("//! ") || first.starts_with("#![doc = include_str!(")
    };
    let found: Vec<_> = rust_files()
        .into_iter()
        .filter(|file| file.source_of().is_some() && !begins(file))
        .map(|file| file.path)
        .collect();
    none("the first line of a source file says, after `//!`, what is in it", &found);
}

#[test]
fn no_file_is_too_long() {
    let found: Vec<_> = rust_files()
        .iter()
        .map(|file| (file.text.lines().count(), &file.path))
        .filter(|(lines, _)| *lines > LONGEST)
        .map(|(lines, path)| format!("{path}: {lines} lines"))
        .collect();
    none("a file of more than 600 lines wants to be two", &found);
}

#[test]
fn nothing_is_unsafe_unfinished_or_silenced() {
    let words = ["unsafe", "todo!", "unimplemented!", "#[allow(", "#![allow("];
    let found: Vec<_> = rust_files().iter().flat_map(|file| file.occurrences(&words)).collect();
    none("no unsafe code, nothing left to do, and `expect` with a reason in place of `allow`", &found);
}

#[test]
fn the_core_has_no_clock_no_io_and_no_surroundings() {
    let words = [
        "SystemTime::now",
        "Instant::now",
        "Instant",
        "TcpStream",
        "TcpListener",
        "UdpSocket",
        "ToSocketAddrs",
        "fs::",
        "env::",
        "process::",
        "thread::",
        "std::io",
        "File",
    ];
    none(
        "the core has time and randomness handed in, and does no I/O",
        &in_source_of(&["valetkey-proto"], &words),
    );
}

#[test]
fn s_az_02_what_takes_a_password_or_is_implicit_is_called_legacy() {
    // In texts, which the other rules leave out: these would be sent.
    let words = ["\"password\"", "response_type=token", "response_type=id_token", "\"plain\""];
    let is_core =
        |file: &File| file.source_of().is_some_and(|name| ["valetkey", "valetkey-proto"].contains(&name));
    let is_ours = |file: &File| is_core(file) && !file.path.ends_with("/legacy.rs");
    let found: Vec<_> = rust_files()
        .iter()
        .filter(|file| is_ours(file))
        .flat_map(|file| {
            words.iter().filter(|word| file.text.contains(**word)).map(|word| (&file.path, word))
        })
        .map(|(path, word)| format!("{path}: {word}"))
        .collect();
    none("RFC 9700 §2.1.2 and §2.4 want neither, and RFC 7636 §7.2 no plain challenge", &found);
}

#[test]
fn the_core_is_not_async() {
    let words = ["async", ".await", "Future", "Waker"];
    none("flows are stepped, not awaited", &in_source_of(&["valetkey-proto"], &words));
}

#[test]
fn the_core_has_no_global_state() {
    let words = ["static mut", "LazyLock", "LazyCell", "thread_local!"];
    let mut found = in_source_of(&["valetkey-proto"], &words);
    // A cell in a value is that value's; in a static it is everybody's.
    let cells = ["OnceLock", "OnceCell", "Mutex", "RwLock", "Cell", "RefCell", "Atomic"];
    for file in rust_files().iter().filter(|file| file.source_of() == Some("valetkey-proto")) {
        let is_static = |line: &str| line.split("'static").any(|piece| has_word(piece, "static"));
        let is_shared = |line: &str| is_static(line) && cells.iter().any(|cell| line.contains(cell));
        let lines = file.code_lines();
        let shared = lines.iter().filter(|(_, line)| is_shared(line));
        found.extend(shared.map(|(number, line)| format!("{}:{number}: {}", file.path, line.trim())));
    }
    none("what is shared is handed in", &found);
}

#[test]
fn the_core_writes_no_secret_by_serde() {
    none(
        "secrets are read and never written: no `Serialize`",
        &in_source_of(&["valetkey-proto"], &["Serialize"]),
    );
}

#[test]
fn names_have_no_get() {
    let found: Vec<_> = rust_files()
        .iter()
        .filter(|file| file.source_of().is_some())
        .flat_map(|file| {
            let public = |line: &str| line.trim_start().starts_with("pub ") && line.contains("fn get_");
            let lines = file.code_lines();
            let found = lines.iter().filter(|(_, line)| public(line));
            found.map(|(number, line)| format!("{}:{number}: {}", file.path, line.trim())).collect::<Vec<_>>()
        })
        .collect();
    none("an accessor is called what it returns, without `get_`", &found);
}

#[test]
fn no_foreign_type_in_the_crates_that_all_share() {
    let words = ["hyper::", "hyper_util::", "tokio::", "rustls::", "reqwest::", "async_std::", "surf::"];
    let found = in_source_of(&["valetkey-http", "valetkey-proto", "valetkey"], &words);
    none("no HTTP client, TLS library or runtime but in its own adapter", &found);
}

#[test]
fn no_request_or_response_is_printed_whole() {
    let found: Vec<_> = rust_files()
        .iter()
        .filter(|file| file.source_of().is_some())
        .flat_map(|file| printed_whole(&file.text).into_iter().map(|line| format!("{}:{line}", file.path)))
        .collect();
    none("`Debug` of a whole request or response prints bodies and header fields", &found);
}

/// The names under which a whole message may be held.
const MESSAGES: [&str; 4] = ["request", "response", "req", "res"];

/// The lines in which a message is handed to `{:?}`, leaving out the tests at the end of a file.
fn printed_whole(text: &str) -> Vec<usize> {
    let text = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default();
    let blanked = code(text);
    let code: Vec<&str> = blanked.lines().collect();
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let is_comment = line.trim_start().starts_with("//");
        let inline = MESSAGES
            .iter()
            .any(|name| line.contains(&format!("{{{name}:?}}")) || line.contains(&format!("{{{name}:#?}}")));
        let handed_over = || {
            // The arguments follow in the code, where texts are blank, up to the end of the statement.
            let rest = code[at..].join("\n");
            let statement = rest.split(';').next().unwrap_or_default();
            let mut pieces =
                statement.split(['(', ')', ',']).map(|piece| piece.trim().trim_start_matches('&'));
            pieces.any(|piece| MESSAGES.contains(&piece))
        };
        let is_whole = inline || ((line.contains("{:?}") || line.contains("{:#?}")) && handed_over());
        if is_whole && !is_comment {
            found.push(at + 1);
        }
    }
    found
}

#[test]
fn printing_a_message_is_found() {
    assert_eq!(printed_whole("x;\npanic!(\"{:?}\", request);"), [2]);
    assert_eq!(printed_whole("println!(\n    \"{:#?} {}\",\n    &response, 1\n);"), [2]);
    assert_eq!(printed_whole("format!(\"{response:?}\")"), [1]);
    let fine = "// {request:?}\nformat!(\"{:?}\", request.method());\nformat!(\"{status:?}\");\nf(request);";
    assert!(printed_whole(fine).is_empty());
}
