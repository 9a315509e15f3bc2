//! As much of an executor as a test needs: tasks on threads of their own, and turns for others.

use std::{fmt, future::poll_fn, mem, sync::Arc, task::Poll, thread};

use valetkey_http::{Task, block_on};

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

/// Lets the others run once: it is pending when it is first asked, and has itself asked again at once. For backends and stores of a
/// test's own, whose callers are to meet, or to leave, in the middle of something.
///
/// ```
/// use valetkey_testkit::{block_on, turn};
///
/// block_on(async {
///     turn().await;
/// });
/// ```
pub async fn turn() {
    let mut is_over = false;
    poll_fn(|context| {
        if mem::replace(&mut is_over, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
