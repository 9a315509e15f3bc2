//! Servers that break off, stammer or lie: one transmission each, and an honest report.

use http::StatusCode;
use valetkey_http::{Backend, FailureKind, Sent, Unframed};

use crate::{backend, get, limits, millis, post, server::Server, told};

const OK: Sent = Sent::Answered(StatusCode::OK);

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn s_tk_18_each_fault_costs_one_transmission_and_is_told() {
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(500 << 10));
    let cases: [(&str, FailureKind, Sent); 11] = [
        ("", FailureKind::Closed, Sent::Maybe),
        ("HTTP/1.1 2", FailureKind::Closed, Sent::Maybe),
        ("HTTP/1.1 200 OK\r\n", FailureKind::Closed, Sent::Maybe),
        ("SSH-2.0-x\r\n\r\n", FailureKind::Protocol, Sent::Maybe),
        ("HTTP/1.1 200 OK\r\n: x\r\n\r\n", FailureKind::Protocol, Sent::Maybe),
        (&long, FailureKind::TooLarge, Sent::Maybe),
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
            for request in [get(server.url("/?code=secret")), post(server.url("/?code=secret"), "")] {
                let before = server.seen().len();
                let failure = backend.send(request, limits(fresh)).await.unwrap_err();
                assert_eq!(told(&failure), (kind, sent), "{:.60} ({fresh})", answer);
                assert!(!format!("{failure:?}").contains("secret"), "no URL in an error: {failure:?}");
                backend.sleep(millis(10)).await;
                assert_eq!(server.seen().len(), before + 1, "sent again after {answer:.60}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn s_tk_18_a_kept_connection_that_the_server_drops_under_a_request() {
    for method in ["GET", "POST", "PUT"] {
        let server = Server::start(|peer| {
            peer.request();
            peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
            peer.request();
        });
        let backend = backend();
        backend.send(get(server.url("/")), limits(false)).await.unwrap();
        backend.sleep(millis(20)).await;
        let mut request = get(server.url("/"));
        *request.method_mut() = method.parse().unwrap();
        let failure = backend.send(request, limits(false)).await.unwrap_err();
        assert_eq!(told(&failure), (FailureKind::Closed, Sent::Maybe));
        backend.sleep(millis(10)).await;
        assert_eq!(server.seen().len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn odd_answers() {
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
        let response = backend().send(get(server.url("/")), limits(false)).await.unwrap();
        assert_eq!((response.status().as_u16(), &response.body()[..]), (status, body.as_bytes()));
        assert_eq!(response.extensions().get::<Unframed>().is_some(), is_unframed);
    }
}
