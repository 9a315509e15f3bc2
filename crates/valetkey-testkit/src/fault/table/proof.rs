//! Faults that meet clients with assertions (RFC 7523) and proofs of possession (RFC 9449).
//!
//! A demand for a nonce is answered with one more try, if it names one. What is demanded then is an error, at the token
//! endpoint and at a resource; any other challenge of a resource is the caller's.

use std::str::from_utf8;

use valetkey_proto::{ErrorKind, Reason};

use super::*;
use crate::fault::{Feature, Member};

const T: Place = Place::Token;
const R: Place = Place::Resource;

const fn dpop(name: &'static str, at: Place, effect: Effect, expect: Expect) -> Fault {
    Fault::new(name, at, effect, expect).of(Feature::Dpop)
}

const fn assertion(name: &'static str, effect: Effect, expect: Expect) -> Fault {
    Fault::new(name, T, effect, expect).of(Feature::Assertion)
}

const fn token_type(name: &'static str, json: &'static [Member], expect: Expect) -> Fault {
    dpop(name, T, Effect::Json(json), expect)
}

/// The token endpoint wants a nonce, which is one of these.
const fn wanted(status: u16, headers: &'static [(&'static str, &'static str)]) -> Effect {
    answer(status, headers, b"{\"error\":\"use_dpop_nonce\"}")
}

/// A resource says no, by these.
const fn challenged(headers: &'static [(&'static str, &'static str)]) -> Effect {
    answer(401, headers, b"")
}

const NONCE: (&str, &str) = ("dpop-nonce", "a-nonce-of-the-provider");
const OTHER: (&str, &str) = ("dpop-nonce", "another-nonce");
const EMPTY: (&str, &str) = ("dpop-nonce", "");
// RFC 9449 §8.1 has neither blanks nor quotation marks nor backslashes in it.
const BLANK: (&str, &str) = ("dpop-nonce", "a nonce");
const QUOTED: (&str, &str) = ("dpop-nonce", "\"a\\nonce\"");
const LONG: (&str, &str) = ("dpop-nonce", letters(&[b'n'; 4 << 10]));
const HUGE: (&str, &str) = ("dpop-nonce", letters(&[b'n'; 100 << 10]));

const WANTED: (&str, &str) = ("www-authenticate", "DPoP algs=\"ES256\", error=\"use_dpop_nonce\"");
const WANTED_IN_OTHER_CASE: (&str, &str) = ("www-authenticate", "dPoP error=\"use_dpop_nonce\"");
const WANTED_BY_BEARER: (&str, &str) = ("www-authenticate", "Bearer error=\"use_dpop_nonce\"");
const WANTED_BESIDE: (&str, &str) =
    ("www-authenticate", "Bearer realm=\"api\", DPoP algs=\"ES256\", error=\"use_dpop_nonce\"");
const INVALID_PROOF: (&str, &str) = ("www-authenticate", "DPoP algs=\"ES256\", error=\"invalid_dpop_proof\"");
const OF_ANOTHER_KEY: (&str, &str) = (
    "www-authenticate",
    "DPoP algs=\"ES256\", error=\"invalid_token\", error_description=\"bound to another key\"",
);
const BASIC: (&str, &str) = ("www-authenticate", "Basic realm=\"x\"");

const REPLAYED: &[u8] = b"{\"error\":\"invalid_client\",\"error_description\":\"the JWT was used before\"}";

const fn letters(bytes: &'static [u8]) -> &'static str {
    match from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => panic!("letters are UTF-8"),
    }
}

