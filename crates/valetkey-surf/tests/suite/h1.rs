//! Where surf on async-h1 falls short of the suite, and why.

use valetkey_backend_suite::Outcome::{self, Differs, Fails, Unsupported};
use valetkey_http::{
    FailureKind::{Config, Panicked, Protocol, TooLarge},
    Sent::{self, Maybe, Nothing},
};

const OK: Sent = Sent::Answered(http::StatusCode::OK);

/// Why, how it ends, and which cases do.
pub(crate) const SHORT: &[(&str, &[Outcome], &[&str])] = &[
    (
        "surf knows a list of methods, and header fields of ASCII",
        &[Fails(Config, Nothing)],
        &["sending::a_method_of_ones_own", "sending::values_that_are_not_ascii"],
    ),
    ("async-h1 sorts them", &[Differs("the order of fields")], &["sending::fields_keep_their_order"]),
    (
        "the crate `url` writes URIs anew: what it would change is refused",
        &[Fails(Config, Nothing)],
        &["sending::the_bytes_of_the_uri"],
    ),
    (
        "http-types gives every request a body",
        &[Differs("the body of a GET")],
        &["sending::a_get_has_no_body"],
    ),
    (
        "http-types does not know the status",
        &[Fails(Protocol, Maybe)],
        &[
            "answers::every_registered_status",
            "answers::every_other_status",
            "redirects::other_ways_to_point_elsewhere",
        ],
    ),
    (
        "async-h1 takes an interim response for the last one",
        &[Fails(Protocol, Maybe)],
        &[
            "answers::interim_answers",
            "framing::an_interim_answer_alone",
            "limits::s_net_04_the_head_deadline",
            "limits::s_net_04_a_head_without_end",
        ],
    ),
    (
        "http-types knows ASCII, and async-h1 UTF-8",
        &[Fails(Protocol, Maybe), Fails(Panicked, Maybe)],
        &["answers::values_that_are_not_ascii"],
    ),
    (
        "async-h1 knows HTTP/1.1 alone",
        &[Fails(Protocol, Maybe)],
        &["framing::http_1_0", "framing::http_1_0_without_a_length", "closing::as_it_was_announced"],
    ),
    (
        "async-h1 has no body for what has no length and is not plainly `chunked`",
        &[Fails(Protocol, OK)],
        &[
            "framing::http_1_1_without_a_length",
            "framing::chunked",
            "framing::a_body_that_is_reset",
            "limits::s_net_04_bodies_are_capped",
            "limits::s_net_04_the_idle_deadline",
        ],
    ),
    (
        "async-h1 says in words alone that the connection was closed",
        &[Fails(Protocol, Maybe)],
        &[
            "closing::before_the_request_is_read",
            "closing::s_tk_18_after_the_request_was_read",
            "closing::s_tk_18_a_kept_connection_under_a_request",
        ],
    ),
    ("async-h1 reads heads of 8 KiB", &[Fails(TooLarge, Maybe)], &["limits::a_head_up_to_its_cap"]),
    (
        "there is no TLS: `https` is refused",
        &[Fails(Config, Nothing)],
        &[
            "connecting::unresolved",
            "connecting::s_net_04_the_deadline_of_the_backend_covers_tls",
            "connecting::s_net_04_the_deadline_of_a_send_covers_tls",
            "connecting::s_net_04_the_total_deadline_covers_connecting",
            "tls::s_net_02_old_versions",
            "tls::s_net_02_no_tls_at_all",
            "tls::a_handshake_that_ends_early",
        ],
    ),
    (
        "there is no TLS",
        &[Unsupported],
        &[
            "reusing::two_names_on_one_address",
            "tls::a_certificate_that_holds",
            "tls::s_net_02_an_unknown_authority",
            "tls::s_net_02_self_signed",
            "tls::s_net_02_expired",
            "tls::s_net_02_not_yet_valid",
            "tls::s_net_02_for_another_host",
            "tls::s_net_02_for_another_purpose",
            "tls::a_body_that_ends_without_a_goodbye",
            "tls::a_client_certificate",
            "tls::no_client_certificate",
            "tls::a_client_certificate_that_is_refused",
            "redirects::s_net_03_from_https_to_http",
            "together::two_backends",
        ],
    ),
];
