//! A server in raw bytes: each connection is a thread that runs the test's script.
//!
//! ```
//! use std::io::{Read, Write};
//! use valetkey_backend_suite::server::Server;
//!
//! let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
//! let mut client = std::net::TcpStream::connect(server.address())?;
//! client.write_all(b"GET /path HTTP/1.1\r\nhost: a\r\n\r\n")?;
//! let mut answer = String::new();
//! client.read_to_string(&mut answer)?;
//! assert!(answer.ends_with("ok") && server.seen()[0].starts_with("GET /path "));
//! # Ok::<(), std::io::Error>(())
//! ```

use std::{
    collections::BTreeMap,
    fmt,
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::received::{Received, read_request};

/// How long a test waits for what should happen soon.
const SOON: Duration = Duration::from_secs(5);

/// A server on a port of `127.0.0.1`, until it is dropped, which ends its connections, too.
pub struct Server {
    address: SocketAddr,
    log: Log,
    stopped: Arc<AtomicBool>,
}

/// What a server has seen so far. Clones are of the same server.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Seen>);

#[derive(Default)]
struct Seen {
    whole: Mutex<Vec<Received>>,
    begun: AtomicUsize,
    connections: AtomicUsize,
    /// The connections whose script still runs, so that they can be ended.
    open: Mutex<BTreeMap<usize, TcpStream>>,
}

impl Log {
    /// How many requests began to arrive.
    pub(crate) fn begun(&self) -> usize {
        self.0.begun.load(Ordering::SeqCst)
    }

    /// How many requests arrived whole.
    pub(crate) fn whole(&self) -> usize {
        lock(&self.0.whole).len()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Server {
    /// A server whose connections run this script, each on a thread of its own. A connection is closed
    /// when its script returns.
    ///
    /// # Panics
    ///
    /// If there is no port to be had.
    #[must_use = "dropping it stops the server"]
    pub fn start(script: impl Fn(&mut Peer) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("its address");
        let (log, stopped) = (Log::default(), Arc::<AtomicBool>::default());
        let (script, seen, stop) = (Arc::new(script), log.clone(), Arc::clone(&stopped));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                seen.converse(stream, Arc::clone(&script));
            }
        });
        Self { address, log, stopped }
    }

    /// A server that answers one request a connection with these bytes, and closes.
    #[must_use = "dropping it stops the server"]
    pub fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |peer| {
            if peer.request().is_some() {
                peer.say(&answer);
            }
        })
    }

    /// A server that answers every request with `ok`, and keeps the connection.
    #[must_use = "dropping it stops the server"]
    pub fn keeping() -> Self {
        Self::start(|peer| peer.serve_ok())
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT` and this path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// `https://localhost:PORT` and this path.
    #[must_use]
    pub fn secure_url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.address.port())
    }

    /// The requests that arrived whole, as text.
    #[must_use]
    pub fn seen(&self) -> Vec<String> {
        lock(&self.log.0.whole).iter().map(Received::text).collect()
    }

    /// The requests that arrived whole.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        lock(&self.log.0.whole).clone()
    }

    /// How many connections were made.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.log.0.connections.load(Ordering::SeqCst)
    }

    /// How many connections have a script that still runs.
    #[must_use]
    pub fn open(&self) -> usize {
        lock(&self.log.0.open).len()
    }

    /// Whether soon no connection is open any more.
    #[must_use]
    pub fn is_left(&self) -> bool {
        soon(|| self.open() == 0)
    }

    pub(crate) fn log(&self) -> Log {
        self.log.clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // The listener notices when it next accepts.
        drop(TcpStream::connect(self.address));
        for stream in lock(&self.log.0.open).values() {
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Log {
    fn converse(&self, stream: TcpStream, script: Arc<impl Fn(&mut Peer) + Send + Sync + 'static>) {
        let number = self.0.connections.fetch_add(1, Ordering::SeqCst) + 1;
        let Ok(copy) = stream.try_clone() else { return };
        drop(stream.set_nodelay(true));
        lock(&self.0.open).insert(number, copy);
        let log = self.clone();
        thread::spawn(move || {
            let open = Open { log: log.clone(), number };
            let mut peer = Peer { stream, log, number };
            script(&mut peer);
            // The copy goes first, so that the connection closes with its stream.
            drop(open);
        });
    }
}

/// Counts a connection as open, also when its script panics.
struct Open {
    log: Log,
    number: usize,
}

impl Drop for Open {
    fn drop(&mut self) {
        lock(&self.log.0.open).remove(&self.number);
    }
}

/// One connection, as the server has it.
pub struct Peer<S = TcpStream> {
    stream: S,
    log: Log,
    number: usize,
}

impl<S: Read + Write> Peer<S> {
    /// The next request; `None` if the client is gone.
    pub fn request(&mut self) -> Option<Received> {
        let log = &self.log;
        let request = read_request(&mut self.stream, || {
            log.0.begun.fetch_add(1, Ordering::SeqCst);
        })?;
        lock(&self.log.0.whole).push(request.clone());
        Some(request)
    }

    /// Says this; a client that no longer listens is no matter.
    pub fn say(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.try_say(bytes);
    }

    /// Says this.
    ///
    /// # Errors
    ///
    /// If the client is gone.
    pub fn try_say(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())?;
        self.stream.flush()
    }

    /// Says this again and again until the client is gone, with a pause in between.
    pub fn say_on(&mut self, bytes: impl AsRef<[u8]>, between: Duration) {
        while self.try_say(&bytes).is_ok() {
            pause(between);
        }
    }

    /// Answers every request with `ok`.
    pub fn serve_ok(&mut self) {
        while self.request().is_some() {
            self.say(OK);
        }
    }

    /// Which connection of the server this is, counted from 1.
    pub fn number(&self) -> usize {
        self.number
    }

    /// Reads on until the client closes the connection, and returns what it said.
    pub fn await_end(&mut self) -> Vec<u8> {
        let (mut said, mut buffer) = (Vec::new(), [0; 4096]);
        while let Ok(length @ 1..) = self.stream.read(&mut buffer) {
            said.extend_from_slice(&buffer[..length]);
        }
        said
    }

    /// Reads the beginning of a request, which then counts as one that began to arrive.
    pub(crate) fn read_beginning(&mut self) {
        if !self.read_some().is_empty() {
            self.log.0.begun.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Reads once, whatever comes.
    pub fn read_some(&mut self) -> Vec<u8> {
        let mut buffer = vec![0; 1 << 16];
        let length = self.stream.read(&mut buffer).unwrap_or(0);
        buffer.truncate(length);
        buffer
    }
}

impl Peer {
    /// The same connection with TLS on it; the handshake comes with the first read.
    ///
    /// # Panics
    ///
    /// If the configuration is unusable.
    pub fn secured(&mut self, config: &Arc<ServerConfig>) -> Peer<StreamOwned<ServerConnection, TcpStream>> {
        let tls = ServerConnection::new(Arc::clone(config)).expect("TLS of the test");
        let stream = self.stream.try_clone().expect("a copy of the socket");
        Peer { stream: StreamOwned::new(tls, stream), log: self.log.clone(), number: self.number }
    }

    /// Where the server listens.
    ///
    /// # Panics
    ///
    /// If the socket has no address any more.
    pub fn address(&self) -> SocketAddr {
        self.stream.local_addr().expect("an address")
    }

    /// Makes the connection end with a reset instead of a close, when its script returns.
    pub fn reset(&mut self) {
        reset_when_closed(&self.stream);
    }
}

impl<S> fmt::Debug for Peer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("number", &self.number).finish_non_exhaustive()
    }
}

/// The shortest whole answer with a body.
pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// The socket sends RST, and not FIN, when it is closed.
pub(crate) fn reset_when_closed(stream: &TcpStream) {
    drop(socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)));
}

/// Whether this comes true within a few seconds.
pub(crate) fn soon(mut holds: impl FnMut() -> bool) -> bool {
    let step = Duration::from_millis(2);
    for _ in 0..SOON.as_millis() / step.as_millis() {
        if holds() {
            return true;
        }
        pause(step);
    }
    holds()
}

#[expect(clippy::disallowed_methods, reason = "a server's thread, or a test's: neither has a runtime")]
pub(crate) fn pause(time: Duration) {
    if !time.is_zero() {
        thread::sleep(time);
    }
}
