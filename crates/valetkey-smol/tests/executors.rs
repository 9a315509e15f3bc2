//! On every executor, and without a runtime of tokio's in the process.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use bytes::Bytes;
use futures_executor::ThreadPool;
use valetkey_backend_suite::server::Server;
use valetkey_http::{Backend, FailureKind, Limits, Phase, Request, Sent, Task, block_on};
use valetkey_smol::{Smol, SmolBackend};

/// A server that answers `GET /`, and keeps silent about everything else.
fn start() -> Server {
    Server::start(|peer| {
        while let Some(request) = peer.request() {
            if request.line().starts_with("GET / ") {
                peer.say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
            }
        }
    })
}

fn get(server: &Server, path: &str) -> Request {
    http::Request::get(server.url(path)).body(Bytes::new()).unwrap()
}

/// What a client asks of a backend, each once.
async fn exercise(backend: SmolBackend) {
    let server = start();
    let mut limits = Limits::default();
    for fresh in [false, true, false] {
        limits.fresh = fresh;
        assert_eq!(backend.send(get(&server, "/"), limits).await.unwrap().body(), "ok");
    }
    assert_eq!(server.connections(), 2, "one of its own, one shared");

    // The shared connection is put back a moment after its answer.
    backend.sleep(Duration::from_millis(50)).await;
    limits.head = Duration::from_millis(50);
    for fresh in [false, true] {
        limits.fresh = fresh;
        let failure = backend.send(get(&server, "/silent"), limits).await.unwrap_err();
        assert_eq!((failure.kind(), failure.sent()), (FailureKind::Timeout(Phase::Head), Sent::Maybe));
    }
    assert!(server.is_left(), "nobody waits for the answers any more");

    backend.sleep(Duration::from_millis(5)).await;
    let (done, ran) = mpsc::channel();
    let clone = backend.clone();
    let task: Task = Box::pin(async move {
        clone.sleep(Duration::from_millis(5)).await;
        done.send(()).unwrap();
    });
    assert!(backend.spawn(task).is_ok());
    ran.recv_timeout(Duration::from_secs(2)).expect("the task runs while this thread is blocked");
}

fn on(spawner: impl Fn(Task) + Send + Sync + 'static) -> SmolBackend {
    SmolBackend::builder().no_proxy().runtime(Smol::spawning(spawner)).build().unwrap()
}

/// Whether a thread of this process belongs to a runtime of tokio's.
fn is_tokio_here() -> bool {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten();
    threads
        .filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("comm")).ok())
        .any(|name| name.contains("tokio"))
}

#[test]
fn on_smol() {
    smol::block_on(exercise(SmolBackend::builder().no_proxy().build().unwrap()));
    assert!(!is_tokio_here());
}

#[test]
fn on_an_executor_of_smols() {
    let executor = Arc::new(smol::Executor::new());
    let (stop, stopped) = smol::channel::bounded::<()>(1);
    let driver = {
        let executor = Arc::clone(&executor);
        thread::spawn(move || smol::block_on(executor.run(stopped.recv())).unwrap_err())
    };
    let backend = on({
        let executor = Arc::clone(&executor);
        move |task| executor.spawn(task).detach()
    });
    smol::block_on(exercise(backend));
    drop(stop);
    driver.join().unwrap();
}

#[test]
fn on_async_std() {
    let backend = on(|task| drop(async_std::task::spawn(task)));
    async_std::task::block_on(exercise(backend.clone()));
    // Its tasks are as good as its `block_on`.
    async_std::task::block_on(async_std::task::spawn(exercise(backend)));
    assert!(!is_tokio_here());
}

#[test]
fn on_futures() {
    let pool = ThreadPool::builder().pool_size(1).create().unwrap();
    futures_executor::block_on(exercise(on(move |task| pool.spawn_ok(task))));
    assert!(!is_tokio_here());
}

#[test]
fn on_threads_alone() {
    // A thread a task, as a program might that has no executor.
    let backend = on(|task| drop(thread::spawn(|| block_on(task))));
    block_on(exercise(backend));
    assert!(!is_tokio_here());
}

#[test]
fn an_executor_that_takes_nothing_is_a_failure_and_no_hang() {
    let server = start();
    let backend = on(drop);
    let mut limits = Limits::default();
    limits.total = Duration::from_secs(2);
    assert!(block_on(backend.send(get(&server, "/"), limits)).is_err());
    // A connection of its own needs no executor.
    limits.fresh = true;
    assert_eq!(block_on(backend.send(get(&server, "/"), limits)).unwrap().body(), "ok");
}
