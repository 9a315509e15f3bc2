//! What reaches the server is what was given.

use bytes::Bytes;
use valetkey_http::Backend;
use valetkey_hyper::HyperBackend;

use crate::{backend, get, limits, millis, post, server::Server};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_bytes_of_the_uri() {
    let server = Server::keeping();
    let backend = backend();
    for fresh in [false, true] {
        for path in ["/a'b", "/%2e%2e/x", "/../x/./y", "/a|b?c|d='e'", "/?", "/?a=%7e~", "//x"] {
            backend.send(get(server.url(path)), limits(fresh)).await.unwrap();
            let line = format!("GET {path} HTTP/1.1\r\n");
            assert!(server.seen().last().unwrap().starts_with(&line), "{path}: {:?}", server.seen().last());
        }
        backend.send(get(server.url("")), limits(fresh)).await.unwrap();
        backend.send(get(server.url("?a=b")), limits(fresh)).await.unwrap();
        let seen = server.seen();
        assert!(seen[seen.len() - 2].starts_with("GET / HTTP/1.1\r\n"));
        assert!(seen[seen.len() - 1].starts_with("GET /?a=b HTTP/1.1\r\n"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn headers_go_as_they_are_and_once() {
    let server = Server::keeping();
    let backend = backend();
    for fresh in [false, true] {
        let mut request = post(server.url("/"), "");
        request.headers_mut().insert("content-length", "0".parse().unwrap());
        request.headers_mut().append("x-twice", "1".parse().unwrap());
        request.headers_mut().append("x-twice", "2".parse().unwrap());
        backend.send(request, limits(fresh)).await.unwrap();
        let seen = server.seen().pop().unwrap();
        assert_eq!(seen.matches("content-length: 0\r\n").count(), 1, "{seen}");
        assert!(seen.contains("x-twice: 1\r\nx-twice: 2\r\n"));
        assert_eq!(seen.matches(&format!("host: {}\r\n", server.address)).count(), 1);
        let agent = format!("user-agent: valetkey/{}\r\n", env!("CARGO_PKG_VERSION"));
        assert_eq!(seen.matches(&agent).count(), 1);
        assert_eq!(seen.lines().count(), 7, "nothing else: {seen}");

        backend.send(post(server.url("/"), "a=b"), limits(fresh)).await.unwrap();
        let seen = server.seen().pop().unwrap();
        assert!(seen.contains("content-length: 3\r\n") && seen.ends_with("\r\n\r\na=b"), "{seen}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_user_agent_of_a_request_stays() {
    let server = Server::keeping();
    let backend = HyperBackend::builder().no_proxy().user_agent("app/2").build().unwrap();
    let mut request = get(server.url("/"));
    backend.send(request.clone(), limits(false)).await.unwrap();
    assert!(server.seen()[0].contains("user-agent: app/2\r\n"));
    request.headers_mut().insert("user-agent", "own/1".parse().unwrap());
    backend.send(request, limits(false)).await.unwrap();
    assert!(server.seen()[1].contains("user-agent: own/1\r\n") && !server.seen()[1].contains("app/2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn ordinary_requests_share_a_connection() {
    let server = Server::keeping();
    let backend = backend();
    for _ in 0..5 {
        backend.send(get(server.url("/")), limits(false)).await.unwrap();
        // hyper's task puts the connection back a moment later.
        backend.sleep(millis(20)).await;
    }
    assert_eq!(server.seen().len(), 5);
    assert!(server.connections() < 3, "{}", server.connections());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn large_requests_arrive_whole() {
    let server = Server::keeping();
    let backend = backend();
    for fresh in [false, true] {
        let body = Bytes::from(vec![b'x'; 1 << 20]);
        let request = http::Request::put(server.url("/")).body(body.clone()).unwrap();
        backend.send(request, limits(fresh)).await.unwrap();
        assert!(server.seen().last().unwrap().as_bytes().ends_with(&body));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn large_and_odd_answers() {
    let body = "x".repeat(200 << 10);
    let server = Server::answering(format!(
        "HTTP/1.1 499 Odd\r\nx-latin: \u{e9}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ));
    let early = Server::answering(
        "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    );
    for fresh in [false, true] {
        let response = backend().send(get(server.url("/")), limits(fresh)).await.unwrap();
        assert_eq!((response.status().as_u16(), response.body().len()), (499, body.len()));
        assert_eq!(backend().send(get(early.url("/")), limits(fresh)).await.unwrap().body(), "ok");
    }
}
