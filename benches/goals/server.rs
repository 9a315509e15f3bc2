//! A server on a port of this machine.

use std::{convert::Infallible, net::SocketAddr, sync::mpsc, thread};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header::CONTENT_TYPE};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, runtime};

/// What is got: as much as a small answer of an API.
pub(crate) const BODY: &[u8] = &[b'x'; 77];

/// How many requests are under way at a time, where it can be more than one.
pub(crate) const IN_FLIGHT: usize = 32;

/// A runtime of one thread.
pub(crate) fn runtime() -> runtime::Runtime {
    runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Starts the server, on a thread of its own, which ends with the process. Whoever posts gets `tokens`, as JSON.
pub(crate) fn serve(tokens: Bytes) -> SocketAddr {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        runtime().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            sender.send(listener.local_addr().expect("an address")).expect("somebody who waits for it");
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                stream.set_nodelay(true).expect("a socket");
                let tokens = tokens.clone();
                let answer = service_fn(move |request| {
                    let answer = answer(&request, &tokens);
                    async { Ok::<_, Infallible>(answer) }
                });
                drop(tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer)));
            }
        });
    });
    receiver.recv().expect("an address")
}

fn answer(request: &Request<Incoming>, tokens: &Bytes) -> Response<Full<Bytes>> {
    if request.method() == Method::GET {
        return Response::new(Bytes::from_static(BODY).into());
    }
    let mut response = Response::new(tokens.clone().into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
