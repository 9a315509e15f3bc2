//! The backend: one client with a pool, two without, and how their answers are read.

use std::{
    fmt,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::Version;
use http_body::Body;
use reqwest::{Client, Url};
use tokio::runtime::Handle;
use valetkey_http::{
    Addresses, Backend, Failure, FailureKind, Limits, Request, Response, Sent, Task,
    adapter::{Chunks, check, contain, exchange},
};

use crate::{BuildError, Builder, fault, resolve};

/// A [`Backend`] on reqwest.
///
/// It keeps connections for ordinary requests, and makes one of its own for each request that asks for it
/// ([`Limits::fresh`]). It can be cloned cheaply; clones share the connections. It may be used from any executor:
/// sockets and timers are those of the tokio runtime it was built with, which must be running meanwhile.
///
/// ```
/// use std::sync::Arc;
/// use valetkey_http::Backend;
/// use valetkey_reqwest::ReqwestBackend;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), valetkey_reqwest::BuildError> {
/// let backend: Arc<dyn Backend> = Arc::new(ReqwestBackend::new()?);
/// # drop(backend);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ReqwestBackend {
    /// For ordinary requests.
    pub(crate) pooled: Client,
    /// For those that want a connection of their own.
    pub(crate) single: Client,
    /// For those to public addresses alone, of which nobody could tell on a connection that was kept.
    pub(crate) public: Client,
    pub(crate) handle: Handle,
}

impl ReqwestBackend {
    /// A backend on the tokio runtime that this is called in, with reqwest's own settings otherwise: proxies, for
    /// one, are taken from the environment if reqwest's feature `system-proxy` is on.
    ///
    /// # Errors
    ///
    /// [`BuildError::NoRuntime`] outside of tokio, [`BuildError::Client`] if reqwest refuses.
    pub fn new() -> Result<Self, BuildError> {
        Self::builder().build()
    }

    /// Sets up a backend by hand.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// A backend on a client that exists, and on the tokio runtime that this is called in.
    ///
    /// The client must have been made with [`redirect::Policy::none`](reqwest::redirect::Policy::none): with any other
    /// policy it would show a server that redirects it the codes and tokens of a request.
    ///
    /// ```
    /// use valetkey_reqwest::{BuildError, ReqwestBackend};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # rustls::crypto::ring::default_provider().install_default().unwrap();
    /// let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    /// let backend = ReqwestBackend::from_client(client)?;
    /// # drop(backend);
    ///
    /// let error = ReqwestBackend::from_client(reqwest::Client::new()).unwrap_err();
    /// assert!(matches!(error, BuildError::Redirects));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`BuildError::Redirects`] unless the client shows that it follows no redirect; [`BuildError::NoRuntime`]
    /// outside of tokio.
    ///
    /// # Security
    ///
    /// Whether the client sends requests again, keeps cookies, decompresses, or adds credentials of its own cannot be
    /// seen from outside. A request that wants a connection of its own gets one of the client's, so that more of them
    /// end with an unknown outcome; and what a name leads to is not checked for one that may go
    /// to public addresses alone. Prefer [`Builder::client`].
    pub fn from_client(client: Client) -> Result<Self, BuildError> {
        // There is no other way to ask. Were the text another one day, no client would be taken: a test notices.
        // Texts in it that come from elsewhere, such as header fields, are shown with their quotes escaped.
        if !format!("{client:?}").contains(", redirect_policy: \"Policy(None)\"") {
            return Err(BuildError::Redirects);
        }
        let handle = Handle::try_current().map_err(|_| BuildError::NoRuntime)?;
        Ok(Self { pooled: client.clone(), single: client.clone(), public: client, handle })
    }

    /// Sends, and waits for the head of the response.
    async fn begin(&self, request: Request, limits: &Limits) -> Result<http::Response<Arriving>, Failure> {
        let client = match limits.addresses {
            Addresses::Any if limits.fresh => &self.single,
            Addresses::Any => &self.pooled,
            _ => &self.public,
        };
        let uri = request.uri().clone();
        let mut request = reqwest::Request::try_from(request).map_err(|_| rewritten())?;
        *request.version_mut() = Version::HTTP_11;
        if !is_as_given(&uri, request.url()) {
            return Err(rewritten());
        }
        let host = request.url().host_str().unwrap_or_default().to_owned();
        let response = resolve::toward(&host, client.execute(request)).await.map_err(fault::before_head)?;
        if !is_as_given(&uri, response.url()) {
            return Err(Failure::new(Sent::Maybe, FailureKind::Redirected));
        }
        Ok(http::Response::from(response).map(Arriving))
    }
}

