//! Panics of what is below surf, which end here.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    task::Poll,
};

/// Something of the HTTP client panicked. What it said went to the panic hook.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Panicked;

/// A value that may panic when it is used, and when it is dropped: neither unwinds any further.
pub(crate) struct Contained<T>(Option<T>);

impl<T> Contained<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Some(value))
    }

    /// Uses the value, of which nothing is left after a panic.
    pub(crate) fn with<R>(&mut self, work: impl FnOnce(&mut T) -> R) -> Result<R, Panicked> {
        let value = self.0.as_mut().ok_or(Panicked)?;
        let outcome = catch_unwind(AssertUnwindSafe(|| work(value)));
        outcome.map_err(|_| {
            self.discard();
            Panicked
        })
    }

    /// The value, to be used where panics are caught by somebody else.
    #[cfg(feature = "curl")]
    pub(crate) fn bare(&self) -> Option<&T> {
        self.0.as_ref()
    }

    fn discard(&mut self) {
        if let Some(value) = self.0.take() {
            drop(catch_unwind(AssertUnwindSafe(|| drop(value))));
        }
    }
}

impl<T> Drop for Contained<T> {
    fn drop(&mut self) {
        self.discard();
    }
}

/// Runs a future whose panics are a result: in any poll, and other than by `adapter::contain` when it is dropped.
pub(crate) async fn contain<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let mut future = Contained::new(Box::pin(future));
    poll_fn(move |context| match future.with(|future| future.as_mut().poll(context)) {
        Ok(poll) => poll.map(Ok),
        Err(panicked) => Poll::Ready(Err(panicked)),
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use valetkey_http::block_on;

    use super::*;

    struct Mine;

    impl Drop for Mine {
        fn drop(&mut self) {
            panic!("the thread is gone");
        }
    }

    #[test]
    fn panics_of_polls_and_of_drops_are_contained() {
        assert!(block_on(contain(async { panic!("in a poll") })).is_err());
        let ended = contain(async {
            let _mine = Mine;
            1
        });
        assert!(block_on(ended).is_err(), "in a poll, by a drop");
        drop(Contained::new(Mine));
        let mut twice = Contained::new(Mine);
        assert!(twice.with(|_| panic!("first here, then by being dropped")).is_err());
        assert!(twice.with(|_| ()).is_err(), "nothing is left of it");
    }

    #[test]
    fn a_drop_on_the_way_is_contained() {
        let mut under_way = Box::pin(contain(async {
            let _mine = Mine;
            pending::<()>().await;
        }));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(under_way.as_mut().poll(&mut context).is_pending());
        drop(under_way);
    }
}
