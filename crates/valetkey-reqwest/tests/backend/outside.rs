//! Polled by somebody who is not tokio.

use std::sync::mpsc;

use tokio::runtime;
use valetkey_http::{Backend, FailureKind, block_on};
use valetkey_reqwest::{BuildError, ReqwestBackend};

use crate::{builder, get, limits, millis, server::Server};

#[test]
fn a_runtime_elsewhere() {
    let runtime = runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let backend = builder().handle(runtime.handle().clone()).build().unwrap();
    let server = Server::keeping();
    for fresh in [false, true, false] {
        assert_eq!(block_on(backend.send(get(server.url("/")), limits(fresh))).unwrap().body(), "ok");
    }
    block_on(backend.sleep(millis(5)));
    let (done, ran) = mpsc::channel();
    assert!(backend.spawn(Box::pin(async move { done.send(()).unwrap() })).is_ok());
    ran.recv().unwrap();

    drop(runtime);
    for fresh in [false, true] {
        let failure = block_on(backend.send(get(server.url("/")), limits(fresh))).unwrap_err();
        // Where tokio does not panic by itself it refuses to make a socket, or the connection is gone.
        let known = [FailureKind::Panicked, FailureKind::Connect, FailureKind::Closed];
        assert!(known.contains(&failure.kind()), "{failure:?}");
    }
    block_on(backend.sleep(millis(5)));
    assert_eq!(server.seen().len(), 3);
}

#[test]
fn no_runtime_at_all_is_an_error() {
    assert!(matches!(ReqwestBackend::new(), Err(BuildError::NoRuntime)));
}
