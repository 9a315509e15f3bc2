//! As much of an executor as a test needs: one future on this thread, or tasks on threads of their own.

use std::{
    fmt,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use valetkey_http::Task;

/// What becomes of a task that a client gives to [`Backend::spawn`](valetkey_http::Backend::spawn).
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Spawning {
    /// It is handed back, as by a backend without an executor: its owner drives it from the next call.
    #[default]
    HandBack,
    /// It runs on a thread of its own.
    Thread,
    /// It is given to an executor of the test's own.
    With(Arc<dyn Fn(Task) + Send + Sync>),
}

impl Spawning {
    /// Gives tasks to an executor, such as `|task| { tokio::spawn(task); }`.
    #[must_use]
    pub fn with(spawn: impl Fn(Task) + Send + Sync + 'static) -> Self {
        Self::With(Arc::new(spawn))
    }

    pub(crate) fn spawn(&self, task: Task) -> Result<(), Task> {
        match self {
            Self::HandBack => return Err(task),
            Self::Thread => drop(thread::spawn(move || block_on(task))),
            Self::With(spawn) => spawn(task),
        }
        Ok(())
    }
}

impl fmt::Debug for Spawning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HandBack => "HandBack",
            Self::Thread => "Thread",
            Self::With(_) => "With(..)",
        })
    }
}

/// Runs one future to its end on this thread, so that a test needs no runtime.
///
/// ```
/// assert_eq!(valetkey_testkit::block_on(async { 6 * 7 }), 42);
/// ```
pub fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// Lets the others run once.
#[derive(Default)]
pub(crate) struct Pause {
    paused: bool,
}

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.paused {
            return Poll::Ready(());
        }
        self.paused = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}
