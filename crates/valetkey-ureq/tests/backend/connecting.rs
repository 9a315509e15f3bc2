//! No connection: the stages are told apart, and nothing was sent.

use std::net::TcpListener;

use valetkey_http::{FailureKind, Phase, Sent};
use valetkey_ureq::BuildError;

use crate::{
    backend, builder, get, limits, millis, post, send,
    server::{Authority, Server},
    told,
};

#[test]
fn refused_and_unresolved() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for fresh in [false, true] {
        let failure = send(&backend(), get(format!("http://{free}/")), limits(fresh)).unwrap_err();
        assert_eq!(told(&failure), (FailureKind::Connect, Sent::Nothing));
        let unknown = get("https://nonexistent.invalid/secret?code=1");
        let failure = send(&backend(), unknown, limits(fresh)).unwrap_err();
        assert_eq!(told(&failure), (FailureKind::Resolve, Sent::Nothing));
        assert!(!format!("{failure:?}").contains("secret"), "no URL in an error");
    }
}

#[test]
fn s_net_02_tls_that_fails_sends_nothing() {
    let (authority, other) = (Authority::new(), Authority::new());
    let config = authority.demanding_server("localhost");
    let server = Server::start(move |peer| {
        let mut peer = peer.secured(&config);
        while peer.request().is_some() {
            peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        }
    });
    let mut parameters = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    parameters.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let expired = authority.describing(parameters);
    let expired = Server::start(move |peer| drop(peer.secured(&expired).request()));
    let plain = Server::start(|peer| peer.say(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
    let port = server.address.port();
    let url = format!("https://localhost:{port}/");
    let (chain, key) = authority.issue("client");
    let known = |roots: &Authority| {
        builder().only_roots(roots.pem()).identity(chain.clone(), key.clone()).build().unwrap()
    };
    let tls = (FailureKind::Tls, Sent::Nothing);
    for fresh in [false, true] {
        // Twice on one backend: its TLS is made once, at the first request.
        let backend = known(&authority);
        for _ in 0..2 {
            assert_eq!(send(&backend, get(&url), limits(fresh)).unwrap().body(), "ok");
        }
        for (backend, url) in [
            (known(&other), url.clone()),
            (crate::backend(), url.clone()),
            (known(&authority), format!("https://127.0.0.1:{port}/")),
            (known(&authority), format!("https://localhost:{}/", expired.address.port())),
            (known(&authority), format!("https://localhost:{}/", plain.address.port())),
        ] {
            for request in [get(&url), post(&url, "a=b")] {
                assert_eq!(told(&send(&backend, request, limits(fresh)).unwrap_err()), tls, "{url}");
            }
        }
        // TLS 1.3 refuses after the handshake, when the request may have left already.
        let nobody = builder().extra_roots(authority.pem()).build().unwrap();
        let failure = send(&nobody, post(&url, "a=b"), limits(fresh)).unwrap_err();
        assert!(matches!(failure.kind(), FailureKind::Tls | FailureKind::Closed), "{failure:?}");
        assert_ne!(failure.sent(), Sent::Nothing);
    }
    assert_eq!((server.seen().len(), expired.seen().len()), (4, 0));
}

#[test]
fn s_net_02_two_names_on_one_address_do_not_share_a_connection() {
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
    send(&backend, get(format!("https://localhost:{port}/")), limits(false)).unwrap();
    let failure = send(&backend, get(format!("https://127.0.0.1:{port}/")), limits(false)).unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Tls);
}

#[test]
fn s_net_04_the_connect_deadline_covers_tls() {
    let silent = Server::start(|peer| peer.await_end());
    let url = format!("https://localhost:{}/", silent.address.port());
    let timeout = |phase| (FailureKind::Timeout(phase), Sent::Nothing);
    for fresh in [false, true] {
        let quick = builder().connect_timeout(millis(80)).build().unwrap();
        assert_eq!(told(&send(&quick, get(&url), limits(fresh)).unwrap_err()), timeout(Phase::Connect));
        let mut short = limits(fresh);
        short.connect = millis(80);
        assert_eq!(told(&send(&backend(), get(&url), short).unwrap_err()), timeout(Phase::Connect));
        let mut short = limits(fresh);
        short.total = millis(80);
        assert_eq!(told(&send(&backend(), get(&url), short).unwrap_err()), timeout(Phase::Total));
    }
}

#[test]
fn a_proxy_that_does_not_answer_is_no_connection() {
    let proxy = Server::answering("HTTP/1.1 407 Who\r\ncontent-length: 0\r\n\r\n");
    let backend = builder().proxy(&format!("http://u:secret@{}", proxy.address)).build().unwrap();
    let failure = send(&backend, get("https://api.test/"), limits(false)).unwrap_err();
    assert_eq!(told(&failure), (FailureKind::Connect, Sent::Nothing));
    assert!(proxy.seen()[0].starts_with("CONNECT api.test:443 "));
    assert!(!format!("{failure:?} {backend:?}").contains("secret"));
    let unknown = builder().proxy("http://nonexistent.invalid").build().unwrap();
    let failure = send(&unknown, get("https://api.test/"), limits(false)).unwrap_err();
    assert_eq!(told(&failure), (FailureKind::Resolve, Sent::Nothing));
}

#[test]
fn what_cannot_be_built_says_why() {
    let (chain, key) = Authority::new().issue("client");
    let (_, other) = Authority::new().issue("client");
    assert!(matches!(builder().extra_roots("none").build(), Err(BuildError::Roots(_))));
    assert!(matches!(builder().user_agent("a\nb").build(), Err(BuildError::UserAgent)));
    for identity in [("none".to_owned(), key), (chain.clone(), "none".to_owned()), (chain, other)] {
        let builder = builder().identity(identity.0, identity.1);
        assert!(!format!("{builder:?}").contains("PRIVATE"));
        let error = builder.build().unwrap_err();
        assert!(matches!(error, BuildError::Identity) && error.to_string().contains("PEM"));
    }
    for url in ["socks5://u:secret@host", "https://u:secret@host", "host", ""] {
        let Err(error) = builder().proxy(url).build() else { panic!("{url}") };
        assert!(matches!(error, BuildError::Proxy) && !format!("{error:?} {error}").contains("secret"));
    }
}
