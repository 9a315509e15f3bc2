//! The table of faults. To add one, add a row.

mod callback;
mod device;
mod exchange;
mod implicit;
mod introspection;
mod keys;
mod metadata;
mod oauth1;
mod openid;
mod proof;
mod protected_resource;
mod registration;
mod resource;
mod step_up;
mod token;
mod user_info;

use valetkey_proto::{ErrorKind, Reason};

use super::{Effect, Expect, Fault, Feature};
use crate::transcript::Place;

/// Every fault that the crate knows.
///
/// Each row says what a correct client does about it, so that one loop tests them all:
///
/// ```
/// use valetkey_testkit::{Place, Provider, faults};
///
/// for fault in faults().filter(|fault| fault.at == Place::Token && fault.feature.is_none()) {
///     let provider = Provider::builder().fault(*fault).build();
///     // … log in, and compare the outcome with `fault.expect` …
///     # drop(provider);
/// }
/// assert!(faults().count() > 100);
/// ```
pub fn faults() -> impl Iterator<Item = &'static Fault> {
    let oauth2 = [metadata::ROWS, callback::ROWS, token::ROWS, resource::ROWS, proof::ROWS];
    let endpoints = [introspection::ROWS, device::ROWS, exchange::ROWS, implicit::ROWS, step_up::ROWS];
    let oauth1 = [oauth1::TEMPORARY, oauth1::CALLBACK, oauth1::TOKEN];
    let openid = [openid::ROWS, keys::ROWS, user_info::ROWS, registration::ROWS];
    let apis = [protected_resource::ROWS, protected_resource::SIGNED, protected_resource::TOKENS];
    oauth2.into_iter().chain(endpoints).chain(apis).chain(oauth1).chain(openid).flatten()
}

/// The fault of this name.
///
/// # Panics
///
/// If there is none.
#[must_use]
#[track_caller]
pub fn fault(name: &str) -> Fault {
    match faults().find(|fault| fault.name == name) {
        Some(fault) => *fault,
        None => panic!("there is no fault named {name}"),
    }
}

const ACCEPTED: Expect = Expect::Accepted;
const MALFORMED: Expect = protocol(Reason::Malformed);
const DUPLICATE: Expect = protocol(Reason::DuplicateParameter);
const TOO_LARGE: Expect = protocol(Reason::TooLarge);
const REDIRECTED: Expect = protocol(Reason::UnexpectedRedirect);
const DENIED: Expect = Expect::Rejected { kind: ErrorKind::Denied, reason: Reason::RequestDenied };
const SERVER_FAILED: Expect = Expect::Rejected { kind: ErrorKind::Server, reason: Reason::ServerFailed };
const TIMED_OUT: Expect = Expect::Rejected { kind: ErrorKind::Timeout, reason: Reason::TimedOut };

const fn protocol(reason: Reason) -> Expect {
    Expect::Rejected { kind: ErrorKind::Protocol, reason }
}

const fn untrusted(reason: Reason) -> Expect {
    Expect::Rejected { kind: ErrorKind::Untrusted, reason }
}

const fn transport(reason: Reason) -> Expect {
    Expect::Rejected { kind: ErrorKind::Transport, reason }
}

const JSON: (&str, &str) = ("content-type", "application/json");
const HTML: (&str, &str) = ("content-type", "text/html; charset=utf-8");
const PAGE: &[u8] = b"<!doctype html><title>Please sign in</title><p>Please sign in.";

/// A thousand lists, each in another.
const DEEP: &[u8] = &{
    let mut lists = [b'['; 2000];
    let mut at = 1000;
    while at < lists.len() {
        lists[at] = b']';
        at += 1;
    }
    lists
};

/// An answer in place of the endpoint's.
const fn answer(
    status: u16,
    headers: &'static [(&'static str, &'static str)],
    body: &'static [u8],
) -> Effect {
    Effect::Answer { status, headers, body }
}

/// A redirect to another host.
const fn redirect(name: &'static str, at: Place, status: u16, expect: Expect) -> Fault {
    Fault::new(name, at, answer(status, &[("location", "https://evil.test/")], b""), expect)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_in_kebab_case() {
        let mut names = BTreeSet::new();
        for Fault { name, .. } in faults() {
            assert!(names.insert(name), "{name} occurs twice");
            let kebab = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            assert!(name.bytes().all(kebab), "{name}");
        }
    }
}
