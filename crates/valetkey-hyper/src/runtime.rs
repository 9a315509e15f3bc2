//! All that this crate asks of tokio: entering the runtime, sleeping, deadlines, spawning.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::Poll,
    time::Duration,
};

use hyper::rt::Executor;
use tokio::runtime::Handle;

/// The runtime whose sockets and timers are used, whoever polls.
#[derive(Clone, Debug)]
pub(crate) struct Runtime(pub(crate) Handle);

/// The future panicked. What it said went to the panic hook.
#[derive(Debug)]
pub(crate) struct Panicked;

impl Runtime {
    /// Drives a future inside the runtime, from whatever executor this one is polled on.
    ///
    /// tokio's sockets and timers panic outside a runtime, and its timers do when their runtime is gone;
    /// that must not unwind into a program that merely sent a request.
    pub(crate) async fn enter<T>(
        &self,
        mut future: Pin<&mut impl Future<Output = T>>,
    ) -> Result<T, Panicked> {
        poll_fn(|context| {
            let _entered = self.0.enter();
            match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
                Ok(poll) => poll.map(Ok),
                Err(_) => Poll::Ready(Err(Panicked)),
            }
        })
        .await
    }
}

/// hyper's tasks: the connections of the pool.
impl<F: Future<Output: Send> + Send + 'static> Executor<F> for Runtime {
    fn execute(&self, future: F) {
        drop(self.0.spawn(future));
    }
}

/// A timer; made and polled inside the runtime only.
pub(crate) fn sleep(time: Duration) -> impl Future<Output = ()> {
    #[expect(clippy::disallowed_methods, reason = "what `Backend::sleep` and the deadlines are made of")]
    tokio::time::sleep(time)
}

/// The future's output, unless `time` passes first.
pub(crate) async fn within<T>(time: Duration, future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(time, future).await.ok()
}
