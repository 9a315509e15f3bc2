//! What the suite does not ask of a backend: HTTP/2, and a proxy.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use bytes::Bytes;
use hyper::{Request, Response, Version, body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpListener, runtime};
use tokio_rustls::TlsAcceptor;
use valetkey_backend_suite::{server::Server, tls::Authority};
use valetkey_http::{Backend, FailureKind, Limits, Sent};
use valetkey_smol::SmolBackend;

/// A server that speaks HTTP/2 only and answers with the path, but never for `/never`; on a thread of its own,
/// because it is on tokio. It counts its connections.
fn start(authority: &Authority) -> (SocketAddr, Arc<AtomicUsize>) {
    let acceptor = TlsAcceptor::from(authority.server("localhost", &["h2"]));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&connections);
    thread::spawn(move || {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(serve(listener, acceptor, count));
    });
    (address, connections)
}

async fn serve(listener: std::net::TcpListener, acceptor: TlsAcceptor, count: Arc<AtomicUsize>) {
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (acceptor, count) = (acceptor.clone(), Arc::clone(&count));
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            count.fetch_add(1, Ordering::SeqCst);
            let http = http2::Builder::new(TokioExecutor::new());
            drop(http.serve_connection(TokioIo::new(stream), service_fn(answer)).await);
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    if request.uri().path() == "/never" {
        std::future::pending::<()>().await;
    }
    Ok(Response::new(request.uri().path().to_owned()))
}

fn get(url: String) -> Request<Bytes> {
    Request::get(url).body(Bytes::new()).unwrap()
}

#[test]
fn http2_is_settled_by_alpn() {
    let authority = Authority::new();
    let (address, connections) = start(&authority);
    let url = |path: &str| format!("https://localhost:{}{path}", address.port());
    let backend = SmolBackend::builder().no_proxy().only_roots(authority.pem()).build().unwrap();
    let mut limits = Limits::default();
    smol::block_on(async {
        for fresh in [false, true, false] {
            limits.fresh = fresh;
            let response = backend.send(get(url("/a")), limits).await.unwrap();
            assert_eq!((response.version(), &response.body()[..]), (Version::HTTP_2, &b"/a"[..]));
        }
        // A request that is given up leaves the connection to the others.
        limits.head = Duration::from_millis(100);
        let failure = backend.send(get(url("/never")), limits).await.unwrap_err();
        assert!(failure.is_timeout(), "{failure:?}");
        limits.head = Limits::default().head;
        assert_eq!(backend.send(get(url("/b")), limits).await.unwrap().body(), "/b");
    });
    assert_eq!(connections.load(Ordering::SeqCst), 2, "one of its own, one shared");
}

#[test]
fn a_proxy_makes_a_tunnel_or_is_the_failure() {
    let proxy = Server::start(|peer| {
        assert!(peer.request().unwrap().line().starts_with("CONNECT api.test:80 "));
        peer.say("HTTP/1.1 200 OK\r\n\r\n");
        peer.serve_ok();
    });
    let through =
        |proxy: &str| SmolBackend::builder().proxy(proxy).only_roots(Authority::new().pem()).build().unwrap();
    let mut limits = Limits::default();
    for fresh in [false, true] {
        limits.fresh = fresh;
        let request = || get("http://api.test/a".to_owned());
        let backend = through(&format!("http://user:password@{}", proxy.address()));
        assert_eq!(smol::block_on(backend.send(request(), limits)).unwrap().body(), "ok");

        let failure = smol::block_on(through("http://nowhere.invalid").send(request(), limits)).unwrap_err();
        assert_eq!((failure.kind(), failure.sent()), (FailureKind::Resolve, Sent::Nothing));
    }
}
