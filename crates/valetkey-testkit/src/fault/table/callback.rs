//! Faults of the callback: what the browser brings to the client (RFC 6749 §4.1.2, RFC 9207).

use valetkey_proto::{ErrorKind, Reason};

use super::*;
use crate::fault::Param;

const fn callback(name: &'static str, edits: &'static [Param], expect: Expect) -> Fault {
    Fault::new(name, Place::Authorize, Effect::Callback(edits), expect)
}

const ISSUER_MISMATCH: Expect = untrusted(Reason::IssuerMismatch);
const ISSUER_MISSING: Expect = untrusted(Reason::IssuerMissing);
const STATE_MISMATCH: Expect = untrusted(Reason::StateMismatch);
const UNEXPECTED_TOKEN: Expect = untrusted(Reason::UnexpectedToken);
const WRONG_MODE: Expect = protocol(Reason::ResponseModeMismatch);
const REFUSED: Expect = Expect::Rejected { kind: ErrorKind::Denied, reason: Reason::AuthorizationDenied };

pub(super) const ROWS: &[Fault] = &[
    // Who answers (RFC 9207 §2.4): byte for byte, and in errors too.
    callback("iss-wrong", &[Param::Set("iss", "https://evil.test")], ISSUER_MISMATCH),
    callback("iss-slash", &[Param::Set("iss", "https://issuer.test/")], ISSUER_MISMATCH),
    callback("iss-case", &[Param::Set("iss", "https://ISSUER.test")], ISSUER_MISMATCH),
    callback("iss-port", &[Param::Set("iss", "https://issuer.test:443")], ISSUER_MISMATCH),
    callback("iss-escaped-twice", &[Param::Set("iss", "https%3A%2F%2Fissuer.test")], ISSUER_MISMATCH),
    callback("iss-missing", &[Param::Remove("iss")], ISSUER_MISSING),
    callback("iss-empty", &[Param::Set("iss", "")], ISSUER_MISMATCH),
    callback("iss-twice", &[Param::Repeat("iss")], DUPLICATE),
    callback("iss-twice-different", &[Param::Add("iss", "https://evil.test")], DUPLICATE),
    callback(
        "iss-wrong-in-error",
        &[
            Param::Remove("code"),
            Param::Add("error", "access_denied"),
            Param::Set("iss", "https://evil.test"),
        ],
        ISSUER_MISMATCH,
    ),
    // Whose answer it is (RFC 6749 §10.12).
    callback("state-wrong", &[Param::Set("state", "state-of-somebody-else")], STATE_MISMATCH),
    callback("state-missing", &[Param::Remove("state")], STATE_MISMATCH),
    callback("state-empty", &[Param::Set("state", "")], STATE_MISMATCH),
    callback("state-twice", &[Param::Repeat("state")], DUPLICATE),
    callback("state-twice-different", &[Param::Add("state", "other")], DUPLICATE),
    callback("state-replayed", &[Param::OfAnotherLogin], STATE_MISMATCH),
    callback(
        "state-wrong-in-error",
        &[Param::Remove("code"), Param::Add("error", "access_denied"), Param::Set("state", "other")],
        STATE_MISMATCH,
    ),
    // What it brings.
    callback("code-missing", &[Param::Remove("code")], protocol(Reason::MissingParameter)),
    callback("code-empty", &[Param::Set("code", "")], protocol(Reason::MissingParameter)),
    callback("code-twice", &[Param::Repeat("code")], DUPLICATE),
    callback("code-twice-different", &[Param::Add("code", "code-of-somebody-else")], DUPLICATE),
    callback("code-in-fragment", &[Param::IntoFragment], WRONG_MODE),
    callback(
        "token-in-query",
        &[Param::Add("access_token", "leaked"), Param::Add("token_type", "Bearer")],
        UNEXPECTED_TOKEN,
    ),
    callback(
        "token-in-place-of-code",
        &[Param::Remove("code"), Param::Add("access_token", "leaked")],
        UNEXPECTED_TOKEN,
    ),
    callback("id-token-in-query", &[Param::Add("id_token", "a.b.c")], UNEXPECTED_TOKEN),
    callback("unknown-parameters", &[Param::Add("session_state", "x"), Param::Add("foo", "")], ACCEPTED),
    callback("empty-error-beside-code", &[Param::Add("error", "")], ACCEPTED),
    // A refusal.
    callback(
        "access-denied",
        &[
            Param::Remove("code"),
            Param::Add("error", "access_denied"),
            Param::Add("error_description", "the user refused"),
        ],
        REFUSED,
    ),
    callback("server-error", &[Param::Remove("code"), Param::Add("error", "server_error")], REFUSED),
    callback("error-beside-code", &[Param::Add("error", "access_denied")], REFUSED),
    // Somebody else was faster: it must not end the login of the real user (RFC 8252 §8.9).
    Fault::new(
        "forged-callback-first",
        Place::Authorize,
        Effect::Forged(&[Param::Set("state", "forged"), Param::Set("code", "code-of-an-attacker")]),
        ACCEPTED,
    ),
    Fault::new(
        "forged-error-first",
        Place::Authorize,
        Effect::Forged(&[
            Param::Set("state", "forged"),
            Param::Remove("code"),
            Param::Add("error", "access_denied"),
        ]),
        ACCEPTED,
    ),
];
