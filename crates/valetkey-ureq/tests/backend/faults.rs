//! Servers that break off, stammer, stall or lie: one transmission each, and an honest report.

use std::io::Write;

use http::StatusCode;
use valetkey_http::{FailureKind, Limits, Phase, Sent, Unframed};

use crate::{backend, get, limits, millis, post, send, server::Server, told};

const OK: Sent = Sent::Answered(StatusCode::OK);

#[test]
fn s_tk_18_each_fault_costs_one_transmission_and_is_told() {
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(100 << 10));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(1000));
    let cases: [(&str, FailureKind, Sent); 12] = [
        ("", FailureKind::Closed, Sent::Maybe),
        ("HTTP/1.1 2", FailureKind::Closed, Sent::Maybe),
        ("HTTP/1.1 200 OK\r\n", FailureKind::Closed, Sent::Maybe),
        ("SSH-2.0-x\r\n\r\n", FailureKind::Protocol, Sent::Maybe),
        ("HTTP/1.1 200 OK\r\n: x\r\n\r\n", FailureKind::Protocol, Sent::Maybe),
        (&long, FailureKind::TooLarge, Sent::Maybe),
        (&many, FailureKind::Protocol, Sent::Maybe),
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc", FailureKind::Truncated, OK),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n", FailureKind::Truncated, OK),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\nabc\r\n0\r\n\r\n",
            FailureKind::Protocol,
            OK,
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nabc",
            FailureKind::Protocol,
            Sent::Maybe,
        ),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9999999\r\n\r\nabc", FailureKind::TooLarge, OK),
    ];
    for (answer, kind, sent) in cases {
        for fresh in [false, true] {
            let server = Server::answering(answer);
            let backend = backend();
            let url = server.url("/?code=secret");
            for request in [get(&url), post(&url, ""), post(&url, "a=b")] {
                let before = server.seen().len();
                let failure = send(&backend, request, limits(fresh)).unwrap_err();
                assert_eq!(told(&failure), (kind, sent), "{answer:.60} ({fresh})");
                assert!(!format!("{failure:?}").contains("secret"), "no URL in an error: {failure:?}");
                assert_eq!(server.seen().len(), before + 1, "sent again after {answer:.60}");
            }
        }
    }
}

#[test]
fn s_tk_18_a_kept_connection_that_the_server_drops_under_a_request() {
    for body in ["", "a=b"] {
        let server = Server::start(|peer| {
            peer.request();
            peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
            peer.request();
        });
        let backend = backend();
        send(&backend, get(server.url("/")), limits(false)).unwrap();
        let failure = send(&backend, post(server.url("/"), body), limits(false)).unwrap_err();
        assert_eq!(told(&failure), (FailureKind::Closed, Sent::Maybe));
        assert_eq!(server.seen().len(), 2);
    }
}

#[test]
fn s_net_03_redirects_are_answers() {
    for status in [301, 302, 303, 307, 308] {
        let other = Server::keeping();
        let location = other.url("/stolen");
        let server = Server::answering(format!(
            "HTTP/1.1 {status} See\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"
        ));
        for fresh in [false, true] {
            for request in [get(server.url("/")), post(server.url("/"), "code=secret")] {
                assert_eq!(send(&backend(), request, limits(fresh)).unwrap().status(), status);
            }
        }
        assert_eq!((server.seen().len(), other.connections()), (4, 0));
    }
}

#[test]
fn s_net_04_caps_and_deadlines() {
    let begun = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc";
    let short = |which: fn(&mut Limits)| {
        let mut limits = Limits::default();
        which(&mut limits);
        limits
    };
    for fresh in [false, true] {
        let cases = [
            (
                "",
                short(|limits| (limits.head, limits.idle) = (millis(60), millis(60))),
                Phase::Head,
                Sent::Maybe,
            ),
            ("", short(|limits| limits.head = millis(60)), Phase::Head, Sent::Maybe),
            ("", short(|limits| limits.total = millis(60)), Phase::Total, Sent::Maybe),
            (begun, short(|limits| limits.idle = millis(60)), Phase::Idle, OK),
            (begun, short(|limits| limits.total = millis(60)), Phase::Total, OK),
        ];
        for (said, mut limits, phase, sent) in cases {
            limits.fresh = fresh;
            let server = Server::start(move |peer| {
                peer.request();
                peer.say(said.as_bytes());
                peer.await_end();
            });
            let failure = send(&backend(), get(server.url("/")), limits).unwrap_err();
            assert_eq!(told(&failure), (FailureKind::Timeout(phase), sent));
            assert!(server.is_left(), "the connection is closed");
        }
        let endless = Server::start(|peer| {
            peer.request();
            peer.say(b"HTTP/1.1 200 OK\r\n\r\n");
            while peer.stream.write_all(&[b'x'; 1024]).is_ok() {}
            peer.tell_gone();
        });
        let failure = send(&backend(), get(endless.url("/")), limits(fresh)).unwrap_err();
        assert_eq!(told(&failure), (FailureKind::TooLarge, OK));
        assert!(endless.is_left());
    }
    // As long as it can be said.
    let server = Server::keeping();
    let endless = std::time::Duration::MAX;
    let mut patient = limits(false);
    (patient.connect, patient.head, patient.idle, patient.total) = (endless, endless, endless, endless);
    assert_eq!(send(&backend(), get(server.url("/")), patient).unwrap().body(), "ok");
}

#[test]
fn odd_answers() {
    for (answer, status, body, is_unframed) in [
        ("HTTP/1.1 499 Odd\r\nx-latin: \u{e9}\r\ncontent-length: 2\r\n\r\nok", 499, "ok", false),
        (
            "HTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            200,
            "ok",
            false,
        ),
        ("HTTP/1.0 200 OK\r\n\r\na=b", 200, "a=b", true),
        ("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\na=b", 200, "a=b", false),
    ] {
        let server = Server::answering(answer);
        let response = send(&backend(), get(server.url("/")), limits(false)).unwrap();
        assert_eq!((response.status().as_u16(), &response.body()[..]), (status, body.as_bytes()));
        assert_eq!(response.extensions().get::<Unframed>().is_some(), is_unframed);
    }
}
