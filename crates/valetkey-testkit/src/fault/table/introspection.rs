//! Faults of the introspection endpoint (RFC 7662). They are about a token that is good.

use std::time::Duration;

use valetkey_proto::Reason;

use super::*;
use crate::fault::{Body, Member};

const I: Place = Place::Introspection;

/// `active` is this.
const fn active(name: &'static str, edit: &'static [Member], expect: Expect) -> Fault {
    Fault::new(name, I, Effect::Json(edit), expect)
}

pub(super) const ROWS: &[Fault] = &[
    active("introspection-active-text", &[Member::Set("active", b"\"true\"")], MALFORMED),
    active("introspection-active-number", &[Member::Set("active", b"1")], MALFORMED),
    active("introspection-active-list", &[Member::Set("active", b"[true]")], MALFORMED),
    active(
        "introspection-active-null",
        &[Member::Set("active", b"null")],
        protocol(Reason::MissingParameter),
    ),
    active("introspection-active-missing", &[Member::Remove("active")], protocol(Reason::MissingParameter)),
    active("introspection-active-twice", &[Member::Add("active", b"false")], DUPLICATE),
    active("introspection-scope-number", &[Member::Set("scope", b"7")], MALFORMED),
    active("introspection-exp-text", &[Member::Set("exp", b"\"tomorrow\"")], MALFORMED),
    active("introspection-deep", &[Member::Set("x", DEEP)], protocol(Reason::TooLarge)),
    active("introspection-unknown-member", &[Member::Set("x", b"{\"y\":[1]}")], ACCEPTED),
    redirect("introspection-redirect-302", I, 302, REDIRECTED),
    redirect("introspection-redirect-307", I, 307, REDIRECTED),
    Fault::new("introspection-html", I, answer(200, &[HTML], PAGE), protocol(Reason::UnexpectedMediaType)),
    Fault::new("introspection-empty", I, answer(200, &[JSON], b""), MALFORMED),
    Fault::new("introspection-refused", I, answer(401, &[JSON], b"{\"error\":\"invalid_client\"}"), DENIED),
    Fault::new("introspection-500", I, answer(500, &[HTML], PAGE), SERVER_FAILED),
    Fault::new("introspection-503-retry-after", I, answer(503, &[("retry-after", "2")], b""), ACCEPTED)
        .times(1),
    Fault::new("introspection-dropped-once", I, Effect::Drop, ACCEPTED).times(1),
    Fault::new("introspection-dropped", I, Effect::Drop, transport(Reason::ConnectionLost)),
    Fault::new("introspection-endless", I, Effect::Body(Body::Endless), TOO_LARGE),
    Fault::new("introspection-truncated", I, Effect::Body(Body::Truncated), transport(Reason::Truncated)),
    Fault::new("introspection-slow-head", I, Effect::SlowHead(Duration::from_secs(60)), TIMED_OUT),
];
