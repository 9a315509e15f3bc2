//! The ureq backend against servers that behave, and servers that do not.

mod connecting;
mod faults;
mod sending;
// The same servers as in the tests of the backend on hyper.
#[path = "../../../valetkey-hyper/tests/backend/server.rs"]
mod server;

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use valetkey_http::{Backend, Failure, FailureKind, Limits, Request, Response, Sent};
use valetkey_ureq::{Builder, UreqBackend};

/// A builder that does not care for the environment of the test.
fn builder() -> Builder {
    UreqBackend::builder().no_proxy()
}

fn backend() -> UreqBackend {
    builder().build().unwrap()
}

/// Sends as somebody who polls once, and must not need to again.
fn send(backend: &UreqBackend, request: Request, limits: Limits) -> Result<Response, Failure> {
    match pin!(backend.send(request, limits)).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("a future that blocks is ready when it is first polled"),
    }
}

fn get(url: impl AsRef<str>) -> Request {
    http::Request::get(url.as_ref()).body(Bytes::new()).unwrap()
}

fn post(url: impl AsRef<str>, body: &'static str) -> Request {
    http::Request::post(url.as_ref()).body(Bytes::from_static(body.as_bytes())).unwrap()
}

fn limits(fresh: bool) -> Limits {
    let mut limits = Limits::default();
    limits.fresh = fresh;
    limits
}

fn millis(time: u64) -> Duration {
    Duration::from_millis(time)
}

fn told(failure: &Failure) -> (FailureKind, Sent) {
    (failure.kind(), failure.sent())
}
