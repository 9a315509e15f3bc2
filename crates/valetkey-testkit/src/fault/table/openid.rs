//! Faults of providers of OpenID Connect: ID tokens, and what is said beside them.

use valetkey_proto::{ErrorKind, Reason};

use super::*;
use crate::fault::{JwtEdit as J, Member as M, Param};

const fn id_token(name: &'static str, edits: &'static [J], expect: Expect) -> Fault {
    Fault::new(name, Place::Token, Effect::Jwt(edits), expect).of(Feature::OpenId)
}

const fn claim(name: &'static str, edit: &'static [J; 1], expect: Expect) -> Fault {
    id_token(name, edit, expect)
}

const fn response(name: &'static str, edits: &'static [M], expect: Expect) -> Fault {
    Fault::new(name, Place::Token, Effect::Json(edits), expect).of(Feature::OpenId)
}

/// Of what the browser brings.
const fn by_browser(name: &'static str, effect: Effect, expect: Expect) -> Fault {
    Fault::new(name, Place::Authorize, effect, expect).of(Feature::Hybrid)
}

const fn metadata(name: &'static str, edits: &'static [M], expect: Expect) -> Fault {
    Fault::new(name, Place::Metadata, Effect::Json(edits), expect).of(Feature::OpenId)
}

const fn refreshed(name: &'static str, edits: &'static [J], expect: Expect) -> Fault {
    Fault::new(name, Place::Token, Effect::Jwt(edits), expect).of(Feature::Refresh).after(1)
}

const fn hybrid(name: &'static str, edits: &'static [J], expect: Expect) -> Fault {
    Fault::new(name, Place::Token, Effect::Jwt(edits), expect).of(Feature::Hybrid)
}

const MISSING: Expect = protocol(Reason::MissingParameter);
const ISSUER: Expect = untrusted(Reason::IssuerMismatch);
const AUDIENCE: Expect = untrusted(Reason::AudienceMismatch);
const SUBJECT: Expect = untrusted(Reason::SubjectMismatch);
const NONCE: Expect = untrusted(Reason::NonceMismatch);
const ALGORITHM: Expect = untrusted(Reason::AlgorithmMismatch);
const SIGNATURE: Expect = untrusted(Reason::SignatureInvalid);
const BINDING: Expect = untrusted(Reason::BindingMismatch);
const KIND: Expect = untrusted(Reason::KindMismatch);
const HEADER: Expect = untrusted(Reason::UnsupportedHeader);
const NOT_YET: Expect = untrusted(Reason::NotYetValid);
const OTHER_SIGN_IN: Expect = untrusted(Reason::AuthenticationMismatch);
const EXPIRED: Expect = Expect::Rejected { kind: ErrorKind::Expired, reason: Reason::JwtExpired };
const TOO_OLD: Expect = Expect::Rejected { kind: ErrorKind::Expired, reason: Reason::AuthenticationTooOld };
const INSECURE: Expect = protocol(Reason::InsecureUrl);
const INVALID_URL: Expect = protocol(Reason::InvalidUrl);

const DAY: i64 = 86_400;

/// A text of 100 KiB.
const LONG: &[u8] = &{
    let mut text = [b'x'; 100 << 10];
    text[0] = b'"';
    text[(100 << 10) - 1] = b'"';
    text
};

