//! Faults of the metadata document (RFC 8414).

use std::time::Duration;

use valetkey_proto::{ErrorKind, Reason};

use super::*;
use crate::fault::{Body, Member};

const M: Place = Place::Metadata;

const fn edited(name: &'static str, edits: &'static [Member], expect: Expect) -> Fault {
    Fault::new(name, M, Effect::Json(edits), expect)
}

const ISSUER_MISMATCH: Expect = untrusted(Reason::IssuerMismatch);
const INSECURE: Expect = protocol(Reason::InsecureUrl);
const INVALID_URL: Expect = protocol(Reason::InvalidUrl);
const NO_PKCE: Expect = Expect::Rejected { kind: ErrorKind::Config, reason: Reason::PkceUnsupported };

pub(super) const ROWS: &[Fault] = &[
    // Whose document it is: byte for byte (RFC 8414 §3.3).
    edited("metadata-issuer-other-host", &[Member::Set("issuer", b"\"https://evil.test\"")], ISSUER_MISMATCH),
    edited("metadata-issuer-slash", &[Member::Set("issuer", b"\"https://issuer.test/\"")], ISSUER_MISMATCH),
    edited("metadata-issuer-case", &[Member::Set("issuer", b"\"https://ISSUER.test\"")], ISSUER_MISMATCH),
    edited("metadata-issuer-port", &[Member::Set("issuer", b"\"https://issuer.test:443\"")], ISSUER_MISMATCH),
    edited("metadata-issuer-path", &[Member::Set("issuer", b"\"https://issuer.test/a\"")], ISSUER_MISMATCH),
    edited("metadata-issuer-missing", &[Member::Remove("issuer")], protocol(Reason::MissingParameter)),
    edited("metadata-issuer-null", &[Member::Set("issuer", b"null")], protocol(Reason::MissingParameter)),
    edited("metadata-issuer-array", &[Member::Set("issuer", b"[\"https://issuer.test\"]")], MALFORMED),
    edited("metadata-issuer-twice", &[Member::Add("issuer", b"\"https://evil.test\"")], DUPLICATE),
    edited(
        "metadata-issuer-twice-escaped",
        &[Member::Add("\\u0069ssuer", b"\"https://evil.test\"")],
        DUPLICATE,
    ),
    // What it names: https, without user information, of the right type.
    edited(
        "metadata-token-endpoint-http",
        &[Member::Set("token_endpoint", b"\"http://issuer.test/token\"")],
        INSECURE,
    ),
    edited(
        "metadata-token-endpoint-nearly-loopback",
        &[Member::Set("token_endpoint", b"\"http://127.0.0.1.evil.test/token\"")],
        INSECURE,
    ),
    edited(
        "metadata-token-endpoint-userinfo",
        &[Member::Set("token_endpoint", b"\"https://issuer.test@evil.test/token\"")],
        INVALID_URL,
    ),
    edited(
        "metadata-token-endpoint-fragment",
        &[Member::Set("token_endpoint", b"\"https://issuer.test/token#here\"")],
        INVALID_URL,
    ),
    edited("metadata-token-endpoint-number", &[Member::Set("token_endpoint", b"17")], MALFORMED),
    edited(
        "metadata-token-endpoint-array",
        &[Member::Set("token_endpoint", b"[\"https://issuer.test/token\"]")],
        MALFORMED,
    ),
    edited(
        "metadata-token-endpoint-twice",
        &[Member::Add("token_endpoint", b"\"https://evil.test/token\"")],
        DUPLICATE,
    ),
    edited(
        "metadata-token-endpoint-missing",
        &[Member::Remove("token_endpoint")],
        Expect::Rejected { kind: ErrorKind::Config, reason: Reason::MissingEndpoint },
    ),
    edited(
        "metadata-authorization-endpoint-http",
        &[Member::Set("authorization_endpoint", b"\"http://issuer.test/authorize\"")],
        INSECURE,
    ),
    // PKCE (RFC 9700 §2.1.1): `plain` alone is no protection, and silence is no refusal.
    edited(
        "metadata-pkce-plain-only",
        &[Member::Set("code_challenge_methods_supported", b"[\"plain\"]")],
        NO_PKCE,
    ),
    edited("metadata-pkce-none", &[Member::Set("code_challenge_methods_supported", b"[]")], NO_PKCE),
    edited(
        "metadata-pkce-string",
        &[Member::Set("code_challenge_methods_supported", b"\"S256\"")],
        MALFORMED,
    ),
    edited("metadata-pkce-silent", &[Member::Remove("code_challenge_methods_supported")], ACCEPTED),
    // The document as text.
    edited("metadata-unknown-members", &[Member::Add("x_new", b"{\"deep\":[1,2,{}]}")], ACCEPTED),
    Fault::new("metadata-html", M, answer(200, &[HTML], PAGE), protocol(Reason::UnexpectedMediaType)),
    Fault::new("metadata-empty", M, answer(200, &[JSON], b""), MALFORMED),
    Fault::new("metadata-array", M, Effect::Around(b"[", b"]"), MALFORMED),
    Fault::new("metadata-trailing-garbage", M, Effect::Around(b"", b"}"), MALFORMED),
    Fault::new("metadata-bom", M, Effect::Around(b"\xef\xbb\xbf", b""), MALFORMED),
    Fault::new(
        "metadata-cut-off",
        M,
        answer(200, &[JSON], b"{\"issuer\":\"https://issuer.test\""),
        MALFORMED,
    ),
    edited("metadata-invalid-utf8", &[Member::Add("x", b"\"\xff\xfe\"")], MALFORMED),
    // Where it comes from: not from elsewhere (RFC 9700 §4.12).
    redirect("metadata-redirect-301", M, 301, REDIRECTED),
    redirect("metadata-redirect-302", M, 302, REDIRECTED),
    redirect("metadata-redirect-303", M, 303, REDIRECTED),
    redirect("metadata-redirect-307", M, 307, REDIRECTED),
    redirect("metadata-redirect-308", M, 308, REDIRECTED),
    Fault::new(
        "metadata-redirect-to-itself",
        M,
        answer(307, &[("location", "/.well-known/openid-configuration")], b""),
        REDIRECTED,
    ),
    // How it comes.
    Fault::new("metadata-padded-to-10-mb", M, Effect::Body(Body::Padded(10 << 20)), TOO_LARGE),
    Fault::new("metadata-endless", M, Effect::Body(Body::Endless), TOO_LARGE),
    Fault::new("metadata-long-head", M, Effect::LongHead(70 << 10), TOO_LARGE),
    Fault::new("metadata-truncated", M, Effect::Body(Body::Truncated), transport(Reason::Truncated)),
    Fault::new("metadata-truncated-once", M, Effect::Body(Body::Truncated), ACCEPTED).times(1),
    Fault::new("metadata-unframed", M, Effect::Body(Body::Unframed), ACCEPTED),
    Fault::new("metadata-slow-head", M, Effect::SlowHead(Duration::from_secs(60)), TIMED_OUT),
    Fault::new("metadata-slow-but-in-time", M, Effect::SlowHead(Duration::from_secs(2)), ACCEPTED),
    Fault::new("metadata-stalling", M, Effect::Body(Body::Stalling), TIMED_OUT),
    Fault::new("metadata-trickling", M, Effect::Body(Body::Trickling(Duration::from_secs(1))), TIMED_OUT),
    Fault::new("metadata-unreachable", M, Effect::Refuse, transport(Reason::Unreachable)),
    Fault::new("metadata-unreachable-once", M, Effect::Refuse, ACCEPTED).times(1),
    Fault::new("metadata-dropped", M, Effect::Drop, transport(Reason::ConnectionLost)),
    Fault::new("metadata-dropped-once", M, Effect::Drop, ACCEPTED).times(1),
    Fault::new("metadata-500", M, answer(500, &[HTML], PAGE), SERVER_FAILED),
    Fault::new("metadata-503-once", M, answer(503, &[HTML], PAGE), ACCEPTED).times(1),
];
