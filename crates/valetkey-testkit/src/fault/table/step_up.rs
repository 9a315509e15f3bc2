//! Faults of APIs that want more than the token has (RFC 6750 §3.1, RFC 9470 §3): for a client that asks its user for more
//! and calls again, until it is taken or has enough.

use super::*;

const R: Place = Place::Resource;

macro_rules! scope {
    ($parameters:literal) => {
        answer(403, &[("www-authenticate", concat!("Bearer error=\"insufficient_scope\"", $parameters))], b"")
    };
}

macro_rules! user {
    ($parameters:literal) => {
        answer(
            401,
            &[(
                "www-authenticate",
                concat!("Bearer error=\"insufficient_user_authentication\"", $parameters),
            )],
            b"",
        )
    };
}

const FUTILE: Expect = denied(Reason::StepUpFutile);
const EXHAUSTED: Expect = denied(Reason::StepUpExhausted);

const fn denied(reason: Reason) -> Expect {
    Expect::Rejected { kind: ErrorKind::Denied, reason }
}

const fn row(name: &'static str, effect: Effect, expect: Expect) -> Fault {
    Fault::new(name, R, effect, expect).of(Feature::StepUp)
}

/// A challenge that names a class of four thousand characters.
const HUGE: &str = {
    const BYTES: &[u8] = &{
        let head = b"Bearer error=\"insufficient_user_authentication\", acr_values=";
        let mut bytes = [b'x'; 4096];
        let mut at = 0;
        while at < head.len() {
            bytes[at] = head[at];
            at += 1;
        }
        bytes
    };
    match std::str::from_utf8(BYTES) {
        Ok(text) => text,
        Err(_) => panic!("it is ASCII"),
    }
};

pub(super) const ROWS: &[Fault] = &[
    row("step-up-once", scope!(", scope=\"admin\""), ACCEPTED).times(1),
    row("step-up-twice", user!(", max_age=\"0\""), ACCEPTED).times(2),
    row("step-up-scope-for-ever", scope!(", scope=\"admin\""), FUTILE),
    row("step-up-scope-that-is-granted", scope!(", scope=\"read\""), FUTILE),
    row("step-up-scope-unnamed", scope!(""), FUTILE),
    row("step-up-scope-as-401", answer(401, SCOPE, b""), FUTILE),
    row("step-up-scope-with-illegal-characters", scope!(", scope=\"a\\\\b\""), MALFORMED),
    row("step-up-scope-twice", scope!(", scope=\"a\", scope=\"b\""), MALFORMED),
    row("step-up-acr-for-ever", user!(", acr_values=\"gold\""), FUTILE),
    row("step-up-acr-huge", answer(401, &[("www-authenticate", HUGE)], b""), TOO_LARGE),
    row("step-up-max-age-for-ever", user!(", max_age=\"0\""), EXHAUSTED),
    row("step-up-max-age-negative", user!(", max_age=\"-1\""), MALFORMED),
    row("step-up-max-age-overflow", user!(", max_age=\"18446744073709551616\""), MALFORMED),
    row("step-up-nothing-named", user!(""), FUTILE),
    row("step-up-unreadable", answer(403, &[("www-authenticate", "Bearer error=\"x")], b""), MALFORMED),
    // Nobody is sent anywhere for what is no demand of this kind.
    row("step-up-of-another-scheme", answer(403, &[("www-authenticate", OTHER)], b""), ACCEPTED),
    row("step-up-without-a-challenge", answer(403, &[], b""), ACCEPTED),
];

const SCOPE: &[(&str, &str)] =
    &[("www-authenticate", "Bearer error=\"insufficient_scope\", scope=\"admin\"")];
const OTHER: &str = "Basic realm=\"x\", error=\"insufficient_scope\", scope=\"admin\"";
