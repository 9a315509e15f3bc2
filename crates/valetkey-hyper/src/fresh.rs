//! A request on a connection of its own: made for it, driven by its own future, closed with it.

use std::{
    future::poll_fn,
    io, mem,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use http::{HeaderValue, Request, Response, Uri, header::HOST};
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1, http2},
    rt::{Read, ReadBufCursor, Write},
};
use hyper_util::client::legacy::connect::Connection;
use valetkey_http::{Failure, Limits, Sent};

use crate::{
    body::{Arriving, Driver, Outgoing},
    connect::Connector,
    fault::{self, Part},
    nursery::Nursery,
    pool::HEAD_BYTES,
    runtime::Runtime,
};

/// Sends one request on a new connection, made within these limits. Dropping this future, or the body, closes the
/// connection.
pub(crate) async fn send<R: Runtime>(
    connector: &Connector<R>,
    request: Request<Outgoing>,
    limits: Limits,
) -> Result<Response<Arriving>, Failure> {
    let target = request.uri().clone();
    let stream = connector.connect(target, limits.connect, limits.addresses).await?;
    let is_http2 = stream.connected().is_negotiated_h2();
    send_on(stream, is_http2, request).await
}

async fn send_on<S>(
    stream: S,
    is_http2: bool,
    request: Request<Outgoing>,
) -> Result<Response<Arriving>, Failure>
where
    S: Read + Write + Send + Unpin + 'static,
{
    let wrote = Arc::new(AtomicBool::new(false));
    let stream = Watched { stream, wrote: Arc::clone(&wrote) };
    let outcome = match is_http2 {
        true => Box::pin(over_http2(stream, request)).await,
        false => Box::pin(over_http1(stream, request)).await,
    };
    outcome.map_err(|(error, came_back)| {
        let unsent = came_back || !wrote.load(Ordering::Relaxed);
        let sent = if unsent { Sent::Nothing } else { Sent::Maybe };
        Failure::new(sent, fault::kind(&error, Part::Head)).with_source(error)
    })
}

/// An error, and whether hyper gave the request back untouched.
type Unanswered = (hyper::Error, bool);

async fn over_http1<S>(stream: S, mut request: Request<Outgoing>) -> Result<Response<Arriving>, Unanswered>
where
    S: Read + Write + Send + Unpin + 'static,
{
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES)
        .handshake(stream)
        .await
        .map_err(|error| (error, true))?;
    to_origin_form(&mut request);
    let answer = sender.try_send_request(request);
    // How the connection ended is told to `answer` and to the body, too.
    answered(answer, Box::pin(async move { drop(connection.await) })).await
}

async fn over_http2<S>(stream: S, request: Request<Outgoing>) -> Result<Response<Arriving>, Unanswered>
where
    S: Read + Write + Send + Unpin + 'static,
{
    let nursery = Nursery::default();
    let (mut sender, connection) = http2::Builder::new(nursery.executor())
        .max_header_list_size(HEAD_BYTES as u32)
        .handshake(stream)
        .await
        .map_err(|error| (error, true))?;
    let answer = sender.try_send_request(request);
    answered(answer, Box::pin(nursery.drive(Box::pin(async move { drop(connection.await) })))).await
}

/// Waits for the head of the response, driving the connection meanwhile.
async fn answered(
    answer: impl Future<Output = Result<Response<Incoming>, TrySendError<Request<Outgoing>>>>,
    driver: Driver,
) -> Result<Response<Arriving>, Unanswered> {
    let mut answer = pin!(answer);
    let mut driver = Some(driver);
    let answer = poll_fn(|context| {
        if let Some(running) = &mut driver
            && running.as_mut().poll(context).is_ready()
        {
            driver = None;
        }
        answer.as_mut().poll(context)
    })
    .await;
    match answer {
        Ok(response) => Ok(response.map(|body| Arriving::driven(body, driver))),
        Err(mut error) => {
            let came_back = error.take_message().is_some();
            Err((error.into_error(), came_back))
        }
    }
}

/// What HTTP/1.1 sends to a server: the path in the request line, the host in a header (RFC 9112 §3.2.1).
fn to_origin_form(request: &mut Request<Outgoing>) {
    let uri = mem::take(request.uri_mut());
    if !request.headers().contains_key(HOST)
        && let Some(host) = host(&uri)
    {
        request.headers_mut().insert(HOST, host);
    }
    let mut parts = http::uri::Parts::default();
    parts.path_and_query = uri.into_parts().path_and_query;
    if let Ok(path) = Uri::from_parts(parts) {
        *request.uri_mut() = path;
    }
}

/// The host and its port, if that is not the scheme's own: as the pool writes it.
fn host(uri: &Uri) -> Option<HeaderValue> {
    let authority = uri.authority()?;
    let host = match (uri.scheme_str(), authority.port_u16()) {
        (_, None) | (Some("http"), Some(80)) | (Some("https"), Some(443)) => authority.host(),
        _ => authority.as_str(),
    };
    HeaderValue::from_str(host).ok()
}

/// A connection that remembers whether HTTP wrote anything to it.
struct Watched<S> {
    stream: S,
    wrote: Arc<AtomicBool>,
}

impl<S: Read + Unpin> Read for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: Write + Unpin> Write for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes));
        // A failed write counts as well: of several TLS records, the first may have left.
        self.wrote.store(true, Ordering::Relaxed);
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use valetkey_http::FailureKind;

    use super::*;

    /// A connection that is closed by the server after so many bytes.
    struct Closing {
        takes: usize,
    }

    impl Read for Closing {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: ReadBufCursor<'_>,
        ) -> Poll<io::Result<()>> {
            // The end, but not before everything was taken.
            if self.takes == 0 { Poll::Ready(Ok(())) } else { Poll::Pending }
        }
    }

    impl Write for Closing {
        fn poll_write(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            if self.takes == 0 {
                return Poll::Pending;
            }
            let taken = self.takes.min(bytes.len());
            self.takes -= taken;
            context.waker().wake_by_ref();
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn nothing_was_sent_only_if_not_a_byte_was() {
        for (takes, sent) in [(0, Sent::Nothing), (1, Sent::Maybe), (20, Sent::Maybe)] {
            let request = Request::post("http://host.test/").body(Outgoing::new(Bytes::from_static(b"a=b")));
            let outcome = send_on(Closing { takes }, false, request.unwrap()).await;
            let failure = outcome.map(drop).unwrap_err();
            assert_eq!((failure.kind(), failure.sent()), (FailureKind::Closed, sent), "{takes}");
        }
    }

    #[test]
    fn the_host_is_named_without_the_port_of_its_scheme() {
        for (uri, expected) in [
            ("http://a.test/", "a.test"),
            ("http://a.test:80/", "a.test"),
            ("https://a.test:443/", "a.test"),
            ("https://a.test:80/", "a.test:80"),
            ("https://[::1]:8443/", "[::1]:8443"),
        ] {
            assert_eq!(host(&uri.parse().unwrap()).unwrap(), expected);
        }
    }
}
