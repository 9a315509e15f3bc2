//! No connection: the stages are told apart, and nothing was sent.

use std::net::TcpListener;

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair};
use valetkey_http::{Backend, FailureKind, Limits, Phase, Sent};
use valetkey_hyper::{BuildError, HyperBackend};

use crate::{
    backend, get, limits, millis, post,
    server::{Authority, Server, present},
    told,
};

/// A server with TLS that answers `ok`.
fn secure(authority: &Authority, name: &str) -> Server {
    let config = authority.server(name, &["http/1.1"]);
    Server::start(move |peer| {
        let mut peer = peer.secured(&config);
        while peer.request().is_some() {
            peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        }
    })
}

fn trusting(authority: &Authority) -> HyperBackend {
    HyperBackend::builder().no_proxy().only_roots(authority.pem()).build().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn refused_and_unresolved() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for fresh in [false, true] {
        let failure = backend().send(get(format!("http://{free}/")), limits(fresh)).await.unwrap_err();
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
    let server = secure(&authority, "localhost");
    let port = server.address.port();
    let plain = Server::start(|peer| peer.say(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
    let tls = (FailureKind::Tls, Sent::Nothing);
    for fresh in [false, true] {
        let url = format!("https://localhost:{port}/");
        let fits = trusting(&authority).send(get(&url), limits(fresh)).await.unwrap();
        assert_eq!(fits.body(), "ok");
        let untrusted = trusting(&other).send(get(&url), limits(fresh)).await.unwrap_err();
        assert_eq!(told(&untrusted), tls);
        let by_default = backend().send(get(&url), limits(fresh)).await.unwrap_err();
        assert_eq!(told(&by_default), tls);
        let wrong_host = get(format!("https://127.0.0.1:{port}/"));
        let failure = trusting(&authority).send(wrong_host, limits(fresh)).await.unwrap_err();
        assert_eq!(told(&failure), tls);
        let no_tls = get(format!("https://127.0.0.1:{}/", plain.address.port()));
        assert_eq!(told(&trusting(&authority).send(no_tls, limits(fresh)).await.unwrap_err()), tls);
    }
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn s_net_02_certificates_that_do_not_hold_are_refused() {
    let authority = Authority::new();
    let described = |change: fn(&mut CertificateParams)| {
        let mut parameters = CertificateParams::new(["localhost".to_owned()]).unwrap();
        change(&mut parameters);
        authority.describing(parameters)
    };
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let nobody = rustls::server::WebPkiClientVerifier::no_client_auth();
    let configs = [
        ("expired", described(|parameters| parameters.not_after = rcgen::date_time_ymd(2020, 1, 1))),
        ("not yet valid", described(|parameters| parameters.not_before = rcgen::date_time_ymd(4000, 1, 1))),
        (
            "for clients",
            described(|parameters| {
                parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]
            }),
        ),
        ("self-signed", present(&own.pem(), &key.serialize_pem(), &["http/1.1"], nobody)),
    ];
    for (what, config) in configs {
        let server = Server::start(move |peer| drop(peer.secured(&config).request()));
        let url = format!("https://localhost:{}/", server.address.port());
        for fresh in [false, true] {
            let failure = trusting(&authority).send(post(&url, "code=1"), limits(fresh)).await.unwrap_err();
            assert_eq!(told(&failure), (FailureKind::Tls, Sent::Nothing), "{what}");
        }
        assert!(server.seen().is_empty(), "{what}");
    }
    // The same, and nothing wrong with it.
    let config = described(|_| {});
    let server = Server::start(move |peer| {
        let mut peer = peer.secured(&config);
        peer.request();
        peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    });
    let url = format!("https://localhost:{}/", server.address.port());
    assert_eq!(trusting(&authority).send(get(url), limits(false)).await.unwrap().body(), "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn s_net_02_old_versions_of_tls_are_refused() {
    // A ServerHello (RFC 5246 §7.4.1.3) with a suite that every version has; no version is rustls's to serve.
    let hello = |minor: u8| {
        let mut body = vec![3, minor];
        body.extend([7; 32]);
        body.extend([0, 0xc0, 0x13, 0]);
        let length = u8::try_from(body.len()).unwrap();
        [vec![22, 3, minor, 0, length + 4, 2, 0, 0, length], body].concat()
    };
    for minor in [0, 1, 2] {
        let hello = hello(minor);
        let server = Server::start(move |peer| {
            drop(std::io::Read::read(&mut peer.stream, &mut [0; 4096]));
            peer.say(&hello);
            peer.await_end();
        });
        let url = format!("https://localhost:{}/", server.address.port());
        for fresh in [false, true] {
            let failure = backend().send(post(&url, "code=1"), limits(fresh)).await.unwrap_err();
            assert_eq!(told(&failure), (FailureKind::Tls, Sent::Nothing), "3.{minor}");
            assert!(server.is_left());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn two_names_on_one_address_do_not_share_a_connection() {
    let authority = Authority::new();
    let server = secure(&authority, "localhost");
    let backend = trusting(&authority);
    let port = server.address.port();
    backend.send(get(format!("https://localhost:{port}/")), limits(false)).await.unwrap();
    let failure = backend.send(get(format!("https://127.0.0.1:{port}/")), limits(false)).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Tls);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn roots_add_up() {
    let (one, two) = (Authority::new(), Authority::new());
    let (first, second) = (secure(&one, "localhost"), secure(&two, "localhost"));
    let backend =
        HyperBackend::builder().no_proxy().extra_roots(one.pem()).extra_roots(two.pem()).build().unwrap();
    for server in [&first, &second] {
        let url = format!("https://localhost:{}/", server.address.port());
        assert_eq!(backend.send(get(url), limits(false)).await.unwrap().body(), "ok");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_client_certificate() {
    let authority = Authority::new();
    let config = authority.demanding_server("localhost");
    let server = Server::start(move |peer| {
        let mut peer = peer.secured(&config);
        while peer.request().is_some() {
            peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        }
    });
    let url = format!("https://localhost:{}/", server.address.port());
    let (chain, key) = authority.issue("client");
    let known = HyperBackend::builder().no_proxy().only_roots(authority.pem()).identity(chain, key);
    assert!(!format!("{known:?}").contains("PRIVATE"));
    let known = known.build().unwrap();
    for fresh in [false, true] {
        assert_eq!(known.send(get(&url), limits(fresh)).await.unwrap().body(), "ok");
        // TLS 1.3 refuses after the handshake, when the request may have left already.
        let failure = trusting(&authority).send(post(&url, "a=b"), limits(fresh)).await.unwrap_err();
        assert!(matches!(failure.kind(), FailureKind::Tls | FailureKind::Closed), "{failure:?}");
    }
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn s_net_04_the_connect_deadline_covers_tls() {
    let silent = Server::start(|peer| peer.await_end());
    let url = format!("https://localhost:{}/", silent.address.port());
    let timeout = (FailureKind::Timeout(Phase::Connect), Sent::Nothing);
    for fresh in [false, true] {
        let quick = HyperBackend::builder().no_proxy().connect_timeout(millis(80)).build().unwrap();
        assert_eq!(told(&quick.send(get(&url), limits(fresh)).await.unwrap_err()), timeout);
        assert!(silent.is_left());
        let mut of_the_send = limits(fresh);
        of_the_send.connect = millis(80);
        // In time, that is: the backend's own deadline would come to the same, but after 5 s.
        let backend = backend();
        let send = tokio::time::timeout(millis(2_000), backend.send(get(&url), of_the_send));
        assert_eq!(told(&send.await.unwrap().unwrap_err()), timeout);
        assert!(silent.is_left());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_short_connect_deadline_is_over_once_connected() {
    let server = Server::start(|peer| {
        peer.request();
        let (_keep, wait) = std::sync::mpsc::channel::<()>();
        wait.recv_timeout(millis(120)).unwrap_err();
        peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    });
    for fresh in [false, true] {
        let mut limits = limits(fresh);
        limits.connect = millis(60);
        assert_eq!(backend().send(get(server.url("/")), limits).await.unwrap().body(), "ok");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_cannot_be_sent_is_refused() {
    for uri in ["/path", "ftp://host/", "https://user:password@host/", "https://host:99999/", "host:443"] {
        let Ok(request) = http::Request::get(uri).body(bytes::Bytes::new()) else { continue };
        let failure = backend().send(request, Limits::default()).await.unwrap_err();
        assert_eq!(told(&failure), (FailureKind::Config, Sent::Nothing), "{uri}");
        assert!(!format!("{failure:?}").contains("password"));
    }
    let connect = http::Request::connect("https://host/").body(bytes::Bytes::new()).unwrap();
    assert_eq!(backend().send(connect, Limits::default()).await.unwrap_err().kind(), FailureKind::Config);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_cannot_be_built_says_why() {
    let builder = HyperBackend::builder;
    let (_, key) = Authority::new().issue("client");
    assert!(matches!(builder().extra_roots("none").build(), Err(BuildError::Roots(_))));
    assert!(matches!(builder().user_agent("a\nb").build(), Err(BuildError::UserAgent)));
    assert!(matches!(builder().identity("none", key).build(), Err(BuildError::Identity)));
    for url in ["socks5://u:secret@host", "https://u:secret@host", "http://u:secret@host/path", ""] {
        let Err(error) = builder().proxy(url).build() else { panic!("{url}") };
        assert!(!format!("{error:?} {error}").contains("secret"));
        assert!(matches!(error, BuildError::Proxy(_)));
    }
}

#[cfg(feature = "platform-roots")]
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_systems_roots_do_not_trust_the_tests() {
    let authority = Authority::new();
    let server = secure(&authority, "localhost");
    // A machine may have no certificates at all.
    let Ok(backend) = HyperBackend::builder().no_proxy().platform_roots().build() else { return };
    let url = format!("https://localhost:{}/", server.address.port());
    assert_eq!(backend.send(get(url), limits(false)).await.unwrap_err().kind(), FailureKind::Tls);
}
