//! What is this backend's own: the suite has the rest.

use std::{sync::mpsc, time::Duration};

use bytes::Bytes;
use reqwest::{Client, redirect};
use tokio::runtime;
use valetkey_backend_suite::{server::Server, tls::Authority};
use valetkey_http::{Backend, Failure, FailureKind, Limits, Phase, Request, Sent, block_on};
use valetkey_reqwest::{BuildError, Builder, ReqwestBackend};

/// A builder that does not care for the environment of the test.
fn builder() -> Builder {
    ReqwestBackend::builder().client(|| Client::builder().no_proxy()).bundled_roots()
}

/// For clients that are made here: reqwest brings no cryptography for its own use of rustls.
fn no_trust() -> rustls::ClientConfig {
    let provider = rustls::crypto::ring::default_provider().into();
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}

fn get(url: impl AsRef<str>) -> Request {
    http::Request::get(url.as_ref()).body(Bytes::new()).unwrap()
}

fn limits(fresh: bool) -> Limits {
    let mut limits = Limits::default();
    limits.fresh = fresh;
    limits
}

fn told(failure: &Failure) -> (FailureKind, Sent) {
    (failure.kind(), failure.sent())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_bytes_of_the_uri_or_none() {
    let server = Server::keeping();
    let backend = builder().build().unwrap();
    for path in ["/", "/?", "/a|b?c|d=e", "/?a=%7e~", "//x", "/%2E%41/x", "/x%2f..%2f"] {
        backend.send(get(server.url(path)), limits(false)).await.unwrap();
        assert_eq!(server.received().last().unwrap().target(), path);
    }
    let port = server.address().port();
    backend.send(get(format!("http://LOCALHOST:{port}")), limits(false)).await.unwrap();
    let before = server.seen().len();
    let refused = ["/../x", "/./y", "/a/..", "/%2e%2e/x", "/%2E", "/?d='e'", "/\u{e9}", "/?\u{e9}"];
    let refused = refused.map(|path| server.url(path)).into_iter().chain([format!("http://127.1:{port}/")]);
    for url in refused {
        let failure = backend.send(get(&url), limits(false)).await.unwrap_err();
        assert_eq!(told(&failure), (FailureKind::Config, Sent::Nothing), "{url}");
    }
    assert_eq!(server.seen().len(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn no_header_is_added_but_accept() {
    let server = Server::keeping();
    for fresh in [false, true] {
        let mut request = get(server.url("/"));
        *request.method_mut() = http::Method::POST;
        builder().build().unwrap().send(request, limits(fresh)).await.unwrap();
        let mut fields: Vec<_> = server.received().pop().unwrap().fields();
        fields.sort();
        let names: Vec<_> = fields.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["accept", "host"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn s_net_03_redirects_are_answers_whatever_the_program_set() {
    let willing = || Client::builder().no_proxy().redirect(redirect::Policy::limited(5)).referer(true);
    let finished = Client::builder().no_proxy().redirect(redirect::Policy::none());
    let finished = finished.tls_backend_preconfigured(no_trust()).build().unwrap();
    let backends =
        [builder().client(willing).build().unwrap(), ReqwestBackend::from_client(finished).unwrap()];
    for backend in backends {
        for status in [301, 302, 303, 307, 308] {
            let other = Server::keeping();
            let server = Server::answering(format!(
                "HTTP/1.1 {status} See\r\nlocation: {}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
                other.url("/stolen")
            ));
            for fresh in [false, true] {
                let mut request = get(server.url("/"));
                *request.body_mut() = Bytes::from_static(b"code=secret");
                assert_eq!(backend.send(request, limits(fresh)).await.unwrap().status(), status);
            }
            assert_eq!((server.seen().len(), other.connections()), (2, 0));
        }
    }
}

#[test]
fn s_net_03_a_client_that_may_follow_redirects_is_not_taken() {
    let policies = [
        None,
        Some(redirect::Policy::default()),
        Some(redirect::Policy::limited(1)),
        Some(redirect::Policy::custom(|attempt| attempt.stop())),
    ];
    for policy in policies {
        // What the client shows of others is not mistaken for what it says of itself.
        let claim = ", redirect_policy: \"Policy(None)\"";
        let headers = [("x".parse().unwrap(), claim.parse().unwrap())].into_iter().collect();
        let builder = Client::builder().default_headers(headers).user_agent(claim);
        let builder = builder.tls_backend_preconfigured(no_trust());
        let client = match policy {
            Some(policy) => builder.redirect(policy),
            None => builder,
        };
        let outcome = ReqwestBackend::from_client(client.build().unwrap());
        assert!(matches!(outcome, Err(BuildError::Redirects)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_deadlines_of_the_programs_own_client_are_told() {
    let server = Server::start(|peer| drop(peer.await_end()));
    let hasty = builder().client(|| Client::builder().no_proxy().timeout(Duration::from_millis(60)));
    let failure = hasty.build().unwrap().send(get(server.url("/")), limits(false)).await.unwrap_err();
    assert_eq!(told(&failure), (FailureKind::Timeout(Phase::Total), Sent::Maybe));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_cannot_be_built_says_why() {
    let identity = Authority::new().issue("client");
    assert!(matches!(builder().extra_roots("none").build(), Err(BuildError::Roots(_))));
    let error = builder().identity("none", identity.key_pem.as_str()).build().unwrap_err();
    assert!(matches!(error, BuildError::Identity) && error.to_string().contains("PEM"));
    let other = Authority::new().issue("client");
    let error = builder().identity(identity.chain_pem.as_str(), other.key_pem.as_str()).build();
    assert!(matches!(error, Err(BuildError::Identity)));
    let refused = builder().client(|| Client::builder().user_agent("a\nb")).build();
    assert!(matches!(refused, Err(BuildError::Client(_))));
    let unprovided = ReqwestBackend::builder().client(Client::builder).build();
    assert!(matches!(unprovided, Err(BuildError::Panicked)));
}

#[test]
fn a_runtime_elsewhere_and_then_gone() {
    assert!(matches!(ReqwestBackend::new(), Err(BuildError::NoRuntime)));
    let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let backend = builder().handle(runtime.handle().clone()).build().unwrap();
    let server = Server::keeping();
    for fresh in [false, true] {
        assert_eq!(block_on(backend.send(get(server.url("/")), limits(fresh))).unwrap().body(), "ok");
    }
    let (done, ran) = mpsc::channel();
    assert!(backend.spawn(Box::pin(async move { done.send(()).unwrap() })).is_ok());
    ran.recv().unwrap();

    drop(runtime);
    for fresh in [false, true] {
        let failure = block_on(backend.send(get(server.url("/")), limits(fresh))).unwrap_err();
        // Where tokio does not panic by itself it refuses to make a socket, or the connection is gone.
        let known = [FailureKind::Panicked, FailureKind::Connect, FailureKind::Closed];
        assert!(known.contains(&failure.kind()), "{failure:?}");
    }
    block_on(backend.sleep(Duration::from_millis(5)));
    assert_eq!(server.seen().len(), 2);
}
