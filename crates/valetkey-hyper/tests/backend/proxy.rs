//! Through a proxy's tunnel, or not.

use std::sync::Arc;

use valetkey_backend_suite::{server::Server, tls::Authority};
use valetkey_http::{Backend, FailureKind, Sent};
use valetkey_hyper::{Builder, HyperBackend};

use crate::{get, limits, millis, told};

/// A proxy that makes tunnels, and is itself whatever lies behind them.
fn tunnel() -> Server {
    Server::start(|peer| {
        assert!(peer.request().unwrap().line().starts_with("CONNECT "));
        peer.say(b"HTTP/1.1 200 Connection established\r\n\r\n");
        peer.serve_ok();
    })
}

fn through(server: &Server) -> Builder {
    HyperBackend::builder().proxy(&format!("http://user:p%40ss@{}", server.address()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_tunnel_with_credentials() {
    for fresh in [false, true] {
        let proxy = tunnel();
        let builder = through(&proxy);
        assert!(!format!("{builder:?}").contains("p%40ss") && !format!("{builder:?}").contains("p@ss"));
        let backend = builder.build().unwrap();
        assert!(!format!("{backend:?}").contains("p%40ss"));
        let response = backend.send(get("http://api.test:80/a?b"), limits(fresh)).await.unwrap();
        assert_eq!(response.body(), "ok");
        let seen = proxy.seen();
        assert!(seen[0].starts_with("CONNECT api.test:80 HTTP/1.1\r\n"), "{}", seen[0]);
        assert!(seen[0].contains("Proxy-Authorization: Basic dXNlcjpwQHNz\r\n"), "{}", seen[0]);
        assert!(seen[1].starts_with("GET /a?b HTTP/1.1\r\n"), "{}", seen[1]);
        assert!(seen[1].contains("\r\nhost: api.test\r\n"), "{}", seen[1]);
        assert!(!seen[1].to_lowercase().contains("proxy"), "{}", seen[1]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn tls_is_inside_the_tunnel() {
    let authority = Authority::new();
    let config = authority.server("api.test", &["http/1.1"]);
    let proxy = Server::start(move |peer| {
        peer.request();
        peer.say(b"HTTP/1.1 200 OK\r\n\r\n");
        peer.secured(&config).serve_ok();
    });
    let backend = through(&proxy).only_roots(authority.pem()).build().unwrap();
    for fresh in [false, true] {
        let response = backend.send(get("https://api.test/"), limits(fresh)).await.unwrap();
        assert_eq!(response.body(), "ok");
        let other = backend.send(get("https://other.test/"), limits(fresh)).await.unwrap_err();
        assert_eq!(told(&other), (FailureKind::Tls, Sent::Nothing));
    }
    let connects = proxy.seen().iter().filter(|seen| seen.starts_with("CONNECT api.test:443 ")).count();
    assert_eq!(connects, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_proxy_that_refuses() {
    for answer in ["HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "HTTP/1.1 502 Bad\r\n\r\n", ""] {
        for fresh in [false, true] {
            let proxy = Server::answering(answer);
            let backend = through(&proxy).build().unwrap();
            let failure = backend.send(get("https://api.test/secret"), limits(fresh)).await.unwrap_err();
            assert_eq!(told(&failure), (FailureKind::Connect, Sent::Nothing));
            let text = format!("{failure:?}");
            assert!(!text.contains("p@ss") && !text.contains("p%40ss") && !text.contains("secret"), "{text}");
            assert_eq!(proxy.seen().len(), 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_proxy_that_stalls_is_within_the_connect_deadline() {
    let proxy = Server::start(|peer| drop(peer.await_end()));
    let backend = through(&proxy).connect_timeout(millis(80)).build().unwrap();
    let failure = backend.send(get("https://api.test/"), limits(false)).await.unwrap_err();
    assert_eq!(told(&failure).1, Sent::Nothing);
    assert!(failure.is_timeout() && proxy.is_left());
    let unknown = HyperBackend::builder().proxy("http://nonexistent.invalid:3128").build().unwrap();
    let failure = unknown.send(get("https://api.test/"), limits(false)).await.unwrap_err();
    assert_eq!(told(&failure), (FailureKind::Resolve, Sent::Nothing));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_variables_of_the_environment() {
    let proxy = Arc::new(tunnel());
    let direct = Server::keeping();
    let address = proxy.address().to_string();
    let backend = HyperBackend::builder()
        .proxy_variables(|name| match name {
            "http_proxy" => Some(address.clone()),
            "NO_PROXY" => Some("internal.invalid, .other.invalid".to_owned()),
            _ => None,
        })
        .build()
        .unwrap();
    assert_eq!(backend.send(get("http://api.test/"), limits(false)).await.unwrap().body(), "ok");
    assert_eq!(proxy.seen().len(), 2);
    // This machine is never reached through a proxy.
    backend.send(get(direct.url("/")), limits(false)).await.unwrap();
    let local = format!("http://localhost:{}/", direct.address().port());
    backend.send(get(local), limits(true)).await.unwrap();
    assert_eq!(direct.seen().len(), 2);
    for excepted in ["http://internal.invalid/", "http://a.other.invalid/"] {
        let failure = backend.send(get(excepted), limits(false)).await.unwrap_err();
        assert_eq!(failure.kind(), FailureKind::Resolve, "looked up here, so not by the proxy");
    }
    assert_eq!(proxy.seen().len(), 2);
}
