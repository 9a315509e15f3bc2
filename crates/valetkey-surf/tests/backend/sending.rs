//! What both clients do with a request and its answer.

use std::{
    sync::mpsc,
    task::{Context, Waker},
};

use bytes::Bytes;
use valetkey_http::{Backend, FailureKind, Limits, Phase, Sent, block_on};

use crate::{backends, get, millis, post, send, server::Server, told};

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
fn a_request_that_is_read_and_not_answered_is_not_sent_again() {
    for backend in backends() {
        let server = Server::start(|peer| drop(peer.request()));
        for request in [get(server.url("/")), post(server.url("/"), ""), post(server.url("/"), "code=1")] {
            let before = server.seen().len();
            let failure = send(&backend, request).unwrap_err();
            assert_eq!(failure.sent(), Sent::Maybe);
            assert_eq!(server.seen().len(), before + 1);
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
            &format!("host:{}", server.address),
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
fn s_net_03_no_redirect_is_followed_on_surf() {
    let other = Server::keeping();
    for backend in backends() {
        for status in [301, 302, 303, 307, 308] {
            let location = other.url("/elsewhere");
            let server = Server::answering(format!(
                "HTTP/1.1 {status} Gone\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"
            ));
            let response = send(&backend, post(server.url("/"), "code=1")).unwrap();
            assert_eq!(response.status(), status);
            assert_eq!(response.headers()["location"], location);
        }
    }
    assert_eq!(other.connections(), 0);
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
fn no_part_of_an_answer_is_taken_for_the_whole() {
    let answers = [
        "HTTP/1.1 200 OK\r\ncontent-type: a/b\r\ncontent-length: 4\r\n\r\nbody",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n",
    ];
    for backend in backends() {
        for answer in answers {
            // libcurl is content with the last chunk, without the empty line that ends the trailers.
            let end = if answer.contains("chunked") { answer.len() - 2 } else { answer.len() };
            for cut in 0..end {
                let server = Server::answering(&answer[..cut]);
                let failure = send(&backend, post(server.url("/"), "code=1")).unwrap_err();
                assert_ne!(failure.sent(), Sent::Nothing, "{cut}");
            }
            let server = Server::answering(answer);
            assert_eq!(send(&backend, post(server.url("/"), "code=1")).unwrap().body(), "body");
        }
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
fn who_does_not_listen_has_got_nothing() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for backend in backends() {
        let failure = send(&backend, get(format!("http://{free}/?secret"))).unwrap_err();
        assert_eq!(told(&failure), (FailureKind::Connect, Sent::Nothing));
        let failure = send(&backend, get("http://nonexistent.invalid/?secret")).unwrap_err();
        assert_eq!(told(&failure), (FailureKind::Resolve, Sent::Nothing));
        assert!(!format!("{failure:?}").contains("secret"), "no URL in an error");
    }
}

#[test]
fn each_address_of_a_name_is_tried() {
    // It is ::1 as well, where nobody listens.
    for backend in backends() {
        let server = Server::keeping();
        let url = format!("http://localhost:{}/", server.address.port());
        assert_eq!(send(&backend, get(url)).unwrap().body(), "ok");
    }
}

#[test]
fn s_net_04_deadlines_and_caps_on_surf() {
    for backend in backends() {
        let mut limits = Limits::default();
        limits.head = millis(100);
        limits.idle = millis(100);
        limits.body_bytes = 8;
        let silent = Server::start(|peer| {
            peer.request();
            peer.await_end();
        });
        let failure = block_on(backend.send(post(silent.url("/"), "code=1"), limits)).unwrap_err();
        assert_eq!(told(&failure), (FailureKind::Timeout(Phase::Head), Sent::Maybe));
        let stalling = Server::start(|peer| {
            peer.request();
            peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbo");
            peer.await_end();
        });
        let failure = block_on(backend.send(get(stalling.url("/")), limits)).unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Timeout(Phase::Idle));
        let large = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n123456789");
        let failure = block_on(backend.send(get(large.url("/")), limits)).unwrap_err();
        assert_eq!(failure.kind(), FailureKind::TooLarge);
        let heady = Server::answering(format!(
            "HTTP/1.1 200 OK\r\nx: {}\r\ncontent-length: 0\r\n\r\n",
            "y".repeat(7000)
        ));
        limits.head_bytes = 6000;
        let failure = block_on(backend.send(get(heady.url("/")), limits)).unwrap_err();
        assert_eq!(failure.kind(), FailureKind::TooLarge);
    }
}

#[test]
fn a_request_that_is_given_up_disturbs_no_other() {
    for backend in backends() {
        let silent = Server::start(|peer| {
            peer.request();
            peer.await_end();
        });
        for _ in 0..20 {
            let mut send = Box::pin(backend.send(post(silent.url("/"), "a=b"), Limits::default()));
            assert!(send.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        let server = Server::keeping();
        for _ in 0..20 {
            assert_eq!(send(&backend, get(server.url("/"))).unwrap().body(), "ok");
        }
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
