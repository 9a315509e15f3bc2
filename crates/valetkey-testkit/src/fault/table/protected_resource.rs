//! Faults of APIs that describe themselves (RFC 9728), of signed metadata (RFC 8414 §2.1), and of the tokens that an API
//! reads (RFC 9068).

use valetkey_proto::{ErrorKind, Reason};

use super::*;
use crate::fault::{Body, JwtEdit as E, Member as M};

const R: Place = Place::ResourceMetadata;

const fn edited(name: &'static str, edits: &'static [M], expect: Expect) -> Fault {
    row(name, Effect::Json(edits), expect)
}

const fn row(name: &'static str, effect: Effect, expect: Expect) -> Fault {
    Fault::new(name, R, effect, expect).of(Feature::ResourceMetadata)
}

const OF_ANOTHER: Expect = untrusted(Reason::IssuerMismatch);
const INSECURE: Expect = protocol(Reason::InsecureUrl);
const INVALID: Expect = protocol(Reason::InvalidUrl);
const INSIDE: Expect = untrusted(Reason::AddressNotAllowed);

/// More servers than an API has.
const MANY: &[u8] = &{
    let one = b",\"https://a.test\"";
    let mut list = [b' '; 2 + 34 * 17];
    let mut at = 0;
    while at < 34 * one.len() {
        list[1 + at] = one[at % one.len()];
        at += 1;
    }
    // In place of the first comma, and at the end.
    list[0] = b' ';
    list[1] = b'[';
    list[list.len() - 1] = b']';
    list
};

pub(super) const ROWS: &[Fault] = &[
    // Whose document it is: byte for byte (RFC 9728 §3.3).
    edited(
        "resource-metadata-of-another-host",
        &[M::Set("resource", b"\"https://evil.test/api/me\"")],
        OF_ANOTHER,
    ),
    edited("resource-metadata-parent", &[M::Set("resource", b"\"https://issuer.test\"")], OF_ANOTHER),
    edited("resource-metadata-slash", &[M::Set("resource", b"\"https://issuer.test/api/me/\"")], OF_ANOTHER),
    edited("resource-metadata-case", &[M::Set("resource", b"\"https://ISSUER.test/api/me\"")], OF_ANOTHER),
    edited("resource-metadata-missing", &[M::Remove("resource")], protocol(Reason::MissingParameter)),
    edited("resource-metadata-array", &[M::Set("resource", b"[\"https://issuer.test/api/me\"]")], MALFORMED),
    edited("resource-metadata-twice", &[M::Add("resource", b"\"https://evil.test/api/me\"")], DUPLICATE),
    // Whose tokens it takes.
    edited(
        "resource-metadata-server-http",
        &[M::Set("authorization_servers", b"[\"http://a.test\"]")],
        INSECURE,
    ),
    edited(
        "resource-metadata-server-query",
        &[M::Set("authorization_servers", b"[\"https://a.test?x\"]")],
        INVALID,
    ),
    edited(
        "resource-metadata-server-userinfo",
        &[M::Set("authorization_servers", b"[\"https://u@a.test\"]")],
        INVALID,
    ),
    edited(
        "resource-metadata-server-script",
        &[M::Set("authorization_servers", b"[\"javascript:1\"]")],
        INVALID,
    ),
    edited(
        "resource-metadata-server-loopback",
        &[M::Set("authorization_servers", b"[\"https://127.0.0.1\"]")],
        INSIDE,
    ),
    edited(
        "resource-metadata-server-private",
        &[M::Set("authorization_servers", b"[\"https://10.0.0.1\"]")],
        INSIDE,
    ),
    edited(
        "resource-metadata-server-link-local",
        &[M::Set("authorization_servers", b"[\"https://169.254.169.254\"]")],
        INSIDE,
    ),
    edited(
        "resource-metadata-servers-text",
        &[M::Set("authorization_servers", b"\"https://a.test\"")],
        MALFORMED,
    ),
    edited("resource-metadata-servers-many", &[M::Set("authorization_servers", MANY)], TOO_LARGE),
    edited(
        "resource-metadata-servers-two",
        &[M::Set("authorization_servers", b"[\"https://a.test\",\"https://b.test\"]")],
        Expect::Rejected { kind: ErrorKind::Usage, reason: Reason::InvalidValue },
    ),
    edited(
        "resource-metadata-servers-none",
        &[M::Remove("authorization_servers")],
        Expect::Rejected { kind: ErrorKind::Config, reason: Reason::MissingEndpoint },
    ),
    // The rest of it.
    edited("resource-metadata-scopes-text", &[M::Set("scopes_supported", b"\"read\"")], MALFORMED),
    edited("resource-metadata-jwks-http-unused", &[M::Set("jwks_uri", b"\"http://a.test\"")], ACCEPTED),
    edited("resource-metadata-unknown-members", &[M::Add("x_new", b"{\"deep\":[1,2,{}]}")], ACCEPTED),
    row("resource-metadata-html", answer(200, &[HTML], PAGE), protocol(Reason::UnexpectedMediaType)),
    row("resource-metadata-empty", answer(200, &[JSON], b""), MALFORMED),
    row(
        "resource-metadata-404",
        answer(404, &[HTML], PAGE),
        Expect::Rejected { kind: ErrorKind::Server, reason: Reason::UnexpectedStatus },
    ),
    row("resource-metadata-500", answer(500, &[HTML], PAGE), SERVER_FAILED),
    row("resource-metadata-503-once", answer(503, &[HTML], PAGE), ACCEPTED).times(1),
    redirect("resource-metadata-redirect-302", R, 302, REDIRECTED).of(Feature::ResourceMetadata),
    redirect("resource-metadata-redirect-308", R, 308, REDIRECTED).of(Feature::ResourceMetadata),
    row("resource-metadata-padded-to-10-mb", Effect::Body(Body::Padded(10 << 20)), TOO_LARGE),
    row("resource-metadata-endless", Effect::Body(Body::Endless), TOO_LARGE),
    row("resource-metadata-truncated", Effect::Body(Body::Truncated), transport(Reason::Truncated)),
    row("resource-metadata-stalling", Effect::Body(Body::Stalling), TIMED_OUT),
];

