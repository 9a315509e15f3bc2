//! Faults of the callback as they meet a sign-in by the implicit grant (RFC 6749 §4.2.2).

use valetkey_proto::{ErrorKind, Reason};

use super::*;
use crate::fault::Param;

/// The callback with these changes.
const fn brought(name: &'static str, params: &'static [Param], expect: Expect) -> Fault {
    let mut fault = Fault::new(name, Place::Authorize, Effect::Callback(params), expect);
    fault.feature = Some(Feature::Implicit);
    fault
}

const STATE_MISMATCH: Expect = untrusted(Reason::StateMismatch);
const UNEXPECTED: Expect = untrusted(Reason::UnexpectedToken);
const MISSING: Expect = protocol(Reason::MissingParameter);
const WRONG_KIND: Expect = protocol(Reason::UnsupportedTokenType);
const REFUSED: Expect = Expect::Rejected { kind: ErrorKind::Denied, reason: Reason::AuthorizationDenied };

pub(super) const ROWS: &[Fault] = &[
    brought("implicit-state-wrong", &[Param::Set("state", "other")], STATE_MISMATCH),
    brought("implicit-state-missing", &[Param::Remove("state")], STATE_MISMATCH),
    brought("implicit-state-twice", &[Param::Repeat("state")], DUPLICATE),
    brought(
        "implicit-iss-wrong",
        &[Param::Set("iss", "https://evil.test")],
        untrusted(Reason::IssuerMismatch),
    ),
    brought("implicit-iss-missing", &[Param::Remove("iss")], untrusted(Reason::IssuerMissing)),
    brought("implicit-token-missing", &[Param::Remove("access_token")], MISSING),
    brought("implicit-token-empty", &[Param::Set("access_token", "")], MISSING),
    brought("implicit-token-blank", &[Param::Set("access_token", "a b")], MALFORMED),
    brought("implicit-token-twice", &[Param::Add("access_token", "other")], DUPLICATE),
    brought("implicit-code-beside", &[Param::Add("code", "c")], UNEXPECTED),
    brought("implicit-id-token-beside", &[Param::Add("id_token", "a.b.c")], UNEXPECTED),
    brought("implicit-refresh-token-beside", &[Param::Add("refresh_token", "rt")], UNEXPECTED),
    brought("implicit-type-mac", &[Param::Set("token_type", "mac")], WRONG_KIND),
    brought("implicit-type-n-a", &[Param::Set("token_type", "N_A")], WRONG_KIND),
    brought("implicit-type-dpop", &[Param::Set("token_type", "DPoP")], WRONG_KIND),
    brought("implicit-type-lower", &[Param::Set("token_type", "bearer")], ACCEPTED),
    brought(
        "implicit-error",
        &[Param::Remove("access_token"), Param::Add("error", "access_denied")],
        REFUSED,
    ),
    brought("implicit-error-beside-token", &[Param::Add("error", "access_denied")], REFUSED),
    brought("implicit-expires-in-missing", &[Param::Remove("expires_in")], ACCEPTED),
    brought("implicit-unknown", &[Param::Add("x", "y")], ACCEPTED),
];
