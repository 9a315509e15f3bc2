//! The backend: what is checked before a send, what is marked after it, and which way it takes.

use std::{fmt, pin::pin, time::Duration};

use http::{HeaderValue, Version, header::USER_AGENT};
use valetkey_http::{
    Failure, FailureKind, Limits, Request, Response, Sent, Task, Unframed,
    adapter::{check, exchange, is_unframed},
};

use crate::{
    body::Outgoing,
    connect::Connector,
    fresh,
    pool::{self, Pool},
    runtime::{Runtime, enter},
};

/// All of a backend but its runtime: it sends as hyper does, on the sockets and timers of an `R`.
///
/// An adapter wraps it into a [`Backend`](valetkey_http::Backend) of its own; [`Builder`](crate::runtime::Builder)
/// makes it.
#[derive(Clone)]
pub struct Carrier<R: Runtime> {
    pub(crate) pool: Pool<R>,
    pub(crate) connector: Connector<R>,
    pub(crate) runtime: R,
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

impl<R: Runtime> Carrier<R> {
    /// What [`Backend::send`](valetkey_http::Backend::send) does.
    ///
    /// # Errors
    ///
    /// The same.
    pub async fn send(&self, mut request: Request, limits: Limits) -> Result<Response, Failure> {
        check(&request)?;
        // The version is settled with the server, when the connection is made.
        *request.version_mut() = Version::HTTP_11;
        request.headers_mut().entry(USER_AGENT).or_insert_with(|| self.user_agent.clone());
        let exchange = pin!(self.exchange(request, self.within(limits)));
        match enter(&self.runtime, exchange).await {
            Ok(outcome) => outcome,
            Err(_panicked) => Err(Failure::new(Sent::Maybe, FailureKind::Panicked)),
        }
    }

    /// What [`Backend::sleep`](valetkey_http::Backend::sleep) does.
    pub async fn sleep(&self, time: Duration) {
        // If the runtime is gone, time stands still: what comes next fails and says so.
        drop(enter(&self.runtime, pin!(async { self.runtime.sleep(time).await })).await);
    }

    /// Runs a task to its end, on the executor of the runtime.
    pub fn spawn(&self, task: Task) {
        self.runtime.spawn(task);
    }

    /// Writes what may be known of the backend that is called so.
    ///
    /// # Errors
    ///
    /// The formatter's.
    pub fn describe(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        f.debug_struct(name)
            .field("connect", &self.connector.deadline())
            .field("deadlines", &self.deadlines)
            .field("user_agent", &self.user_agent)
            .finish_non_exhaustive()
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
            let connect = limits.connect;
            let connect =
                (connect < self.connector.deadline()).then_some(move || self.runtime.sleep(connect));
            Start::Pooled(pool::send(&self.pool, request, connect))
        };
        async move {
            let start = async {
                match start {
                    Start::Fresh(answer) => answer.await,
                    Start::Pooled(answer) => answer.await,
                }
            };
            let mut response = exchange(&limits, &method, |time| self.runtime.sleep(time), start).await?;
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

impl<R: Runtime> fmt::Debug for Carrier<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe(f, "Carrier")
    }
}
