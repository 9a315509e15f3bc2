//! The backend: what is checked before a send, what is marked after it, and which way it takes.

use std::{fmt, pin::pin, time::Duration};

use http::{HeaderValue, Version, header::USER_AGENT};
use valetkey_http::{
    Failure, Limits, Request, Response, Task,
    adapter::{Deadlines, check, contain, exchange},
};

use crate::{
    body::Outgoing,
    connect::Connector,
    fresh,
    pool::{self, Pool},
    runtime::Runtime,
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
        let exchange = pin!(self.exchange(request, self.deadlines.within(limits)));
        contain(|| self.runtime.enter(), exchange).await?
    }

    /// What [`Backend::sleep`](valetkey_http::Backend::sleep) does.
    pub async fn sleep(&self, time: Duration) {
        // If the runtime is gone, time stands still: what comes next fails and says so.
        drop(contain(|| self.runtime.enter(), pin!(async { self.runtime.sleep(time).await })).await);
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
            .field("deadlines", &self.deadlines)
            .field("user_agent", &self.user_agent)
            .finish_non_exhaustive()
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
            exchange(&limits, &method, |time| self.runtime.sleep(time), start).await
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
