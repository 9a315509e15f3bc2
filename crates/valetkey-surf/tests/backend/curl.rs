//! What is libcurl's alone: TLS, proxies, and what of it dies.

use valetkey_http::{Backend, FailureKind, Limits, Sent, Unframed, block_on};
use valetkey_surf::{BuildError, SurfBackend};

use crate::{get, millis, post, send, told};
use valetkey_backend_suite::{server::Server, tls::Authority};

fn backend() -> SurfBackend {
    SurfBackend::new().unwrap()
}

fn secure(authority: &Authority) -> Server {
    let config = authority.server("localhost", &["h2", "http/1.1"]);
    Server::start(move |peer| peer.secured(&config).serve_ok())
}

#[test]
fn roots_add_up() {
    let (one, two) = (Authority::new(), Authority::new());
    let (first, second) = (secure(&one), secure(&two));
    let backend = SurfBackend::builder().extra_roots(one.pem()).extra_roots(two.pem()).build().unwrap();
    for server in [&first, &second] {
        let url = format!("https://localhost:{}/", server.address().port());
        assert_eq!(send(&backend, get(url)).unwrap().body(), "ok");
    }
}

#[test]
fn identities_and_proxies_that_cannot_be_used() {
    let client = Authority::new().issue("client");
    for (chain, key) in [("none", &*client.key_pem), (&*client.chain_pem, "none")] {
        let error = SurfBackend::builder().identity(chain, key).build();
        assert!(matches!(error, Err(BuildError::Identity(_))));
    }
    for url in ["socks5://u:secret@host", "https://u:secret@host", "http://u:secret@host/path", ""] {
        let error = SurfBackend::builder().proxy(url).build().unwrap_err();
        assert!(!format!("{error:?} {error}").contains("secret"));
        assert!(matches!(error, BuildError::Proxy), "{url}");
    }
}

#[test]
fn a_proxy_is_asked_for_a_tunnel_and_this_machine_is_not() {
    let proxy = Server::answering("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
    let backend = SurfBackend::builder().proxy(proxy.url("")).build().unwrap();
    assert!(!format!("{backend:?}").contains(&proxy.address().to_string()));
    let failure = send(&backend, post("https://server.test/token?secret", "code=1")).unwrap_err();
    assert_eq!(failure.sent(), Sent::Nothing, "the body was not asked for");
    let seen = proxy.seen();
    assert!(seen[0].starts_with("CONNECT server.test:443 HTTP/1.1\r\n") && !seen[0].contains("secret"));
    let server = Server::keeping();
    assert_eq!(send(&backend, get(server.url("/"))).unwrap().body(), "ok");
    assert_eq!(proxy.connections(), 1);
}

#[test]
fn what_libcurl_would_drop_is_refused() {
    let server = Server::keeping();
    let mut repeated = get(server.url("/"));
    repeated.headers_mut().append("x", "1".parse().unwrap());
    repeated.headers_mut().append("x", "2".parse().unwrap());
    let head = http::Request::head(server.url("/")).body(bytes::Bytes::new()).unwrap();
    for request in
        [repeated, head, get(server.url("/path?")), get(server.url("/%2f")), get(server.url("/?%7e"))]
    {
        let failure = send(&backend(), request).unwrap_err();
        assert_eq!(told(&failure), (FailureKind::Config, Sent::Nothing));
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_body_that_ends_with_the_connection_is_marked() {
    let whole = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbody");
    assert!(send(&backend(), get(whole.url("/"))).unwrap().extensions().get::<Unframed>().is_none());
    let marked = Server::answering("HTTP/1.1 200 OK\r\n\r\nbody");
    let response = send(&backend(), get(marked.url("/"))).unwrap();
    assert!(response.extensions().get::<Unframed>().is_some());
    // Nobody knows whether the head was all of it.
    let empty = Server::answering("HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(told(&send(&backend(), get(empty.url("/"))).unwrap_err()), (FailureKind::Closed, Sent::Maybe));
    let interim =
        Server::answering("HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n");
    let response = send(&backend(), get(interim.url("/"))).unwrap();
    assert_eq!((response.status().as_u16(), response.headers().len()), (204, 0));
}

#[test]
fn many_kinds_of_deadlines_share_the_backend() {
    let backend = backend();
    let server = Server::keeping();
    for time in 1..12 {
        let mut limits = Limits::default();
        limits.total = millis(10_000 + time);
        assert_eq!(block_on(backend.send(get(server.url("/")), limits)).unwrap().body(), "ok");
    }
}
