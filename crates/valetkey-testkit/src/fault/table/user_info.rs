//! Faults of `UserInfo` (OpenID Connect Core §5.3.4), and of logout tokens (Back-Channel Logout §2.6).

use valetkey_proto::{ErrorKind, Reason};

use super::*;
use crate::fault::{Body, JwtEdit as J, Member as M};

const P: Place = Place::UserInfo;

const fn row(name: &'static str, effect: Effect, expect: Expect) -> Fault {
    Fault::new(name, P, effect, expect).of(Feature::OpenId)
}

const fn edited(name: &'static str, edits: &'static [M], expect: Expect) -> Fault {
    row(name, Effect::Json(edits), expect)
}

const fn signed(name: &'static str, edits: &'static [J], expect: Expect) -> Fault {
    Fault::new(name, P, Effect::Jwt(edits), expect).of(Feature::SignedUserInfo)
}

const fn logout(name: &'static str, edits: &'static [J], expect: Expect) -> Fault {
    Fault::new(name, Place::BackChannelLogout, Effect::Jwt(edits), expect).of(Feature::BackChannelLogout)
}

const MISSING: Expect = protocol(Reason::MissingParameter);
const KIND: Expect = untrusted(Reason::KindMismatch);
const SIGNATURE: Expect = untrusted(Reason::SignatureInvalid);
const EXPIRED: Expect = Expect::Rejected { kind: ErrorKind::Expired, reason: Reason::JwtExpired };
const INVALID_TOKEN: (&str, &str) = ("www-authenticate", "Bearer error=\"invalid_token\"");

pub(super) const ROWS: &[Fault] = &[
    // Whom it is about (Core §5.3.2).
    edited("user-info-sub-missing", &[M::Remove("sub")], MISSING),
    edited("user-info-sub-empty", &[M::Set("sub", b"\"\"")], untrusted(Reason::SubjectMismatch)),
    edited("user-info-sub-number", &[M::Set("sub", b"17")], MALFORMED),
    edited("user-info-sub-case", &[M::Set("sub", b"\"Alice\"")], untrusted(Reason::SubjectMismatch)),
    edited("user-info-sub-twice", &[M::Add("sub", b"\"mallory\"")], DUPLICATE),
    edited("user-info-unknown-members", &[M::Add("x_new", b"[1,{}]")], ACCEPTED),
    edited("user-info-deep", &[M::Add("x", DEEP)], TOO_LARGE),
    row("user-info-html", answer(200, &[HTML], PAGE), protocol(Reason::UnexpectedMediaType)),
    row("user-info-empty", answer(200, &[JSON], b""), MALFORMED),
    row("user-info-array", Effect::Around(b"[", b"]"), MALFORMED),
    row("user-info-401", answer(401, &[INVALID_TOKEN], b""), DENIED),
    row("user-info-500", answer(500, &[HTML], PAGE), SERVER_FAILED),
    redirect("user-info-redirect-302", P, 302, REDIRECTED).of(Feature::OpenId),
    redirect("user-info-redirect-307", P, 307, REDIRECTED).of(Feature::OpenId),
    // How it comes.
    row("user-info-of-100-mb", Effect::Body(Body::Padded(100 << 20)), TOO_LARGE),
    row("user-info-endless", Effect::Body(Body::Endless), TOO_LARGE),
    row("user-info-truncated", Effect::Body(Body::Truncated), transport(Reason::Truncated)),
    row("user-info-stalling", Effect::Body(Body::Stalling), TIMED_OUT),
    row("user-info-unreachable-once", Effect::Refuse, ACCEPTED).times(1),
    // Signed, as registered (Core §5.3.2).
    signed("user-info-signed-by-a-stranger", &[J::Stranger], SIGNATURE),
    signed("user-info-signature-broken", &[J::BrokenSignature], SIGNATURE),
    signed("user-info-signed-by-es256", &[J::Alg("ES256")], untrusted(Reason::AlgorithmMismatch)),
    signed("user-info-unsigned-jwt", &[J::Unsigned("none")], untrusted(Reason::AlgorithmMismatch)),
    signed(
        "user-info-of-another-issuer",
        &[J::Claim(M::Set("iss", b"\"https://evil.test\""))],
        untrusted(Reason::IssuerMismatch),
    ),
    signed(
        "user-info-for-another",
        &[J::Claim(M::Set("aud", b"\"other\""))],
        untrusted(Reason::AudienceMismatch),
    ),
    signed("user-info-with-a-nonce", &[J::Claim(M::Set("nonce", b"\"n\""))], KIND),
    Fault::new(
        "user-info-unsigned",
        P,
        answer(200, &[JSON], b"{\"sub\":\"alice\"}"),
        untrusted(Reason::KindMismatch),
    )
    .of(Feature::SignedUserInfo),
    // Logout tokens.
    logout("logout-token-expired", &[J::Time("exp", -61)], EXPIRED),
    logout("logout-token-exp-missing", &[J::Claim(M::Remove("exp"))], MISSING),
    logout("logout-token-iat-missing", &[J::Claim(M::Remove("iat"))], MISSING),
    logout("logout-token-jti-missing", &[J::Claim(M::Remove("jti"))], MISSING),
    logout("logout-token-iss-missing", &[J::Claim(M::Remove("iss"))], MISSING),
    logout("logout-token-about-nobody", &[J::Claim(M::Remove("sub")), J::Claim(M::Remove("sid"))], MISSING),
    logout("logout-token-by-sid-alone", &[J::Claim(M::Remove("sub"))], ACCEPTED),
    logout("logout-token-by-sub-alone", &[J::Claim(M::Remove("sid"))], ACCEPTED),
    logout("logout-token-events-list", &[J::Claim(M::Set("events", b"[]"))], KIND),
    logout("logout-token-typ-missing", &[J::Header(M::Remove("typ"))], ACCEPTED),
    logout("logout-token-typ-access-token", &[J::Header(M::Set("typ", b"\"at+jwt\""))], KIND),
    logout("logout-token-signed-by-a-stranger", &[J::Stranger], SIGNATURE),
    logout(
        "logout-token-crit",
        &[J::Header(M::Set("crit", b"[\"exp\"]"))],
        untrusted(Reason::UnsupportedHeader),
    ),
];
