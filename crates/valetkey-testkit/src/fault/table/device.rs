//! Faults of the device authorization endpoint (RFC 8628 §3.2).

use valetkey_proto::Reason;

use super::*;
use crate::fault::{Body, Member};

const D: Place = Place::DeviceAuthorization;

/// The answer with this change.
const fn said(name: &'static str, edit: &'static [Member], expect: Expect) -> Fault {
    Fault::new(name, D, Effect::Json(edit), expect)
}

const NO_URL: Expect = protocol(Reason::InvalidUrl);
const MISSING: Expect = protocol(Reason::MissingParameter);
const SCRIPT: &[Member] = &[Member::Set("verification_uri", b"\"javascript:alert(1)\"")];
const PLAIN: &[Member] = &[Member::Set("verification_uri", b"\"http://evil.test/device\"")];
const COMPLETE: &[Member] = &[Member::Set("verification_uri_complete", b"\"file:///etc/passwd\"")];

pub(super) const ROWS: &[Fault] = &[
    said("device-page-script", SCRIPT, NO_URL),
    said("device-page-plain-http", PLAIN, protocol(Reason::InsecureUrl)),
    said("device-page-complete-file", COMPLETE, NO_URL),
    said("device-page-complete-number", &[Member::Set("verification_uri_complete", b"5")], MALFORMED),
    said("device-page-complete-missing", &[Member::Remove("verification_uri_complete")], ACCEPTED),
    said("device-page-missing", &[Member::Remove("verification_uri")], MISSING),
    said("device-code-missing", &[Member::Remove("device_code")], MISSING),
    said("device-user-code-missing", &[Member::Remove("user_code")], MISSING),
    said("device-user-code-terminal", &[Member::Set("user_code", b"\"\\u001b[2J\"")], MALFORMED),
    said("device-user-code-bidi", &[Member::Set("user_code", b"\"\\u202eABCD\"")], MALFORMED),
    said("device-user-code-twice", &[Member::Add("user_code", b"\"ABCD\"")], DUPLICATE),
    said("device-expiry-missing", &[Member::Remove("expires_in")], MISSING),
    said("device-expiry-negative", &[Member::Set("expires_in", b"-1")], MALFORMED),
    said("device-expiry-text", &[Member::Set("expires_in", b"\"600\"")], ACCEPTED),
    said("device-expiry-endless", &[Member::Set("expires_in", b"1e300")], ACCEPTED),
    said("device-interval-missing", &[Member::Remove("interval")], ACCEPTED),
    said("device-interval-text", &[Member::Set("interval", b"\"5\"")], ACCEPTED),
    said("device-interval-fraction", &[Member::Set("interval", b"5.5")], ACCEPTED),
    said("device-interval-negative", &[Member::Set("interval", b"-5")], MALFORMED),
    said("device-interval-word", &[Member::Set("interval", b"\"soon\"")], MALFORMED),
    said("device-deep", &[Member::Set("x", DEEP)], ACCEPTED),
    redirect("device-redirect-302", D, 302, REDIRECTED),
    redirect("device-redirect-307", D, 307, REDIRECTED),
    Fault::new("device-html", D, answer(200, &[HTML], PAGE), protocol(Reason::UnexpectedMediaType)),
    Fault::new("device-empty", D, answer(200, &[JSON], b""), MALFORMED),
    Fault::new("device-refused", D, answer(400, &[JSON], b"{\"error\":\"invalid_scope\"}"), DENIED),
    Fault::new(
        "device-refused-200",
        D,
        answer(200, &[JSON], b"{\"error\":\"device_flow_disabled\"}"),
        DENIED,
    ),
    Fault::new("device-500", D, answer(500, &[HTML], PAGE), SERVER_FAILED),
    Fault::new("device-503-retry-after", D, answer(503, &[("retry-after", "2")], b""), ACCEPTED).times(1),
    Fault::new("device-dropped-once", D, Effect::Drop, ACCEPTED).times(1),
    Fault::new("device-dropped", D, Effect::Drop, transport(Reason::ConnectionLost)),
    Fault::new("device-endless", D, Effect::Body(Body::Endless), TOO_LARGE),
    Fault::new("device-truncated", D, Effect::Body(Body::Truncated), transport(Reason::Truncated)),
];
