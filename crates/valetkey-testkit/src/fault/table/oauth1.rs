//! Faults of OAuth 1.0a (RFC 5849 §2): of both kinds of credentials and of the callback between them.
//!
//! What is in the standard's one form is read as such whatever its media type, since the field sends it as
//! `text/html`. Temporary credentials may be asked for again; a verifier is sent once.

use std::time::Duration;

use valetkey_proto::{ErrorKind, Reason};

use super::*;
use crate::fault::{Body, Param};

const D: Place = Place::TemporaryCredentials;
const O: Place = Place::OwnerAuthorization;
const C: Place = Place::TokenCredentials;

const fn edited(name: &'static str, at: Place, edits: &'static [Param], expect: Expect) -> Fault {
    Fault::new(name, at, Effect::Form(edits), expect)
}

const fn callback(name: &'static str, edits: &'static [Param], expect: Expect) -> Fault {
    Fault::new(name, O, Effect::Callback(edits), expect)
}

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const TEXT: (&str, &str) = ("content-type", "text/plain");
const PROBLEM: (&str, &str) =
    ("www-authenticate", "OAuth realm=\"https://issuer.test\", oauth_problem=\"consumer_key_refused\"");

const MISSING: Expect = protocol(Reason::MissingParameter);
const UNCONFIRMED: Expect = protocol(Reason::CallbackNotConfirmed);
const NO_FORM: Expect = protocol(Reason::UnexpectedMediaType);
const TRUNCATED: Expect = transport(Reason::Truncated);
const OF_ANOTHER: Expect = untrusted(Reason::StateMismatch);
const REFUSED: Expect = Expect::Rejected { kind: ErrorKind::Denied, reason: Reason::AuthorizationDenied };
const OUTCOME_UNKNOWN: Expect = transport(Reason::OutcomeUnknown);

/// The virtual clock an hour later, and how far from it the server lets a client be.
const LATE: &[u8] = b"oauth_problem=timestamp_refused&oauth_acceptable_timestamps=1893459300-1893459900";
const USED: &[u8] = b"oauth_problem=nonce_used";
const ABSENT: &[u8] = b"oauth_problem=parameter_absent&oauth_parameters_absent=oauth_nonce%26oauth_version";

/// Bytes of white space that make an answer larger than any credentials are.
const TOO_MUCH: usize = 65 << 10;

