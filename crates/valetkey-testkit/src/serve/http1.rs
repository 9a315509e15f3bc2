//! As much of HTTP/1.1 as a test provider needs, written to the socket byte by byte: an HTTP library would
//! refuse to send what a fault is made of.

use std::io;

use bytes::{Bytes, BytesMut};
use http::{
    HeaderName, HeaderValue, Request,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::script::Script;

/// The longest head that is read.
const MAX_HEAD: usize = 64 << 10;
/// The longest body that is read.
const MAX_BODY: usize = 1 << 20;
/// The most header fields that are read.
const MAX_FIELDS: usize = 100;

/// Reads a request; `None` if it is none that can be answered.
pub(super) async fn read_request(stream: &mut TcpStream) -> io::Result<Option<Request<Bytes>>> {
    let mut read = BytesMut::new();
    let (request, head) = loop {
        if stream.read_buf(&mut read).await? == 0 {
            return Ok(None);
        }
        match parse(&read) {
            Ok(Some(parsed)) => break parsed,
            Ok(None) if read.len() < MAX_HEAD => {}
            Ok(None) | Err(_) => return Ok(None),
        }
    };
    let length = request.headers().get(CONTENT_LENGTH);
    let length = length.map_or(Some(0), |length| length.to_str().ok()?.parse::<usize>().ok());
    // Clients of OAuth know how long their forms are; chunks are not worth the code.
    let Some(length) = length.filter(|length| *length <= MAX_BODY) else { return Ok(None) };
    if request.headers().contains_key(TRANSFER_ENCODING) {
        return Ok(None);
    }
    let mut body = read.split_off(head);
    while body.len() < length {
        if stream.read_buf(&mut body).await? == 0 {
            return Ok(None);
        }
    }
    body.truncate(length);
    Ok(Some(request.map(|()| body.freeze())))
}

/// The request and the length of its head; `None` while there is only a part of it.
fn parse(read: &[u8]) -> Result<Option<(Request<()>, usize)>, httparse::Error> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut head = httparse::Request::new(&mut fields);
    let httparse::Status::Complete(length) = head.parse(read)? else { return Ok(None) };
    let request = request_of(&head).ok_or(httparse::Error::Token)?;
    Ok(Some((request, length)))
}

/// The request with an absolute URI, its host taken from the `Host` field.
fn request_of(head: &httparse::Request<'_, '_>) -> Option<Request<()>> {
    let target = head.path?;
    let host = head.headers.iter().find(|field| field.name.eq_ignore_ascii_case("host"))?;
    let host = std::str::from_utf8(host.value).ok()?;
    let uri = if target.starts_with('/') { format!("http://{host}{target}") } else { target.to_owned() };
    let mut request = Request::builder().method(head.method?).uri(uri);
    for field in head.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        request = request.header(name, HeaderValue::from_bytes(field.value).ok()?);
    }
    request.body(()).ok()
}

/// Answers what cannot be read.
pub(super) async fn refuse(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await?;
    close(stream).await
}

/// How the end of a body is told (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length,
    Chunked,
    Connection,
}

impl Framing {
    pub(super) fn of(script: &Script) -> Self {
        if script.unframed {
            Self::Connection
        } else if script.headers.contains_key(CONTENT_LENGTH) {
            Self::Length
        } else {
            Self::Chunked
        }
    }

    pub(super) async fn write(self, stream: &mut TcpStream, piece: &[u8]) -> io::Result<()> {
        if self == Self::Chunked {
            // An empty chunk would be the last.
            if piece.is_empty() {
                return Ok(());
            }
            stream.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await?;
            stream.write_all(piece).await?;
            return stream.write_all(b"\r\n").await;
        }
        stream.write_all(piece).await
    }

    pub(super) async fn finish(self, stream: &mut TcpStream) -> io::Result<()> {
        if self == Self::Chunked { stream.write_all(b"0\r\n\r\n").await } else { Ok(()) }
    }
}

pub(super) async fn write_head(stream: &mut TcpStream, script: &Script, framing: Framing) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {}\r\nConnection: close\r\n", script.status).into_bytes();
    if framing == Framing::Chunked {
        head.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    }
    for (name, value) in &script.headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            head.extend_from_slice(part);
        }
    }
    head.extend_from_slice(b"\r\n");
    stream.write_all(&head).await
}

/// Says that nothing more comes.
pub(super) async fn close(stream: &mut TcpStream) -> io::Result<()> {
    stream.shutdown().await
}

/// Waits until the other side has had enough.
pub(super) async fn until_closed(stream: &mut TcpStream) {
    let mut ignored = [0; 1024];
    while stream.read(&mut ignored).await.is_ok_and(|read| read > 0) {}
}
