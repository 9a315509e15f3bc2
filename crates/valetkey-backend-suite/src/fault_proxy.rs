//! A proxy on loopback that breaks off at a chosen byte.

use std::{
    fmt,
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use crate::{
    received::read_request,
    server::{reset_when_closed, soon},
};

/// What goes wrong, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a row of somebody's table")]
pub struct Fault {
    /// Whose bytes are counted.
    pub at: Direction,
    /// How many of them pass. Of a request, so many and no more have to come; of an answer, one more, so that the
    /// server has begun to give it. If there are not so many, nothing goes wrong.
    pub byte: usize,
    /// What happens then.
    pub how: How,
}

/// One of the two streams of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a connection has two directions")]
pub enum Direction {
    /// From the client to the server.
    Request,
    /// From the server to the client.
    Response,
}

/// How a connection breaks off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum How {
    /// There is no connection: nobody listens, whatever the byte.
    Refuse,
    /// The connection is reset (RST); what the client has not read by then may be lost to it.
    Reset,
    /// Nothing passes any more, in either direction, and the connection stays open.
    Stall,
    /// The connection is closed (FIN).
    Close,
}

/// A proxy that forwards the bytes of each connection to a server until its fault strikes.
///
/// It ends when it is dropped, with all connections.
///
/// ```
/// use std::io::{Read, Write};
/// use valetkey_backend_suite::{Direction, Fault, FaultProxy, How, server::Server};
///
/// let server = Server::keeping();
/// let fault = Fault { at: Direction::Response, byte: 12, how: How::Close };
/// let proxy = FaultProxy::start(server.address(), fault)?;
/// let mut client = std::net::TcpStream::connect(proxy.address())?;
/// client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")?;
/// let mut answer = String::new();
/// client.read_to_string(&mut answer)?;
/// assert_eq!(answer, "HTTP/1.1 200");
/// assert_eq!((proxy.requests(), server.seen().len()), (1, 1));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: SocketAddr,
    fault: Fault,
    stopped: AtomicBool,
    struck: AtomicBool,
    requests: AtomicUsize,
    passed: [AtomicUsize; 2],
    connections: AtomicUsize,
    open: AtomicUsize,
    /// Those that stand, so that they can be ended.
    links: Mutex<Vec<Arc<Link>>>,
}

/// One connection and the one behind it.
struct Link {
    client: TcpStream,
    server: TcpStream,
    stalled: AtomicBool,
}

impl FaultProxy {
    /// Listens on a port of `127.0.0.1`, in front of `upstream`.
    ///
    /// # Errors
    ///
    /// If there is no port to be had.
    pub fn start(upstream: SocketAddr, fault: Fault) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream,
            fault,
            stopped: AtomicBool::new(false),
            struck: AtomicBool::new(fault.how == How::Refuse),
            requests: AtomicUsize::new(0),
            passed: [AtomicUsize::new(0), AtomicUsize::new(0)],
            connections: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            links: Mutex::default(),
        });
        if fault.how != How::Refuse {
            let shared = Arc::clone(&shared);
            thread::spawn(move || accept(&listener, &shared));
        }
        Ok(Self { address, shared })
    }

    /// Where it listens, or does not.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT` and this path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How many whole requests went to the server.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// How many connections were made.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// How many bytes passed in this direction, all connections together.
    #[must_use]
    pub fn passed(&self, direction: Direction) -> usize {
        self.shared.passed[direction as usize].load(Ordering::SeqCst)
    }

    /// Whether the fault has happened.
    #[must_use]
    pub fn struck(&self) -> bool {
        self.shared.struck.load(Ordering::SeqCst)
    }

    /// Whether soon no connection is open any more: one that stalls ends with its client alone.
    #[must_use]
    pub fn is_left(&self) -> bool {
        soon(|| self.shared.open.load(Ordering::SeqCst) == 0)
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // The listener notices when it next accepts.
        drop(TcpStream::connect(self.address));
        for link in self.shared.links().iter() {
            link.end(Shutdown::Both);
        }
    }
}

