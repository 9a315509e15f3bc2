//! Bodies: a request's, which is there at once, and a response's, which arrives in pieces.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use valetkey_http::{Failure, Sent, adapter::Chunks};

use crate::fault;

/// The body of a request, in one piece.
#[derive(Debug)]
pub(crate) struct Outgoing(Option<Bytes>);

impl Outgoing {
    pub(crate) fn new(body: Bytes) -> Self {
        Self(Some(body).filter(|body| !body.is_empty()))
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|body| Ok(Frame::data(body))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |body| body.len() as u64))
    }
}

/// What moves the bytes of a connection that nobody else drives; dropping it closes the connection.
pub(crate) type Driver = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The body of a response, together with its connection if that one is its own.
pub(crate) struct Arriving {
    body: Incoming,
    driver: Option<Driver>,
}

impl Arriving {
    /// A body whose connection is driven by the pool.
    pub(crate) fn pooled(body: Incoming) -> Self {
        Self { body, driver: None }
    }

    /// A body that drives its own connection.
    pub(crate) fn driven(body: Incoming, driver: Option<Driver>) -> Self {
        Self { body, driver }
    }
}

impl Chunks for Arriving {
    fn poll_chunk(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Failure>>> {
        let this = &mut *self;
        // First the connection, so that what it has read is there when the body is asked.
        if let Some(driver) = &mut this.driver
            && driver.as_mut().poll(context).is_ready()
        {
            this.driver = None;
        }
        loop {
            return match Pin::new(&mut this.body).poll_frame(context) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(None) => Poll::Ready(None),
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(chunk) => Poll::Ready(Some(Ok(chunk))),
                    Err(_trailers) => continue,
                },
                Poll::Ready(Some(Err(error))) => {
                    // `exchange` puts the status in the place of `Maybe`.
                    let kind = fault::kind(&error, fault::Part::Body);
                    Poll::Ready(Some(Err(Failure::new(Sent::Maybe, kind).with_source(error))))
                }
            };
        }
    }
}
