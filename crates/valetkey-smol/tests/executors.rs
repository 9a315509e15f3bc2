//! One program per executor, and in none of them a runtime of tokio's.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use bytes::Bytes;
use futures_executor::ThreadPool;
use valetkey_http::{Backend, FailureKind, Limits, Phase, Sent, Task, block_on};
use valetkey_smol::{Smol, SmolBackend};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A server that answers `GET /`, and keeps silent about everything else.
struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    /// Told when a client has closed a connection.
    left: mpsc::Receiver<()>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::<AtomicUsize>::default();
        let (leave, left) = mpsc::channel();
        let count = Arc::clone(&connections);
        thread::spawn(move || {
            for stream in listener.incoming() {
                count.fetch_add(1, Ordering::SeqCst);
                let leave = leave.clone();
                thread::spawn(move || {
                    serve(stream.unwrap());
                    leave.send(()).ok();
                });
            }
        });
        Self { address, connections, left }
    }
}

fn serve(mut stream: TcpStream) {
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        if buffer[..read].starts_with(b"GET / ") {
            stream.write_all(OK).unwrap();
        }
    }
}

/// What a client asks of a backend, each once.
async fn exercise(backend: SmolBackend) {
    let server = Server::start();
    let get = |path: &str| {
        http::Request::get(format!("http://{}{path}", server.address)).body(Bytes::new()).unwrap()
    };
    let mut limits = Limits::default();
    for fresh in [false, true, false] {
        limits.fresh = fresh;
        assert_eq!(backend.send(get("/"), limits).await.unwrap().body(), "ok");
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 2, "one of its own, one shared");
    server.left.recv_timeout(Duration::from_secs(2)).expect("the one of its own is closed");

    limits.head = Duration::from_millis(50);
    for fresh in [false, true] {
        limits.fresh = fresh;
        let failure = backend.send(get("/silent"), limits).await.unwrap_err();
        assert_eq!((failure.kind(), failure.sent()), (FailureKind::Timeout(Phase::Head), Sent::Maybe));
        server.left.recv_timeout(Duration::from_secs(2)).expect("it does not wait for the answer");
    }

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
    let server = Server::start();
    let request = || http::Request::get(format!("http://{}/", server.address)).body(Bytes::new()).unwrap();
    let backend = on(drop);
    let mut limits = Limits::default();
    limits.total = Duration::from_secs(2);
    assert!(block_on(backend.send(request(), limits)).is_err());
    // A connection of its own needs no executor.
    limits.fresh = true;
    assert_eq!(block_on(backend.send(request(), limits)).unwrap().body(), "ok");
}