/// Where temporary credentials come from (RFC 5849 §2.1).
pub(super) const TEMPORARY: &[Fault] = &[
    // Whether the callback was received; without, somebody else may have begun the login.
    edited("temporary-unconfirmed", D, &[Param::Remove("oauth_callback_confirmed")], UNCONFIRMED),
    edited("temporary-confirmed-false", D, &[Param::Set("oauth_callback_confirmed", "false")], UNCONFIRMED),
    edited("temporary-confirmed-capitalised", D, &[Param::Set("oauth_callback_confirmed", "True")], ACCEPTED),
    edited("temporary-confirmed-twice", D, &[Param::Repeat("oauth_callback_confirmed")], DUPLICATE),
    // What it brings.
    edited("temporary-missing-token", D, &[Param::Remove("oauth_token")], MISSING),
    edited("temporary-empty-token", D, &[Param::Set("oauth_token", "")], MISSING),
    edited("temporary-missing-secret", D, &[Param::Remove("oauth_token_secret")], MISSING),
    edited("temporary-token-twice", D, &[Param::Repeat("oauth_token")], DUPLICATE),
    edited("temporary-token-twice-different", D, &[Param::Add("oauth_token", "other")], DUPLICATE),
    edited("temporary-secret-twice", D, &[Param::Repeat("oauth_token_secret")], DUPLICATE),
    // The answer as text.
    Fault::new("temporary-as-html", D, Effect::Header("content-type", "text/html; charset=utf-8"), ACCEPTED),
    Fault::new("temporary-as-text", D, Effect::Header("content-type", "text/plain"), ACCEPTED),
    Fault::new("temporary-as-json", D, Effect::AsJson, ACCEPTED),
    Fault::new("temporary-with-line-end", D, Effect::Around(b"", b"\r\n"), ACCEPTED),
    Fault::new("temporary-page", D, answer(200, &[HTML], PAGE), NO_FORM),
    Fault::new("temporary-empty", D, answer(200, &[FORM], b""), MISSING),
    Fault::new("temporary-not-utf8", D, Effect::Around(b"x=\xff\xfe&", b""), MALFORMED),
    Fault::new("temporary-escapes-not-utf8", D, Effect::Around(b"x=%ff%fe&", b""), MALFORMED),
    // Refusals, by the Problem Reporting extension and by nothing but a status (RFC 5849 §3.2).
    Fault::new("temporary-timestamp-refused", D, answer(401, &[FORM], LATE), DENIED),
    Fault::new("temporary-nonce-used", D, answer(401, &[FORM], USED), DENIED),
    Fault::new("temporary-problem-in-header", D, answer(401, &[TEXT, PROBLEM], b""), DENIED),
    Fault::new("temporary-problem-as-html", D, answer(400, &[HTML], ABSENT), DENIED),
    Fault::new("temporary-problem-with-200", D, answer(200, &[FORM], ABSENT), DENIED),
    Fault::new(
        "temporary-problem-beside-token",
        D,
        Effect::Form(&[Param::Add("oauth_problem", "token_rejected")]),
        DENIED,
    ),
    Fault::new("temporary-401-text", D, answer(401, &[TEXT], b"Invalid signature"), DENIED),
    Fault::new("temporary-500", D, answer(500, &[HTML], PAGE), SERVER_FAILED),
    Fault::new("temporary-503-retry-after", D, answer(503, &[("retry-after", "2")], b""), ACCEPTED).times(1),
    // Redirects would carry the signed request, and maybe the secrets, elsewhere.
    redirect("temporary-redirect-301", D, 301, REDIRECTED),
    redirect("temporary-redirect-302", D, 302, REDIRECTED),
    redirect("temporary-redirect-303", D, 303, REDIRECTED),
    redirect("temporary-redirect-307", D, 307, REDIRECTED),
    redirect("temporary-redirect-308", D, 308, REDIRECTED),
    // How it comes. A form does not tell whether it was cut: half a token is a token.
    Fault::new("temporary-padded", D, Effect::Body(Body::Padded(TOO_MUCH)), TOO_LARGE),
    Fault::new("temporary-endless", D, Effect::Body(Body::Endless), TOO_LARGE),
    Fault::new("temporary-truncated", D, Effect::Body(Body::Truncated), TRUNCATED),
    Fault::new("temporary-cut", D, Effect::Body(Body::Cut), TRUNCATED),
    Fault::new("temporary-unframed", D, Effect::Body(Body::Unframed), TRUNCATED),
    Fault::new("temporary-half-unframed", D, Effect::Body(Body::HalfUnframed), TRUNCATED),
    Fault::new("temporary-stalling", D, Effect::Body(Body::Stalling), TIMED_OUT),
    Fault::new("temporary-unreachable-once", D, Effect::Refuse, ACCEPTED).times(1),
    Fault::new("temporary-unreachable", D, Effect::Refuse, transport(Reason::Unreachable)),
    // They may be asked for again: nothing was bought with them.
    Fault::new("temporary-truncated-once", D, Effect::Body(Body::Truncated), ACCEPTED).times(1),
    Fault::new("temporary-slow-head", D, Effect::SlowHead(Duration::from_secs(60)), TIMED_OUT),
    Fault::new("temporary-dropped-once", D, Effect::Drop, ACCEPTED).times(1),
    Fault::new("temporary-dropped", D, Effect::Drop, transport(Reason::ConnectionLost)),
];

