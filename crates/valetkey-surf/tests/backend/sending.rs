//! What both clients do with a request and its answer.

use std::sync::mpsc;

use bytes::Bytes;
use valetkey_http::{Backend, FailureKind, Sent, block_on};

use crate::{backends, get, millis, post, send};
use valetkey_backend_suite::server::Server;

#[test]
fn each_request_goes_once_on_a_connection_of_its_own() {
    for backend in backends() {
        let server = Server::keeping();
        for at in 1..=3 {
            assert_eq!(send(&backend, get(server.url("/"))).unwrap().body(), "ok");
            assert_eq!(server.connections(), at);
        }
    }
}

#[test]
fn what_is_sent() {
    for backend in backends() {
        let server = Server::keeping();
        let mut request = post(server.url("/token"), "a=b");
        request.headers_mut().insert("content-type", "application/x-www-form-urlencoded".parse().unwrap());
        request.headers_mut().insert("x-empty", "".parse().unwrap());
        send(&backend, request).unwrap();
        let seen = server.seen().remove(0).to_ascii_lowercase().replace(": ", ":");
        for line in [
            "content-length:3",
            "content-type:application/x-www-form-urlencoded",
            "user-agent:valetkey/0.1.0",
            "x-empty:",
            &format!("host:{}", server.address()),
        ] {
            assert!(seen.lines().any(|seen| seen == line), "{line} in {seen}");
        }
        assert!(seen.ends_with("\r\n\r\na=b"));
        send(&backend, post(server.url("/"), "")).unwrap();
        let seen = server.seen().remove(1).to_ascii_lowercase().replace(": ", ":");
        assert!(seen.contains("content-length:0\r\n"), "{seen}");
    }
}

#[test]
fn fields_come_as_they_were_sent() {
    for backend in backends() {
        let server = Server::answering(
            "HTTP/1.1 200 OK\r\nset-cookie: a\r\nSet-Cookie: b\r\ncontent-length: 3\r\n\r\nabc",
        );
        let response = send(&backend, get(server.url("/"))).unwrap();
        assert_eq!(response.headers().len(), 3, "{:?}", response.headers());
        let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["a", "b"]);
        let server = Server::answering(
            "HTTP/1.1 200 OK\r\ndate: now\r\ncontent-type: a/b\r\ncontent-length: 0\r\n\r\n",
        );
        let response = send(&backend, get(server.url("/"))).unwrap();
        assert_eq!(response.headers()["date"], "now");
        assert_eq!(response.headers()["content-type"], "a/b");
    }
}

#[test]
fn a_body_is_as_long_as_every_content_length_says() {
    for backend in backends() {
        for lengths in [
            "content-length: 3",
            "content-length: 5",
            "content-length: 4\r\ncontent-length: 3",
            "content-length: 4, 3",
        ] {
            let server = Server::answering(format!("HTTP/1.1 200 OK\r\n{lengths}\r\n\r\nbody"));
            let outcome = send(&backend, get(server.url("/")));
            // What follows a body that ended is not read.
            if lengths == "content-length: 3" {
                assert_eq!(outcome.unwrap().body(), "bod");
            } else {
                assert_ne!(outcome.unwrap_err().sent(), Sent::Nothing, "{lengths}");
            }
        }
    }
}

#[test]
fn a_panic_is_contained_and_the_next_request_answered() {
    for backend in backends() {
        for answer in [
            "HTTP/1.1 499 Odd\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nx: \u{fc}\r\ncontent-length: 0\r\n\r\n",
        ] {
            let server = Server::answering(answer);
            let failure = send(&backend, post(server.url("/"), "code=1")).unwrap_err();
            assert!(matches!(failure.kind(), FailureKind::Panicked | FailureKind::Protocol), "{failure:?}");
            assert_ne!(failure.sent(), Sent::Nothing);
            assert_eq!(send(&backend, get(Server::keeping().url("/"))).unwrap().body(), "ok");
        }
    }
}

#[test]
fn each_address_of_a_name_is_tried() {
    // It is ::1 as well, where nobody listens.
    for backend in backends() {
        let server = Server::keeping();
        let url = format!("http://localhost:{}/", server.address().port());
        assert_eq!(send(&backend, get(url)).unwrap().body(), "ok");
    }
}

#[test]
fn tasks_run_and_time_passes() {
    for backend in backends() {
        block_on(backend.sleep(millis(5)));
        let (done, ran) = mpsc::channel();
        assert!(backend.spawn(Box::pin(async move { done.send(()).unwrap() })).is_ok());
        ran.recv().unwrap();
    }
}

#[test]
fn a_large_body_goes_out_whole_and_at_once() {
    for backend in backends() {
        let server = Server::start(|peer| {
            peer.request();
            peer.say(b"HTTP/1.1 417 Expectation Failed\r\ncontent-length: 0\r\n\r\n");
            peer.await_end();
        });
        let body = Bytes::from(vec![b'x'; 3 << 20]);
        let request = http::Request::post(server.url("/")).body(body.clone()).unwrap();
        assert_eq!(send(&backend, request).unwrap().status(), 417);
        let seen = server.seen();
        assert_eq!(seen.len(), 1);
        assert!(seen[0].ends_with(std::str::from_utf8(&body).unwrap()));
    }
}
