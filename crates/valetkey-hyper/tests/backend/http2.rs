//! HTTP/2, as ALPN settles it.

use std::{
    convert::Infallible,
    future::poll_fn,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use hyper::{
    Method, Request, Response, Version,
    body::{Body, Incoming},
    server::conn::http2,
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_rustls::TlsAcceptor;
use valetkey_backend_suite::tls::Authority;
use valetkey_http::{Backend, FailureKind, Unframed};
use valetkey_hyper::HyperBackend;

use crate::{get, limits, millis, post};

struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    gone: mpsc::UnboundedReceiver<()>,
}

/// A server that speaks HTTP/2 only; it answers with the method, the path and the host.
async fn serve(authority: &Authority) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let acceptor = TlsAcceptor::from(authority.server("localhost", &["h2"]));
    let (address, connections) = (listener.local_addr().unwrap(), Arc::<AtomicUsize>::default());
    let (left, gone) = mpsc::unbounded_channel();
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            count.fetch_add(1, Ordering::SeqCst);
            let (acceptor, left) = (acceptor.clone(), left.clone());
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    let connection = http2::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service_fn(answer));
                    drop(connection.await);
                }
                left.send(()).ok();
            });
        }
    });
    Server { address, connections, gone }
}

async fn answer(request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    if request.uri().path() == "/never" {
        std::future::pending::<()>().await;
    }
    let mut text = format!("{} {}", request.method(), request.uri());
    if request.method() == Method::PUT {
        let (mut body, mut length) = (pin!(request.into_body()), 0);
        while let Some(frame) = poll_fn(|context| body.as_mut().poll_frame(context)).await {
            length += frame.unwrap().data_ref().map_or(0, Bytes::len);
        }
        text = length.to_string();
    }
    Ok(Response::new(text))
}

fn trusting(authority: &Authority) -> HyperBackend {
    HyperBackend::builder().no_proxy().only_roots(authority.pem()).build().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_round_trip() {
    let authority = Authority::new();
    let mut server = serve(&authority).await;
    let backend = trusting(&authority);
    let url = format!("https://localhost:{}/a'b?c", server.address.port());
    for fresh in [false, true, false, true] {
        let response = backend.send(post(&url, "a=b"), limits(fresh)).await.unwrap();
        assert_eq!(response.version(), Version::HTTP_2);
        assert_eq!(response.body(), &Bytes::from(format!("POST {url}")));
        assert!(response.extensions().get::<Unframed>().is_none());
        if fresh {
            server.gone.recv().await.unwrap();
        }
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 3, "two of their own, one shared");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn large_requests_arrive_whole() {
    let authority = Authority::new();
    let server = serve(&authority).await;
    let backend = trusting(&authority);
    for fresh in [false, true] {
        let url = format!("https://localhost:{}/", server.address.port());
        let request = Request::put(url).body(Bytes::from(vec![b'x'; 3 << 20])).unwrap();
        assert_eq!(backend.send(request, limits(fresh)).await.unwrap().body(), "3145728");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn requests_share_a_connection_at_the_same_time() {
    let authority = Authority::new();
    let server = serve(&authority).await;
    let backend = trusting(&authority);
    let url = format!("https://localhost:{}/", server.address.port());
    backend.send(get(&url), limits(false)).await.unwrap();
    let sends = (0..10).map(|_| {
        let (backend, request) = (backend.clone(), get(&url));
        tokio::spawn(async move { backend.send(request, limits(false)).await.unwrap() })
    });
    for send in sends.collect::<Vec<_>>() {
        send.await.unwrap();
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_deadline_ends_the_request_and_a_fresh_connection() {
    let authority = Authority::new();
    let mut server = serve(&authority).await;
    let backend = trusting(&authority);
    let url = format!("https://localhost:{}/never", server.address.port());
    for fresh in [true, false] {
        let mut limits = limits(fresh);
        limits.head = millis(200);
        let failure = backend.send(get(&url), limits).await.unwrap_err();
        assert!(matches!(failure.kind(), FailureKind::Timeout(_)), "{failure:?}");
        if fresh {
            server.gone.recv().await.unwrap();
        }
    }
}
