//! What the surf backend alone does, on both clients. What every backend must do is in `suite.rs`.

#[cfg(feature = "curl")]
mod curl;
#[cfg(feature = "h1-no-tls")]
mod h1;
mod refusing;
mod sending;

use std::time::Duration;

use bytes::Bytes;
use valetkey_http::{Backend, Failure, FailureKind, Limits, Request, Response, Sent, block_on};
use valetkey_surf::{Builder, SurfBackend};

/// Both clients, as far as they are there.
fn builders() -> Vec<Builder> {
    vec![
        #[cfg(feature = "curl")]
        SurfBackend::builder(),
        #[cfg(feature = "h1-no-tls")]
        SurfBackend::builder().h1_no_tls(),
    ]
}

fn backends() -> impl Iterator<Item = SurfBackend> {
    builders().into_iter().map(|builder| builder.build().unwrap())
}

fn get(url: impl AsRef<str>) -> Request {
    http::Request::get(url.as_ref()).body(Bytes::new()).unwrap()
}

fn post(url: impl AsRef<str>, body: &'static str) -> Request {
    http::Request::post(url.as_ref()).body(Bytes::from_static(body.as_bytes())).unwrap()
}

/// Sends without a runtime.
fn send(backend: &SurfBackend, request: Request) -> Result<Response, Failure> {
    block_on(backend.send(request, Limits::default()))
}

fn told(failure: &Failure) -> (FailureKind, Sent) {
    (failure.kind(), failure.sent())
}

fn millis(time: u64) -> Duration {
    Duration::from_millis(time)
}
