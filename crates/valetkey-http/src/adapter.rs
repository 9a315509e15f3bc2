//! For authors of adapters: the one place that enforces deadlines and caps.
//!
//! An adapter writes how a request is started, how its client's errors map onto [`FailureKind`], and a
//! [`Chunks`] for its body type. [`check`] refuses beforehand what no adapter sends. [`exchange`] does the rest:
//! the head, idle and total deadlines, the caps on head and body, the check that a body is as long as it said, and the
//! mark [`Unframed`] on one that did not say. [`contain`] polls a client in its runtime, and catches its panics.
//! [`Deadlines`] are those of a backend, whatever a send asks for.

mod contain;
mod deadlines;

use std::{
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap, Method, StatusCode, Version,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
};

pub use self::{contain::contain, deadlines::Deadlines};
use crate::{Failure, FailureKind, Limits, Phase, Request, Response, Sent, Unframed};

/// A response body that arrives in pieces.
///
/// A piece that fails is a [`Failure`] whose `sent` is overwritten with the status by [`exchange`].
pub trait Chunks {
    /// The next piece; `None` at the end.
    fn poll_chunk(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>>;
}

/// Refuses what no adapter sends: a URI that is not absolute, neither `http` nor `https`, without a host or with a
/// user name, and the method `CONNECT`; and a host that says by itself that it is not where the request may go
/// ([`Limits::addresses`]). Whoever looks a name up checks what it leads to.
///
/// # Errors
///
/// [`FailureKind::Config`], or [`FailureKind::AddressRefused`] for the host, with nothing sent.
pub fn check(request: &Request, limits: &Limits) -> Result<(), Failure> {
    let refused = |why: &'static str| Err(Failure::new(Sent::Nothing, FailureKind::Config).with_source(why));
    let uri = request.uri();
    let Some(authority) = uri.authority() else { return refused("the URI is not absolute") };
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return refused("the URI is neither http nor https");
    }
    if authority.as_str().contains('@') {
        return refused("the URI carries a user name");
    }
    let port = authority.as_str().get(authority.host().len()..).unwrap_or_default();
    if authority.host().is_empty() || !(matches!(port, "" | ":") || authority.port_u16().is_some()) {
        return refused("the URI has no host, or no such port exists");
    }
    if request.method() == Method::CONNECT {
        return refused("CONNECT is for proxies");
    }
    if !limits.addresses.allows_host(authority.host()) {
        return Err(Failure::new(Sent::Nothing, FailureKind::AddressRefused));
    }
    Ok(())
}

/// Whether the end of the body was told by nothing but the end of the connection (RFC 9112 §6.3).
fn is_unframed(method: &Method, response: &Response) -> bool {
    response.version() <= Version::HTTP_11
        && !response.body().is_empty()
        && !is_bodiless(method, response.status())
        && !response.headers().contains_key(CONTENT_LENGTH)
        && !ends_chunked(response.headers())
}