pub(super) const ROWS: &[Fault] = &[
    // Whose it is, and for whom (Core §3.1.3.7).
    claim("id-token-iss-slash", &[J::Claim(M::Set("iss", b"\"https://issuer.test/\""))], ISSUER),
    claim("id-token-iss-number", &[J::Claim(M::Set("iss", b"17"))], MALFORMED),
    claim("id-token-iss-missing", &[J::Claim(M::Remove("iss"))], MISSING),
    claim("id-token-sub-empty", &[J::Claim(M::Set("sub", b"\"\""))], MALFORMED),
    claim("id-token-sub-number", &[J::Claim(M::Set("sub", b"17"))], MALFORMED),
    claim("id-token-aud-number", &[J::Claim(M::Set("aud", b"17"))], MALFORMED),
    claim("id-token-aud-empty-list", &[J::Claim(M::Set("aud", b"[]"))], AUDIENCE),
    claim("id-token-aud-nested", &[J::Claim(M::Set("aud", b"[[\"app\"]]"))], MALFORMED),
    claim("id-token-aud-as-list", &[J::AudienceAsList], ACCEPTED),
    claim("id-token-aud-of-another-too", &[J::AudienceToo("https://other.test")], AUDIENCE),
    id_token(
        "id-token-aud-of-another-too-with-azp",
        &[J::AudienceToo("https://other.test"), J::Claim(M::Set("azp", b"\"app\""))],
        AUDIENCE,
    ),
    claim("id-token-azp-wrong", &[J::Claim(M::Set("azp", b"\"other\""))], AUDIENCE),
    claim("id-token-azp-number", &[J::Claim(M::Set("azp", b"17"))], MALFORMED),
    // When (Core §2, §3.1.3.7).
    claim("id-token-expired", &[J::Time("exp", -61)], EXPIRED),
    claim("id-token-exp-just-passed", &[J::Time("exp", -10)], ACCEPTED),
    claim("id-token-exp-missing", &[J::Claim(M::Remove("exp"))], MISSING),
    claim("id-token-exp-text", &[J::Claim(M::Set("exp", b"\"2000000000\""))], MALFORMED),
    claim("id-token-exp-null", &[J::Claim(M::Set("exp", b"null"))], MALFORMED),
    claim("id-token-nbf-in-the-future", &[J::Time("nbf", 120)], NOT_YET),
    claim("id-token-iat-in-the-future", &[J::Time("iat", 120)], NOT_YET),
    claim("id-token-iat-a-little-ahead", &[J::Time("iat", 20)], ACCEPTED),
    claim("id-token-iat-a-week-ago", &[J::Time("iat", -7 * DAY)], EXPIRED),
    claim("id-token-iat-text", &[J::Claim(M::Set("iat", b"\"now\""))], MALFORMED),
    // By what it is signed (RFC 8725 §3.1).
    claim("id-token-alg-none", &[J::Unsigned("none")], ALGORITHM),
    claim("id-token-alg-none-capital", &[J::Unsigned("None")], ALGORITHM),
    claim("id-token-alg-none-mixed", &[J::Unsigned("nOnE")], ALGORITHM),
    claim("id-token-alg-empty", &[J::Unsigned("")], ALGORITHM),
    claim("id-token-signature-stripped", &[J::Unsigned("RS256")], SIGNATURE),
    claim("id-token-signature-broken", &[J::BrokenSignature], SIGNATURE),
    claim("id-token-signed-by-a-stranger", &[J::Stranger], SIGNATURE),
    claim("id-token-hs256-by-the-public-key", &[J::PublicKeyAsSecret], ALGORITHM),
    claim("id-token-hs256-by-the-secret", &[J::Alg("HS256")], ALGORITHM),
    claim("id-token-es256-unregistered", &[J::Alg("ES256")], ALGORITHM),
    claim("id-token-ps256-unregistered", &[J::Alg("PS256")], ALGORITHM),
    claim("id-token-jwk-in-header", &[J::StrangerInHeader], SIGNATURE),
    id_token(
        "id-token-x5u-of-a-stranger",
        &[J::Header(M::Set("x5u", b"\"https://evil.test/cert.pem\"")), J::Stranger],
        SIGNATURE,
    ),
    id_token(
        "id-token-jku-of-a-stranger",
        &[J::Header(M::Set("jku", b"\"https://evil.test/jwks\"")), J::Stranger],
        SIGNATURE,
    ),
    claim(
        "id-token-x5u-is-not-fetched",
        &[J::Header(M::Set("x5u", b"\"https://evil.test/cert.pem\""))],
        ACCEPTED,
    ),
    claim("id-token-crit", &[J::Header(M::Set("crit", b"[\"exp\"]"))], HEADER),
    claim("id-token-b64", &[J::Header(M::Set("b64", b"false"))], HEADER),
    claim("id-token-zip", &[J::Header(M::Set("zip", b"\"DEF\""))], HEADER),
    claim("id-token-alg-twice", &[J::Header(M::Add("alg", b"\"none\""))], DUPLICATE),
    // What kind of JWT it is (RFC 8725 §3.11).
    claim("id-token-typ-logout", &[J::Header(M::Set("typ", b"\"logout+jwt\""))], KIND),
    claim("id-token-typ-access-token", &[J::Header(M::Set("typ", b"\"at+jwt\""))], KIND),
    claim("id-token-typ-jwt", &[J::Header(M::Set("typ", b"\"JWT\""))], ACCEPTED),
    claim("id-token-with-events", &[J::Claim(M::Set("events", b"{}"))], KIND),
    // Claims as text.
    claim("id-token-iss-twice", &[J::Claim(M::Add("iss", b"\"https://evil.test\""))], DUPLICATE),
    claim("id-token-sub-twice-escaped", &[J::Claim(M::Add("\\u0073ub", b"\"mallory\""))], DUPLICATE),
    claim("id-token-unknown-claims", &[J::Claim(M::Add("x_new", b"{\"deep\":[1,2,{}]}"))], ACCEPTED),
    claim("id-token-deep", &[J::Claim(M::Add("x", DEEP))], TOO_LARGE),
    claim("id-token-of-100-kb", &[J::Claim(M::Add("x", LONG))], TOO_LARGE),
    response("id-token-no-jwt", &[M::Set("id_token", b"\"nonsense\"")], MALFORMED),
    response("id-token-of-five-parts", &[M::Set("id_token", b"\"e30.e30.e30.e30.e30\"")], MALFORMED),
    response("id-token-number", &[M::Set("id_token", b"17")], MALFORMED),
    response("id-token-twice", &[M::Add("id_token", b"\"e30.e30.\"")], DUPLICATE),
    response("id-token-not-there", &[M::Remove("id_token")], MISSING),
    // What it belongs to.
    claim("id-token-nonce-missing", &[J::Claim(M::Remove("nonce"))], NONCE),
    claim("id-token-nonce-empty", &[J::Claim(M::Set("nonce", b"\"\""))], NONCE),
    claim("id-token-nonce-number", &[J::Claim(M::Set("nonce", b"17"))], MALFORMED),
    claim("id-token-nonce-twice", &[J::Claim(M::Add("nonce", b"\"another\""))], DUPLICATE),
    claim("id-token-at-hash-wrong", &[J::Claim(M::Set("at_hash", b"\"77QmUPtjPfzWtF2AnpK9RQ\""))], BINDING),
    claim("id-token-at-hash-of-another-algorithm", &[J::HashBy("at_hash", "RS512")], BINDING),
    claim("id-token-at-hash-missing", &[J::Claim(M::Remove("at_hash"))], ACCEPTED),
    // How the user signed in, if the client asked (Core §3.1.2.1, §5.5.1.1).
    claim("id-token-auth-time-missing", &[J::Claim(M::Remove("auth_time"))], MISSING).of(Feature::MaxAge),
    claim("id-token-auth-time-old", &[J::Time("auth_time", -1000)], TOO_OLD).of(Feature::MaxAge),
    claim("id-token-auth-time-in-the-future", &[J::Time("auth_time", 120)], NOT_YET).of(Feature::MaxAge),
    claim("id-token-acr-missing", &[J::Claim(M::Remove("acr"))], OTHER_SIGN_IN).of(Feature::Acr),
    claim("id-token-acr-other", &[J::Claim(M::Set("acr", b"\"0\""))], OTHER_SIGN_IN).of(Feature::Acr),
    // The two ID tokens of the hybrid flow (Core §3.3.3.6).
    hybrid("hybrid-second-of-another-user", &[J::Claim(M::Set("sub", b"\"mallory\""))], SUBJECT),
    hybrid("hybrid-second-of-another-issuer", &[J::Claim(M::Set("iss", b"\"https://evil.test\""))], ISSUER),
    by_browser("hybrid-id-token-not-there", Effect::Callback(&[Param::Remove("id_token")]), MISSING),
    by_browser("hybrid-id-token-twice", Effect::Callback(&[Param::Repeat("id_token")]), DUPLICATE),
    by_browser(
        "hybrid-access-token-unasked",
        Effect::Callback(&[Param::Add("access_token", "leaked"), Param::Add("token_type", "Bearer")]),
        untrusted(Reason::UnexpectedToken),
    ),
    by_browser("hybrid-code-of-another", Effect::Callback(&[Param::Set("code", "code-of-another")]), BINDING),
    by_browser("hybrid-c-hash-of-another-algorithm", Effect::Jwt(&[J::HashBy("c_hash", "RS512")]), BINDING),
    by_browser("hybrid-alg-none", Effect::Jwt(&[J::Unsigned("none")]), ALGORITHM),
    // The ID token that a refresh brings (Core §12.2).
    refreshed("refreshed-id-token-for-another", &[J::Claim(M::Set("aud", b"\"other\""))], AUDIENCE),
    refreshed("refreshed-id-token-expired", &[J::Time("exp", -61)], EXPIRED),
    refreshed("refreshed-id-token-signature-broken", &[J::BrokenSignature], SIGNATURE),
    refreshed("refreshed-id-token-of-another-nonce", &[J::Claim(M::Set("nonce", b"\"other\""))], NONCE),
    refreshed("refreshed-id-token-of-another-sign-in", &[J::Time("auth_time", -5000)], OTHER_SIGN_IN),
    Fault::new(
        "refreshed-id-token-not-there",
        Place::Token,
        Effect::Json(&[M::Remove("id_token")]),
        ACCEPTED,
    )
    .of(Feature::Refresh)
    .after(1),
    // What the document names (Discovery §3).
    metadata(
        "metadata-jwks-uri-missing",
        &[M::Remove("jwks_uri")],
        Expect::Rejected { kind: ErrorKind::Config, reason: Reason::MissingEndpoint },
    ),
    metadata("metadata-jwks-uri-http", &[M::Set("jwks_uri", b"\"http://issuer.test/jwks\"")], INSECURE),
    metadata(
        "metadata-jwks-uri-userinfo",
        &[M::Set("jwks_uri", b"\"https://issuer.test@evil.test/jwks\"")],
        INVALID_URL,
    ),
    metadata("metadata-jwks-uri-number", &[M::Set("jwks_uri", b"17")], MALFORMED),
    metadata("metadata-jwks-uri-twice", &[M::Add("jwks_uri", b"\"https://evil.test/jwks\"")], DUPLICATE),
    metadata(
        "metadata-userinfo-endpoint-http",
        &[M::Set("userinfo_endpoint", b"\"http://issuer.test/userinfo\"")],
        INSECURE,
    ),
    metadata("metadata-userinfo-endpoint-number", &[M::Set("userinfo_endpoint", b"17")], MALFORMED),
    metadata(
        "metadata-end-session-endpoint-script",
        &[M::Set("end_session_endpoint", b"\"javascript:alert(1)\"")],
        INVALID_URL,
    ),
];
