//! Making a connection: resolving, TCP, a proxy's tunnel, TLS; within one deadline, each stage named.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::{
    client::legacy::connect::{
        HttpConnector,
        dns::{GaiAddrs, GaiResolver, Name},
        proxy::Tunnel,
    },
    rt::TokioIo,
};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tower_service::Service;
use valetkey_http::{BoxError, Failure, FailureKind, Phase, Sent};

use crate::{
    proxy::{self, Proxies},
    runtime::within,
};

/// A connection over which HTTP is spoken.
pub(crate) type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

type Connecting<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// Makes connections, for the pool as hyper's connector and for the requests that want their own.
#[derive(Clone)]
pub(crate) struct Connector {
    /// Shared, because the pool clones its connector for every request.
    https: Arc<HttpsConnector<Route>>,
    /// How long the pool may take. hyper's own timeout would cover neither the lookup nor TLS.
    deadline: Duration,
}

impl Connector {
    pub(crate) fn new(tls: ClientConfig, proxies: Proxies, deadline: Duration) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(Resolver(GaiResolver::new()));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let route = Route { tcp, proxies: Arc::new(proxies) };
        Self { https: Arc::new(HttpsConnector::from((route, tls))), deadline }
    }

    /// Connects within `deadline`; nothing of a request is sent.
    pub(crate) fn connect(
        &self,
        target: Uri,
        deadline: Duration,
    ) -> impl Future<Output = Result<Stream, Staged>> + Send + 'static {
        let connecting = HttpsConnector::clone(&self.https).call(target);
        async move {
            match within(deadline, connecting).await {
                Some(outcome) => outcome.map_err(Staged::after_route),
                None => Err(Staged { stage: FailureKind::Timeout(Phase::Connect), source: None }),
            }
        }
    }

    /// How long the pool's connections may take to be made.
    pub(crate) fn deadline(&self) -> Duration {
        self.deadline
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = Staged;
    type Future = Connecting<Stream, Staged>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Staged>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        Box::pin(self.connect(target, self.deadline))
    }
}

/// The way to a host: straight, or through a proxy's tunnel.
///
/// Requests in plain text are tunnelled like the others, so that no proxy handles a request and what it
/// answers is never taken for the server's answer.
#[derive(Clone)]
struct Route {
    tcp: HttpConnector<Resolver>,
    proxies: Arc<Proxies>,
}

impl Service<Uri> for Route {
    type Response = TokioIo<TcpStream>;
    type Error = Staged;
    type Future = Connecting<TokioIo<TcpStream>, Staged>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Staged>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let Some(proxy) = self.proxies.toward(&target) else {
            let connecting = self.tcp.call(target);
            return Box::pin(async move { connecting.await.map_err(Staged::before_tls) });
        };
        let mut tunnel = Tunnel::new(proxy.uri.clone(), self.tcp.clone());
        if let Some(credentials) = &proxy.credentials {
            tunnel = tunnel.with_auth(credentials.clone());
        }
        let connecting = tunnel.call(proxy::with_port(target));
        Box::pin(async move { connecting.await.map_err(Staged::before_tls) })
    }
}

/// The system's resolver, with an error type of its own: hyper's says "dns error" only in its text.
#[derive(Clone)]
struct Resolver(GaiResolver);

impl Service<Name> for Resolver {
    type Response = GaiAddrs;
    type Error = Unresolved;
    type Future = Connecting<GaiAddrs, Unresolved>;

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

/// Why there is no connection, and which stage of making it failed.
#[derive(Debug)]
pub(crate) struct Staged {
    stage: FailureKind,
    source: Option<BoxError>,
}

impl Staged {
    pub(crate) fn stage(&self) -> FailureKind {
        self.stage
    }

    fn before_tls(error: impl Error + Send + Sync + 'static) -> Self {
        let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
        let mut stage = FailureKind::Connect;
        while let Some(error) = cause {
            if error.is::<Unresolved>() {
                stage = FailureKind::Resolve;
            }
            cause = error.source();
        }
        Self { stage, source: Some(error.into()) }
    }

    /// Whatever does not come from the route under it is TLS's: the handshake, or a host it cannot name.
    fn after_route(error: BoxError) -> Self {
        match error.downcast::<Self>() {
            Ok(staged) => *staged,
            Err(error) => Self { stage: FailureKind::Tls, source: Some(error) },
        }
    }
}

impl From<Staged> for Failure {
    fn from(staged: Staged) -> Self {
        let failure = Self::new(Sent::Nothing, staged.stage);
        match staged.source {
            Some(source) => failure.with_source(source),
            None => failure,
        }
    }
}

impl fmt::Display for Staged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.stage {
            FailureKind::Resolve => "the host name could not be resolved",
            FailureKind::Tls => "TLS failed",
            FailureKind::Timeout(_) => "no connection in time",
            _ => "no connection could be made",
        })
    }
}

impl Error for Staged {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
