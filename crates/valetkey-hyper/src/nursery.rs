//! In place of an executor: the tasks of one HTTP/2 connection, kept inside one future.

use std::{
    future::poll_fn,
    mem,
    sync::{Arc, Mutex, PoisonError, Weak},
    task::Poll,
};

use hyper::rt::Executor;

use crate::body::Driver;

/// Keeps the tasks of one HTTP/2 connection together, in place of an executor that they would outlive
/// their request on.
#[derive(Default)]
pub(crate) struct Nursery {
    born: Arc<Mutex<Vec<Driver>>>,
}

/// The way in. It holds the nursery weakly, because the tasks hold it.
#[derive(Clone)]
pub(crate) struct Births(Weak<Mutex<Vec<Driver>>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Births {
    fn execute(&self, task: F) {
        if let Some(born) = self.0.upgrade() {
            born.lock().unwrap_or_else(PoisonError::into_inner).push(Box::pin(task));
        }
    }
}

impl Nursery {
    /// What hyper spawns on.
    pub(crate) fn executor(&self) -> Births {
        Births(Arc::downgrade(&self.born))
    }

    fn take_born(&self) -> Vec<Driver> {
        mem::take(&mut *self.born.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Drives the connection and all that it gives birth to, until everything has ended.
    pub(crate) async fn drive(self, connection: Driver) {
        let mut running = vec![connection];
        poll_fn(|context| {
            loop {
                running.extend(self.take_born());
                running.retain_mut(|task| task.as_mut().poll(context).is_pending());
                let born = self.take_born();
                if born.is_empty() {
                    return if running.is_empty() { Poll::Ready(()) } else { Poll::Pending };
                }
                // Nothing has polled these yet, so that nothing would wake them.
                running.extend(born);
            }
        })
        .await;
    }
}
