//! A server on a port of this machine, and the ways to ask it.

use std::{convert::Infallible, net::SocketAddr, sync::mpsc, thread};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, Uri,
    header::{AUTHORIZATION, CONTENT_TYPE},
    request::Builder,
};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use tokio::{net::TcpListener, runtime};
use valetkey::Session;
use valetkey_http::{Backend, Limits};
use valetkey_hyper::HyperBackend;

use crate::{session, world::JSON};

/// A way to ask, with the connections that it keeps. Whoever asks shows the same token.
pub(crate) struct Way {
    client: Asking,
    authorization: HeaderValue,
}

enum Asking {
    Raw(Box<Client<HttpConnector, Full<Bytes>>>),
    Adapter(Box<HyperBackend>),
    Session(Session),
    Reqwest(reqwest::Client),
}

/// What is got: as much as a small answer of an API.
const BODY: &[u8] = &[b'x'; 77];

impl Way {
    /// All of them, in the runtime that this is called in: the client without anything around it first.
    pub(crate) async fn all(server: SocketAddr) -> [Self; 4] {
        let mut connector = HttpConnector::new();
        // As the others have it.
        connector.set_nodelay(true);
        let adapter = || HyperBackend::builder().no_proxy().build().expect("a backend");
        let api = format!("http://{server}/");
        let session = session::new(adapter(), &format!("{api}token"), &api).await;
        let reqwest = reqwest::Client::builder().no_proxy().build().expect("a client");
        session.tokens().await.expect("tokens");
        let authorization = session.bearer().expect("a token").clone();
        [
            Asking::Raw(Box::new(Client::builder(TokioExecutor::new()).build(connector))),
            Asking::Adapter(Box::new(adapter())),
            Asking::Session(session),
            Asking::Reqwest(reqwest),
        ]
        .map(|client| Self { client, authorization: authorization.clone() })
    }

    pub(crate) fn name(&self) -> &'static str {
        match self.client {
            Asking::Raw(_) => "GET, hyper-util alone",
            Asking::Adapter(_) => "GET, the adapter",
            Asking::Session(_) => "GET, authorized by a session",
            Asking::Reqwest(_) => "GET, reqwest",
        }
    }

    /// Gets the whole answer.
    pub(crate) async fn get(&self, uri: &Uri) {
        let request = Request::get(uri.clone());
        let authorized = |request: Builder| request.header(AUTHORIZATION, self.authorization.clone());
        let body = match &self.client {
            Asking::Raw(client) => {
                let request = authorized(request).body(Full::default()).expect("a request");
                let response = client.request(request).await.expect("an answer");
                response.into_body().collect().await.expect("a body").to_bytes()
            }
            Asking::Adapter(backend) => {
                let request = authorized(request).body(Bytes::new()).expect("a request");
                backend.send(request, Limits::default()).await.expect("an answer").into_body()
            }
            Asking::Session(session) => {
                let request = request.body(Bytes::new()).expect("a request");
                session.send(request).await.expect("an answer").into_body()
            }
            Asking::Reqwest(client) => {
                let request = authorized(request).body("").expect("a request");
                let request = request.try_into().expect("a request");
                client.execute(request).await.expect("an answer").bytes().await.expect("a body")
            }
        };
        assert_eq!(body, BODY);
    }
}

/// The runtime of a client: one thread.
pub(crate) fn runtime() -> runtime::Runtime {
    runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Starts the server, on a thread of its own, which ends with the process.
pub(crate) fn serve() -> SocketAddr {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        runtime().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            sender.send(listener.local_addr().expect("an address")).expect("somebody who waits for it");
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                stream.set_nodelay(true).expect("a socket");
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
                drop(tokio::spawn(connection));
            }
        });
    });
    receiver.recv().expect("an address")
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() == Method::GET {
        return Ok(Response::new(Bytes::from_static(BODY).into()));
    }
    let mut response = Response::new(session::token_body().into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    Ok(response)
}
