//! What is set on the builder counts, and what cannot be set says why.

use valetkey_backend_suite::{server::Server, tls::Authority};
use valetkey_http::{Backend, FailureKind, Phase};
use valetkey_hyper::{BuildError, HyperBackend};

use crate::{get, limits, millis};

/// A server with TLS that answers `ok`.
fn secure(authority: &Authority) -> Server {
    let config = authority.server("localhost", &["http/1.1"]);
    Server::start(move |peer| peer.secured(&config).serve_ok())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn roots_add_up() {
    let (one, two) = (Authority::new(), Authority::new());
    let builder = || HyperBackend::builder().no_proxy();
    let both = builder().extra_roots(one.pem()).extra_roots(two.pem()).build().unwrap();
    let only = builder().only_roots(one.pem()).build().unwrap();
    let (first, second) = (secure(&one), secure(&two));
    for server in [&first, &second] {
        assert_eq!(both.send(get(server.secure_url("/")), limits(false)).await.unwrap().body(), "ok");
    }
    assert!(only.send(get(first.secure_url("/")), limits(false)).await.is_ok());
    let failure = only.send(get(second.secure_url("/")), limits(false)).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Tls);
}

#[cfg(feature = "platform-roots")]
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_systems_roots_do_not_trust_the_tests() {
    let server = secure(&Authority::new());
    // A machine may have no certificates at all.
    let Ok(backend) = HyperBackend::builder().no_proxy().platform_roots().build() else { return };
    let failure = backend.send(get(server.secure_url("/")), limits(false)).await.unwrap_err();
    assert_eq!(failure.kind(), FailureKind::Tls);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_user_agent() {
    let server = Server::keeping();
    let named = HyperBackend::builder().no_proxy().user_agent("app/2").build().unwrap();
    for (backend, expected) in
        [(named, "app/2"), (crate::backend(), concat!("valetkey/", env!("CARGO_PKG_VERSION")))]
    {
        backend.send(get(server.url("/")), limits(false)).await.unwrap();
        let received = server.received().pop().unwrap();
        assert_eq!(received.values("user-agent"), [expected.as_bytes()]);
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
        let server = Server::start(move |peer| {
            peer.request();
            peer.say(said);
            peer.await_end();
        });
        let failure = backend.build().unwrap().send(get(server.url("/")), limits(false)).await.unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Timeout(phase));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_cannot_be_built_says_why() {
    let builder = HyperBackend::builder;
    let client = Authority::new().issue("client");
    assert!(matches!(builder().extra_roots("none").build(), Err(BuildError::Roots(_))));
    assert!(matches!(builder().user_agent("a\nb").build(), Err(BuildError::UserAgent)));
    assert!(matches!(builder().identity("none", client.key_pem.as_str()).build(), Err(BuildError::Identity)));
    let known = builder().identity(client.chain_pem, client.key_pem);
    assert!(!format!("{known:?}").contains("PRIVATE"));
    for url in ["socks5://u:secret@host", "https://u:secret@host", "http://u:secret@host/path", ""] {
        let Err(error) = builder().proxy(url).build() else { panic!("{url}") };
        assert!(!format!("{error:?} {error}").contains("secret"));
        assert!(matches!(error, BuildError::Proxy(_)));
    }
}
