//! No connection: the stages are told apart, and nothing was sent.

use std::net::TcpListener;

use valetkey_http::{Backend, FailureKind, Phase, Sent};
use valetkey_reqwest::{BuildError, ReqwestBackend};

use crate::{
    backend, builder, get, limits, millis, post,
    server::{Authority, Server},
    told,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn refused_and_unresolved() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for fresh in [false, true] {
        let failure = backend().send(get(format!("http://{free}/?code=1")), limits(fresh)).await.unwrap_err();
        assert_eq!(told(&failure), (FailureKind::Connect, Sent::Nothing));
        let unknown = get("https://nonexistent.invalid/secret?code=1");
        let failure = backend().send(unknown, limits(fresh)).await.unwrap_err();
        assert_eq!(told(&failure), (FailureKind::Resolve, Sent::Nothing));
        assert!(!format!("{failure:?}").contains("secret"), "no URL in an error");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn s_net_02_tls_that_fails_sends_nothing() {
    let (authority, other) = (Authority::new(), Authority::new());
    let config = authority.demanding_server("localhost");
    let server = Server::start(move |peer| {
        let mut peer = peer.secured(&config);
        while peer.request().is_some() {
            peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        }
    });
    let plain = Server::start(|peer| peer.say(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
    let port = server.address.port();
    let url = format!("https://localhost:{port}/");
    let (chain, key) = authority.issue("client");
    let known = |roots: &Authority| {
        builder().only_roots(roots.pem()).identity(chain.clone(), key.clone()).build().unwrap()
    };
    let tls = (FailureKind::Tls, Sent::Nothing);
    for fresh in [false, true] {
        assert_eq!(known(&authority).send(get(&url), limits(fresh)).await.unwrap().body(), "ok");
        for (backend, url) in [
            (known(&other), url.clone()),
            (backend(), url.clone()),
            (known(&authority), format!("https://127.0.0.1:{port}/")),
            (known(&authority), format!("https://127.0.0.1:{}/", plain.address.port())),
        ] {
            assert_eq!(
                told(&backend.send(post(&url, "a=b"), limits(fresh)).await.unwrap_err()),
                tls,
                "{url}"
            );
        }
        // TLS 1.3 refuses after the handshake, when the request may have left already.
        let nobody = builder().only_roots(authority.pem()).build().unwrap();
        let failure = nobody.send(post(&url, "a=b"), limits(fresh)).await.unwrap_err();
        assert!(matches!(failure.kind(), FailureKind::Tls | FailureKind::Closed), "{failure:?}");
    }
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn s_net_02_two_names_on_one_address_do_not_share_a_connection() {
    let authority = Authority::new();
    let config = authority.server("localhost", &["http/1.1"]);
    let server = Server::start(move |peer| {
        let mut peer = peer.secured(&config);
        while peer.request().is_some() {
            peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        }
    });
    let backend = builder().extra_roots(authority.pem()).build().unwrap();
    let port = server.address.port();
    backend.send(get(format!("https://localhost:{port}/")), limits(false)).await.unwrap();
    let failure = backend.send(get(format!("https://127.0.0.1:{port}/")), limits(false)).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Tls);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn s_net_02_an_expired_certificate_is_refused() {
    let authority = Authority::new();
    let mut parameters = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    parameters.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let config = authority.describing(parameters);
    let server = Server::start(move |peer| drop(peer.secured(&config).request()));
    let url = format!("https://localhost:{}/", server.address.port());
    let backend = builder().only_roots(authority.pem()).build().unwrap();
    let failure = backend.send(post(&url, "code=1"), limits(false)).await.unwrap_err();
    assert_eq!(told(&failure), (FailureKind::Tls, Sent::Nothing));
    assert!(server.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn s_net_04_the_connect_deadline_covers_tls() {
    let silent = Server::start(|peer| peer.await_end());
    let url = format!("https://localhost:{}/", silent.address.port());
    for fresh in [false, true] {
        let quick = builder().connect_timeout(millis(80)).build().unwrap();
        let failure = quick.send(get(&url), limits(fresh)).await.unwrap_err();
        assert_eq!(told(&failure), (FailureKind::Timeout(Phase::Connect), Sent::Nothing));
        assert!(silent.is_left());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_cannot_be_built_says_why() {
    let (_, key) = Authority::new().issue("client");
    let secret = key.clone();
    assert!(matches!(builder().extra_roots("none").build(), Err(BuildError::Roots(_))));
    let error = builder().identity("none", key).build().unwrap_err();
    assert!(matches!(error, BuildError::Identity) && error.to_string().contains("PEM"));
    assert!(!format!("{error:?}").contains(&secret));
    let refused = builder().client(|| reqwest::Client::builder().user_agent("a\nb")).build();
    assert!(matches!(refused, Err(BuildError::Client(_))));
    // The tests of this crate bring no cryptography for reqwest's own use of rustls.
    let unprovided = ReqwestBackend::builder().client(reqwest::Client::builder).build();
    assert!(matches!(unprovided, Err(BuildError::Panicked)));
}
