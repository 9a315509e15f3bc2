//! The backend: what is checked before a send, what is marked after it, and which way it takes.

use std::{fmt, pin::pin, time::Duration};

use async_trait::async_trait;
use http::{HeaderValue, Version, header::USER_AGENT};
use valetkey_http::{
    Backend, Failure, FailureKind, Limits, Request, Response, Sent, Task, Unframed,
    adapter::{check, exchange, is_unframed},
};

use crate::{
    BuildError, Builder,
    body::Outgoing,
    connect::Connector,
    fresh,
    pool::{self, Pool},
    runtime::{Runtime, sleep},
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
pub struct HyperBackend {
    pub(crate) pool: Pool,
    pub(crate) connector: Connector,
    pub(crate) runtime: Runtime,
    pub(crate) user_agent: HeaderValue,
    pub(crate) deadlines: Deadlines,
}

/// The deadlines of this backend but for `connect`, which is the connector's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadlines {
    pub(crate) head: Duration,
    pub(crate) idle: Duration,
    pub(crate) total: Duration,
}

impl Default for Deadlines {
    /// None: those of each send count.
    fn default() -> Self {
        Self { head: Duration::MAX, idle: Duration::MAX, total: Duration::MAX }
    }
}

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

    fn within(&self, mut limits: Limits) -> Limits {
        limits.connect = limits.connect.min(self.connector.deadline());
        limits.head = limits.head.min(self.deadlines.head);
        limits.idle = limits.idle.min(self.deadlines.idle);
        limits.total = limits.total.min(self.deadlines.total);
        limits
    }

    fn exchange(
        &self,
        request: Request,
        limits: Limits,
    ) -> impl Future<Output = Result<Response, Failure>> + Send + '_ {
        let method = request.method().clone();
        let request = request.map(Outgoing::new);
        let start = if limits.fresh {
            // A whole connection is in this future: ordinary requests shall not carry its size.
            Start::Fresh(Box::pin(fresh::send(&self.connector, request, limits.connect)))
        } else {
            let connect = Some(limits.connect).filter(|&time| time < self.connector.deadline());
            Start::Pooled(pool::send(&self.pool, request, connect))
        };
        async move {
            let start = async {
                match start {
                    Start::Fresh(answer) => answer.await,
                    Start::Pooled(answer) => answer.await,
                }
            };
            let mut response = exchange(&limits, &method, sleep, start).await?;
            if is_unframed(&method, &response) {
                response.extensions_mut().insert(Unframed::new());
            }
            Ok(response)
        }
    }
}

/// The two ways of a request.
enum Start<F, P> {
    Fresh(F),
    Pooled(P),
}

#[async_trait]
impl Backend for HyperBackend {
    async fn send(&self, mut request: Request, limits: Limits) -> Result<Response, Failure> {
        check(&request)?;
        // The version is settled with the server, when the connection is made.
        *request.version_mut() = Version::HTTP_11;
        request.headers_mut().entry(USER_AGENT).or_insert_with(|| self.user_agent.clone());
        let exchange = pin!(self.exchange(request, self.within(limits)));
        match self.runtime.enter(exchange).await {
            Ok(outcome) => outcome,
            Err(_panicked) => Err(Failure::new(Sent::Maybe, FailureKind::Panicked)),
        }
    }

    async fn sleep(&self, time: Duration) {
        // If the runtime is gone, time stands still: what comes next fails and says so.
        drop(self.runtime.enter(pin!(async { sleep(time).await })).await);
    }

    fn spawn(&self, task: Task) -> Result<(), Task> {
        drop(self.runtime.0.spawn(task));
        Ok(())
    }
}

impl fmt::Debug for HyperBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperBackend")
            .field("connect", &self.connector.deadline())
            .field("deadlines", &self.deadlines)
            .field("user_agent", &self.user_agent)
            .finish_non_exhaustive()
    }
}
