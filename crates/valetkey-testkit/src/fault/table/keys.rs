//! Faults of JWK sets (RFC 7517): what a client cannot use, it leaves aside, and what it needs must be there.

use valetkey_proto::{ErrorKind, Reason};

use super::*;
use crate::fault::{Body, KeyEdit as K, Member};

const P: Place = Place::Keys;

const fn row(name: &'static str, effect: Effect, expect: Expect) -> Fault {
    Fault::new(name, P, effect, expect).of(Feature::OpenId)
}

const fn edited(name: &'static str, edits: &'static [K], expect: Expect) -> Fault {
    row(name, Effect::Keys(edits), expect)
}

const NOT_FOUND: Expect = untrusted(Reason::KeyNotFound);
const NOT_THERE: Expect = Expect::Rejected { kind: ErrorKind::Server, reason: Reason::UnexpectedStatus };

pub(super) const ROWS: &[Fault] = &[
    // Keys beside the right one.
    edited("keys-with-decoys", &[K::Decoys(50)], ACCEPTED),
    edited("keys-unknown-kty", &[K::First(r#"{"kty":"AKP","kid":"rs256-1","pub":"AA"}"#)], ACCEPTED),
    edited("keys-unknown-curve", &[K::First(r#"{"kty":"EC","crv":"P-111","x":"AA","y":"AA"}"#)], ACCEPTED),
    edited("keys-without-kty", &[K::First(r#"{"kid":"rs256-1"}"#)], ACCEPTED),
    edited("keys-no-object", &[K::First("17")], ACCEPTED),
    edited("keys-one-broken", &[K::First(r#"{"kty":"RSA","kid":"rs256-1","n":"!!!","e":"AQAB"}"#)], ACCEPTED),
    edited("keys-one-short", &[K::First(r#"{"kty":"RSA","kid":"rs256-1","n":"wQ","e":"AQAB"}"#)], ACCEPTED),
    // A secret in a public place is nobody's key (RFC 8725 §3.5).
    edited("keys-with-a-secret", &[K::First(r#"{"kty":"oct","kid":"rs256-1","k":"c2VjcmV0"}"#)], ACCEPTED),
    edited("keys-without-kid", &[K::Without("kid")], ACCEPTED),
    edited("keys-without-alg-and-use", &[K::Without("alg"), K::Without("use")], ACCEPTED),
    // No right one.
    edited("keys-removed", &[K::Drop("RS256")], NOT_FOUND),
    edited("keys-of-other-names", &[K::Set("kid", "other")], NOT_FOUND),
    edited("keys-for-encryption", &[K::Set("use", "enc")], NOT_FOUND),
    edited("keys-for-another-algorithm", &[K::Set("alg", "PS256")], NOT_FOUND),
    edited("keys-10000", &[K::Decoys(10_000)], TOO_LARGE),
    row("keys-none", answer(200, &[JSON], b"{\"keys\":[]}"), NOT_FOUND),
    // No set.
    row("keys-missing", answer(200, &[JSON], b"{}"), protocol(Reason::MissingParameter)),
    row("keys-no-list", answer(200, &[JSON], b"{\"keys\":{}}"), MALFORMED),
    row("keys-twice", Effect::Json(&[Member::Add("keys", b"[]")]), DUPLICATE),
    row("keys-empty", answer(200, &[JSON], b""), MALFORMED),
    row("keys-html", answer(200, &[HTML], PAGE), protocol(Reason::UnexpectedMediaType)),
    row("keys-404", answer(404, &[HTML], PAGE), NOT_THERE),
    row("keys-500", answer(500, &[HTML], PAGE), SERVER_FAILED),
    row("keys-503-once", answer(503, &[HTML], PAGE), ACCEPTED).times(1),
    redirect("keys-redirect-302", P, 302, REDIRECTED).of(Feature::OpenId),
    redirect("keys-redirect-307", P, 307, REDIRECTED).of(Feature::OpenId),
    // How it comes.
    row("keys-padded-to-10-mb", Effect::Body(Body::Padded(10 << 20)), TOO_LARGE),
    row("keys-endless", Effect::Body(Body::Endless), TOO_LARGE),
    row("keys-truncated", Effect::Body(Body::Truncated), transport(Reason::Truncated)),
    row("keys-stalling", Effect::Body(Body::Stalling), TIMED_OUT),
    row("keys-unreachable", Effect::Refuse, transport(Reason::Unreachable)),
    row("keys-unreachable-once", Effect::Refuse, ACCEPTED).times(1),
];