pub(super) const ROWS: &[Fault] = &[
    // What the token is.
    token_type("dpop-downgrade", &[Member::Set("token_type", b"\"Bearer\"")], NO_DOWNGRADE),
    token_type("dpop-downgrade-lower-case", &[Member::Set("token_type", b"\"bearer\"")], NO_DOWNGRADE),
    token_type("dpop-type-in-capitals", &[Member::Set("token_type", b"\"DPOP\"")], ACCEPTED),
    // Nonces of the token endpoint (RFC 9449 §8).
    dpop("dpop-nonce-once", T, wanted(400, &[JSON, NONCE]), ACCEPTED).times(1),
    dpop("dpop-nonce-for-ever", T, wanted(400, &[JSON, NONCE]), NONCE_DEMANDED),
    // RFC 6749 §5.2 has it for clients that do not authenticate; it means the same.
    dpop("dpop-nonce-by-401", T, wanted(401, &[JSON, NONCE]), ACCEPTED).times(1),
    dpop("dpop-nonce-missing", T, wanted(400, &[JSON]), NONCE_DEMANDED),
    dpop("dpop-nonce-empty", T, wanted(400, &[JSON, EMPTY]), NONCE_DEMANDED),
    dpop("dpop-nonce-with-blank", T, wanted(400, &[JSON, BLANK]), NONCE_DEMANDED),
    dpop("dpop-nonce-quoted", T, wanted(400, &[JSON, QUOTED]), NONCE_DEMANDED),
    // The field is no list (RFC 9449 §8.1), so that two say nothing (RFC 9110 §5.3).
    dpop("dpop-nonce-twice", T, wanted(400, &[JSON, NONCE, OTHER]), NONCE_DEMANDED),
    dpop("dpop-nonce-long", T, wanted(400, &[JSON, LONG]), NONCE_DEMANDED),
    dpop("dpop-nonce-huge", T, wanted(400, &[JSON, HUGE]), TOO_LARGE),
    dpop("dpop-nonce-unasked", T, Effect::Header(NONCE.0, NONCE.1), ACCEPTED),
    dpop("dpop-nonce-unasked-junk", T, Effect::Header(QUOTED.0, QUOTED.1), ACCEPTED),
    dpop("dpop-invalid-proof", T, answer(400, &[JSON], b"{\"error\":\"invalid_dpop_proof\"}"), DENIED),
    // Nonces of a resource (RFC 9449 §9).
    dpop("dpop-resource-nonce-once", R, challenged(&[WANTED, NONCE]), ACCEPTED).times(1),
    dpop("dpop-resource-nonce-in-other-case", R, challenged(&[WANTED_IN_OTHER_CASE, NONCE]), ACCEPTED)
        .times(1),
    dpop("dpop-resource-nonce-beside", R, challenged(&[WANTED_BESIDE, NONCE]), ACCEPTED).times(1),
    dpop("dpop-resource-nonce-for-ever", R, challenged(&[WANTED, NONCE]), NONCE_DEMANDED),
    // RFC 9449 §9: what demands a nonce is a challenge of DPoP's.
    dpop("dpop-resource-nonce-by-bearer", R, challenged(&[WANTED_BY_BEARER, NONCE]), ACCEPTED),
    dpop("dpop-resource-nonce-missing", R, challenged(&[WANTED]), NONCE_DEMANDED),
    dpop("dpop-resource-nonce-empty", R, challenged(&[WANTED, EMPTY]), NONCE_DEMANDED),
    dpop("dpop-resource-nonce-quoted", R, challenged(&[WANTED, QUOTED]), NONCE_DEMANDED),
    dpop("dpop-resource-nonce-long", R, challenged(&[WANTED, LONG]), NONCE_DEMANDED),
    dpop("dpop-resource-nonce-huge", R, challenged(&[WANTED, HUGE]), TOO_LARGE),
    dpop("dpop-resource-invalid-proof", R, challenged(&[INVALID_PROOF]), ACCEPTED),
    // One new token is tried, and then it is the caller's (RFC 9449 §7.1).
    dpop("dpop-resource-of-another-key", R, challenged(&[OF_ANOTHER_KEY]), ACCEPTED),
    // Assertions. The one that may go out again is another one.
    assertion("assertion-replayed", answer(400, &[JSON], REPLAYED), DENIED),
    assertion("assertion-replayed-401", answer(401, &[JSON, BASIC], REPLAYED), DENIED),
    assertion("assertion-unreachable-once", Effect::Refuse, ACCEPTED).times(1),
    assertion("assertion-dropped", Effect::Drop, transport(Reason::OutcomeUnknown)),
];

// RFC 9449 §5: a client for which the binding matters discards the answer.
const NO_DOWNGRADE: Expect = untrusted(Reason::TokenNotBound);
const NONCE_DEMANDED: Expect = Expect::Rejected { kind: ErrorKind::Denied, reason: Reason::NonceDemanded };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_is_told_apart() {
        assert!(ROWS.iter().all(|fault| fault.feature.is_some()));
        let is_own = |fault: &&Fault| matches!(fault.feature, Some(Feature::Dpop | Feature::Assertion));
        assert_eq!(faults().filter(is_own).count(), ROWS.len());
    }
}
