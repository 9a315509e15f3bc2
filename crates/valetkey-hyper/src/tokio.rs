//! tokio's sockets, timers and tasks, and the backend on them.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use http::Uri;
use hyper_util::{
    client::legacy::connect::{
        HttpConnector,
        dns::{GaiAddrs, GaiResolver, Name},
    },
    rt::{TokioIo, TokioTimer},
};
use tokio::{net::TcpStream, runtime::Handle};
use tower_service::Service;
use valetkey_http::{Backend, Failure, FailureKind, Limits, Request, Response, Sent, Task};

use crate::{
    BuildError, Builder,
    runtime::{Carrier, Runtime},
};

/// A [`Backend`] on hyper, rustls and tokio.
///
/// It speaks HTTP/1.1 and HTTP/2, keeps connections for ordinary requests, and makes one of its own for
/// each request that asks for it ([`Limits::fresh`]). It can be cloned cheaply; clones share the
/// connections. It may be used from any executor: sockets and timers are those of the tokio runtime it
/// was built with, which must be running meanwhile.
///
/// ```
/// use std::sync::Arc;
/// use valetkey_http::Backend;
/// use valetkey_hyper::HyperBackend;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), valetkey_hyper::BuildError> {
/// let backend: Arc<dyn Backend> = Arc::new(HyperBackend::new()?);
/// # drop(backend);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct HyperBackend(Carrier<Tokio>);

impl HyperBackend {
    /// A backend with the bundled root certificates, on the tokio runtime that this is called in.
    ///
    /// Proxies are taken from the environment: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in
    /// upper or lower case. This machine itself is never reached through a proxy.
    ///
    /// # Errors
    ///
    /// [`BuildError::NoRuntime`] outside of tokio, [`BuildError::NoRoots`] without the feature
    /// `webpki-roots`, [`BuildError::Proxy`] if a variable cannot be read: to go without the proxy that
    /// somebody asked for would be worse.
    pub fn new() -> Result<Self, BuildError> {
        Self::builder().build()
    }

    /// Sets up a backend by hand.
    pub fn builder() -> Builder {
        Builder::new()
    }
}

#[async_trait]
impl Backend for HyperBackend {
    async fn send(&self, request: Request, limits: Limits) -> Result<Response, Failure> {
        self.0.send(request, limits).await
    }

    async fn sleep(&self, time: Duration) {
        self.0.sleep(time).await;
    }

    fn spawn(&self, task: Task) -> Result<(), Task> {
        self.0.spawn(task);
        Ok(())
    }
}

impl From<Carrier<Tokio>> for HyperBackend {
    fn from(carrier: Carrier<Tokio>) -> Self {
        Self(carrier)
    }
}

impl fmt::Debug for HyperBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.describe(f, "HyperBackend")
    }
}

impl Builder {
    /// Uses this runtime instead of the one that [`build`](Self::build) is called in.
    ///
    /// Its timers and I/O must be enabled. A current-thread runtime works as long as somebody blocks on it.
    pub fn handle(self, handle: Handle) -> Self {
        self.runtime(Tokio::new(handle))
    }
}

/// A tokio runtime, whose sockets and timers are used, whoever polls.
#[derive(Clone, Debug)]
pub struct Tokio {
    handle: Handle,
    tcp: HttpConnector<Resolver>,
}

impl Tokio {
    /// The runtime of this handle.
    #[must_use]
    pub fn new(handle: Handle) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(Resolver(GaiResolver::new()));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        Self { handle, tcp }
    }
}

impl Runtime for Tokio {
    type Backend = HyperBackend;
    type Stream = TokioIo<TcpStream>;
    type Timer = TokioTimer;

    fn here() -> Result<Self, BuildError> {
        Handle::try_current().map(Self::new).map_err(|_| BuildError::NoRuntime)
    }

    fn connect(
        &self,
        target: Uri,
    ) -> impl Future<Output = Result<Self::Stream, Failure>> + Send + 'static + use<> {
        let connecting = self.tcp.clone().call(target);
        async move { connecting.await.map_err(unconnected) }
    }

    fn timer(&self) -> TokioTimer {
        TokioTimer::new()
    }

    /// Made and polled inside the runtime only.
    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send + use<> {
        #[expect(clippy::disallowed_methods, reason = "what `Backend::sleep` and the deadlines are made of")]
        tokio::time::sleep(time)
    }

    fn spawn(&self, task: Task) {
        drop(self.handle.spawn(task));
    }

    fn enter(&self) -> impl Sized {
        self.handle.enter()
    }
}

/// hyper says "dns error" only in its text; the resolver's own type tells it apart.
fn unconnected(error: impl Error + Send + Sync + 'static) -> Failure {
    let unresolved = error.source().is_some_and(|cause| cause.is::<Unresolved>());
    let kind = if unresolved { FailureKind::Resolve } else { FailureKind::Connect };
    Failure::new(Sent::Nothing, kind).with_source(error)
}

/// The system's resolver, with an error type of its own.
#[derive(Clone, Debug)]
struct Resolver(GaiResolver);

impl Service<Name> for Resolver {
    type Response = GaiAddrs;
    type Error = Unresolved;
    type Future = Pin<Box<dyn Future<Output = Result<GaiAddrs, Unresolved>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Unresolved>> {
        self.0.poll_ready(context).map_err(Unresolved)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let looking_up = self.0.call(name);
        Box::pin(async move { looking_up.await.map_err(Unresolved) })
    }
}

#[derive(Debug)]
struct Unresolved(std::io::Error);

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("lookup failed")
    }
}

impl Error for Unresolved {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use valetkey_http::block_on;

    use super::*;

    #[test]
    #[cfg(feature = "webpki-roots")]
    fn every_timer_is_made_inside_the_runtime() {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let backend = HyperBackend::builder().no_proxy().handle(runtime.handle().clone());
        let backend = backend.build().unwrap();
        for fresh in [false, true] {
            let mut limits = Limits::default();
            (limits.fresh, limits.connect) = (fresh, limits.connect / 2);
            // No port 0 can be connected to.
            let request = http::Request::get("http://127.0.0.1:0/").body(Bytes::new()).unwrap();
            let failure = block_on(backend.send(request, limits)).unwrap_err();
            assert_eq!((failure.kind(), failure.sent()), (FailureKind::Connect, Sent::Nothing));
        }
    }
}
