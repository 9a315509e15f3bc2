//! Making a connection: resolving, TCP, a proxy's tunnel, TLS; within one deadline, each stage named.

use std::{
    error::Error,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use rustls::ClientConfig;
use tower_service::Service;
use valetkey_http::{Addresses, BoxError, Failure, FailureKind, Phase, Sent};

use crate::{
    proxy::{self, Proxies},
    runtime::{Runtime, within},
};

/// A connection over which HTTP is spoken.
type Stream<R> = MaybeHttpsStream<<R as Runtime>::Stream>;

type Connecting<T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send>>;

/// Makes connections, for the pool as hyper's connector and for the requests that want their own.
///
/// Shared, because the pool clones its connector for every request.
#[derive(Clone)]
pub(crate) struct Connector<R>(Arc<Ways<R>>);

struct Ways<R> {
    https: HttpsConnector<Route<R>>,
    /// The same to public addresses alone.
    public: HttpsConnector<Route<R>>,
    runtime: R,
    /// How long the pool may take. hyper's own timeout would cover neither the lookup nor TLS.
    deadline: Duration,
}

impl<R: Runtime> Connector<R> {
    pub(crate) fn new(runtime: R, tls: ClientConfig, proxies: Proxies, deadline: Duration) -> Self {
        let (proxies, tls) = (Arc::new(proxies), Arc::new(tls));
        let to = |addresses| {
            let route = Route { runtime: runtime.clone(), proxies: Arc::clone(&proxies), addresses };
            HttpsConnector::from((route, Arc::clone(&tls)))
        };
        let (https, public) = (to(Addresses::Any), to(Addresses::Public));
        Self(Arc::new(Ways { https, public, runtime, deadline }))
    }

    /// Connects to one of these addresses within `deadline`; nothing of a request is sent.
    pub(crate) fn connect(
        &self,
        target: Uri,
        deadline: Duration,
        addresses: Addresses,
    ) -> impl Future<Output = Result<Stream<R>, Failure>> + Send + 'static + use<R> {
        let https = if addresses == Addresses::Any { &self.0.https } else { &self.0.public };
        let connecting = https.clone().call(target);
        let runtime = self.0.runtime.clone();
        async move {
            match within(&runtime, deadline, connecting).await {
                Some(outcome) => outcome.map_err(after_route),
                None => Err(Failure::new(Sent::Nothing, FailureKind::Timeout(Phase::Connect))),
            }
        }
    }
}

impl<R> Connector<R> {
    /// How long the pool's connections may take to be made.
    pub(crate) fn deadline(&self) -> Duration {
        self.0.deadline
    }
}

impl<R: Runtime> Service<Uri> for Connector<R> {
    type Response = Stream<R>;
    type Error = Failure;
    type Future = Connecting<Stream<R>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        Box::pin(self.connect(target, self.deadline(), Addresses::Any))
    }
}

/// The way to a host: straight, or through a proxy's tunnel.
///
/// Requests in plain text are tunnelled like the others, so that no proxy handles a request and what it
/// answers is never taken for the server's answer.
#[derive(Clone)]
struct Route<R> {
    runtime: R,
    proxies: Arc<Proxies>,
    /// Where the way may end that leads straight there.
    addresses: Addresses,
}

impl<R: Runtime> Service<Uri> for Route<R> {
    type Response = R::Stream;
    type Error = Failure;
    type Future = Connecting<R::Stream>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let Some(proxy) = self.proxies.toward(&target) else {
            return Box::pin(self.runtime.connect(target, self.addresses));
        };
        // The proxy is the program's, and often inside. What the target's name leads to, it alone looks up.
        let (runtime, proxies) = (self.runtime.clone(), Arc::default());
        let straight = Self { runtime, proxies, addresses: Addresses::Any };
        let mut tunnel = Tunnel::new(proxy.uri.clone(), straight);
        if let Some(credentials) = &proxy.credentials {
            tunnel = tunnel.with_auth(credentials.clone());
        }
        let connecting = tunnel.call(proxy::with_port(target));
        Box::pin(async move { connecting.await.map_err(in_tunnel) })
    }
}

/// The proxy's name may be unknown; all else that befalls a tunnel is a connection that was not made.
fn in_tunnel(error: impl Error + Send + Sync + 'static) -> Failure {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<Failure>());
    let kind = cause.map_or(FailureKind::Connect, Failure::kind);
    Failure::new(Sent::Nothing, kind).with_source(error)
}

/// Whatever does not come from the route under it is TLS's: the handshake, or a host it cannot name.
fn after_route(error: BoxError) -> Failure {
    match error.downcast::<Failure>() {
        Ok(failure) => *failure,
        Err(error) => Failure::new(Sent::Nothing, FailureKind::Tls).with_source(error),
    }
}
