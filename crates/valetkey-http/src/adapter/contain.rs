//! Polling an HTTP client in its runtime, and catching its panics.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::Poll,
};

use crate::{Failure, FailureKind, Sent};

/// Drives a future to its end, with a guard of `enter` held while it is polled, from whatever executor this one is
/// polled on.
///
/// HTTP clients panic outside their runtime, and some on what a server sends; that must not unwind into a program that
/// merely sent a request. A client without a runtime enters nothing: `|| ()`.
///
/// # Errors
///
/// [`FailureKind::Panicked`] if the future panicked. What it said went to the panic hook.
pub async fn contain<T, G>(
    enter: impl Fn() -> G,
    mut future: Pin<&mut impl Future<Output = T>>,
) -> Result<T, Failure> {
    poll_fn(|context| {
        let _entered = enter();
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(_said) => Poll::Ready(Err(Failure::new(Sent::Maybe, FailureKind::Panicked))),
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, pin::pin};

    use super::*;
    use crate::block_on;

    #[test]
    fn a_panic_is_a_failure_and_the_guard_is_held_by_each_poll() {
        struct Held<'a>(&'a Cell<bool>);

        impl Drop for Held<'_> {
            fn drop(&mut self) {
                self.0.set(false);
            }
        }

        let is_held = Cell::new(false);
        let enter = || {
            is_held.set(true);
            Held(&is_held)
        };
        let mut polls = 0;
        let held = pin!(poll_fn(|context| {
            assert!(is_held.get());
            polls += 1;
            context.waker().wake_by_ref();
            if polls == 3 { Poll::Ready("done") } else { Poll::Pending }
        }));
        assert_eq!(block_on(contain(enter, held)).unwrap(), "done");
        assert!(!is_held.get());

        let panics = pin!(async { assert!(is_held.get(), "not in the runtime") });
        let failure = block_on(contain(|| (), panics)).unwrap_err();
        assert_eq!((failure.kind(), failure.sent()), (FailureKind::Panicked, Sent::Maybe));
    }
}