const fn signed(name: &'static str, effect: Effect, expect: Expect) -> Fault {
    Fault::new(name, Place::Metadata, effect, expect).of(Feature::SignedMetadata)
}

const fn signed_so(name: &'static str, edits: &'static [E], expect: Expect) -> Fault {
    signed(name, Effect::Jwt(edits), expect)
}

const FORGED: Expect = untrusted(Reason::SignatureInvalid);
const OTHER_ALGORITHM: Expect = untrusted(Reason::AlgorithmMismatch);
const OTHER_KIND: Expect = untrusted(Reason::KindMismatch);
const MISSING: Expect = protocol(Reason::MissingParameter);
const EXPIRED: Expect = Expect::Rejected { kind: ErrorKind::Expired, reason: Reason::JwtExpired };

pub(super) const SIGNED: &[Fault] = &[
    signed(
        "signed-metadata-beside-other-endpoints",
        Effect::Json(&[M::Set("token_endpoint", b"\"https://evil.test/token\"")]),
        ACCEPTED,
    ),
    signed(
        "signed-metadata-missing",
        Effect::Json(&[M::Remove("signed_metadata")]),
        untrusted(Reason::MissingParameter),
    ),
    signed("signed-metadata-object", Effect::Json(&[M::Set("signed_metadata", b"{}")]), MALFORMED),
    signed("signed-metadata-text", Effect::Json(&[M::Set("signed_metadata", b"\"a.b\"")]), MALFORMED),
    signed_so("signed-metadata-by-a-stranger", &[E::Stranger], FORGED),
    signed_so("signed-metadata-key-in-header", &[E::StrangerInHeader], FORGED),
    signed_so("signed-metadata-broken", &[E::BrokenSignature], FORGED),
    signed_so("signed-metadata-alg-none", &[E::Unsigned("none")], OTHER_ALGORITHM),
    signed_so("signed-metadata-public-key-as-secret", &[E::PublicKeyAsSecret], OTHER_ALGORITHM),
    signed_so("signed-metadata-iss-other", &[E::Claim(M::Set("iss", b"\"https://evil.test\""))], OF_ANOTHER),
    signed_so("signed-metadata-iss-missing", &[E::Claim(M::Remove("iss"))], MISSING),
    signed_so(
        "signed-metadata-of-another",
        &[E::Claim(M::Set("issuer", b"\"https://evil.test\""))],
        OF_ANOTHER,
    ),
    signed_so("signed-metadata-of-nobody", &[E::Claim(M::Remove("issuer"))], MISSING),
    signed_so("signed-metadata-expired", &[E::Time("exp", -3600)], EXPIRED),
    signed_so("signed-metadata-of-the-future", &[E::Time("iat", 3600)], untrusted(Reason::NotYetValid)),
    signed_so("signed-metadata-an-access-token", &[E::Header(M::Set("typ", b"\"at+jwt\""))], OTHER_KIND),
    signed_so("signed-metadata-with-a-subject", &[E::Claim(M::Set("sub", b"\"alice\""))], OTHER_KIND),
    signed_so(
        "signed-metadata-crit",
        &[E::Header(M::Set("crit", b"[\"x\"]"))],
        untrusted(Reason::UnsupportedHeader),
    ),
];

