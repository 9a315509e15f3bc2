//! Caps and deadlines.

use http::StatusCode;
use valetkey_http::{Backend, FailureKind, Limits, Phase, Sent};
use valetkey_hyper::HyperBackend;

use crate::{backend, get, limits, millis, server::Server, told};

const OK: Sent = Sent::Answered(StatusCode::OK);

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn s_net_04_bodies_are_capped() {
    let endless = || {
        Server::start(|peer| {
            peer.request();
            peer.say(b"HTTP/1.1 200 OK\r\n\r\n");
            let chunk = [b'x'; 1024];
            while std::io::Write::write_all(&mut peer.stream, &chunk).is_ok() {}
            peer.tell_gone();
        })
    };
    let oversized = || {
        Server::start(|peer| {
            peer.request();
            peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n");
            peer.await_end();
        })
    };
    for fresh in [false, true] {
        for server in [endless(), oversized()] {
            let failure = backend().send(get(server.url("/")), limits(fresh)).await.unwrap_err();
            assert_eq!(told(&failure), (FailureKind::TooLarge, OK));
            assert!(server.is_left(), "the connection is closed");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn s_net_04_heads_are_capped() {
    let fields = "x: y\r\n".repeat(1000);
    let flood = "x: y\r\n".repeat(100_000);
    let many = "x: y\r\n".repeat(90);
    let long = format!("x: {}\r\n", "y".repeat(200 << 10));
    let ample = format!("x: {}\r\n", "y".repeat(20 << 10));
    for fresh in [false, true] {
        let too_large = Some((FailureKind::TooLarge, Sent::Maybe));
        for (head, expected) in
            [(&fields, too_large), (&flood, too_large), (&long, too_large), (&many, None), (&ample, None)]
        {
            let server = Server::answering(format!("HTTP/1.1 200 OK\r\n{head}content-length: 0\r\n\r\n"));
            let outcome = backend().send(get(server.url("/")), limits(fresh)).await;
            assert_eq!(outcome.as_ref().err().map(told), expected);
        }
        let endless = Server::start(|peer| {
            peer.request();
            peer.say(b"HTTP/1.1 200 OK\r\nx: ");
            while std::io::Write::write_all(&mut peer.stream, &[b'y'; 1024]).is_ok() {}
            peer.tell_gone();
        });
        let failure = backend().send(get(endless.url("/")), limits(fresh)).await.unwrap_err();
        assert_eq!(told(&failure), (FailureKind::TooLarge, Sent::Maybe));
        assert!(endless.is_left());
        let server = Server::answering(format!("HTTP/1.1 200 OK\r\n{ample}content-length: 0\r\n\r\n"));
        let mut limits = limits(fresh);
        limits.head_bytes = 10 << 10;
        let failure = backend().send(get(server.url("/")), limits).await.unwrap_err();
        assert_eq!(told(&failure), (FailureKind::TooLarge, OK));
    }
}

/// A server that is silent after `said`.
fn stalling(said: &'static str) -> Server {
    Server::start(move |peer| {
        peer.request();
        peer.say(said.as_bytes());
        peer.await_end();
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn s_net_04_deadlines_of_a_send() {
    let begun = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc";
    let short = |which: fn(&mut Limits)| {
        let mut limits = Limits::default();
        which(&mut limits);
        limits
    };
    for fresh in [false, true] {
        let cases = [
            ("", short(|limits| limits.head = millis(60)), Phase::Head, Sent::Maybe),
            ("HTTP/1.1 200", short(|limits| limits.head = millis(60)), Phase::Head, Sent::Maybe),
            ("", short(|limits| limits.total = millis(60)), Phase::Total, Sent::Maybe),
            (begun, short(|limits| limits.idle = millis(60)), Phase::Idle, OK),
            (begun, short(|limits| limits.total = millis(60)), Phase::Total, OK),
        ];
        for (said, mut limits, phase, sent) in cases {
            limits.fresh = fresh;
            let server = stalling(said);
            let failure = backend().send(get(server.url("/")), limits).await.unwrap_err();
            assert_eq!(told(&failure), (FailureKind::Timeout(phase), sent));
            assert!(server.is_left(), "the connection is closed");
            assert_eq!(server.seen().len(), 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn s_net_04_a_trickle_ends_at_the_total_deadline() {
    for (begun, phase, sent) in [
        ("HTTP/1.1 200 OK\r\nx: ", Phase::Head, Sent::Maybe),
        ("HTTP/1.1 200 OK\r\nx: ", Phase::Total, Sent::Maybe),
        ("HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n", Phase::Total, OK),
    ] {
        for fresh in [false, true] {
            // Something arrives all the time, so that nothing is ever idle.
            let server = Server::start(move |peer| {
                peer.request();
                peer.say(begun.as_bytes());
                let (_keep, wait) = std::sync::mpsc::channel::<()>();
                while std::io::Write::write_all(&mut peer.stream, b"y").is_ok() {
                    wait.recv_timeout(millis(5)).unwrap_err();
                }
                peer.tell_gone();
            });
            let mut limits = limits(fresh);
            limits.idle = millis(5_000);
            match phase {
                Phase::Head => limits.head = millis(100),
                _ => limits.total = millis(100),
            }
            let failure = backend().send(get(server.url("/")), limits).await.unwrap_err();
            assert_eq!(told(&failure), (FailureKind::Timeout(phase), sent), "fresh: {fresh}");
            assert!(server.is_left() && server.seen().len() == 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn s_net_04_deadlines_of_the_backend() {
    let builder = || HyperBackend::builder().no_proxy();
    let begun = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc";
    for (backend, said, phase) in [
        (builder().head_timeout(millis(60)), "", Phase::Head),
        (builder().idle_timeout(millis(60)), begun, Phase::Idle),
        (builder().total_timeout(millis(60)), begun, Phase::Total),
    ] {
        let server = stalling(said);
        let failure = backend.build().unwrap().send(get(server.url("/")), limits(false)).await.unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Timeout(phase));
    }
}
