//! For authors of adapters: hyper and rustls on any runtime.
//!
//! [`Runtime`] is what hyper lacks: sockets, timers, an executor. [`Carrier`] is all the rest of a backend, the pool,
//! connections of their own, TLS, proxies and deadlines, and [`Builder`] sets it up. An adapter implements the one,
//! wraps the other into a type of its own, and has a [`Backend`](valetkey_http::Backend) that differs from
//! `HyperBackend` in nothing but the runtime. The crate `valetkey-smol` is made so.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use http::Uri;
use hyper::rt::{Executor, Read, Timer, Write};
use hyper_util::client::legacy::connect::Connection;
use valetkey_http::{Addresses, Failure, Task};

use crate::{BuildError, proxy};
pub use crate::{builder::Builder, carrier::Carrier};

/// The sockets, the timers and the executor that hyper runs on. Clones are the same runtime, and cheap.
///
/// All of it is called by whoever polls the backend, on whatever executor that one is.
pub trait Runtime: Clone + Send + Sync + 'static {
    /// The backend that a [`Builder`] makes on this runtime.
    type Backend: From<Carrier<Self>>;
    /// A TCP connection.
    type Stream: Read + Write + Connection + Unpin + Send + 'static;
    /// The timers of hyper, which keep the pool and HTTP/2.
    type Timer: Timer + Clone + Send + Sync + 'static;

    /// The runtime of a backend that was not given one, if there is one here.
    ///
    /// # Errors
    ///
    /// [`BuildError::NoRuntime`].
    fn here() -> Result<Self, BuildError>;

    /// Opens a TCP connection, without Nagle's delay, to the [host and port](host_and_port) of this URI, at an address
    /// of the host that is one of `addresses` ([`Addresses::allows`]). It looks the host up once: a name may lead
    /// elsewhere the next time.
    ///
    /// It has no deadline of its own. A failure says [`Resolve`](valetkey_http::FailureKind::Resolve),
    /// [`AddressRefused`](valetkey_http::FailureKind::AddressRefused) if the host has no address that is allowed, or
    /// [`Connect`](valetkey_http::FailureKind::Connect), and that nothing was sent.
    fn connect(
        &self,
        target: Uri,
        addresses: Addresses,
    ) -> impl Future<Output = Result<Self::Stream, Failure>> + Send + 'static + use<Self>;

    /// A timer of hyper's.
    fn timer(&self) -> Self::Timer;

    /// Completes after `time`, which begins now; up to three a request are made, and hardly one of them polled.
    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send + use<Self>;

    /// Runs a task to its end. A runtime that has ended drops it.
    fn spawn(&self, task: Task);

    /// Makes this the runtime of the thread until the value is dropped; around each poll. tokio's sockets and timers
    /// panic outside a runtime, and its timers do when their runtime is gone.
    fn enter(&self) -> impl Sized {}
}

/// The host of a URI as one looks it up, an IPv6 address without its brackets, and the port, its scheme's if it has
/// none.
///
/// ```
/// use valetkey_hyper::runtime::host_and_port;
///
/// assert_eq!(host_and_port(&"https://[::1]/".parse()?), ("::1", 443));
/// # Ok::<(), http::uri::InvalidUri>(())
/// ```
#[must_use]
pub fn host_and_port(uri: &Uri) -> (&str, u16) {
    let host = uri.host().unwrap_or_default();
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    (host, uri.port_u16().unwrap_or_else(|| proxy::default_port(uri)))
}

/// The future's output, unless `time` passes first.
pub(crate) async fn within<R: Runtime, T>(
    runtime: &R,
    time: Duration,
    future: impl Future<Output = T>,
) -> Option<T> {
    let (mut future, mut deadline) = (pin!(future), pin!(runtime.sleep(time)));
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => deadline.as_mut().poll(context).map(|()| None),
    })
    .await
}

/// hyper's tasks, the connections of the pool, run where the backend's do.
#[derive(Clone)]
pub(crate) struct Tasks<R>(pub(crate) R);

impl<R: Runtime> Executor<Task> for Tasks<R> {
    fn execute(&self, task: Task) {
        self.0.spawn(task);
    }
}
