//! More open files than `select` has room for, of which libcurl's thread dies. Its own process, which has them all.
#![cfg(all(unix, feature = "curl"))]

use std::{
    fs::File,
    io::{Read, Write},
    net::TcpListener,
};

use bytes::Bytes;
use valetkey_http::{Backend, FailureKind, Limits, Request, Sent, block_on};
use valetkey_surf::SurfBackend;

/// `FD_SETSIZE`, and some.
const MANY: usize = 1_100;

#[test]
fn libcurls_thread_is_made_anew_after_it_died() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                drop(stream.read(&mut [0; 4096]));
                drop(stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"));
            });
        }
    });
    let get = || -> Request { http::Request::get(&url).body(Bytes::new()).unwrap() };
    let post = || -> Request { http::Request::post(&url).body(Bytes::from_static(b"a=b")).unwrap() };
    let backend = SurfBackend::new().unwrap();
    let send = |request| block_on(backend.send(request, Limits::default()));
    assert_eq!(send(get()).unwrap().body(), "ok");

    let files: Result<Vec<_>, _> = (0..MANY).map(|_| File::open("/dev/null")).collect();
    // The process may not have as many.
    let Ok(files) = files else { return };
    for _ in 0..3 {
        for request in [get(), post()] {
            // A libcurl of the system's can do without `select`.
            let Err(failure) = send(request) else { continue };
            assert!(matches!(failure.kind(), FailureKind::Other | FailureKind::Panicked), "{failure:?}");
            assert!(matches!(failure.sent(), Sent::Nothing | Sent::Maybe));
        }
    }
    drop(files);
    // One more may find the thread that died last.
    drop(send(get()));
    assert_eq!(send(get()).unwrap().body(), "ok");
    assert_eq!(send(post()).unwrap().body(), "ok");
}