/// What the browser brings to the client (RFC 5849 §2.2).
pub(super) const CALLBACK: &[Fault] = &[
    // Whose answer it is: that of the temporary token which this client was given.
    callback("oauth1-token-wrong", &[Param::Set("oauth_token", "of-somebody-else")], OF_ANOTHER),
    callback("oauth1-token-missing", &[Param::Remove("oauth_token")], OF_ANOTHER),
    callback("oauth1-token-empty", &[Param::Set("oauth_token", "")], OF_ANOTHER),
    callback("oauth1-token-twice", &[Param::Repeat("oauth_token")], DUPLICATE),
    callback("oauth1-token-twice-different", &[Param::Add("oauth_token", "other")], DUPLICATE),
    callback("oauth1-callback-replayed", &[Param::OfAnotherLogin], OF_ANOTHER),
    callback(
        "oauth1-token-wrong-in-refusal",
        &[
            Param::Remove("oauth_verifier"),
            Param::Set("oauth_token", "of-somebody-else"),
            Param::Add("oauth_problem", "user_refused"),
        ],
        OF_ANOTHER,
    ),
    callback(
        "oauth1-denied-of-another",
        &[Param::Remove("oauth_verifier"), Param::Remove("oauth_token"), Param::Add("denied", "other")],
        OF_ANOTHER,
    ),
    // What it brings.
    callback("verifier-missing", &[Param::Remove("oauth_verifier")], MISSING),
    callback("verifier-empty", &[Param::Set("oauth_verifier", "")], MISSING),
    callback("verifier-twice", &[Param::Repeat("oauth_verifier")], DUPLICATE),
    callback("verifier-twice-different", &[Param::Add("oauth_verifier", "other")], DUPLICATE),
    callback("oauth1-unknown-parameters", &[Param::Add("lang", "x"), Param::Add("foo", "")], ACCEPTED),
    // A refusal, in the dialects of the field.
    callback(
        "oauth1-user-refused",
        &[Param::Remove("oauth_verifier"), Param::Add("oauth_problem", "user_refused")],
        REFUSED,
    ),
    callback(
        "oauth1-permission-denied",
        &[Param::Remove("oauth_verifier"), Param::Add("oauth_problem", "permission_denied")],
        REFUSED,
    ),
    callback("oauth1-problem-beside-verifier", &[Param::Add("oauth_problem", "user_refused")], REFUSED),
    callback(
        "oauth1-denied",
        &[Param::Remove("oauth_verifier"), Param::Rename("oauth_token", "denied")],
        REFUSED,
    ),
    // Somebody else was faster: it must not end the login of the real user (RFC 8252 §8.9).
    Fault::new(
        "oauth1-forged-callback-first",
        O,
        Effect::Forged(&[Param::Set("oauth_token", "forged"), Param::Set("oauth_verifier", "forged")]),
        ACCEPTED,
    ),
];

