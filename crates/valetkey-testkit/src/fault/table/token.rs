//! Faults of the token endpoint (RFC 6749 §5) as they meet the redemption of a code.

use std::time::Duration;

use valetkey_proto::{ErrorKind, Reason};

use super::*;
use crate::fault::{Body, Member};

const T: Place = Place::Token;

const fn edited(name: &'static str, edits: &'static [Member], expect: Expect) -> Fault {
    Fault::new(name, T, Effect::Json(edits), expect)
}

/// An OAuth error of this status.
const fn refused(name: &'static str, status: u16, body: &'static [u8]) -> Fault {
    Fault::new(name, T, answer(status, &[JSON], body), DENIED)
}

const WRONG_KIND: Expect = protocol(Reason::UnsupportedTokenType);
const MISSING: Expect = protocol(Reason::MissingParameter);
const OUTCOME_UNKNOWN: Expect = transport(Reason::OutcomeUnknown);
const NO_TOKEN: &[u8] = b"{\"token_type\":\"Bearer\"}";

pub(super) const ROWS: &[Fault] = &[
    // The answer as text.
    Fault::new("token-html", T, answer(200, &[HTML], PAGE), protocol(Reason::UnexpectedMediaType)),
    Fault::new("token-empty", T, answer(200, &[JSON], b""), MALFORMED),
    Fault::new("token-array", T, Effect::Around(b"[", b"]"), MALFORMED),
    Fault::new("token-trailing-garbage", T, Effect::Around(b"", b" x"), MALFORMED),
    Fault::new("token-two-objects", T, Effect::Around(b"", NO_TOKEN), MALFORMED),
    Fault::new("token-bom", T, Effect::Around(b"\xef\xbb\xbf", b""), ACCEPTED),
    edited("token-invalid-utf8", &[Member::Add("x", b"\"\xff\xfe\"")], MALFORMED),
    edited("token-lone-surrogate", &[Member::Set("scope", b"\"\\ud800\"")], MALFORMED),
    edited("token-duplicate", &[Member::Add("access_token", b"\"other\"")], DUPLICATE),
    edited("token-duplicate-escaped", &[Member::Add("\\u0061ccess_token", b"\"other\"")], DUPLICATE),
    edited("token-duplicate-unknown", &[Member::Add("x", b"1"), Member::Add("x", b"2")], DUPLICATE),
    edited("token-name-in-capitals", &[Member::Add("ACCESS_TOKEN", b"\"other\"")], ACCEPTED),
    edited("token-unknown-members", &[Member::Add("x_new", b"{\"deep\":[1,2,{}]}")], ACCEPTED),
    Fault::new("token-as-form", T, Effect::AsForm, ACCEPTED),
    Fault::new(
        "token-type-with-charset",
        T,
        Effect::Header("content-type", "Application/JSON; charset=UTF-8"),
        ACCEPTED,
    ),
    // What it brings.
    edited("token-missing", &[Member::Remove("access_token")], MISSING),
    edited("token-null", &[Member::Set("access_token", b"null")], MISSING),
    edited("token-number", &[Member::Set("access_token", b"17")], MALFORMED),
    edited("token-type-mac", &[Member::Set("token_type", b"\"mac\"")], WRONG_KIND),
    edited("token-type-dpop", &[Member::Set("token_type", b"\"DPoP\"")], WRONG_KIND),
    edited("token-type-number", &[Member::Set("token_type", b"17")], MALFORMED),
    edited("token-type-upper", &[Member::Set("token_type", b"\"BEARER\"")], ACCEPTED),
    edited("token-type-lower", &[Member::Set("token_type", b"\"bearer\"")], ACCEPTED),
    edited("token-type-missing", &[Member::Remove("token_type")], ACCEPTED),
    edited("expires-in-string", &[Member::Set("expires_in", b"\"3600\"")], ACCEPTED),
    edited("expires-in-float", &[Member::Set("expires_in", b"3600.5")], ACCEPTED),
    edited("expires-in-missing", &[Member::Remove("expires_in")], ACCEPTED),
    edited("expires-in-null", &[Member::Set("expires_in", b"null")], ACCEPTED),
    edited("expires-in-huge", &[Member::Set("expires_in", b"9223372036854775808")], ACCEPTED),
    edited("scope-array", &[Member::Set("scope", b"[\"read\",\"write\"]")], ACCEPTED),
    edited("scope-narrower", &[Member::Set("scope", b"\"read\"")], ACCEPTED),
    edited("scope-missing", &[Member::Remove("scope")], ACCEPTED),
    edited("refresh-token-missing", &[Member::Remove("refresh_token")], ACCEPTED),
    edited("refresh-token-empty", &[Member::Set("refresh_token", b"\"\"")], ACCEPTED),
    // Refusals, however they are dressed.
    refused("invalid-grant", 400, b"{\"error\":\"invalid_grant\"}"),
    refused("error-with-200", 200, b"{\"error\":\"invalid_grant\",\"error_description\":\"expired\"}"),
    refused("invalid-client-401-bare", 401, b"{\"error\":\"invalid_client\"}"),
    Fault::new(
        "invalid-client-401",
        T,
        answer(401, &[JSON, ("www-authenticate", "Basic realm=\"as\"")], b"{\"error\":\"invalid_client\"}"),
        DENIED,
    ),
    Fault::new("error-beside-token", T, Effect::Json(&[Member::Add("error", b"\"invalid_grant\"")]), DENIED),
    Fault::new("token-500-html", T, answer(500, &[HTML], PAGE), SERVER_FAILED),
    Fault::new("token-503", T, answer(503, &[HTML], PAGE), SERVER_FAILED),
    Fault::new("token-429", T, answer(429, &[HTML], PAGE), SERVER_FAILED),
    Fault::new("token-503-retry-after", T, answer(503, &[("retry-after", "2")], b""), ACCEPTED).times(1),
    Fault::new(
        "token-404-html",
        T,
        answer(404, &[HTML], PAGE),
        Expect::Rejected { kind: ErrorKind::Server, reason: Reason::UnexpectedStatus },
    ),
    // Redirects would carry the code and the secret elsewhere (RFC 9700 §4.12).
    redirect("token-redirect-301", T, 301, REDIRECTED),
    redirect("token-redirect-302", T, 302, REDIRECTED),
    redirect("token-redirect-303", T, 303, REDIRECTED),
    redirect("token-redirect-307", T, 307, REDIRECTED),
    redirect("token-redirect-308", T, 308, REDIRECTED),
    Fault::new("token-redirect-relative", T, answer(307, &[("location", "/api/me")], b""), REDIRECTED),
    Fault::new(
        "token-redirect-scheme-relative",
        T,
        answer(307, &[("location", "//evil.test/")], b""),
        REDIRECTED,
    ),
    Fault::new("token-redirect-backslash", T, answer(307, &[("location", "/\\evil.test/")], b""), REDIRECTED),
    Fault::new("token-redirect-to-itself", T, answer(308, &[("location", "/token")], b""), REDIRECTED),
    Fault::new(
        "token-redirect-http",
        T,
        answer(307, &[("location", "http://issuer.test/token")], b""),
        REDIRECTED,
    ),
    Fault::new(
        "token-redirect-userinfo",
        T,
        answer(307, &[("location", "https://issuer.test@evil.test/token")], b""),
        REDIRECTED,
    ),
    Fault::new("token-redirect-nowhere", T, answer(307, &[], b""), REDIRECTED),
    // How it comes.
    Fault::new("token-padded-to-10-mb", T, Effect::Body(Body::Padded(10 << 20)), TOO_LARGE),
    Fault::new("token-endless", T, Effect::Body(Body::Endless), TOO_LARGE),
    Fault::new("token-long-head", T, Effect::LongHead(70 << 10), TOO_LARGE),
    Fault::new("token-truncated", T, Effect::Body(Body::Truncated), transport(Reason::Truncated)),
    Fault::new("token-cut", T, Effect::Body(Body::Cut), transport(Reason::Truncated)),
    Fault::new("token-stalling", T, Effect::Body(Body::Stalling), TIMED_OUT),
    Fault::new("token-trickling", T, Effect::Body(Body::Trickling(Duration::from_secs(1))), TIMED_OUT),
    Fault::new("token-unframed", T, Effect::Body(Body::Unframed), ACCEPTED),
    Fault::new(
        "token-slow-head",
        T,
        Effect::SlowHead(Duration::from_secs(60)),
        Expect::Rejected { kind: ErrorKind::Timeout, reason: Reason::OutcomeUnknown },
    ),
    // Whether it got through: a code is sent once (RFC 6749 §4.1.2) unless nothing was sent.
    Fault::new("token-unreachable-once", T, Effect::Refuse, ACCEPTED).times(1),
    Fault::new("token-unreachable", T, Effect::Refuse, transport(Reason::Unreachable)),
    Fault::new("token-dropped", T, Effect::Drop, OUTCOME_UNKNOWN),
    Fault::new("token-dropped-once", T, Effect::Drop, OUTCOME_UNKNOWN).times(1),
];
