//! What reaches the server is what was given, or nothing is sent.

use bytes::Bytes;
use valetkey_http::{FailureKind, Sent};

use crate::{backend, builder, get, limits, post, send, server::Server, told};

#[test]
fn the_bytes_of_the_uri() {
    let server = Server::keeping();
    let backend = backend();
    for fresh in [false, true] {
        for path in
            ["/a'b", "/%2e%2e/x", "/../x/./y", "/a|b?c|d='e'", "/?", "/?a=%7e~", "//x", "/\u{e9}?\u{e9}"]
        {
            send(&backend, get(server.url(path)), limits(fresh)).unwrap();
            let line = format!("GET {path} HTTP/1.1\r\n");
            assert!(server.seen().last().unwrap().starts_with(&line), "{path}: {:?}", server.seen().last());
        }
    }
}

#[test]
fn headers_go_as_they_are_and_none_is_added() {
    let server = Server::keeping();
    let backend = backend();
    for fresh in [false, true] {
        let mut request = post(server.url("/"), "");
        request.headers_mut().insert("content-length", "0".parse().unwrap());
        request.headers_mut().append("x-twice", "1".parse().unwrap());
        request.headers_mut().append("x-twice", "\u{e9}".parse().unwrap());
        send(&backend, request, limits(fresh)).unwrap();
        let seen = server.seen().pop().unwrap();
        assert_eq!(seen.matches("content-length: 0\r\n").count(), 1, "{seen}");
        assert!(seen.contains("x-twice: 1\r\nx-twice: \u{e9}\r\n"));
        assert_eq!(seen.matches(&format!("host: {}\r\n", server.address)).count(), 1);
        assert_eq!(seen.lines().count(), 6, "nothing else: {seen}");

        send(&backend, post(server.url("/"), "a=b"), limits(fresh)).unwrap();
        let seen = server.seen().pop().unwrap();
        assert!(seen.contains("content-length: 3\r\n") && seen.ends_with("\r\n\r\na=b"), "{seen}");
        assert!(!seen.contains("chunked") && seen.lines().count() == 5, "nothing else: {seen}");
    }
    let backend = builder().user_agent("app/2").build().unwrap();
    let mut request = get(server.url("/"));
    send(&backend, request.clone(), limits(false)).unwrap();
    assert!(server.seen().pop().unwrap().contains("user-agent: app/2\r\n"));
    request.headers_mut().insert("user-agent", "own/1".parse().unwrap());
    send(&backend, request, limits(false)).unwrap();
    let seen = server.seen().pop().unwrap();
    assert!(seen.contains("user-agent: own/1\r\n") && !seen.contains("app/2"));
}

#[test]
fn any_method_with_and_without_a_body() {
    let server = Server::keeping();
    let backend = backend();
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "x-own"] {
        for body in ["", "a=b"] {
            let mut request = post(server.url("/"), body);
            *request.method_mut() = method.parse().unwrap();
            let response = send(&backend, request, limits(false)).unwrap();
            assert_eq!(response.body(), "ok", "{method} {body}");
            let seen = server.seen().pop().unwrap();
            assert!(
                seen.starts_with(&format!("{method} / ")) && seen.ends_with(&format!("\r\n\r\n{body}")),
                "{seen}"
            );
        }
    }
    let body = Bytes::from(vec![b'x'; 1 << 20]);
    let large = http::Request::put(server.url("/")).body(body.clone()).unwrap();
    send(&backend, large, limits(true)).unwrap();
    assert!(server.seen().last().unwrap().as_bytes().ends_with(&body));
}

#[test]
fn connections_are_kept_but_for_those_of_one_request() {
    let server = Server::keeping();
    let backend = backend();
    for (fresh, expected) in [(false, 1), (false, 1), (true, 2), (false, 2), (true, 3)] {
        send(&backend, get(server.url("/")), limits(fresh)).unwrap();
        assert_eq!(server.connections(), expected);
        assert!(!fresh || server.is_left(), "the connection is closed");
    }
}

#[test]
fn what_cannot_be_sent_as_given_is_refused() {
    let server = Server::keeping();
    for (name, value) in [
        ("content-length", "7"),
        ("content-length", "3"),
        ("transfer-encoding", "chunked"),
        ("authorization", "\u{e9}"),
        ("host", "\u{e9}"),
        ("host", "other.test"),
    ] {
        let mut request = post(server.url("/"), "a=b");
        request.headers_mut().append(name, "3".parse().unwrap());
        request.headers_mut().append(name, value.parse().unwrap());
        if matches!(name, "authorization" | "host") && value == "\u{e9}" {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let failure = send(&backend(), request, limits(false)).unwrap_err();
        assert_eq!(told(&failure), (FailureKind::Config, Sent::Nothing), "{name}: {value}");
    }
    for uri in ["/path", "ftp://host/", "https://user:password@host/", "https://host:99999/"] {
        let failure = send(&backend(), get(uri), limits(false)).unwrap_err();
        assert_eq!(told(&failure), (FailureKind::Config, Sent::Nothing), "{uri}");
    }
    assert_eq!(server.connections(), 0);
}
