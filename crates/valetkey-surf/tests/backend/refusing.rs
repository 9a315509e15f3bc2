//! What would be sent otherwise than it was given is not sent at all.

use bytes::Bytes;
use http::HeaderValue;
use valetkey_http::{FailureKind, Request, Sent};
use valetkey_surf::SurfBackend;

use crate::{backends, builders, get, post, send};
use valetkey_backend_suite::server::Server;

fn is_refused(backend: &SurfBackend, request: Request) -> bool {
    match send(backend, request) {
        Ok(_) => false,
        Err(failure) => (failure.kind(), failure.sent()) == (FailureKind::Config, Sent::Nothing),
    }
}

fn with(mut request: Request, fields: &[(&'static str, &str)]) -> Request {
    for (name, value) in fields {
        request.headers_mut().append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    request
}

#[test]
fn uris_that_surf_would_write_differently() {
    for backend in backends() {
        let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        for path in ["/a/../b", "/./a", "/%2e%2e/a", "/a?b='c'", "/a\\b", "/a?\u{fc}", "/a?<b>"] {
            let Ok(uri) = server.url(path).parse::<http::Uri>() else { continue };
            assert!(is_refused(&backend, get(uri.to_string())), "{path}");
        }
        assert_eq!(server.seen().len(), 0);
        for path in ["/", "/a%2Fb?c=%27&d=~:@!$*(),;", "//a", "/a|b?{c}", "/?a?b=/"] {
            send(&backend, get(server.url(path))).unwrap();
            let line = format!("GET {path} HTTP/1.1\r\n");
            assert!(server.seen().last().unwrap().starts_with(&line), "{path}");
        }
    }
}

#[test]
fn methods_and_fields_that_surf_does_not_know() {
    for backend in backends() {
        let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        let method = |name: &str| {
            http::Request::builder().method(name).uri(server.url("/")).body(Bytes::new()).unwrap()
        };
        let post = |fields: &[(&'static str, &str)]| with(post(server.url("/"), "a=b"), fields);
        for request in [
            method("BREW"),
            method("get"),
            post(&[("x", "\u{fc}")]),
            post(&[("content-length", "4")]),
            post(&[("content-length", "3"), ("content-length", "x")]),
            post(&[("transfer-encoding", "chunked")]),
            post(&[("expect", "100-continue")]),
        ] {
            assert!(is_refused(&backend, request));
        }
        assert_eq!(server.seen().len(), 0);
        assert!(send(&backend, post(&[("content-length", "3"), ("empty", "")])).is_ok());
    }
}

#[test]
fn what_no_backend_sends() {
    for backend in backends() {
        for uri in ["/path", "ftp://host/", "https://user:password@host/", "https://host:99999/"] {
            let Ok(request) = http::Request::get(uri).body(Bytes::new()) else { continue };
            assert!(is_refused(&backend, request), "{uri}");
        }
    }
}

#[test]
fn what_cannot_be_built_says_why() {
    for builder in builders() {
        assert!(builder.user_agent("a\nb").build().is_err());
    }
    for builder in builders() {
        let error = builder.extra_roots("none").build().unwrap_err();
        assert!(matches!(error, valetkey_surf::BuildError::Roots(_)));
    }
}
