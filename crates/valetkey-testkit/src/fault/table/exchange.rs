//! Faults of the token endpoint as they meet an exchange that asks for an access token (RFC 8693 §2.2).

use valetkey_proto::Reason;

use super::*;
use crate::fault::{Body, Member};

/// A fault that an exchange meets.
const fn at_token(name: &'static str, effect: Effect, expect: Expect) -> Fault {
    let mut fault = Fault::new(name, Place::Token, effect, expect);
    fault.feature = Some(Feature::TokenExchange);
    fault
}

/// The answer with these changes.
const fn said(name: &'static str, edits: &'static [Member], expect: Expect) -> Fault {
    at_token(name, Effect::Json(edits), expect)
}

/// What was issued.
const ISSUED: &str = "issued_token_type";

const fn refused(name: &'static str, status: u16, body: &'static [u8]) -> Fault {
    at_token(name, answer(status, &[JSON], body), DENIED)
}

const MISSING: Expect = protocol(Reason::MissingParameter);
const WRONG_KIND: Expect = protocol(Reason::UnsupportedTokenType);
const REMOVED: &[Member] = &[Member::Remove(ISSUED)];
const TWICE: &[Member] = &[Member::Add(ISSUED, b"\"urn:ietf:params:oauth:token-type:jwt\"")];
const JWT: &[Member] = &[Member::Set(ISSUED, b"\"urn:ietf:params:oauth:token-type:jwt\"")];
const REFRESH: &[Member] = &[Member::Set(ISSUED, b"\"urn:ietf:params:oauth:token-type:refresh_token\"")];
const CAPITALS: &[Member] = &[Member::Set(ISSUED, b"\"urn:ietf:params:oauth:token-type:ACCESS_TOKEN\"")];
const ESCAPED: &[Member] = &[Member::Set(ISSUED, b"\"urn:ietf:params:oauth:token-type:access\\u005ftoken\"")];
const N_A_AND_JWT: &[Member] = &[
    Member::Set(ISSUED, b"\"urn:ietf:params:oauth:token-type:jwt\""),
    Member::Set("token_type", b"\"N_A\""),
];

pub(super) const ROWS: &[Fault] = &[
    // What was issued.
    said("exchange-issued-missing", REMOVED, MISSING),
    said("exchange-issued-null", &[Member::Set(ISSUED, b"null")], MISSING),
    said("exchange-issued-number", &[Member::Set(ISSUED, b"17")], MALFORMED),
    said(
        "exchange-issued-list",
        &[Member::Set(ISSUED, b"[\"urn:ietf:params:oauth:token-type:access_token\"]")],
        MALFORMED,
    ),
    said("exchange-issued-empty", &[Member::Set(ISSUED, b"\"\"")], WRONG_KIND),
    said("exchange-issued-jwt", JWT, WRONG_KIND),
    said("exchange-issued-refresh-token", REFRESH, WRONG_KIND),
    said("exchange-issued-capitals", CAPITALS, WRONG_KIND),
    said("exchange-issued-escaped", ESCAPED, ACCEPTED),
    said("exchange-issued-twice", TWICE, DUPLICATE),
    at_token("exchange-as-form", Effect::AsForm, ACCEPTED),
    // How it is to be used.
    said("exchange-type-n-a", &[Member::Set("token_type", b"\"N_A\"")], WRONG_KIND),
    said("exchange-type-n-a-lower", &[Member::Set("token_type", b"\"n_a\"")], WRONG_KIND),
    said("exchange-type-n-a-and-jwt", N_A_AND_JWT, WRONG_KIND),
    said("exchange-type-dpop", &[Member::Set("token_type", b"\"DPoP\"")], WRONG_KIND),
    said("exchange-type-mac", &[Member::Set("token_type", b"\"mac\"")], WRONG_KIND),
    said("exchange-type-missing", &[Member::Remove("token_type")], ACCEPTED),
    said("exchange-token-missing", &[Member::Remove("access_token")], MISSING),
    said("exchange-token-blank", &[Member::Set("access_token", b"\"a b\"")], MALFORMED),
    said("exchange-refresh-token", &[Member::Set("refresh_token", b"\"rt\"")], ACCEPTED),
    said("exchange-expires-in-missing", &[Member::Remove("expires_in")], ACCEPTED),
    said("exchange-unknown-members", &[Member::Set("x", b"{\"y\":[1]}")], ACCEPTED),
    said("exchange-deep", &[Member::Set("x", DEEP)], ACCEPTED),
    // Refusals.
    refused("exchange-invalid-target", 400, b"{\"error\":\"invalid_target\"}"),
    refused("exchange-invalid-request", 400, b"{\"error\":\"invalid_request\"}"),
    refused("exchange-invalid-grant-200", 200, b"{\"error\":\"invalid_grant\"}"),
    refused("exchange-unauthorized-client", 400, b"{\"error\":\"unauthorized_client\"}"),
    at_token(
        "exchange-error-beside-token",
        Effect::Json(&[Member::Add("error", b"\"invalid_target\"")]),
        DENIED,
    ),
    at_token("exchange-500", answer(500, &[HTML], PAGE), SERVER_FAILED),
    at_token("exchange-redirect-307", answer(307, &[("location", "https://evil.test/")], b""), REDIRECTED),
    at_token("exchange-html", answer(200, &[HTML], PAGE), protocol(Reason::UnexpectedMediaType)),
    // How it comes: a JWT may be shown twice.
    at_token("exchange-dropped-once", Effect::Drop, ACCEPTED).times(1),
    at_token("exchange-dropped", Effect::Drop, transport(Reason::ConnectionLost)),
    at_token("exchange-endless", Effect::Body(Body::Endless), TOO_LARGE),
    at_token("exchange-truncated", Effect::Body(Body::Truncated), transport(Reason::Truncated)),
];
