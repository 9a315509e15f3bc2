//! A backend on std alone: for each request a connection and a thread, and HTTP/1.1 without TLS.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream, ToSocketAddrs},
    pin::Pin,
    sync::{Arc, mpsc},
    task::{Context, Poll},
    thread,
    time::Duration,
};

use bytes::Bytes;
use futures_channel::{mpsc as events, oneshot};
use futures_util::{Stream, StreamExt};
use http::{HeaderName, HeaderValue, Method, StatusCode, Uri, Version, response::Parts};
use valetkey_http::{
    Backend, Failure, FailureKind, Limits, Phase, Request, Response, Sent, Unframed,
    adapter::{Chunks, check, exchange},
};

/// The backend.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plain;

#[async_trait::async_trait]
impl Backend for Plain {
    async fn send(&self, request: Request, limits: Limits) -> Result<Response, Failure> {
        check(&request, &limits)?;
        let method = request.method().clone();
        exchange(&limits, &method, sleep, start(request, limits)).await
    }

    async fn sleep(&self, time: Duration) {
        sleep(time).await;
    }
}

/// A thread that waits for the time, or until nobody waits for it any more.
async fn sleep(time: Duration) {
    let (_keep, kept) = mpsc::channel::<()>();
    let (ring, rung) = oneshot::channel();
    thread::spawn(move || {
        if kept.recv_timeout(time) == Err(mpsc::RecvTimeoutError::Timeout) {
            let _ = ring.send(());
        }
    });
    let _ = rung.await;
}

/// What the thread of a request has to tell.
enum Event {
    Connected(Arc<TcpStream>),
    Head(Parts),
    Piece(Bytes),
    Failed(Failure),
}

/// Whoever drops it, closes the connection.
struct Arriving {
    events: events::UnboundedReceiver<Event>,
    stream: Option<Arc<TcpStream>>,
}

