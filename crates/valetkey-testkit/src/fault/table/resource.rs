//! Faults of protected resources, whose answers are the caller's, and of the revocation endpoint (RFC 7009).

use std::time::Duration;

use valetkey_proto::{ErrorKind, Reason};

use super::*;
use crate::fault::Body;

const R: Place = Place::Resource;
const V: Place = Place::Revocation;

const INVALID_TOKEN: (&str, &str) = ("www-authenticate", "Bearer realm=\"api\", error=\"invalid_token\"");

pub(super) const ROWS: &[Fault] = &[
    // A redirect reaches the caller as it came; the token goes nowhere.
    redirect("resource-redirect-301", R, 301, ACCEPTED),
    redirect("resource-redirect-302", R, 302, ACCEPTED),
    redirect("resource-redirect-303", R, 303, ACCEPTED),
    redirect("resource-redirect-307", R, 307, ACCEPTED),
    redirect("resource-redirect-308", R, 308, ACCEPTED),
    Fault::new("resource-500", R, answer(500, &[HTML], PAGE), ACCEPTED),
    Fault::new("resource-html", R, answer(200, &[HTML], PAGE), ACCEPTED),
    // One 401 is answered with a new token and the same request (RFC 6750 §3.1).
    Fault::new("resource-401-once", R, answer(401, &[INVALID_TOKEN], b""), ACCEPTED).times(1),
    Fault::new("resource-endless", R, Effect::Body(Body::Endless), TOO_LARGE),
    Fault::new("resource-truncated", R, Effect::Body(Body::Truncated), transport(Reason::Truncated)),
    Fault::new("resource-stalling", R, Effect::Body(Body::Stalling), TIMED_OUT),
    // What a caller asked for may have been done, and is not asked for twice.
    Fault::new(
        "resource-slow-head",
        R,
        Effect::SlowHead(Duration::from_secs(60)),
        Expect::Rejected { kind: ErrorKind::Timeout, reason: Reason::OutcomeUnknown },
    ),
    Fault::new("resource-unreachable", R, Effect::Refuse, transport(Reason::Unreachable)),
    Fault::new("resource-dropped", R, Effect::Drop, transport(Reason::OutcomeUnknown)),
    redirect("revocation-redirect-301", V, 301, REDIRECTED),
    redirect("revocation-redirect-302", V, 302, REDIRECTED),
    redirect("revocation-redirect-303", V, 303, REDIRECTED),
    redirect("revocation-redirect-307", V, 307, REDIRECTED),
    redirect("revocation-redirect-308", V, 308, REDIRECTED),
    Fault::new("revocation-html", V, answer(200, &[HTML], PAGE), ACCEPTED),
    Fault::new(
        "revocation-refused",
        V,
        answer(400, &[JSON], b"{\"error\":\"unsupported_token_type\"}"),
        DENIED,
    ),
    Fault::new("revocation-500", V, answer(500, &[HTML], PAGE), SERVER_FAILED),
    Fault::new("revocation-503-retry-after", V, answer(503, &[("retry-after", "2")], b""), ACCEPTED).times(1),
    Fault::new("revocation-dropped-once", V, Effect::Drop, ACCEPTED).times(1),
    Fault::new("revocation-dropped", V, Effect::Drop, transport(Reason::ConnectionLost)),
    Fault::new("revocation-endless", V, Effect::Body(Body::Endless), TOO_LARGE),
    Fault::new("revocation-slow-head", V, Effect::SlowHead(Duration::from_secs(60)), TIMED_OUT),
];