impl fmt::Debug for FaultProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultProxy")
            .field("address", &self.address)
            .field("fault", &self.shared.fault)
            .finish_non_exhaustive()
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        if shared.stopped.load(Ordering::SeqCst) {
            return;
        }
        let (Ok(client), Ok(server)) = (client, TcpStream::connect(shared.upstream)) else { continue };
        shared.connections.fetch_add(1, Ordering::SeqCst);
        shared.open.fetch_add(1, Ordering::SeqCst);
        for stream in [&client, &server] {
            let _ = stream.set_nodelay(true);
        }
        let link = Arc::new(Link { client, server, stalled: AtomicBool::new(false) });
        shared.links().push(Arc::clone(&link));
        let shared = Arc::clone(shared);
        thread::spawn(move || {
            thread::scope(|scope| {
                scope.spawn(|| shared.pump(&link, Direction::Request));
                shared.pump(&link, Direction::Response);
            });
            // With the last handle on it, the socket closes or is reset.
            shared.links().retain(|other| !Arc::ptr_eq(other, &link));
            drop(link);
            shared.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

impl Shared {
    fn links(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Link>>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves the bytes of one direction until they end or the fault strikes.
    fn pump(&self, link: &Link, direction: Direction) {
        let (mut from, mut to) = match direction {
            Direction::Request => (&link.client, &link.server),
            Direction::Response => (&link.server, &link.client),
        };
        let (mut sent, mut counted) = (Vec::new(), 0);
        let mut buffer = [0; 4096];
        loop {
            let left = match self.fault.at == direction {
                true => self.fault.byte - sent.len(),
                false => usize::MAX,
            };
            if left == 0 && direction == Direction::Request {
                return self.strike(link);
            }
            let most = buffer.len().min(left.max(1));
            let Ok(length @ 1..) = from.read(&mut buffer[..most]) else { break };
            if left == 0 {
                // The server has said one byte more, and so has acted.
                return self.strike(link);
            }
            if link.stalled.load(Ordering::SeqCst) {
                // What comes now is read, so that the end is seen, and goes nowhere.
                continue;
            }
            sent.extend_from_slice(&buffer[..length]);
            // Counted before the server can answer.
            if direction == Direction::Request {
                let whole = whole_requests(&sent);
                self.requests.fetch_add(whole - counted, Ordering::SeqCst);
                counted = whole;
            }
            if to.write_all(&buffer[..length]).is_err() {
                break;
            }
            self.passed[direction as usize].fetch_add(length, Ordering::SeqCst);
        }
        if !link.stalled.load(Ordering::SeqCst) || direction == Direction::Request {
            // One side has left: what is under way to the other still arrives.
            let _ = to.shutdown(Shutdown::Write);
        }
        if direction == Direction::Request {
            link.end(Shutdown::Read);
        }
    }

    fn strike(&self, link: &Link) {
        self.struck.store(true, Ordering::SeqCst);
        match self.fault.how {
            How::Stall => {
                link.stalled.store(true, Ordering::SeqCst);
                if self.fault.at == Direction::Request {
                    // Until the client leaves.
                    while let Ok(1..) = (&link.client).read(&mut [0; 4096]) {}
                    link.end(Shutdown::Both);
                }
            }
            How::Reset => {
                reset_when_closed(&link.client);
                // That wakes the other direction, and sends the client nothing.
                let _ = link.client.shutdown(Shutdown::Read);
                let _ = link.server.shutdown(Shutdown::Both);
            }
            How::Close | How::Refuse => link.end(Shutdown::Both),
        }
    }
}

impl Link {
    fn end(&self, how: Shutdown) {
        let _ = self.client.shutdown(how);
        let _ = self.server.shutdown(how);
    }
}

fn whole_requests(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while read_request(&mut bytes, || ()).is_some() {
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::server::Server;

    const REQUEST: &[u8] = b"POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\na=b";
    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

    /// Sends the request through such a proxy; returns it, the server, and what came back.
    fn through(at: Direction, byte: usize, how: How) -> (FaultProxy, Server, io::Result<Vec<u8>>) {
        let server = Server::answering(ANSWER);
        let proxy = FaultProxy::start(server.address(), Fault { at, byte, how }).unwrap();
        let answer = || {
            let mut client = TcpStream::connect(proxy.address())?;
            // What ends does so some time, on a busy machine, too.
            let patience = Duration::from_millis(if how == How::Stall { 100 } else { 10_000 });
            client.set_read_timeout(Some(patience))?;
            client.write_all(REQUEST)?;
            let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
            loop {
                match client.read(&mut buffer)? {
                    0 => return Ok(answer),
                    length => answer.extend_from_slice(&buffer[..length]),
                }
            }
        };
        let answer = answer();
        (proxy, server, answer)
    }

    #[test]
    fn without_its_fault_everything_passes() {
        let (proxy, server, answer) = through(Direction::Request, usize::MAX, How::Close);
        assert_eq!(answer.unwrap(), ANSWER);
        assert!(!proxy.struck() && proxy.is_left());
        assert_eq!((proxy.requests(), server.seen().len(), proxy.connections()), (1, 1, 1));
        let passed = [Direction::Request, Direction::Response].map(|direction| proxy.passed(direction));
        assert_eq!(passed, [REQUEST.len(), ANSWER.len()]);
    }

    #[test]
    fn a_request_ends_at_its_byte() {
        for how in [How::Close, How::Reset, How::Stall] {
            for byte in (0..=REQUEST.len()).step_by(7).chain([REQUEST.len() - 1, REQUEST.len()]) {
                let (proxy, server, answer) = through(Direction::Request, byte, how);
                assert!(soon(|| proxy.struck()) && proxy.is_left(), "{byte} {how:?}");
                assert_eq!(proxy.passed(Direction::Request), byte);
                let whole = usize::from(byte == REQUEST.len());
                assert_eq!(proxy.requests(), whole, "{byte} {how:?}");
                assert!(server.seen().len() <= whole, "{byte} {how:?}");
                let is_silence = matches!(&answer, Err(error) if error.kind() == io::ErrorKind::WouldBlock);
                assert_eq!(is_silence, how == How::Stall, "{byte} {how:?}");
            }
        }
    }

    #[test]
    fn an_answer_ends_at_its_byte() {
        for byte in [0, 1, 12, ANSWER.len() - 1] {
            let (proxy, server, answer) = through(Direction::Response, byte, How::Close);
            assert_eq!(answer.unwrap(), &ANSWER[..byte]);
            assert_eq!((proxy.requests(), server.seen().len()), (1, 1));
            let (_, _, answer) = through(Direction::Response, byte, How::Reset);
            assert_eq!(answer.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
            let (proxy, _, answer) = through(Direction::Response, byte, How::Stall);
            assert_eq!(answer.unwrap_err().kind(), io::ErrorKind::WouldBlock);
            assert!(proxy.struck() && proxy.is_left(), "it ends with the client");
        }
    }

    #[test]
    fn nobody_listens_at_all() {
        let (proxy, server, answer) = through(Direction::Request, 0, How::Refuse);
        assert_eq!(answer.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert!(proxy.struck() && server.connections() == 0);
    }
}
