//! Faults of registration (RFC 7591) and of `WebFinger` (RFC 7033), before a client knows whom it talks to.

use valetkey_proto::{ErrorKind, Reason};

use super::*;
use crate::fault::{Body, Member as M};

const P: Place = Place::Registration;
const W: Place = Place::WebFinger;

const fn row(name: &'static str, effect: Effect, expect: Expect) -> Fault {
    Fault::new(name, P, effect, expect).of(Feature::Registration)
}

const fn edited(name: &'static str, edits: &'static [M], expect: Expect) -> Fault {
    row(name, Effect::Json(edits), expect)
}

const fn finger(name: &'static str, effect: Effect, expect: Expect) -> Fault {
    Fault::new(name, W, effect, expect).of(Feature::WebFinger)
}

/// Another list of links.
const fn links(name: &'static str, edits: &'static [M], expect: Expect) -> Fault {
    finger(name, Effect::Json(edits), expect)
}

const MISSING: Expect = protocol(Reason::MissingParameter);
const INSECURE: Expect = protocol(Reason::InsecureUrl);
const NOT_JSON: Expect = protocol(Reason::UnexpectedMediaType);
const REFUSED: &[u8] = b"{\"error\":\"invalid_client_metadata\"}";
const HTTP_LINK: &[u8] =
    b"[{\"rel\":\"http://openid.net/specs/connect/1.0/issuer\",\"href\":\"http://issuer.test\"}]";
const OTHER_LINK: &[u8] =
    b"[{\"rel\":\"http://webfinger.net/rel/avatar\",\"href\":\"https://issuer.test/a.png\"}]";

pub(super) const ROWS: &[Fault] = &[
    // What was registered (RFC 7591 §3.2.1).
    edited("registration-client-id-missing", &[M::Remove("client_id")], MISSING),
    edited("registration-client-id-number", &[M::Set("client_id", b"17")], MALFORMED),
    edited("registration-client-id-twice", &[M::Add("client_id", b"\"other\"")], DUPLICATE),
    edited("registration-unknown-members", &[M::Add("x_new", b"[1,{}]")], ACCEPTED),
    edited(
        "registration-uri-http",
        &[M::Set("registration_client_uri", b"\"http://issuer.test/register/1\"")],
        INSECURE,
    ),
    row("registration-html", answer(201, &[HTML], PAGE), NOT_JSON),
    row("registration-empty", answer(201, &[JSON], b""), MALFORMED),
    row("registration-refused", answer(400, &[JSON], REFUSED), DENIED),
    row("registration-500", answer(500, &[HTML], PAGE), SERVER_FAILED),
    redirect("registration-redirect-307", P, 307, REDIRECTED).of(Feature::Registration),
    row("registration-padded-to-10-mb", Effect::Body(Body::Padded(10 << 20)), TOO_LARGE),
    row("registration-endless", Effect::Body(Body::Endless), TOO_LARGE),
    // There may be a client now that nobody knows: it is not asked for twice.
    row("registration-dropped", Effect::Drop, transport(Reason::OutcomeUnknown)),
    row("registration-unreachable-once", Effect::Refuse, ACCEPTED).times(1),
    // Where the provider of an account is (Discovery §2.1).
    links("webfinger-issuer-http", &[M::Set("links", HTTP_LINK)], INSECURE),
    links("webfinger-no-issuer", &[M::Set("links", OTHER_LINK)], MISSING),
    links("webfinger-links-missing", &[M::Remove("links")], MISSING),
    links("webfinger-links-text", &[M::Set("links", b"\"https://issuer.test\"")], MALFORMED),
    finger("webfinger-html", answer(200, &[HTML], PAGE), NOT_JSON),
    finger(
        "webfinger-404",
        answer(404, &[HTML], PAGE),
        Expect::Rejected { kind: ErrorKind::Server, reason: Reason::UnexpectedStatus },
    ),
    redirect("webfinger-redirect-302", W, 302, REDIRECTED).of(Feature::WebFinger),
    finger("webfinger-endless", Effect::Body(Body::Endless), TOO_LARGE),
];
