//! What the hyper backend alone does: pools, proxies, HTTP/2, runtimes, its builder. What every backend must do is
//! in `suite.rs`.

mod builder;
mod http2;
mod outside;
mod pool;
mod proxy;

use std::time::Duration;

use bytes::Bytes;
use valetkey_http::{Failure, FailureKind, Limits, Request, Sent};
use valetkey_hyper::HyperBackend;

/// A backend that does not care for the environment of the test.
fn backend() -> HyperBackend {
    HyperBackend::builder().no_proxy().build().unwrap()
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
