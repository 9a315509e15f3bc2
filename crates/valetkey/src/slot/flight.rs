//! Work under way for a slot: whoever waits for it drives it on, and whoever leaves takes nothing along.

use std::{
    pin::Pin,
    sync::{Arc, PoisonError},
    task::{Context, Poll, Waker},
};

use futures_util::future::{FutureExt, Shared};
use valetkey_http::Task;
use valetkey_proto::{Error, ErrorKind, Reason, Result};

use crate::sync::{Mutex, oneshot};

pub(super) type Answer<T> = Result<Arc<T>>;

/// Work under way, and its answer for all who wait.
pub(super) struct Flight<T> {
    landing: Shared<Landing<T>>,
    parked: Arc<Parked>,
    has_looked: bool,
}

impl<T> Flight<T> {
    /// What comes by this channel; and where the task is left that sends it, if no executor takes it.
    pub(super) fn new(receiver: oneshot::Receiver<Answer<T>>) -> (Self, Arc<Parked>) {
        let parked = Arc::new(Parked::default());
        let landing = Landing { receiver, parked: Arc::clone(&parked), driven: None }.shared();
        (Self { landing, parked: Arc::clone(&parked), has_looked: false }, parked)
    }
}

impl<T> Clone for Flight<T> {
    fn clone(&self) -> Self {
        Self { landing: self.landing.clone(), parked: Arc::clone(&self.parked), has_looked: false }
    }
}

impl<T> Future for Flight<T> {
    type Output = Answer<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer<T>> {
        let answer = self.landing.poll_unpin(context);
        self.has_looked = answer.is_pending();
        answer
    }
}

impl<T> Drop for Flight<T> {
    /// While one looks, [`Shared`] turns the others away, even if they were woken for what that one did not see any more.
    /// It would look once more, but it leaves: the others are to look.
    fn drop(&mut self) {
        if self.has_looked {
            self.parked.wake();
        }
    }
}

/// Where a task is left that no executor took, and how those who wait are woken.
#[derive(Default)]
pub(super) struct Parked {
    task: Mutex<Option<Task>>,
    waiters: Mutex<Option<Waker>>,
}

impl Parked {
    pub(super) fn leave(&self, task: Task) {
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
        // Somebody may be waiting already, and has found nothing to drive.
        self.wake();
    }

    /// By this waker, which stays the same for as long as they wait.
    fn register(&self, waker: &Waker) {
        let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        waiters.get_or_insert_with(|| waker.clone());
    }

    fn wake(&self) {
        let waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(waiters) = waiters {
            waiters.wake();
        }
    }
}

/// Waits for the answer, and drives the task if it was parked.
struct Landing<T> {
    receiver: oneshot::Receiver<Answer<T>>,
    parked: Arc<Parked>,
    driven: Option<Task>,
}

impl<T> Future for Landing<T> {
    type Output = Answer<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer<T>> {
        let this = &mut *self;
        this.parked.register(context.waker());
        if this.driven.is_none() {
            this.driven = this.parked.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
        if let Some(task) = &mut this.driven
            && task.as_mut().poll(context).is_ready()
        {
            this.driven = None;
        }
        Pin::new(&mut this.receiver).poll(context).map(|answer| answer.unwrap_or_else(|_| Err(dropped())))
    }
}

pub(super) fn dropped() -> Error {
    Error::new(ErrorKind::Transport, Reason::TaskDropped)
}
