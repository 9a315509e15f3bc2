//! One thread that does what blocks, in the order in which it is asked.

use std::sync::mpsc::{Sender, channel};

use futures_channel::oneshot;
use valetkey_proto::{Reason, Result};

use crate::store::failed;

/// The way to the thread. It ends when nobody has one any more.
pub(super) struct Worker<T>(Sender<Job<T>>);

type Job<T> = Box<dyn FnOnce(&mut T) + Send>;

impl<T: Send + 'static> Worker<T> {
    pub(super) fn start(mut state: T) -> Result<Self> {
        let (sender, jobs) = channel::<Job<T>>();
        let run = move || jobs.iter().for_each(|job| job(&mut state));
        std::thread::Builder::new().name("valetkey-store".to_owned()).spawn(run).map_err(|error| {
            failed(
                Reason::StoreFailed,
                format!("no thread for the store: {error}; let this program have more of them"),
            )
        })?;
        Ok(Self(sender))
    }

    /// Has the thread do this, whoever waits for it or leaves.
    pub(super) async fn run<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut T) -> Result<R> + Send + 'static,
    ) -> Result<R> {
        let (sender, receiver) = oneshot::channel();
        let job: Job<T> = Box::new(move |state| {
            // Nobody waits any more? It is done all the same.
            let _ = sender.send(job(state));
        });
        let ended = || failed(Reason::StoreFailed, "the thread of the store has ended: open the store anew");
        self.0.send(job).map_err(|_| ended())?;
        receiver.await.map_err(|_| ended())?
    }
}

impl<T> Clone for Worker<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}
