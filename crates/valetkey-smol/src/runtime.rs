//! What hyper asks of a runtime, answered by smol's parts.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use http::Uri;
use hyper::rt;
use smol::Timer;
use valetkey_http::{Addresses, Failure, Task};
use valetkey_hyper::runtime::{Runtime, host_and_port};

use crate::{BuildError, SmolBackend, connect::connect, stream::Stream};

/// smol's sockets and timers, with an executor by value.
///
/// ```
/// use valetkey_smol::{Smol, SmolBackend};
///
/// let executor = std::sync::Arc::new(smol::Executor::new());
/// let smol = Smol::spawning({
///     let executor = executor.clone();
///     move |task| executor.spawn(task).detach()
/// });
/// let backend = SmolBackend::builder().runtime(smol).build()?;
/// // Somewhere the program runs `executor.run(…)`.
/// # drop(backend);
/// # Ok::<(), valetkey_smol::BuildError>(())
/// ```
#[derive(Clone)]
pub struct Smol {
    spawner: Arc<dyn Fn(Task) + Send + Sync>,
}

impl Smol {
    /// Gives the tasks of the backend to `spawner`, which has somebody run each to its end.
    ///
    /// They are the connections of the pool and what a client spawns, such as the renewal of tokens. A connection
    /// whose task is not run does not answer, and one whose task is dropped is closed. `spawner` must not run a task
    /// before it returns.
    #[must_use]
    pub fn spawning(spawner: impl Fn(Task) + Send + Sync + 'static) -> Self {
        Self { spawner: Arc::new(spawner) }
    }
}

impl Default for Smol {
    /// With smol's global executor, which has as many threads as the variable `SMOL_THREADS` says, or one.
    fn default() -> Self {
        Self::spawning(|task| smol::spawn(task).detach())
    }
}

impl Runtime for Smol {
    type Backend = SmolBackend;
    type Stream = Stream;
    type Timer = Timers;

    fn here() -> Result<Self, BuildError> {
        Ok(Self::default())
    }

    fn connect(
        &self,
        target: Uri,
        addresses: Addresses,
    ) -> impl Future<Output = Result<Stream, Failure>> + Send + 'static + use<> {
        async move {
            let (host, port) = host_and_port(&target);
            connect(host, port, addresses).await
        }
    }

    fn timer(&self) -> Timers {
        Timers
    }

    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send + use<> {
        Sleep(Timer::after(time))
    }

    fn spawn(&self, task: Task) {
        (self.spawner)(task);
    }
}

impl fmt::Debug for Smol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Smol").finish_non_exhaustive()
    }
}

/// The timers that hyper takes.
#[derive(Clone, Copy, Debug)]
pub struct Timers;

impl rt::Timer for Timers {
    fn sleep(&self, time: Duration) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(Sleep(Timer::after(time)))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(Sleep(Timer::at(deadline)))
    }
}

/// A timer that says nothing when it rings.
struct Sleep(Timer);

impl rt::Sleep for Sleep {}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(context).map(drop)
    }
}
