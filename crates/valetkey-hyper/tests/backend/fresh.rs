//! Connections of their own, and futures that are dropped.

use valetkey_http::{Backend, FailureKind, Sent};

use crate::{backend, get, limits, millis, post, server::Server, told};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn each_request_has_its_own_connection_which_is_closed_afterwards() {
    let server = Server::keeping();
    let backend = backend();
    backend.send(get(server.url("/pooled")), limits(false)).await.unwrap();
    for count in 2..5 {
        backend.send(post(server.url("/"), "code=1"), limits(true)).await.unwrap();
        assert_eq!(server.connections(), count);
        assert!(server.is_left());
    }
    backend.send(get(server.url("/pooled")), limits(false)).await.unwrap();
    assert_eq!(server.connections(), 4, "the pool's is untouched");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_server_that_leaves_at_once_cannot_have_acted_or_may_have() {
    let server = Server::start(|_| {});
    for _ in 0..20 {
        let failure = backend().send(post(server.url("/"), "code=1"), limits(true)).await.unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Closed);
        assert!(matches!(failure.sent(), Sent::Nothing | Sent::Maybe));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn dropping_the_future_closes_the_connection() {
    for fresh in [false, true] {
        for said in ["", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc"] {
            let server = Server::start(|peer| {
                peer.request();
                peer.say(said.as_bytes());
                peer.await_end();
            });
            let backend = backend();
            let mut limits = limits(fresh);
            limits.idle = millis(5_000);
            tokio::select! {
                outcome = backend.send(get(server.url("/")), limits) => panic!("{outcome:?}"),
                () = backend.sleep(millis(60)) => {}
            }
            // hyper's task on the pool notices when it next runs.
            backend.sleep(millis(20)).await;
            assert!(server.is_left(), "fresh: {fresh}, {said}");
            assert_eq!(server.seen().len(), 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn after_a_dropped_request_the_next_gets_its_own_answer() {
    let server = Server::start(|peer| {
        while let Some(request) = peer.request() {
            let path = request.split(' ').nth(1).unwrap();
            if path == "/slow" {
                let (_keep, wait) = std::sync::mpsc::channel::<()>();
                wait.recv_timeout(millis(30)).unwrap_err();
            }
            peer.say(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{path}", path.len()).as_bytes());
        }
    });
    let backend = backend();
    for round in 0..10 {
        tokio::select! {
            _ = backend.send(get(server.url("/slow")), limits(false)) => {}
            () = backend.sleep(millis(3 * round)) => {}
        }
        let path = format!("/{round}");
        let response = backend.send(get(server.url(&path)), limits(false)).await;
        assert_eq!(response.map_err(|failure| told(&failure)).unwrap().body(), path.as_bytes());
    }
}