/// Where token credentials come from (RFC 5849 §2.3).
pub(super) const TOKEN: &[Fault] = &[
    edited(
        "credentials-unknown-members",
        C,
        &[Param::Add("user_id", "7"), Param::Add("screen_name", "a b")],
        ACCEPTED,
    ),
    // What it brings.
    edited("credentials-missing-token", C, &[Param::Remove("oauth_token")], MISSING),
    edited("credentials-empty-token", C, &[Param::Set("oauth_token", "")], MISSING),
    edited("credentials-missing-secret", C, &[Param::Remove("oauth_token_secret")], MISSING),
    edited("credentials-token-twice", C, &[Param::Repeat("oauth_token")], DUPLICATE),
    edited("credentials-token-twice-different", C, &[Param::Add("oauth_token", "other")], DUPLICATE),
    edited("credentials-secret-twice", C, &[Param::Repeat("oauth_token_secret")], DUPLICATE),
    // The answer as text.
    Fault::new(
        "credentials-as-html",
        C,
        Effect::Header("content-type", "text/html; charset=utf-8"),
        ACCEPTED,
    ),
    Fault::new("credentials-as-text", C, Effect::Header("content-type", "text/plain"), ACCEPTED),
    Fault::new("credentials-as-json", C, Effect::AsJson, ACCEPTED),
    Fault::new("credentials-with-line-end", C, Effect::Around(b"", b"\r\n"), ACCEPTED),
    Fault::new("credentials-page", C, answer(200, &[HTML], PAGE), NO_FORM),
    Fault::new("credentials-empty", C, answer(200, &[FORM], b""), MISSING),
    Fault::new("credentials-not-utf8", C, Effect::Around(b"x=\xff\xfe&", b""), MALFORMED),
    Fault::new("credentials-escapes-not-utf8", C, Effect::Around(b"x=%ff%fe&", b""), MALFORMED),
    // Refusals, by the Problem Reporting extension and by nothing but a status (RFC 5849 §3.2).
    Fault::new("credentials-timestamp-refused", C, answer(401, &[FORM], LATE), DENIED),
    Fault::new("credentials-nonce-used", C, answer(401, &[FORM], USED), DENIED),
    Fault::new("credentials-problem-in-header", C, answer(401, &[TEXT, PROBLEM], b""), DENIED),
    Fault::new("credentials-problem-as-html", C, answer(400, &[HTML], ABSENT), DENIED),
    Fault::new("credentials-problem-with-200", C, answer(200, &[FORM], ABSENT), DENIED),
    Fault::new(
        "credentials-problem-beside-token",
        C,
        Effect::Form(&[Param::Add("oauth_problem", "token_rejected")]),
        DENIED,
    ),
    Fault::new("credentials-401-text", C, answer(401, &[TEXT], b"Invalid signature"), DENIED),
    Fault::new("credentials-500", C, answer(500, &[HTML], PAGE), SERVER_FAILED),
    Fault::new("credentials-503-retry-after", C, answer(503, &[("retry-after", "2")], b""), SERVER_FAILED),
    // Redirects would carry the signed request, and maybe the secrets, elsewhere.
    redirect("credentials-redirect-301", C, 301, REDIRECTED),
    redirect("credentials-redirect-302", C, 302, REDIRECTED),
    redirect("credentials-redirect-303", C, 303, REDIRECTED),
    redirect("credentials-redirect-307", C, 307, REDIRECTED),
    redirect("credentials-redirect-308", C, 308, REDIRECTED),
    // How it comes. A form does not tell whether it was cut: half a token is a token.
    Fault::new("credentials-padded", C, Effect::Body(Body::Padded(TOO_MUCH)), TOO_LARGE),
    Fault::new("credentials-endless", C, Effect::Body(Body::Endless), TOO_LARGE),
    Fault::new("credentials-truncated", C, Effect::Body(Body::Truncated), TRUNCATED),
    Fault::new("credentials-cut", C, Effect::Body(Body::Cut), TRUNCATED),
    Fault::new("credentials-unframed", C, Effect::Body(Body::Unframed), TRUNCATED),
    Fault::new("credentials-half-unframed", C, Effect::Body(Body::HalfUnframed), TRUNCATED),
    Fault::new("credentials-stalling", C, Effect::Body(Body::Stalling), TIMED_OUT),
    Fault::new("credentials-unreachable-once", C, Effect::Refuse, ACCEPTED).times(1),
    Fault::new("credentials-unreachable", C, Effect::Refuse, transport(Reason::Unreachable)),
    // Whether it got through: a verifier is sent once unless nothing was sent (RFC 5849 §2.3).
    Fault::new(
        "credentials-slow-head",
        C,
        Effect::SlowHead(Duration::from_secs(60)),
        Expect::Rejected { kind: ErrorKind::Timeout, reason: Reason::OutcomeUnknown },
    ),
    Fault::new("credentials-dropped", C, Effect::Drop, OUTCOME_UNKNOWN),
    Fault::new("credentials-dropped-once", C, Effect::Drop, OUTCOME_UNKNOWN).times(1),
];
