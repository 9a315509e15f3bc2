//! surf on async-h1, without TLS: each request on a connection of its own, which is made here.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::{Pin, pin},
    sync::{Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use async_io::Timer;
use async_std::{
    io::{Read as AsyncRead, Write as AsyncWrite},
    net::{TcpStream, ToSocketAddrs},
};
use async_trait::async_trait;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use surf::{
    HttpClient, Url,
    http::{self as surf_http, url::Host},
};
use valetkey_http::{Addresses, Failure, FailureKind, Limits, Phase, Sent, adapter::is_bodiless};

use crate::{
    backend::{Told, answer},
    body::Arriving,
    contain::contain,
    convert::{Abilities, Draft},
};

pub(crate) const ABILITIES: Abilities = Abilities {
    tls: false,
    head: true,
    empty_query: true,
    lower_escapes: true,
    repeated_fields: true,
    untyped_post: true,
    waits_from: None,
};

/// The largest head that async-h1 reads, in bytes.
const MAX_HEAD: usize = 8 * 1024 - 1;
/// How often bytes may be read before others have their turn.
const READS_IN_A_ROW: u8 = 16;

/// Sends a request, and resolves to the head of its response.
pub(crate) async fn start(draft: &Draft, limits: &Limits) -> Result<http::Response<Arriving>, Failure> {
    let request = draft.request();
    let stream = within(limits.connect, connect(request.url(), limits.addresses)).await?;
    let connection = Connection::new(stream, limits.head_bytes.min(MAX_HEAD));
    let client = surf::Client::with_http_client(Once(Mutex::new(Some(connection))));
    match contain(client.send(request)).await {
        Ok(Ok(response)) => framed(response.into(), draft),
        Ok(Err(error)) => Err(Failure::new(Sent::Maybe, kind(&error)).with_source(Told::by(&error))),
        Err(_panicked) => Err(Failure::new(Sent::Maybe, FailureKind::Panicked)),
    }
}

/// A client for one request, on a connection that stands. surf's own looks the name up on the executor's thread and
/// tries the first address alone; on a connection that it keeps, a request can get the answer of another one.
#[derive(Debug)]
struct Once(Mutex<Option<Connection>>);

#[async_trait]
impl HttpClient for Once {
    async fn send(&self, mut request: surf_http::Request) -> Result<surf_http::Response, surf_http::Error> {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let connection = connection.ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected))?;
        if request.header("connection").is_none() {
            request.insert_header("connection", "close");
        }
        // Boxed: it is large.
        Box::pin(async_h1::connect(connection, request)).await
    }
}

/// A connection whose reader does not go on for ever. async-h1 looks at the size of a head at the ends of lines only,
/// and never lets anybody else have a turn while bytes arrive: a line without end would be a poll without end.
#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    /// How much of the head may still come; `None` once it is there.
    head_left: Option<usize>,
    at_line_start: bool,
    reads_in_a_row: u8,
}

impl Connection {
    fn new(stream: TcpStream, head_bytes: usize) -> Self {
        Self { stream, head_left: Some(head_bytes), at_line_start: false, reads_in_a_row: 0 }
    }

    fn count(&mut self, bytes: &[u8]) -> io::Result<()> {
        for byte in bytes {
            let Some(left) = self.head_left else { break };
            self.head_left = match byte {
                b'\n' if self.at_line_start => None,
                _ => Some(left.checked_sub(1).ok_or(io::ErrorKind::FileTooLarge)?),
            };
            self.at_line_start = *byte == b'\n' || (*byte == b'\r' && self.at_line_start);
        }
        Ok(())
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.reads_in_a_row == READS_IN_A_ROW {
            this.reads_in_a_row = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        this.reads_in_a_row += 1;
        let length = ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        this.count(&buffer[..length])?;
        Poll::Ready(Ok(length))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(context)
    }
}

/// A connection to the first address that is allowed and takes one.
async fn connect(url: &Url, allowed: Addresses) -> Result<TcpStream, Failure> {
    let found = lookup(url).await?;
    let none = if found.is_empty() { FailureKind::Resolve } else { FailureKind::AddressRefused };
    let mut refused = Failure::new(Sent::Nothing, none);
    for address in found.into_iter().filter(|found| allowed.allows(found.ip())) {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => refused = Failure::new(Sent::Nothing, FailureKind::Connect).with_source(error),
        }
    }
    Err(refused)
}

/// The addresses of the host.
async fn lookup(url: &Url) -> Result<Vec<SocketAddr>, Failure> {
    let port = url.port_or_known_default().unwrap_or(80);
    let name = match url.host() {
        Some(Host::Ipv4(address)) => return Ok(vec![(IpAddr::V4(address), port).into()]),
        Some(Host::Ipv6(address)) => return Ok(vec![(IpAddr::V6(address), port).into()]),
        Some(Host::Domain(name)) => name,
        None => "",
    };
    match (name, port).to_socket_addrs().await {
        Ok(found) => Ok(found.collect()),
        Err(error) => Err(Failure::new(Sent::Nothing, FailureKind::Resolve).with_source(error)),
    }
}

async fn within<T>(time: Duration, future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let (mut future, mut timer) = (pin!(future), pin!(Timer::after(time)));
    std::future::poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Pending => Future::poll(timer.as_mut(), context)
            .map(|_| Err(Failure::new(Sent::Nothing, FailureKind::Timeout(Phase::Connect)))),
        ready => ready,
    })
    .await
}

/// Refuses what async-h1 takes for a response without a body: an interim one, and one whose body ends with the
/// connection.
fn framed(response: surf_http::Response, draft: &Draft) -> Result<http::Response<Arriving>, Failure> {
    let response = answer(response, draft, |error| io_kind(error.kind()))?;
    let (status, headers) = (response.status(), response.headers());
    let is_framed = match headers.get_all(TRANSFER_ENCODING).iter().next_back() {
        // All that it knows: it reads no lists, and no other case.
        Some(encoding) => encoding == "chunked",
        None => headers.contains_key(CONTENT_LENGTH),
    };
    if status.is_informational() {
        Err(Failure::new(Sent::Maybe, FailureKind::Protocol))
    } else if !is_framed && !is_bodiless(&draft.method, status) {
        Err(Failure::new(Sent::Answered(status), FailureKind::Protocol))
    } else {
        Ok(response)
    }
}

fn kind(error: &surf::Error) -> FailureKind {
    match error.downcast_ref::<io::Error>() {
        Some(error) => io_kind(error.kind()),
        // Of all others async-h1 says in words that they are no response.
        None => FailureKind::Protocol,
    }
}

fn io_kind(kind: io::ErrorKind) -> FailureKind {
    match kind {
        io::ErrorKind::FileTooLarge => FailureKind::TooLarge,
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => FailureKind::Protocol,
        io::ErrorKind::UnexpectedEof => FailureKind::Truncated,
        _ => FailureKind::Closed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s_net_10_what_a_name_leads_to_is_checked_and_connected_to() {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        for host in ["127.0.0.1", "localhost"] {
            let url = format!("http://{host}:{}/", server.local_addr().unwrap().port()).parse().unwrap();
            assert!(async_io::block_on(connect(&url, Addresses::Any)).is_ok());
            let failure = async_io::block_on(connect(&url, Addresses::Public)).unwrap_err();
            assert_eq!((failure.kind(), failure.sent()), (FailureKind::AddressRefused, Sent::Nothing));
        }
    }
}
