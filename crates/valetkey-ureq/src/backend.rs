//! The backend: one agent that keeps connections, and two that do not.

use std::{
    fmt,
    future::ready,
    io::{self, Read},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Version,
    header::{AUTHORIZATION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING},
};
use ureq::{Agent, BodyReader, SendBody};
use valetkey_http::{
    Addresses, Backend, Failure, FailureKind, Limits, Request, Response, Sent,
    adapter::{Chunks, check, contain, exchange},
};

use crate::{BuildError, Builder, fault};

/// Most bytes that are taken from a body at once.
const CHUNK: usize = 16 << 10;

/// The longest time that is asked of ureq, which adds it to the present without a check.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A [`Backend`] on ureq, which blocks: for `valetkey::blocking`, never for async code.
///
/// It keeps connections for ordinary requests, and makes one of its own for each request that asks for it
/// ([`Limits::fresh`]). It can be cloned cheaply; clones share the connections.
///
/// ```
/// use std::sync::Arc;
/// use valetkey_http::Backend;
/// use valetkey_ureq::UreqBackend;
///
/// let backend: Arc<dyn Backend> = Arc::new(UreqBackend::new()?);
/// # drop(backend);
/// # Ok::<(), valetkey_ureq::BuildError>(())
/// ```
#[derive(Clone)]
pub struct UreqBackend {
    /// For ordinary requests.
    pub(crate) pooled: Agent,
    /// For those that want a connection of their own: it keeps none.
    pub(crate) single: Agent,
    /// For those to public addresses alone, of which nobody could tell on a connection that was kept: it keeps none.
    pub(crate) public: Agent,
    pub(crate) connect: Duration,
}

impl UreqBackend {
    /// A backend with the bundled root certificates, and the proxy that the environment names.
    ///
    /// # Errors
    ///
    /// None today: everything that is set here can be used.
    pub fn new() -> Result<Self, BuildError> {
        Self::builder().build()
    }

    /// Sets up a backend by hand.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Sends, and waits for the head of the response.
    fn begin(&self, request: Request, limits: &Limits) -> Result<http::Response<Arriving>, Failure> {
        let agent = match limits.addresses {
            Addresses::Any if limits.fresh => &self.single,
            Addresses::Any => &self.pooled,
            _ => &self.public,
        };
        let (mut parts, body) = request.into_parts();
        check_fields(&parts.headers, body.len())?;
        parts.version = Version::HTTP_11;
        let has_body = !body.is_empty();
        // Without a length, ureq sends a body in chunks, an empty one included.
        if has_body || [Method::POST, Method::PUT, Method::PATCH].contains(&parts.method) {
            parts.headers.entry(CONTENT_LENGTH).or_insert_with(|| body.len().into());
        }
        let is_asked = has_body.then(|| Arc::new(AtomicBool::new(false)));
        let body = match &is_asked {
            Some(is_asked) => SendBody::from_owned_reader(Outgoing { body, is_asked: Arc::clone(is_asked) }),
            None => SendBody::none(),
        };
        let time = |time: Duration| Some(time.min(FOREVER));
        let request = agent
            .configure_request(http::Request::from_parts(parts, body))
            .max_response_header_size(limits.head_bytes)
            .timeout_resolve(time(limits.connect.min(self.connect)))
            .timeout_connect(time(limits.connect.min(self.connect)))
            .timeout_send_request(time(limits.head))
            .timeout_send_body(time(limits.head))
            .timeout_recv_response(time(limits.head))
            .timeout_per_read(time(limits.idle))
            .timeout_global(time(limits.total))
            .build();
        match agent.run(request) {
            Ok(response) => Ok(response.map(|body| Arriving(body.into_reader()))),
            Err(error) => {
                // ureq asks for the body when the head is out: without it the server has no request to act on.
                let is_withheld = is_asked.is_some_and(|is_asked| !is_asked.load(Ordering::Relaxed));
                let sent = if is_withheld { Sent::Nothing } else { Sent::Maybe };
                Err(fault::before_head(error, sent))
            }
        }
    }
}

