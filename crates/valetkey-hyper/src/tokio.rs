//! tokio's sockets, timers and tasks, and the backend on them.

use std::{
    error::Error,
    fmt,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
    vec,
};

use async_trait::async_trait;
use http::Uri;
use hyper_util::{
    client::legacy::connect::{
        HttpConnector,
        dns::{GaiResolver, Name},
    },
    rt::{TokioIo, TokioTimer},
};
use tokio::{net::TcpStream, runtime::Handle};
use tower_service::Service;
use valetkey_http::{Addresses, Backend, Failure, FailureKind, Limits, Request, Response, Sent, Task};

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

#[cfg(test)]
impl HyperBackend {
    pub(crate) fn carrier(&self) -> &Carrier<Tokio> {
        &self.0
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
    /// The same to public addresses alone.
    public: HttpConnector<Resolver>,
}

impl Tokio {
    /// The runtime of this handle.
    #[must_use]
    pub fn new(handle: Handle) -> Self {
        let to = |addresses| {
            let mut tcp =
                HttpConnector::new_with_resolver(Resolver { system: GaiResolver::new(), addresses });
            tcp.enforce_http(false);
            tcp.set_nodelay(true);
            tcp
        };
        Self { handle, tcp: to(Addresses::Any), public: to(Addresses::Public) }
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
        addresses: Addresses,
    ) -> impl Future<Output = Result<Self::Stream, Failure>> + Send + 'static + use<> {
        // A host that is an address is connected to without being looked up.
        let is_allowed = addresses.allows_host(target.host().unwrap_or_default());
        let tcp = if addresses == Addresses::Any { &self.tcp } else { &self.public };
        let connecting = is_allowed.then(|| tcp.clone().call(target));
        async move {
            match connecting {
                Some(connecting) => connecting.await.map_err(unconnected),
                None => Err(Failure::new(Sent::Nothing, FailureKind::AddressRefused)),
            }
        }
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
    let kind = match error.source().and_then(|cause| cause.downcast_ref()) {
        Some(Unresolved::Failed(_)) => FailureKind::Resolve,
        Some(Unresolved::Refused) => FailureKind::AddressRefused,
        None => FailureKind::Connect,
    };
    Failure::new(Sent::Nothing, kind).with_source(error)
}

/// The system's resolver, of whose addresses it passes on those that are allowed; with an error type of its own.
#[derive(Clone, Debug)]
struct Resolver {
    system: GaiResolver,
    addresses: Addresses,
}

impl Service<Name> for Resolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = Unresolved;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Unresolved>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Unresolved>> {
        self.system.poll_ready(context).map_err(Unresolved::Failed)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let looking_up = self.system.call(name);
        let addresses = self.addresses;
        Box::pin(async move {
            let found = looking_up.await.map_err(Unresolved::Failed)?;
            let allowed: Vec<_> = found.filter(|found| addresses.allows(found.ip())).collect();
            if allowed.is_empty() && addresses != Addresses::Any {
                return Err(Unresolved::Refused);
            }
            Ok(allowed.into_iter())
        })
    }
}

#[derive(Debug)]
enum Unresolved {
    Failed(std::io::Error),
    /// It has no address that is allowed.
    Refused,
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Failed(_) => "lookup failed",
            Self::Refused => "no address that is allowed",
        })
    }
}

impl Error for Unresolved {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(source) => Some(source),
            Self::Refused => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use valetkey_http::block_on;

    use super::*;

    #[tokio::test]
    async fn s_net_10_what_a_name_leads_to_is_checked_and_connected_to() {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = |host: &str| format!("http://{host}:{}/", server.local_addr().unwrap().port());
        let tokio = Tokio::here().unwrap();
        let connect = |host, addresses| tokio.connect(url(host).parse().unwrap(), addresses);
        for host in ["127.0.0.1", "localhost"] {
            assert!(connect(host, Addresses::Any).await.is_ok());
            let failure = connect(host, Addresses::Public).await.unwrap_err();
            assert_eq!((failure.kind(), failure.sent()), (FailureKind::AddressRefused, Sent::Nothing));
        }
        // Under its name, so that nothing but its addresses can say it.
        let mut resolver = Resolver { system: GaiResolver::new(), addresses: Addresses::Public };
        let name = || "localhost".parse::<Name>().unwrap();
        assert!(matches!(resolver.call(name()).await, Err(Unresolved::Refused)));
        let mut resolver = Resolver { addresses: Addresses::Any, ..resolver };
        assert!(resolver.call(name()).await.unwrap().all(|found| found.ip().is_loopback()));
    }

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
