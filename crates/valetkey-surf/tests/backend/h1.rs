//! What is async-h1's alone.

use std::net::TcpListener;

use valetkey_http::{FailureKind, Sent};
use valetkey_surf::{BuildError, SurfBackend};

use crate::{get, post, send, told};
use valetkey_backend_suite::server::Server;

fn backend() -> SurfBackend {
    SurfBackend::builder().h1_no_tls().build().unwrap()
}

#[test]
fn https_is_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let failure = send(&backend(), post(url, "code=1")).unwrap_err();
    assert_eq!(told(&failure), (FailureKind::Config, Sent::Nothing));
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "nobody came");
}

#[test]
fn what_needs_libcurl_cannot_be_built() {
    let builder = || SurfBackend::builder().h1_no_tls();
    let pem = "-----BEGIN CERTIFICATE-----";
    let cases = [
        (builder().extra_roots(pem), "extra_roots"),
        (builder().identity(pem, "-----BEGIN PRIVATE KEY-----"), "identity"),
        (builder().proxy("http://127.0.0.1:1"), "proxy"),
    ];
    for (builder, name) in cases {
        assert!(matches!(builder.build(), Err(BuildError::Unsupported(method)) if method == name), "{name}");
    }
}

#[test]
fn answers_that_async_h1_misreads_are_errors() {
    let status = |code| Sent::Answered(http::StatusCode::from_u16(code).unwrap());
    let cases = [
        ("HTTP/1.1 200 OK\r\n\r\nends with the connection", status(200)),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", status(200)),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", status(200)),
        ("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", Sent::Maybe),
        ("HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", Sent::Maybe),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\n\r\nok", Sent::Maybe),
        ("", Sent::Maybe),
    ];
    for (answer, sent) in cases {
        let server = Server::answering(answer);
        let failure = send(&backend(), post(server.url("/"), "code=1")).unwrap_err();
        assert_eq!(told(&failure), (FailureKind::Protocol, sent), "{answer}");
    }
}

#[test]
fn a_bodiless_answer_is_whole() {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n");
    let request = http::Request::head(server.url("/")).body(bytes::Bytes::new()).unwrap();
    let response = send(&backend(), request).unwrap();
    assert_eq!(response.headers()["content-length"], "4");
    assert!(response.body().is_empty());
    let server = Server::answering("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(send(&backend(), get(server.url("/"))).unwrap().status(), 204);
}

#[test]
fn repeated_fields_are_sent() {
    let server = Server::keeping();
    let mut request = get(server.url("/"));
    request.headers_mut().append("x", "1".parse().unwrap());
    request.headers_mut().append("x", "2".parse().unwrap());
    send(&backend(), request).unwrap();
    assert!(server.seen()[0].contains("x: 1\r\nx: 2\r\n"));
}

#[test]
fn s_net_04_a_line_without_end_is_ended() {
    let server = Server::start(|peer| {
        peer.request();
        peer.say("HTTP/1.1 200 OK\r\nx: ");
        peer.say_on("y".repeat(64 << 10), std::time::Duration::ZERO);
    });
    let failure = send(&backend(), get(server.url("/"))).unwrap_err();
    assert_eq!(told(&failure), (FailureKind::TooLarge, Sent::Maybe));
}
