//! The trait that an HTTP client implements, and a backend made of a closure.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;

use crate::{Failure, Limits, Request, Response};

/// A piece of work that a backend runs to its end, apart from whoever asked for it.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// An HTTP client together with its runtime: what it takes to carry a flow.
///
/// An implementation sends a request **at most once**, follows **no redirect**, adds no credential of
/// its own, and never logs a header or a body. It is object-safe: programs hold `Arc<dyn Backend>`.
/// Whether it does all that, the crate `valetkey-backend-suite` tests.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Sends the request once and returns the whole response, whatever its status.
    ///
    /// # Errors
    ///
    /// A [`Failure`] says what went wrong and how far the request got; an adapter reports
    /// [`Sent::Nothing`](crate::Sent::Nothing) only where it is certain.
    async fn send(&self, request: Request, limits: Limits) -> Result<Response, Failure>;

    /// Completes after `time`.
    async fn sleep(&self, time: Duration);

    /// The wall clock. Virtual time is one object: whoever overrides this overrides `sleep` too.
    fn now(&self) -> SystemTime {
        #[expect(clippy::disallowed_methods, reason = "the one place where the clock of flows comes in")]
        SystemTime::now()
    }

    /// Runs a task to its end, apart from the caller.
    ///
    /// # Errors
    ///
    /// A backend without an executor hands the task back; its owner then drives it from the next call.
    fn spawn(&self, task: Task) -> Result<(), Task> {
        Err(task)
    }
}

/// A shared backend is a backend.
#[async_trait]
impl<B: Backend + ?Sized> Backend for Arc<B> {
    async fn send(&self, request: Request, limits: Limits) -> Result<Response, Failure> {
        (**self).send(request, limits).await
    }

    async fn sleep(&self, time: Duration) {
        (**self).sleep(time).await;
    }

    fn now(&self) -> SystemTime {
        (**self).now()
    }

    fn spawn(&self, task: Task) -> Result<(), Task> {
        (**self).spawn(task)
    }
}

/// Makes a [`Backend`] of an async closure, for tests and for HTTP clients without an adapter.
///
/// It has no executor (`spawn` hands tasks back), and a `sleep` takes a thread of its own.
pub fn backend_fn<F, R>(send: F) -> BackendFn<F>
where
    F: Fn(Request, Limits) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Response, Failure>> + Send + 'static,
{
    BackendFn { send }
}

/// The backend that [`backend_fn`] returns.
#[derive(Clone, Copy)]
pub struct BackendFn<F> {
    send: F,
}

#[async_trait]
impl<F, R> Backend for BackendFn<F>
where
    F: Fn(Request, Limits) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Response, Failure>> + Send + 'static,
{
    async fn send(&self, request: Request, limits: Limits) -> Result<Response, Failure> {
        (self.send)(request, limits).await
    }

    async fn sleep(&self, time: Duration) {
        ThreadSleep { time, alarm: None }.await;
    }
}

impl<F> fmt::Debug for BackendFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendFn").finish_non_exhaustive()
    }
}

/// A timer without a runtime: a thread that sleeps and then wakes the task.
struct ThreadSleep {
    time: Duration,
    alarm: Option<Arc<Mutex<Alarm>>>,
}

struct Alarm {
    rung: bool,
    waker: Waker,
}

impl Future for ThreadSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if let Some(alarm) = &self.alarm {
            let mut alarm = alarm.lock().unwrap_or_else(PoisonError::into_inner);
            if alarm.rung {
                return Poll::Ready(());
            }
            alarm.waker.clone_from(context.waker());
            return Poll::Pending;
        }
        let alarm = Arc::new(Mutex::new(Alarm { rung: false, waker: context.waker().clone() }));
        self.alarm = Some(Arc::clone(&alarm));
        let time = self.time;
        std::thread::spawn(move || {
            #[expect(clippy::disallowed_methods, reason = "this thread exists to sleep")]
            std::thread::sleep(time);
            let mut alarm = alarm.lock().unwrap_or_else(PoisonError::into_inner);
            alarm.rung = true;
            alarm.waker.wake_by_ref();
        });
        Poll::Pending
    }
}
