//! The backend: what is checked before a send, what is marked after it, and which way it takes.

use std::{fmt, pin::pin, time::Duration};

use http::{HeaderValue, Version, header::USER_AGENT};
use valetkey_http::{
    Addresses, Failure, Limits, Request, Response, Task,
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
        check(&request, &limits)?;
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
        // Nobody knows any more where the connections of the pool lead to.
        let start = if limits.fresh || limits.addresses != Addresses::Any {
            // A whole connection is in this future: ordinary requests shall not carry its size.
            Start::Fresh(Box::pin(fresh::send(&self.connector, request, limits)))
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

#[cfg(all(test, feature = "tokio", feature = "webpki-roots"))]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
        thread,
    };

    use bytes::Bytes;
    use valetkey_http::{FailureKind, Sent};

    use super::*;
    use crate::{Tokio, runtime::Builder};

    /// Past [`check`], which would refuse the name.
    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn s_net_10_a_kept_connection_is_none_that_was_checked() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
        let serving = thread::spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            for _ in 0..2 {
                assert!(connection.read(&mut [0; 4096]).unwrap() > 0);
                connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
            }
        });
        let backend = Builder::<Tokio>::new().no_proxy().build().unwrap();
        let send = |addresses| {
            let mut limits = Limits::default();
            limits.addresses = addresses;
            backend.carrier().exchange(http::Request::get(&url).body(Bytes::new()).unwrap(), limits)
        };
        assert!(send(Addresses::Any).await.is_ok());
        let failure = send(Addresses::Public).await.unwrap_err();
        assert_eq!((failure.kind(), failure.sent()), (FailureKind::AddressRefused, Sent::Nothing));
        assert!(send(Addresses::Any).await.is_ok(), "the connection is there");
        serving.join().unwrap();
    }
}