const fn token(name: &'static str, edits: &'static [E], expect: Expect) -> Fault {
    Fault::new(name, Place::Token, Effect::AccessToken(edits), expect).of(Feature::JwtAccessToken)
}

const UNBOUND: Expect = untrusted(Reason::BindingMismatch);

pub(super) const TOKENS: &[Fault] = &[
    // What it is called (RFC 9068 §2.1).
    token("access-token-typ-whole", &[E::Header(M::Set("typ", b"\"application/at+jwt\""))], ACCEPTED),
    token("access-token-typ-case", &[E::Header(M::Set("typ", b"\"AT+JWT\""))], ACCEPTED),
    token("access-token-typ-jwt", &[E::Header(M::Set("typ", b"\"JWT\""))], OTHER_KIND),
    token("access-token-typ-logout", &[E::Header(M::Set("typ", b"\"logout+jwt\""))], OTHER_KIND),
    token("access-token-typ-missing", &[E::Header(M::Remove("typ"))], OTHER_KIND),
    // Who has signed it.
    token("access-token-alg-none", &[E::Unsigned("none")], OTHER_ALGORITHM),
    token("access-token-alg-none-shouted", &[E::Unsigned("NONE")], OTHER_ALGORITHM),
    token("access-token-public-key-as-secret", &[E::PublicKeyAsSecret], OTHER_ALGORITHM),
    token("access-token-by-a-stranger", &[E::Stranger], FORGED),
    token("access-token-key-in-header", &[E::StrangerInHeader], FORGED),
    token("access-token-broken", &[E::BrokenSignature], FORGED),
    token("access-token-es256", &[E::Alg("ES256")], ACCEPTED),
    token(
        "access-token-crit",
        &[E::Header(M::Set("crit", b"[\"x\"]"))],
        untrusted(Reason::UnsupportedHeader),
    ),
    // What it says.
    token("access-token-iss-other", &[E::Claim(M::Set("iss", b"\"https://evil.test\""))], OF_ANOTHER),
    token("access-token-iss-missing", &[E::Claim(M::Remove("iss"))], MISSING),
    token(
        "access-token-aud-other",
        &[E::Claim(M::Set("aud", b"\"https://evil.test\""))],
        untrusted(Reason::AudienceMismatch),
    ),
    token("access-token-aud-missing", &[E::Claim(M::Remove("aud"))], MISSING),
    token("access-token-aud-too", &[E::AudienceToo("https://other.test")], ACCEPTED),
    token("access-token-aud-list", &[E::AudienceAsList], ACCEPTED),
    token("access-token-expired", &[E::Time("exp", -60)], EXPIRED),
    token("access-token-exp-missing", &[E::Claim(M::Remove("exp"))], MISSING),
    token("access-token-exp-text", &[E::Claim(M::Set("exp", b"\"2000000000\""))], MALFORMED),
    token("access-token-of-the-future", &[E::Time("iat", 3600)], untrusted(Reason::NotYetValid)),
    token("access-token-not-before", &[E::Time("nbf", 3600)], untrusted(Reason::NotYetValid)),
    token("access-token-iat-missing", &[E::Claim(M::Remove("iat"))], MISSING),
    token("access-token-sub-missing", &[E::Claim(M::Remove("sub"))], MISSING),
    token("access-token-client-missing", &[E::Claim(M::Remove("client_id"))], MISSING),
    token("access-token-jti-missing", &[E::Claim(M::Remove("jti"))], MISSING),
    token("access-token-sub-twice", &[E::Claim(M::Add("sub", b"\"admin\""))], DUPLICATE),
    token("access-token-scope-list", &[E::Claim(M::Set("scope", b"[\"read\"]"))], MALFORMED),
    // It is bound, and nothing was shown of that (RFC 9449 §7.2, RFC 8705 §3).
    token("access-token-bound-to-a-key", &[E::Claim(M::Set("cnf", b"{\"jkt\":\"abc\"}"))], UNBOUND),
    token(
        "access-token-bound-to-a-certificate",
        &[E::Claim(M::Set("cnf", b"{\"x5t#S256\":\"abc\"}"))],
        UNBOUND,
    ),
    token("access-token-bound-to-something", &[E::Claim(M::Set("cnf", b"{\"osc\":{}}"))], UNBOUND),
    token("access-token-cnf-text", &[E::Claim(M::Set("cnf", b"\"jkt\""))], MALFORMED),
];
