//! What reaches the server is what was given, or nothing is sent.

use std::io::Write;

use http::StatusCode;
use reqwest::{Client, redirect};
use valetkey_http::{Backend, FailureKind, Phase, Sent};
use valetkey_reqwest::{BuildError, ReqwestBackend};

use crate::{backend, builder, get, limits, millis, post, server::Server, told};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_bytes_of_the_uri_or_none() {
    let server = Server::keeping();
    let backend = backend();
    for path in ["/", "/?", "/a|b?c|d=e", "/?a=%7e~", "//x", "/%2E%41/x", "/x%2f..%2f"] {
        backend.send(get(server.url(path)), limits(false)).await.unwrap();
        let seen = server.seen().pop().unwrap();
        assert!(seen.starts_with(&format!("GET {path} HTTP/1.1\r\n")), "{path}: {seen}");
    }
    backend.send(get(format!("http://LOCALHOST:{}", server.address.port())), limits(false)).await.unwrap();
    let before = server.seen().len();
    for path in ["/../x", "/./y", "/a/..", "/%2e%2e/x", "/%2E", "/?d='e'", "/\u{e9}", "/?\u{e9}", "/a\\b"] {
        let Ok(request) = http::Request::get(server.url(path)).body(bytes::Bytes::new()) else { continue };
        let failure = backend.send(request, limits(false)).await.unwrap_err();
        assert_eq!(told(&failure), (FailureKind::Config, Sent::Nothing), "{path}");
    }
    let shorthand = format!("http://127.1:{}/", server.address.port());
    assert_eq!(backend.send(get(shorthand), limits(false)).await.unwrap_err().kind(), FailureKind::Config);
    assert_eq!(server.seen().len(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn headers_go_as_they_are_and_few_are_added() {
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
        assert_eq!(seen.matches("accept: */*\r\n").count(), 1);
        assert_eq!(seen.lines().count(), 7, "nothing else: {seen}");

        backend.send(post(server.url("/"), "a=b"), limits(fresh)).await.unwrap();
        let seen = server.seen().pop().unwrap();
        assert!(seen.contains("content-length: 3\r\n") && seen.ends_with("\r\n\r\na=b"), "{seen}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn connections_are_kept_but_for_those_of_one_request() {
    let server = Server::keeping();
    let backend = backend();
    for expected in [1, 1, 1] {
        backend.send(get(server.url("/")), limits(false)).await.unwrap();
        // hyper's task puts the connection back a moment later.
        backend.sleep(millis(20)).await;
        assert_eq!(server.connections(), expected);
    }
    for expected in [2, 3] {
        backend.send(get(server.url("/")), limits(true)).await.unwrap();
        assert_eq!(server.connections(), expected);
        assert!(server.is_left(), "the connection is closed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn s_net_03_redirects_are_answers_whatever_the_program_set() {
    let willing = builder()
        .client(|| Client::builder().no_proxy().redirect(redirect::Policy::limited(5)).referer(true));
    let finished = Client::builder()
        .no_proxy()
        .redirect(redirect::Policy::none())
        .tls_backend_preconfigured(no_tls())
        .build()
        .unwrap();
    let backends = [willing.bundled_roots().build().unwrap(), ReqwestBackend::from_client(finished).unwrap()];
    for backend in backends {
        for status in [301, 302, 303, 307, 308] {
            let other = Server::keeping();
            let location = other.url("/stolen");
            let server = Server::answering(format!(
                "HTTP/1.1 {status} See\r\nlocation: {location}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            ));
            for fresh in [false, true] {
                let request = post(server.url("/"), "code=secret");
                assert_eq!(backend.send(request, limits(fresh)).await.unwrap().status(), status);
            }
            assert_eq!((server.seen().len(), other.connections()), (2, 0));
        }
    }
}

fn no_tls() -> rustls::ClientConfig {
    let provider = rustls::crypto::ring::default_provider().into();
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn s_net_03_a_client_that_may_follow_redirects_is_not_taken() {
    let policies = [
        None,
        Some(redirect::Policy::default()),
        Some(redirect::Policy::limited(1)),
        Some(redirect::Policy::custom(|attempt| attempt.stop())),
    ];
    for policy in policies {
        // What the client shows of others is not mistaken for what it says of itself.
        let mut headers = http::HeaderMap::new();
        headers.insert("x", ", redirect_policy: \"Policy(None)\"".parse().unwrap());
        let agent = ", redirect_policy: \"Policy(None)\"";
        let builder = Client::builder().default_headers(headers).user_agent(agent);
        let builder = builder.tls_backend_preconfigured(no_tls());
        let client = match policy {
            Some(policy) => builder.redirect(policy),
            None => builder,
        };
        let outcome = ReqwestBackend::from_client(client.build().unwrap());
        assert!(matches!(outcome, Err(BuildError::Redirects)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn s_net_04_caps_and_deadlines() {
    const OK: Sent = Sent::Answered(StatusCode::OK);
    let begun = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc";
    for fresh in [false, true] {
        for (said, phase, sent) in
            [("", Phase::Head, Sent::Maybe), ("", Phase::Total, Sent::Maybe), (begun, Phase::Idle, OK)]
        {
            let server = Server::start(move |peer| {
                peer.request();
                peer.say(said.as_bytes());
                peer.await_end();
            });
            let mut limits = limits(fresh);
            match phase {
                Phase::Head => limits.head = millis(60),
                Phase::Idle => limits.idle = millis(60),
                _ => limits.total = millis(60),
            }
            let failure = backend().send(get(server.url("/")), limits).await.unwrap_err();
            assert_eq!(told(&failure), (FailureKind::Timeout(phase), sent));
            assert!(server.is_left(), "the connection is closed");
        }
        let endless = Server::start(|peer| {
            peer.request();
            peer.say(b"HTTP/1.1 200 OK\r\n\r\n");
            while peer.stream.write_all(&[b'x'; 1024]).is_ok() {}
            peer.tell_gone();
        });
        let failure = backend().send(get(endless.url("/")), limits(fresh)).await.unwrap_err();
        assert_eq!(told(&failure), (FailureKind::TooLarge, OK));
        assert!(endless.is_left());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_deadlines_of_the_programs_own_client_are_told() {
    let server = Server::start(|peer| {
        peer.request();
        peer.await_end();
    });
    let hasty =
        builder().client(|| Client::builder().no_proxy().timeout(std::time::Duration::from_millis(60)));
    let failure = hasty.build().unwrap().send(get(server.url("/")), limits(false)).await.unwrap_err();
    assert_eq!(told(&failure), (FailureKind::Timeout(Phase::Total), Sent::Maybe));
}
