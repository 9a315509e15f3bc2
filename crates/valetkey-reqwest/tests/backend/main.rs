//! The reqwest backend against servers that behave, and servers that do not.

mod connecting;
mod faults;
mod outside;
mod sending;
// The same servers as in the tests of the backend on hyper.
#[path = "../../../valetkey-hyper/tests/backend/server.rs"]
mod server;

use std::time::Duration;

use bytes::Bytes;
use valetkey_http::{Failure, FailureKind, Limits, Request, Sent};
use valetkey_reqwest::{Builder, ReqwestBackend};

/// A builder that does not care for the environment of the test.
fn builder() -> Builder {
    ReqwestBackend::builder().client(|| reqwest::Client::builder().no_proxy()).bundled_roots()
}

fn backend() -> ReqwestBackend {
    builder().build().unwrap()
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