/// What reqwest's URLs would be sent as is not what was given, and maybe signed.
fn rewritten() -> Failure {
    Failure::new(Sent::Nothing, FailureKind::Config).with_source("reqwest would send another URL than this")
}

/// Whether a URL says what the URI does: the same bytes after the authority, and the same host and port, which only
/// their case and the scheme's own port may be written differently.
fn is_as_given(uri: &http::Uri, url: &Url) -> bool {
    let own_port = if url.scheme() == "http" { 80 } else { 443 };
    let port = uri.port_u16().unwrap_or(own_port);
    let host =
        uri.host().is_some_and(|given| url.host_str().is_some_and(|host| host.eq_ignore_ascii_case(given)));
    host && uri.scheme_str() == Some(url.scheme())
        && url.port_or_known_default() == Some(port)
        && uri.path() == url.path()
        && uri.query() == url.query()
}

#[async_trait]
impl Backend for ReqwestBackend {
    async fn send(&self, request: Request, limits: Limits) -> Result<Response, Failure> {
        check(&request, &limits)?;
        let method = request.method().clone();
        let start = self.begin(request, &limits);
        let exchange = pin!(exchange(&limits, &method, sleep, start));
        contain(|| self.handle.enter(), exchange).await.flatten()
    }

    async fn sleep(&self, time: Duration) {
        // If the runtime is gone, time stands still: what comes next fails and says so.
        drop(contain(|| self.handle.enter(), pin!(async { sleep(time).await })).await);
    }

    fn spawn(&self, task: Task) -> Result<(), Task> {
        drop(self.handle.spawn(task));
        Ok(())
    }
}

/// A timer; made and polled inside the runtime only.
fn sleep(time: Duration) -> impl Future<Output = ()> {
    #[expect(clippy::disallowed_methods, reason = "what `Backend::sleep` and the deadlines are made of")]
    tokio::time::sleep(time)
}

/// Without the clients, which would show header fields and proxies.
impl fmt::Debug for ReqwestBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestBackend").finish_non_exhaustive()
    }
}

/// The body of a response.
struct Arriving(reqwest::Body);

impl Chunks for Arriving {
    fn poll_chunk(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Failure>>> {
        loop {
            match ready!(Pin::new(&mut self.0).poll_frame(context)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(fault::in_body(error)))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(chunk) => return Poll::Ready(Some(Ok(chunk))),
                    Err(_trailers) => continue,
                },
            }
        }
    }
}

#[cfg(all(test, feature = "rustls"))]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
        thread,
    };

    use super::*;

    /// A server that redirects the first request to itself, and answers the second.
    fn redirecting() -> (String, thread::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let serving = thread::spawn(move || {
            for head in ["307 See\r\nlocation: /other", "200 OK"] {
                let (mut connection, _) = listener.accept().unwrap();
                assert!(connection.read(&mut [0; 4096]).unwrap() > 0);
                let answer = format!("HTTP/1.1 {head}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                connection.write_all(answer.as_bytes()).unwrap();
            }
        });
        (url, serving)
    }

    /// Past [`check`], which would refuse the name.
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn s_net_10_what_a_name_leads_to_is_checked_and_connected_to() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
        let serving = thread::spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            for _ in 0..2 {
                assert!(connection.read(&mut [0; 4096]).unwrap() > 0);
                connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
            }
        });
        let builder = ReqwestBackend::builder().client(|| Client::builder().no_proxy()).bundled_roots();
        let backend = builder.build().unwrap();
        let send = async |addresses| {
            let mut limits = Limits::default();
            limits.addresses = addresses;
            backend.begin(http::Request::get(&url).body(Bytes::new()).unwrap(), &limits).await.map(drop)
        };
        assert!(send(Addresses::Any).await.is_ok());
        let failure = send(Addresses::Public).await.unwrap_err();
        assert_eq!((failure.kind(), failure.sent()), (FailureKind::AddressRefused, Sent::Nothing));
        assert!(send(Addresses::Any).await.is_ok(), "the connection is there");
        serving.join().unwrap();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn s_net_03_an_answer_from_elsewhere_is_a_failure() {
        let (url, serving) = redirecting();
        let mut backend = ReqwestBackend::builder()
            .client(|| Client::builder().no_proxy())
            .bundled_roots()
            .build()
            .unwrap();
        let tls = crate::tls::Tls::default().config().unwrap();
        // What no constructor lets in.
        backend.pooled = Client::builder().no_proxy().tls_backend_preconfigured(tls).build().unwrap();
        let request = http::Request::get(url).body(Bytes::new()).unwrap();
        let failure = backend.send(request, Limits::default()).await.unwrap_err();
        assert_eq!((failure.kind(), failure.sent()), (FailureKind::Redirected, Sent::Maybe));
        serving.join().unwrap();
    }
}
