//! What threads share values by. A program gets the types of std, arc-swap and futures, as they are.
//!
//! With `--cfg shuttle`, which is for the tests in `schedules.rs` alone, locks and atomics are those of shuttle, which runs
//! one thread at a time and decides at each of their operations who is next. What is without locks stays what it is, and is
//! one step: before each operation another thread may be next.

#[cfg(not(shuttle))]
pub(crate) use self::plain::*;
#[cfg(shuttle)]
pub(crate) use self::stepped::*;

#[cfg(not(shuttle))]
mod plain {
    pub(crate) use std::sync::{Mutex, MutexGuard, atomic::AtomicBool};

    pub(crate) use arc_swap::{ArcSwapOption, Guard};
    pub(crate) use futures_channel::oneshot;
}

#[cfg(shuttle)]
mod stepped {
    use std::{
        pin::Pin,
        sync::Arc,
        task::{Context, Poll},
    };

    pub(crate) use arc_swap::Guard;
    pub(crate) use shuttle::sync::{Mutex, MutexGuard, atomic::AtomicBool};

    /// Lets the scheduler say who is next.
    fn step() {
        AtomicBool::new(false).load(std::sync::atomic::Ordering::SeqCst);
    }

    pub(crate) struct ArcSwapOption<T>(arc_swap::ArcSwapOption<T>);

    impl<T> ArcSwapOption<T> {
        pub(crate) fn new(value: Option<Arc<T>>) -> Self {
            Self(arc_swap::ArcSwapOption::new(value))
        }

        pub(crate) fn load(&self) -> Guard<Option<Arc<T>>> {
            step();
            self.0.load()
        }

        pub(crate) fn load_full(&self) -> Option<Arc<T>> {
            step();
            self.0.load_full()
        }

        pub(crate) fn store(&self, value: Option<Arc<T>>) {
            step();
            self.0.store(value);
        }

        pub(crate) fn swap(&self, value: Option<Arc<T>>) -> Option<Arc<T>> {
            step();
            self.0.swap(value)
        }
    }

    pub(crate) mod oneshot {
        use futures_channel::oneshot;

        use super::*;

        pub(crate) fn channel<T>() -> (Sender<T>, Receiver<T>) {
            let (sender, receiver) = oneshot::channel();
            (Sender(Some(sender)), Receiver(receiver))
        }

        /// Dropping it is a step, too.
        pub(crate) struct Sender<T>(Option<oneshot::Sender<T>>);

        impl<T> Sender<T> {
            pub(crate) fn send(mut self, value: T) -> Result<(), T> {
                step();
                self.0.take().map_or(Ok(()), |sender| sender.send(value))
            }
        }

        impl<T> Drop for Sender<T> {
            fn drop(&mut self) {
                if self.0.is_some() {
                    step();
                }
            }
        }

        pub(crate) struct Receiver<T>(oneshot::Receiver<T>);

        impl<T> Future for Receiver<T> {
            type Output = Result<T, oneshot::Canceled>;

            fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
                step();
                Pin::new(&mut self.0).poll(context)
            }
        }
    }
}
