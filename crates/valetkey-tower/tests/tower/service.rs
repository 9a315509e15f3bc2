//! Services to test with, which insist on what a service may insist on.

use std::{
    cell::Cell,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body_util::Full;
use tower_service::Service;
use valetkey_http::BoxError;

pub(crate) type Answer<A> = Result<http::Response<A>, BoxError>;
type Answering<A> = dyn Fn(usize, http::Request<Full<Bytes>>) -> Answer<A> + Send + Sync;

/// A service that must be made ready before each call, cannot be shared between threads, and counts its calls.
pub(crate) struct Strict<A> {
    answer: Arc<Answering<A>>,
    /// The error in place of ever getting ready.
    refuses: Option<fn() -> BoxError>,
    is_ready: Cell<bool>,
    pub(crate) calls: Arc<Mutex<usize>>,
}

impl<A> Strict<A> {
    pub(crate) fn new(
        answer: impl Fn(usize, http::Request<Full<Bytes>>) -> Answer<A> + Send + Sync + 'static,
    ) -> Self {
        Self { answer: Arc::new(answer), refuses: None, is_ready: Cell::new(false), calls: Arc::default() }
    }

    /// One that never gets ready.
    pub(crate) fn refusing(error: fn() -> BoxError) -> Self {
        Self { refuses: Some(error), ..Self::new(|_, _| panic!("called although it is not ready")) }
    }
}

impl<A> Clone for Strict<A> {
    fn clone(&self) -> Self {
        let (answer, calls) = (Arc::clone(&self.answer), Arc::clone(&self.calls));
        Self { answer, refuses: self.refuses, is_ready: Cell::new(false), calls }
    }
}

impl<A: Send + 'static> Service<http::Request<Full<Bytes>>> for Strict<A> {
    type Response = http::Response<A>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Answer<A>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if let Some(error) = self.refuses {
            return Poll::Ready(Err(error()));
        }
        if !self.is_ready.replace(true) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Full<Bytes>>) -> Self::Future {
        assert!(self.is_ready.replace(false), "called before it was ready");
        let call = {
            let mut calls = self.calls.lock().unwrap();
            *calls += 1;
            *calls
        };
        let answer = Arc::clone(&self.answer);
        Box::pin(async move { answer(call, request) })
    }
}
