//! What is this backend's own: the suite has the rest.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use valetkey_backend_suite::{server::Server, tls::Authority};
use valetkey_http::{Backend, Failure, FailureKind, Limits, Request, Response, Sent};
use valetkey_ureq::{BuildError, Builder, UreqBackend};

/// A builder that does not care for the environment of the test.
fn builder() -> Builder {
    UreqBackend::builder().no_proxy()
}

/// Sends as somebody who polls once, and must not need to again.
fn send(backend: &UreqBackend, request: Request) -> Result<Response, Failure> {
    send_within(backend, request, Limits::default())
}

fn send_within(backend: &UreqBackend, request: Request, limits: Limits) -> Result<Response, Failure> {
    match pin!(backend.send(request, limits)).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("a future that blocks is ready when it is first polled"),
    }
}

fn request(method: &str, url: impl AsRef<str>, body: &'static str) -> Request {
    let request = http::Request::builder().method(method).uri(url.as_ref());
    request.body(Bytes::from_static(body.as_bytes())).unwrap()
}

fn told(failure: &Failure) -> (FailureKind, Sent) {
    (failure.kind(), failure.sent())
}

#[test]
fn no_header_is_added() {
    let server = Server::keeping();
    let names = || {
        let mut names: Vec<_> =
            server.received().pop().unwrap().fields().into_iter().map(|(name, _)| name).collect();
        names.sort();
        names
    };
    let backend = builder().build().unwrap();
    send(&backend, request("GET", server.url("/"), "")).unwrap();
    assert_eq!(names(), ["host"]);
    for body in ["", "a=b"] {
        send(&backend, request("POST", server.url("/"), body)).unwrap();
        assert_eq!(names(), ["content-length", "host"]);
    }
    let backend = builder().user_agent("app/2").build().unwrap();
    let mut own = request("GET", server.url("/"), "");
    send(&backend, own.clone()).unwrap();
    assert_eq!(server.received().pop().unwrap().values("user-agent"), [b"app/2"]);
    own.headers_mut().insert("user-agent", "own/1".parse().unwrap());
    send(&backend, own).unwrap();
    assert_eq!(server.received().pop().unwrap().values("user-agent"), [b"own/1"]);
}

#[test]
fn any_method_with_and_without_a_body() {
    let server = Server::keeping();
    let backend = builder().build().unwrap();
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "x-own"] {
        for body in ["", "a=b"] {
            let response = send(&backend, request(method, server.url("/"), body)).unwrap();
            assert_eq!(response.body(), "ok", "{method} {body}");
            let received = server.received().pop().unwrap();
            assert!(received.line().starts_with(&format!("{method} / ")), "{}", received.line());
            assert_eq!(received.body(), body.as_bytes());
            assert!(received.values("transfer-encoding").is_empty());
        }
    }
}

#[test]
fn what_cannot_be_sent_as_given_is_refused() {
    let server = Server::keeping();
    let backend = builder().build().unwrap();
    for fields in [
        &[("content-length", "7")][..],
        &[("content-length", "3"), ("content-length", "3")],
        &[("transfer-encoding", "chunked")],
        &[("authorization", "\u{e9}")],
        &[("host", "\u{e9}")],
        &[("host", "one.test"), ("host", "other.test")],
    ] {
        let mut request = request("POST", server.url("/"), "a=b");
        for &(name, value) in fields {
            request.headers_mut().append(name, value.parse().unwrap());
        }
        let failure = send(&backend, request).unwrap_err();
        assert_eq!(told(&failure), (FailureKind::Config, Sent::Nothing), "{fields:?}");
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn deadlines_may_be_as_long_as_can_be_said() {
    let server = Server::keeping();
    let mut limits = Limits::default();
    let endless = Duration::MAX;
    (limits.connect, limits.head, limits.idle, limits.total) = (endless, endless, endless, endless);
    let backend = builder().connect_timeout(endless).build().unwrap();
    assert_eq!(send_within(&backend, request("GET", server.url("/"), ""), limits).unwrap().body(), "ok");
}

#[test]
fn a_proxy_that_refuses_is_no_connection() {
    let proxy = Server::answering("HTTP/1.1 407 Who\r\ncontent-length: 0\r\n\r\n");
    let backend = builder().proxy(&format!("http://u:secret@{}", proxy.address())).build().unwrap();
    let failure = send(&backend, request("GET", "https://api.test/", "")).unwrap_err();
    assert_eq!(told(&failure), (FailureKind::Connect, Sent::Nothing));
    assert!(proxy.seen()[0].starts_with("CONNECT api.test:443 "));
    assert!(!format!("{failure:?} {backend:?}").contains("secret"));
    let unknown = builder().proxy("http://nonexistent.invalid").build().unwrap();
    let failure = send(&unknown, request("GET", "https://api.test/", "")).unwrap_err();
    assert_eq!(told(&failure), (FailureKind::Resolve, Sent::Nothing));
}

#[test]
fn what_cannot_be_built_says_why() {
    let (one, other) = (Authority::new().issue("client"), Authority::new().issue("client"));
    let (chain, key) = (one.chain_pem.as_str(), one.key_pem.as_str());
    assert!(matches!(builder().extra_roots("none").build(), Err(BuildError::Roots(_))));
    assert!(matches!(builder().user_agent("a\nb").build(), Err(BuildError::UserAgent)));
    for (chain, key) in [("none", key), (chain, "none"), (chain, other.key_pem.as_str())] {
        let builder = builder().identity(chain, key);
        assert!(!format!("{builder:?}").contains("PRIVATE"));
        let error = builder.build().unwrap_err();
        assert!(matches!(error, BuildError::Identity) && error.to_string().contains("PEM"));
    }
    for url in ["socks5://u:secret@host", "https://u:secret@host", "host", ""] {
        let Err(error) = builder().proxy(url).build() else { panic!("{url}") };
        assert!(matches!(error, BuildError::Proxy) && !format!("{error:?} {error}").contains("secret"));
    }
}
