//! Bodies: a request's, which tells whether it was asked for, and a response's, which arrives in pieces.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, ready},
};

use async_std::io::{BufRead, Read};
use bytes::Bytes;
use surf::Body;
use valetkey_http::{Failure, FailureKind, Sent, adapter::Chunks};

use crate::contain::Contained;

const WAITING: u8 = 0;
const ASKED: u8 = 1;
const WITHDRAWN: u8 = 2;

/// Whether anybody has asked for the body of a request.
///
/// Both clients ask for it before the last byte of the head is out. As long as nobody has, no server holds a
/// whole request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked(Arc<AtomicU8>);

impl Asked {
    /// Takes the body back; `false` if it is too late.
    pub(crate) fn withdraw(&self) -> bool {
        let was = self.0.compare_exchange(WAITING, WITHDRAWN, Ordering::SeqCst, Ordering::SeqCst);
        was.unwrap_or_else(|now| now) != ASKED
    }

    fn ask(&self) -> io::Result<()> {
        match self.0.compare_exchange(WAITING, ASKED, Ordering::SeqCst, Ordering::SeqCst) {
            Err(WITHDRAWN) => Err(io::ErrorKind::ConnectionAborted.into()),
            _ => Ok(()),
        }
    }
}

/// The body of a request.
#[derive(Debug)]
pub(crate) struct Outgoing {
    rest: Bytes,
    asked: Asked,
}

impl Outgoing {
    /// The body for surf; it has a length, so that nobody sends it in chunks.
    pub(crate) fn body(bytes: Bytes, asked: Asked) -> Body {
        let length = bytes.len();
        Body::from_reader(Self { rest: bytes, asked }, Some(length))
    }
}

impl Read for Outgoing {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.asked.ask()?;
        let length = buffer.len().min(this.rest.len());
        buffer[..length].copy_from_slice(&this.rest.split_to(length));
        Poll::Ready(Ok(length))
    }
}

impl BufRead for Outgoing {
    fn poll_fill_buf(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.asked.ask()?;
        Poll::Ready(Ok(&self.get_mut().rest))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        let this = self.get_mut();
        drop(this.rest.split_to(amount.min(this.rest.len())));
    }
}

/// The body of a response.
pub(crate) struct Arriving {
    /// `None` if there is none, whatever the head says.
    body: Option<Contained<Body>>,
    kind: fn(&io::Error) -> FailureKind,
}

impl Arriving {
    /// A body, whose errors are told apart by `kind`.
    pub(crate) fn new(body: Option<Body>, kind: fn(&io::Error) -> FailureKind) -> Self {
        Self { body: body.map(Contained::new), kind }
    }
}

impl Chunks for Arriving {
    fn poll_chunk(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Failure>>> {
        let kind = self.kind;
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        // `exchange` puts the status in the place of `Maybe`.
        let failed = |kind| Failure::new(Sent::Maybe, kind);
        let Ok(piece) = body.with(|body| poll_piece(body, context)) else {
            return Poll::Ready(Some(Err(failed(FailureKind::Panicked))));
        };
        Poll::Ready(match ready!(piece) {
            Ok(piece) if piece.is_empty() => None,
            Ok(piece) => Some(Ok(piece)),
            Err(error) => Some(Err(failed(kind(&error)).with_source(error))),
        })
    }
}

fn poll_piece(body: &mut Body, context: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
    let piece = Bytes::copy_from_slice(ready!(Pin::new(&mut *body).poll_fill_buf(context))?);
    Pin::new(body).consume(piece.len());
    Poll::Ready(Ok(piece))
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn a_body_is_asked_for_or_withdrawn() {
        let mut context = Context::from_waker(Waker::noop());
        let outgoing = |asked: &Asked| Outgoing { rest: Bytes::from_static(b"a=b"), asked: asked.clone() };

        let asked = Asked::default();
        let mut buffer = [0; 2];
        let read = Pin::new(&mut outgoing(&asked)).poll_read(&mut context, &mut buffer);
        assert!(matches!(read, Poll::Ready(Ok(2))));
        assert!(!asked.withdraw(), "too late");

        let withdrawn = Asked::default();
        assert!(withdrawn.withdraw() && withdrawn.withdraw());
        let mut outgoing = outgoing(&withdrawn);
        let read = Pin::new(&mut outgoing).poll_read(&mut context, &mut buffer);
        assert!(matches!(read, Poll::Ready(Err(_))));
        assert!(matches!(Pin::new(&mut outgoing).poll_fill_buf(&mut context), Poll::Ready(Err(_))));
    }
}