/// Whether a response has no body, whatever its head says (RFC 9112 §6.3, rule 1).
#[must_use]
pub fn is_bodiless(method: &Method, status: StatusCode) -> bool {
    *method == Method::HEAD
        || status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

fn ends_chunked(headers: &HeaderMap) -> bool {
    let last = headers.get_all(TRANSFER_ENCODING).iter().next_back().and_then(|value| value.to_str().ok());
    let last = last.and_then(|value| value.rsplit(',').next()).unwrap_or_default();
    last.trim().eq_ignore_ascii_case("chunked")
}

/// Runs one exchange within its limits: `start` sends the request and resolves to the response head.
///
/// The connect deadline is the adapter's, inside `start`, because only the adapter knows when the
/// connection stands. `sleep` makes a timer of the adapter's runtime, which begins to run when it is made and should
/// cost little until it is polled: of up to three an exchange, all but one are rarely polled.
///
/// A body whose end was told by nothing but the end of the connection is marked [`Unframed`].
///
/// # Errors
///
/// What `start` or the body failed with, or [`FailureKind::Timeout`], [`FailureKind::TooLarge`],
/// [`FailureKind::Truncated`].
pub async fn exchange<S, T, C>(
    limits: &Limits,
    method: &Method,
    sleep: S,
    start: impl Future<Output = Result<http::Response<C>, Failure>>,
) -> Result<Response, Failure>
where
    S: Fn(Duration) -> T,
    T: Future<Output = ()>,
    C: Chunks,
{
    let mut total = pin!(sleep(limits.total));
    let head = {
        let mut start = pin!(start);
        // Only the earlier one is polled: setting a timer costs more than making it.
        let mut head = pin!((limits.head < limits.total).then(|| sleep(limits.head)));
        std::future::poll_fn(|context| {
            if let Poll::Ready(head) = start.as_mut().poll(context) {
                return Poll::Ready(head);
            }
            let (deadline, phase) = match head.as_mut().as_pin_mut() {
                Some(head) => (head.poll(context), Phase::Head),
                None => (total.as_mut().poll(context), Phase::Total),
            };
            deadline.map(|()| Err(Failure::new(Sent::Maybe, FailureKind::Timeout(phase))))
        })
        .await?
    };
    let (parts, body) = head.into_parts();
    let sent = Sent::Answered(parts.status);
    let head_bytes: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    let declared = declared_length(&parts.headers).map_err(|()| Failure::new(sent, FailureKind::Protocol))?;
    if head_bytes > limits.head_bytes {
        return Err(Failure::new(sent, FailureKind::TooLarge));
    }
    let bodiless = is_bodiless(method, parts.status);
    // Told in advance, an oversized body costs nothing; what it says is never trusted otherwise.
    if !bodiless && declared.is_some_and(|length| length > limits.body_bytes as u64) {
        return Err(Failure::new(sent, FailureKind::TooLarge));
    }
    let body = collect(body, limits, sent, &sleep, total).await?;
    if !bodiless && declared.is_some_and(|length| length != body.len() as u64) {
        return Err(Failure::new(sent, FailureKind::Truncated));
    }
    let mut response = Response::from_parts(parts, body);
    if is_unframed(method, &response) {
        response.extensions_mut().insert(Unframed::new());
    }
    Ok(response)
}

/// Reads the whole body; one that comes in one piece is not copied.
async fn collect<S, T, C>(
    body: C,
    limits: &Limits,
    sent: Sent,
    sleep: &S,
    mut total: Pin<&mut T>,
) -> Result<Bytes, Failure>
where
    S: Fn(Duration) -> T,
    T: Future<Output = ()>,
    C: Chunks,
{
    let mut body = pin!(body);
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    loop {
        // Made only if there is something to wait for, which in a small body there rarely is.
        let mut idle = pin!(None);
        let chunk = std::future::poll_fn(|context| {
            if let Poll::Ready(chunk) = body.as_mut().poll_chunk(context) {
                return Poll::Ready(Ok(chunk));
            }
            if idle.is_none() {
                idle.set(Some(sleep(limits.idle)));
            }
            let silent = idle.as_mut().as_pin_mut().map_or(Poll::Pending, |idle| idle.poll(context));
            let phase = match (silent, total.as_mut().poll(context)) {
                (_, Poll::Ready(())) => Phase::Total,
                (Poll::Ready(()), Poll::Pending) => Phase::Idle,
                (Poll::Pending, Poll::Pending) => return Poll::Pending,
            };
            Poll::Ready(Err(Failure::new(sent, FailureKind::Timeout(phase))))
        })
        .await?;
        let Some(chunk) = chunk else {
            return Ok(if rest.is_empty() { first } else { rest.freeze() });
        };
        let chunk = chunk.map_err(|failure| failure.with_sent(sent))?;
        let read = if rest.is_empty() { first.len() } else { rest.len() };
        if chunk.len() > limits.body_bytes - read.min(limits.body_bytes) {
            return Err(Failure::new(sent, FailureKind::TooLarge));
        }
        if first.is_empty() {
            first = chunk;
        } else {
            if rest.is_empty() {
                rest.extend_from_slice(&first);
            }
            rest.extend_from_slice(&chunk);
        }
    }
}

/// The value of `Content-Length`; several fields, or a list, must agree (RFC 9110 §8.6).
fn declared_length(headers: &HeaderMap) -> Result<Option<u64>, ()> {
    let mut declared = None;
    for value in headers.get_all(CONTENT_LENGTH) {
        for item in value.to_str().map_err(|_| ())?.split(',') {
            let item = item.trim();
            if item.is_empty() || !item.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(());
            }
            let length = item.parse::<u64>().map_err(|_| ())?;
            if declared.is_some_and(|known| known != length) {
                return Err(());
            }
            declared = Some(length);
        }
    }
    Ok(declared)
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, future::pending, task::Waker};

    use super::*;
    use crate::Addresses;

    /// A body from memory; when it runs out it either ends or stalls.
    struct Script {
        pieces: VecDeque<Result<Bytes, Failure>>,
        stalls: bool,
    }

    impl Chunks for Script {
        fn poll_chunk(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Failure>>> {
            match self.pieces.pop_front() {
                None if self.stalls => Poll::Pending,
                piece => Poll::Ready(piece),
            }
        }
    }

    fn body(pieces: &[&'static str]) -> Script {
        Script {
            pieces: pieces.iter().map(|piece| Ok(Bytes::from_static(piece.as_bytes()))).collect(),
            stalls: false,
        }
    }

    fn head(length: Option<&str>, body: Script) -> http::Response<Script> {
        let mut response = http::Response::new(body);
        if let Some(length) = length {
            response.headers_mut().insert(CONTENT_LENGTH, length.parse().unwrap());
        }
        response
    }

    /// Runs an exchange in which the timer of length `fires` has rung and no other has.
    fn run(
        limits: Limits,
        method: &Method,
        fires: Option<Duration>,
        start: impl Future<Output = Result<http::Response<Script>, Failure>>,
    ) -> Result<Response, Failure> {
        let sleep = |time| async move {
            if Some(time) != fires {
                pending::<()>().await;
            }
        };
        let exchange = pin!(exchange(&limits, method, sleep, start));
        match exchange.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => panic!("neither answered nor timed out"),
        }
    }

    fn receive(response: http::Response<Script>) -> Result<Response, Failure> {
        run(Limits { body_bytes: 8, ..Limits::default() }, &Method::GET, None, async { Ok(response) })
    }

    #[test]
    fn one_piece_is_not_copied_and_several_are_joined() {
        let text = "in one";
        let response = receive(head(Some("6"), body(&[text]))).unwrap();
        assert_eq!(response.body().as_ptr(), text.as_ptr());
        assert_eq!(receive(head(None, body(&["ab", "", "cd", "efgh"]))).unwrap().body(), "abcdefgh");
    }

    #[test]
    fn s_net_04_bodies_are_capped_while_they_arrive_and_before() {
        for response in [head(None, body(&["12345678", "9"])), head(Some("9"), body(&["123456789"]))] {
            let failure = receive(response).unwrap_err();
            assert_eq!(
                (failure.kind(), failure.sent()),
                (FailureKind::TooLarge, Sent::Answered(StatusCode::OK))
            );
        }
        assert_eq!(receive(head(Some("8"), body(&["12345678"]))).unwrap().body(), "12345678");
    }

    #[test]
    fn s_net_04_heads_are_capped() {
        let limits = Limits { head_bytes: 20, ..Limits::default() };
        let mut response = head(None, body(&[]));
        response.headers_mut().insert("x", "y".repeat(20).parse().unwrap());
        let failure = run(limits, &Method::GET, None, async { Ok(response) }).unwrap_err();
        assert_eq!(failure.kind(), FailureKind::TooLarge);
    }

    #[test]
    fn a_body_is_as_long_as_it_said() {
        for length in ["3", "5", "4, 5", "4,", "-4", "x", "99999999999999999999"] {
            let failure = receive(head(Some(length), body(&["1234"]))).unwrap_err();
            let expected =
                if matches!(length, "3" | "5") { FailureKind::Truncated } else { FailureKind::Protocol };
            assert_eq!(failure.kind(), expected, "{length}");
        }
        assert!(receive(head(Some("4, 4"), body(&["1234"]))).is_ok());
        let answer = head(Some("4000"), body(&[]));
        assert!(
            run(Limits::default(), &Method::HEAD, None, async { Ok(answer) }).is_ok(),
            "HEAD has no body"
        );
    }

    #[test]
    fn a_body_that_ends_with_the_connection_is_marked() {
        let is_marked = |field: Option<(&'static str, &str)>, version, method| {
            let mut response = head(None, body(&["a=b"]));
            *response.version_mut() = version;
            if let Some((name, value)) = field {
                response.headers_mut().insert(name, value.parse().unwrap());
            }
            let response = run(Limits::default(), method, None, async { Ok(response) }).unwrap();
            response.extensions().get::<Unframed>().is_some()
        };
        for version in [Version::HTTP_10, Version::HTTP_11] {
            assert!(is_marked(None, version, &Method::GET));
            assert!(is_marked(Some(("transfer-encoding", "chunked, gzip")), version, &Method::GET));
            assert!(!is_marked(Some(("transfer-encoding", "gzip, Chunked")), version, &Method::GET));
            assert!(!is_marked(Some(("content-length", "3")), version, &Method::GET));
            assert!(!is_marked(None, version, &Method::HEAD));
        }
        assert!(!is_marked(None, Version::HTTP_2, &Method::GET), "HTTP/2 frames everything");
    }

    #[test]
    fn deadlines_name_their_phase() {
        let usual = Limits::default();
        let hasty = Limits { total: usual.head / 2, ..usual };
        let stalling = || head(None, Script { stalls: true, ..body(&["12"]) });
        let cases = [
            (usual, usual.head, false, Phase::Head, Sent::Maybe),
            (hasty, hasty.total, false, Phase::Total, Sent::Maybe),
            (usual, usual.idle, true, Phase::Idle, Sent::Answered(StatusCode::OK)),
            (usual, usual.total, true, Phase::Total, Sent::Answered(StatusCode::OK)),
        ];
        for (limits, fires, answered, phase, sent) in cases {
            let start = async {
                if !answered {
                    pending::<()>().await;
                }
                Ok(stalling())
            };
            let failure = run(limits, &Method::GET, Some(fires), start).unwrap_err();
            assert_eq!((failure.kind(), failure.sent()), (FailureKind::Timeout(phase), sent));
        }
    }

    #[test]
    fn s_net_10_hosts_that_say_where_they_are_are_refused() {
        let checked = |url: &str, addresses| {
            let request = http::Request::get(url).body(Bytes::new()).unwrap();
            check(&request, &Limits { addresses, ..Limits::default() }).map_err(|failure| failure.kind())
        };
        for url in
            ["http://127.0.0.1:1/", "https://LOCALHOST/", "https://[::ffff:10.0.0.1]:443/", "https://0x7f.1"]
        {
            assert_eq!(checked(url, Addresses::Public), Err(FailureKind::AddressRefused), "{url}");
            assert_eq!(checked(url, Addresses::Any), Ok(()), "{url}");
        }
        assert_eq!(checked("https://as.example:8443/", Addresses::Public), Ok(()));
        assert_eq!(checked("https://u@127.0.0.1/", Addresses::Public), Err(FailureKind::Config));
    }

    #[test]
    fn a_failing_piece_carries_the_status() {
        let mut script = body(&["12"]);
        script.pieces.push_back(Err(Failure::new(Sent::Maybe, FailureKind::Closed)));
        let failure = receive(head(None, script)).unwrap_err();
        assert_eq!((failure.kind(), failure.sent()), (FailureKind::Closed, Sent::Answered(StatusCode::OK)));
    }
}
