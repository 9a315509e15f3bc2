//! Where surf on libcurl falls short of the suite, and why.

use valetkey_backend_suite::Outcome::{self, Differs, Fails};
use valetkey_http::{
    FailureKind::{Closed, Config, Other, Panicked, Protocol, Timeout, Truncated},
    Phase,
    Sent::{self, Maybe, Nothing},
};

const OK: Sent = Sent::Answered(http::StatusCode::OK);

/// Why, how it ends, and which cases do.
pub(crate) const SHORT: &[(&str, &[Outcome], &[&str])] = &[
    (
        "surf knows a list of methods, and always gives HEAD a body, for which libcurl waits for one",
        &[Fails(Config, Nothing)],
        &["sending::methods", "sending::a_method_of_ones_own", "answers::to_head"],
    ),
    (
        "http-client hands libcurl one field of a name, and http-types knows ASCII",
        &[Fails(Config, Nothing)],
        &["sending::repeated_fields", "sending::values_that_are_not_ascii"],
    ),
    (
        "the crate `url` and libcurl write URIs anew: what they would change is refused",
        &[Fails(Config, Nothing)],
        &["sending::the_bytes_of_the_uri"],
    ),
    (
        "http-types gives every request a body",
        &[Differs("the body of a GET")],
        &["sending::a_get_has_no_body"],
    ),
    (
        "http-client panics on what http-types does not know",
        &[Fails(Panicked, Maybe)],
        &[
            "answers::every_registered_status",
            "answers::every_other_status",
            "answers::values_that_are_not_ascii",
            "redirects::other_ways_to_point_elsewhere",
        ],
    ),
    (
        "libcurl refuses transfer codings that it does not know",
        &[Fails(Protocol, Maybe)],
        &["framing::http_1_1_without_a_length"],
    ),
    (
        "libcurl has one code for all that breaks while it receives",
        &[Fails(Closed, Maybe), Fails(Closed, OK)],
        &["framing::bad_chunks"],
    ),
    (
        "isahc tells of a response when its body begins: before that it has no status",
        &[Fails(Closed, Maybe)],
        &[
            "framing::a_cut_body",
            "framing::a_cut_chunk",
            "framing::a_body_that_is_reset",
            "tls::a_body_that_ends_without_a_goodbye",
        ],
    ),
    (
        "isahc tells of a response when its body begins, and there it does not",
        &[Fails(Timeout(Phase::Head), Maybe)],
        &["limits::s_net_04_bodies_are_capped"],
    ),
    (
        "libcurl takes a head that ends with the connection for a whole one: the length that it told is missed",
        &[Fails(Truncated, OK)],
        &["framing::a_head_cut_anywhere"],
    ),
    (
        "isahc hears of what was given up when the next byte comes; the backend ends it later",
        &[Differs("a stuck connection")],
        &["cancelling::closes_the_connection"],
    ),
    (
        "libcurl waits by `select`, which has room for 1,024 files, and its thread ends",
        &[Fails(Other, Nothing)],
        &["together::more_than_1024_open_files"],
    ),
];
