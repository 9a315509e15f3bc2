//! Servers that break off, stammer or lie: one transmission each, and an honest report.

use http::StatusCode;
use valetkey_http::{Backend, FailureKind, Sent, Unframed};

use crate::{backend, get, limits, millis, post, server::Server, told};

const OK: Sent = Sent::Answered(StatusCode::OK);

/// Sends to a server that gives this answer, over the pool and freshly; `None` is success.
async fn receive(answer: &[u8], expected: Option<(FailureKind, Sent)>) {
    for fresh in [false, true] {
        let server = Server::answering(answer);
        let backend = backend();
        for request in [get(server.url("/")), post(server.url("/"), "a=b")] {
            let before = server.seen().len();
            let outcome = backend.send(request, limits(fresh)).await;
            let text = String::from_utf8_lossy(&answer[..answer.len().min(80)]);
            assert_eq!(outcome.as_ref().err().map(told), expected, "{text} (fresh: {fresh})");
            backend.sleep(millis(10)).await;
            assert_eq!(server.seen().len(), before + 1, "sent again after {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn s_tk_18_a_connection_that_ends_before_the_head_does() {
    let closed = Some((FailureKind::Closed, Sent::Maybe));
    for answer in ["", "HTTP/1.1 2", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 100 Continue\r\n\r\n"] {
        receive(answer.as_bytes(), closed).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_answer_that_is_not_http() {
    let protocol = Some((FailureKind::Protocol, Sent::Maybe));
    for answer in ["SSH-2.0-x\r\n\r\n", "HTTP/1.1 2OO OK\r\n\r\n", "HTTP/1.1 200 OK\r\n: x\r\n\r\n"] {
        receive(answer.as_bytes(), protocol).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_body_that_ends_early() {
    let truncated = Some((FailureKind::Truncated, OK));
    for rest in [
        "content-length: 5\r\n\r\nabc",
        "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "content-length: 5\r\n\r\n",
    ] {
        receive(format!("HTTP/1.1 200 OK\r\n{rest}").as_bytes(), truncated).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_body_that_is_not_framed_as_it_says() {
    let broken = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\nabc\r\n0\r\n\r\n";
    receive(broken.as_bytes(), Some((FailureKind::Protocol, OK))).await;
    // hyper sees the two lengths first, before there is an answer to speak of.
    let lengths = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nabc";
    receive(lengths.as_bytes(), Some((FailureKind::Protocol, Sent::Maybe))).await;
    let twice = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\nabc";
    receive(twice.as_bytes(), None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn s_net_03_redirects_are_answers() {
    for fresh in [false, true] {
        for status in [301, 302, 303, 307, 308] {
            let other = Server::keeping();
            let location = other.url("/stolen");
            let server = Server::answering(format!(
                "HTTP/1.1 {status} See\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"
            ));
            for request in [get(server.url("/")), post(server.url("/"), "code=secret")] {
                let response = backend().send(request, limits(fresh)).await.unwrap();
                assert_eq!(response.status(), status);
            }
            assert_eq!((server.seen().len(), other.connections()), (2, 0));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn s_tk_18_a_kept_connection_that_the_server_drops_under_a_request() {
    for method in ["GET", "POST", "PUT"] {
        for body in ["", "a=b"] {
            let server = Server::start(|peer| {
                peer.request();
                peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
                peer.request();
            });
            let backend = backend();
            backend.send(get(server.url("/")), limits(false)).await.unwrap();
            backend.sleep(millis(20)).await;
            // One with an empty body, too: some clients hold that to be safe to send twice.
            let mut request = post(server.url("/"), body);
            *request.method_mut() = method.parse().unwrap();
            let failure = backend.send(request, limits(false)).await.unwrap_err();
            assert_eq!(told(&failure), (FailureKind::Closed, Sent::Maybe));
            backend.sleep(millis(10)).await;
            assert_eq!(server.seen().len(), 2);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn bytes_that_nobody_asked_for_are_no_answer() {
    let server = Server::start(|peer| {
        peer.request();
        peer.say(
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfake",
        );
        while peer.request().is_some() {
            peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nreal");
        }
    });
    let backend = backend();
    assert_eq!(backend.send(get(server.url("/1")), limits(false)).await.unwrap().body(), "ok");
    backend.sleep(millis(20)).await;
    // Its own answer or none: this server is not one to get a second word from.
    if let Ok(response) = backend.send(get(server.url("/2")), limits(false)).await {
        assert_eq!(response.body(), "ok");
        assert_eq!(server.connections(), 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_body_without_framing_is_marked() {
    let is_marked = async |answer: &str, head: bool| {
        let mut marks = Vec::new();
        for fresh in [false, true] {
            let server = Server::answering(answer);
            let mut request = get(server.url("/"));
            if head {
                *request.method_mut() = http::Method::HEAD;
            }
            let response = backend().send(request, limits(fresh)).await.unwrap();
            marks.push(response.extensions().get::<Unframed>().is_some());
        }
        assert_eq!(marks[0], marks[1]);
        marks[0]
    };
    assert!(is_marked("HTTP/1.1 200 OK\r\n\r\na=b", false).await);
    assert!(is_marked("HTTP/1.0 200 OK\r\n\r\na=b", false).await);
    assert!(is_marked("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\na=b", false).await);
    assert!(!is_marked("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\na=b", false).await);
    assert!(
        !is_marked("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\na=b\r\n0\r\n\r\n", false).await
    );
    assert!(!is_marked("HTTP/1.1 204 No Content\r\n\r\n", false).await);
    assert!(!is_marked("HTTP/1.1 200 OK\r\n\r\n", true).await);
}