impl Drop for Arriving {
    fn drop(&mut self) {
        if let Some(stream) = &self.stream {
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

impl Chunks for Arriving {
    fn poll_chunk(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Failure>>> {
        Pin::new(&mut self.events).poll_next(context).map(|event| match event? {
            Event::Piece(piece) => Some(Ok(piece)),
            Event::Failed(failure) => Some(Err(failure)),
            Event::Connected(_) | Event::Head(_) => None,
        })
    }
}

async fn start(request: Request, limits: Limits) -> Result<http::Response<Arriving>, Failure> {
    let address = address(&request)?;
    let (tell, events) = events::unbounded();
    let mut arriving = Arriving { events, stream: None };
    thread::spawn(move || {
        if let Err(failure) = converse(request, &address, limits, &tell) {
            drop(tell.unbounded_send(Event::Failed(failure)));
        }
    });
    loop {
        match arriving.events.next().await {
            Some(Event::Connected(stream)) => arriving.stream = Some(stream),
            Some(Event::Head(parts)) => return Ok(http::Response::from_parts(parts, arriving)),
            Some(Event::Failed(failure)) => return Err(failure),
            Some(Event::Piece(_)) | None => return Err(maybe(FailureKind::Other)),
        }
    }
}

fn maybe(kind: FailureKind) -> Failure {
    Failure::new(Sent::Maybe, kind)
}

/// Where the request goes, if it can be sent at all.
fn address(request: &Request) -> Result<(String, u16), Failure> {
    let refused = || Failure::new(Sent::Nothing, FailureKind::Config);
    let authority = request.uri().authority().ok_or_else(refused)?;
    let port = match authority.as_str().strip_prefix(authority.host()) {
        Some("") => 80,
        Some(_) => authority.port_u16().ok_or_else(refused)?,
        None => return Err(refused()),
    };
    if request.uri().scheme_str() != Some("http") || request.method() == Method::CONNECT {
        return Err(refused());
    }
    Ok((authority.host().to_owned(), port))
}

/// The thread: sends the request and reads the answer.
fn converse(
    request: Request,
    address: &(String, u16),
    limits: Limits,
    tell: &events::UnboundedSender<Event>,
) -> Result<(), Failure> {
    let nothing = |kind| move |error: io::Error| Failure::new(Sent::Nothing, kind).with_source(error);
    let addresses = (address.0.as_str(), address.1).to_socket_addrs();
    let found: Vec<_> = addresses.map_err(nothing(FailureKind::Resolve))?.collect();
    let none = if found.is_empty() { FailureKind::Resolve } else { FailureKind::AddressRefused };
    let mut outcome = Err(Failure::new(Sent::Nothing, none));
    for address in found.into_iter().filter(|found| limits.addresses.allows(found.ip())) {
        outcome = TcpStream::connect_timeout(&address, limits.connect).map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => nothing(FailureKind::Timeout(Phase::Connect))(error),
            _ => nothing(FailureKind::Connect)(error),
        });
        if outcome.is_ok() {
            break;
        }
    }
    let stream = Arc::new(outcome?);
    if tell.unbounded_send(Event::Connected(Arc::clone(&stream))).is_err() {
        return Ok(());
    }
    let mut lines = Lines { stream, buffer: Vec::new(), most: limits.head_bytes };
    (&*lines.stream)
        .write_all(&text(&request))
        .map_err(|error| maybe(FailureKind::Closed).with_source(error))?;
    let mut parts = lines.head()?;
    while parts.status.is_informational() && parts.status != StatusCode::SWITCHING_PROTOCOLS {
        parts = lines.head()?;
    }
    let framing = Framing::of(request.method(), &mut parts);
    // Whoever went away hears no more.
    if tell.unbounded_send(Event::Head(parts)).is_err() {
        return Ok(());
    }
    lines.body(framing, |piece| tell.unbounded_send(Event::Piece(piece)).is_ok())
}

fn text(request: &Request) -> Vec<u8> {
    let (uri, method): (&Uri, _) = (request.uri(), request.method());
    let target = uri.path_and_query().map_or("/", |path| path.as_str());
    let slash = if target.starts_with('/') { "" } else { "/" };
    let host = uri.authority().map_or("", |authority| authority.as_str());
    let mut text = format!("{method} {slash}{target} HTTP/1.1\r\nhost: {host}\r\n").into_bytes();
    for (name, value) in request.headers() {
        text.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    if !request.body().is_empty() {
        text.extend(format!("content-length: {}\r\n", request.body().len()).into_bytes());
    }
    text.extend(b"connection: close\r\n\r\n");
    text.extend(request.body());
    text
}

/// How the end of a body is told.
enum Framing {
    None,
    Length(u64),
    Chunked,
    Close,
}

impl Framing {
    fn of(method: &Method, parts: &mut Parts) -> Self {
        let last = parts.headers.get_all("transfer-encoding").iter().next_back();
        let is_bodiless = *method == Method::HEAD
            || parts.status.is_informational()
            || matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if is_bodiless {
            Self::None
        } else if last.is_some_and(|last| last.as_bytes().eq_ignore_ascii_case(b"chunked")) {
            // `exchange` holds a length against what came: with chunks, it is not one (RFC 9112 §6.3).
            parts.headers.remove("content-length");
            Self::Chunked
        } else if let Some(length) = parts.headers.get("content-length") {
            // Whether it is one, `exchange` sees.
            Self::Length(length.to_str().ok().and_then(|length| length.parse().ok()).unwrap_or(0))
        } else {
            parts.extensions.insert(Unframed::new());
            Self::Close
        }
    }
}

/// What has come over a connection and is not consumed yet.
struct Lines {
    stream: Arc<TcpStream>,
    buffer: Vec<u8>,
    most: usize,
}

impl Lines {
    /// Reads more; its end is a failure of this kind.
    fn more(&mut self, ended: FailureKind) -> Result<(), Failure> {
        let mut piece = [0; 8192];
        match (&*self.stream).read(&mut piece) {
            Ok(0) => Err(maybe(ended)),
            Ok(length) => {
                self.buffer.extend_from_slice(&piece[..length]);
                Ok(())
            }
            Err(error) => Err(maybe(FailureKind::Closed).with_source(error)),
        }
    }

    fn head(&mut self) -> Result<Parts, Failure> {
        loop {
            let mut fields = [httparse::EMPTY_HEADER; 100];
            let mut head = httparse::Response::new(&mut fields);
            match head.parse(&self.buffer) {
                Ok(httparse::Status::Complete(length)) => {
                    let parts = parts(&head).ok_or_else(|| maybe(FailureKind::Protocol))?;
                    self.buffer.drain(..length);
                    return Ok(parts);
                }
                Err(httparse::Error::TooManyHeaders) => return Err(maybe(FailureKind::TooLarge)),
                Err(error) => return Err(maybe(FailureKind::Protocol).with_source(error)),
                Ok(httparse::Status::Partial) if self.buffer.len() / 2 > self.most => {
                    return Err(maybe(FailureKind::TooLarge));
                }
                Ok(httparse::Status::Partial) => self.more(FailureKind::Closed)?,
            }
        }
    }

    fn body(&mut self, framing: Framing, mut give: impl FnMut(Bytes) -> bool) -> Result<(), Failure> {
        match framing {
            Framing::None => Ok(()),
            Framing::Length(length) => self.give(length, &mut give).map(drop),
            Framing::Close => loop {
                if !self.buffer.is_empty() && !give(std::mem::take(&mut self.buffer).into()) {
                    return Ok(());
                }
                match self.more(FailureKind::Truncated) {
                    Err(failure) if failure.kind() == FailureKind::Truncated => return Ok(()),
                    other => other?,
                }
            },
            Framing::Chunked => loop {
                let length = self.chunk()?;
                if length == 0 {
                    return self.trailers();
                }
                if !self.give(length, &mut give)? {
                    return Ok(());
                }
                while self.buffer.len() < 2 {
                    self.more(FailureKind::Truncated)?;
                }
                if !self.buffer.starts_with(b"\r\n") {
                    return Err(maybe(FailureKind::Protocol));
                }
                self.buffer.drain(..2);
            },
        }
    }

    /// Hands on so many bytes; `false` if nobody wants them.
    fn give(&mut self, mut length: u64, give: &mut impl FnMut(Bytes) -> bool) -> Result<bool, Failure> {
        while length > 0 {
            if self.buffer.is_empty() {
                self.more(FailureKind::Truncated)?;
            }
            let taken = usize::try_from(length).unwrap_or(usize::MAX).min(self.buffer.len());
            length -= taken as u64;
            if !give(self.buffer.drain(..taken).collect()) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The length of the next chunk.
    fn chunk(&mut self) -> Result<u64, Failure> {
        loop {
            match httparse::parse_chunk_size(&self.buffer) {
                Ok(httparse::Status::Complete((used, length))) => {
                    self.buffer.drain(..used);
                    return Ok(length);
                }
                Ok(httparse::Status::Partial) => self.more(FailureKind::Truncated)?,
                Err(_) => return Err(maybe(FailureKind::Protocol)),
            }
        }
    }

    fn trailers(&mut self) -> Result<(), Failure> {
        while !(self.buffer.starts_with(b"\r\n") || self.buffer.ends_with(b"\r\n\r\n")) {
            self.more(FailureKind::Truncated)?;
        }
        Ok(())
    }
}

fn parts(head: &httparse::Response<'_, '_>) -> Option<Parts> {
    let mut response = http::Response::new(());
    *response.status_mut() = StatusCode::from_u16(head.code?).ok()?;
    *response.version_mut() = if head.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
    for field in &*head.headers {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        response.headers_mut().append(name, HeaderValue::from_bytes(field.value).ok()?);
    }
    Some(response.into_parts().0)
}
