//! Polled by somebody who is not tokio.

use std::{
    sync::mpsc,
    task::{Context, Waker},
    thread,
};

use tokio::runtime;
use valetkey_backend_suite::server::Server;
use valetkey_http::{Backend, FailureKind, Limits, block_on};
use valetkey_hyper::{BuildError, HyperBackend};

use crate::{get, limits, millis};

fn on(handle: &runtime::Handle) -> HyperBackend {
    HyperBackend::builder().no_proxy().handle(handle.clone()).build().unwrap()
}

fn exercise(backend: &HyperBackend) {
    let server = Server::keeping();
    for fresh in [false, true, false] {
        let response = block_on(backend.send(get(server.url("/")), limits(fresh))).unwrap();
        assert_eq!(response.body(), "ok");
    }
    block_on(backend.sleep(millis(5)));
    let (done, ran) = mpsc::channel();
    assert!(backend.spawn(Box::pin(async move { done.send(()).unwrap() })).is_ok());
    ran.recv().unwrap();

    // Dropped out there, too, while something is under way.
    let silent = Server::start(|peer| {
        peer.request();
        peer.await_end();
    });
    for fresh in [false, true] {
        let mut limits = limits(fresh);
        limits.head = millis(20_000);
        let mut send = Box::pin(backend.send(get(silent.url("/")), limits));
        while silent.seen().len() < 1 + usize::from(fresh) {
            assert!(send.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            thread::yield_now();
        }
        drop(send);
        assert!(silent.is_left());
    }
}

#[test]
fn a_multi_thread_runtime_elsewhere() {
    let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    exercise(&on(runtime.handle()));
}

#[test]
fn a_current_thread_runtime_that_another_thread_drives() {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let handle = runtime.handle().clone();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let driver = thread::spawn(move || drop(runtime.block_on(stopped)));
    exercise(&on(&handle));
    stop.send(()).unwrap();
    driver.join().unwrap();
}

#[test]
fn no_runtime_at_all_is_an_error() {
    assert!(matches!(HyperBackend::new(), Err(BuildError::NoRuntime)));
    assert!(HyperBackend::new().unwrap_err().to_string().contains("tokio runtime"));
}

#[test]
fn a_runtime_that_is_gone_is_a_failure() {
    let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let backend = on(runtime.handle());
    let server = Server::keeping();
    drop(runtime);
    for fresh in [false, true] {
        let mut limits = Limits::default();
        limits.fresh = fresh;
        let failure = block_on(backend.send(get(server.url("/")), limits)).unwrap_err();
        // Where tokio does not panic by itself it refuses to make a socket.
        assert!(matches!(failure.kind(), FailureKind::Panicked | FailureKind::Connect), "{failure:?}");
    }
    block_on(backend.sleep(millis(5)));
    assert!(server.seen().is_empty());
}