#[async_trait]
impl Backend for UreqBackend {
    async fn send(&self, request: Request, limits: Limits) -> Result<Response, Failure> {
        check(&request, &limits)?;
        let method = request.method().clone();
        let start = async { self.begin(request, &limits) };
        // Nothing here is ever pending, so that no timer is asked: ureq's own end the waiting.
        let exchange = pin!(exchange(&limits, &method, |_| ready(()), start));
        contain(|| (), exchange).await.flatten()
    }

    async fn sleep(&self, time: Duration) {
        #[expect(clippy::disallowed_methods, reason = "this backend blocks, which its users are told")]
        std::thread::sleep(time);
    }
}

/// Without the agents, which would show how the proxy is used.
impl fmt::Debug for UreqBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UreqBackend").field("connect", &self.connect).finish_non_exhaustive()
    }
}

/// Refuses the header fields that ureq does not send: it would not say so before it has a connection.
fn check_fields(headers: &HeaderMap, length: usize) -> Result<(), Failure> {
    let refused = |why: &'static str| Err(Failure::new(Sent::Nothing, FailureKind::Config).with_source(why));
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let declared = lengths.next();
    if lengths.next().is_some() || declared.is_some_and(|declared| *declared != HeaderValue::from(length)) {
        return refused("Content-Length is not the length of the body");
    }
    if headers.contains_key(TRANSFER_ENCODING) {
        return refused("the body is sent by its length, without Transfer-Encoding");
    }
    if headers.get_all(HOST).iter().count() > 1 {
        return refused("there is more than one Host");
    }
    if [HOST, AUTHORIZATION].iter().filter_map(|name| headers.get(name)).any(|value| value.to_str().is_err())
    {
        return refused("Host or Authorization is not ASCII");
    }
    Ok(())
}

/// The body of a request, which notes that it was asked for.
struct Outgoing {
    body: Bytes,
    is_asked: Arc<AtomicBool>,
}

impl Read for Outgoing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.is_asked.store(true, Ordering::Relaxed);
        let piece = self.body.split_to(self.body.len().min(buffer.len()));
        buffer[..piece.len()].copy_from_slice(&piece);
        Ok(piece.len())
    }
}

/// The body of a response, of which each piece is waited for.
struct Arriving(BodyReader<'static>);

impl Chunks for Arriving {
    fn poll_chunk(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>> {
        let mut buffer = vec![0; CHUNK];
        Poll::Ready(match self.0.read(&mut buffer) {
            Ok(0) => None,
            Ok(length) => {
                buffer.truncate(length);
                Some(Ok(buffer.into()))
            }
            Err(error) => Some(Err(fault::in_body(error.into()))),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, net::TcpListener, thread};

    use super::*;

    /// Past [`check`], which would refuse the name.
    #[test]
    fn s_net_10_what_a_name_leads_to_is_checked_and_connected_to() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
        let serving = thread::spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            for _ in 0..2 {
                assert!(connection.read(&mut [0; 4096]).unwrap() > 0);
                connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
            }
        });
        let backend = UreqBackend::builder().no_proxy().build().unwrap();
        let send = |addresses| {
            let mut limits = Limits::default();
            limits.addresses = addresses;
            let mut answer = backend.begin(http::Request::get(&url).body(Bytes::new()).unwrap(), &limits)?;
            // A connection is kept when its body was read.
            answer.body_mut().0.read_to_end(&mut Vec::new()).unwrap();
            Ok::<_, Failure>(())
        };
        assert!(send(Addresses::Any).is_ok());
        let failure = send(Addresses::Public).unwrap_err();
        assert_eq!((failure.kind(), failure.sent()), (FailureKind::AddressRefused, Sent::Nothing));
        assert!(send(Addresses::Any).is_ok(), "the connection is there");
        serving.join().unwrap();
    }
}
