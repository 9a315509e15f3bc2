//! Ordinary requests: on hyper-util's pool of connections, over HTTP/1.1 and HTTP/2.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::client::legacy::{
    self, ResponseFuture,
    connect::{CaptureConnection, capture_connection},
};
use valetkey_http::{Failure, FailureKind, Phase, Sent};

use crate::{
    body::{Arriving, Outgoing},
    connect::Connector,
    fault::{self, Part},
    runtime::{Runtime, Tasks},
};

/// Most bytes of a response's head; what a send allows may be less. Header fields are at most 100, as hyper has it:
/// with a number of one's own, it allocates for each response.
pub(crate) const HEAD_BYTES: usize = 64 << 10;

/// How long an HTTP/2 connection with requests under way may be silent before it is pinged, and how long
/// the ping may take. Without, requests would be put on a connection that has died until TCP gives up.
const PING_AFTER: Duration = Duration::from_secs(10);
const PONG_WITHIN: Duration = Duration::from_secs(5);

pub(crate) type Pool<R> = legacy::Client<Connector<R>, Outgoing>;

/// A pool that connects through `connector`.
///
/// hyper-util's own retry stays on: it sends again only what it never started to send.
pub(crate) fn new<R: Runtime>(connector: Connector<R>, runtime: R) -> Pool<R> {
    let timer = runtime.timer();
    legacy::Client::builder(Tasks(runtime))
        .pool_timer(timer.clone())
        .timer(timer)
        .http1_max_buf_size(HEAD_BYTES)
        .http2_max_header_list_size(HEAD_BYTES as u32)
        .http2_keep_alive_interval(PING_AFTER)
        .http2_keep_alive_timeout(PONG_WITHIN)
        .build(connector)
}

/// Sends one request on a connection of the pool.
///
/// `connect` makes a timer of the time in which there must be a connection. It is given if the pool's connector
/// would take longer, and called when this is polled.
pub(crate) fn send<R: Runtime, T: Future<Output = ()>>(
    pool: &Pool<R>,
    mut request: Request<Outgoing>,
    connect: Option<impl FnOnce() -> T>,
) -> impl Future<Output = Result<Response<Arriving>, Failure>> {
    let connect = connect.map(|deadline| (deadline, capture_connection(&mut request)));
    // Here and not in the future, which would be larger by the whole request.
    let mut answer = pool.request(request);
    async move {
        let answer = match connect {
            Some((deadline, connection)) => within(&mut answer, deadline(), &connection).await?,
            None => answer.await,
        };
        answer.map(|response| response.map(Arriving::pooled)).map_err(failure)
    }
}

/// The answer, unless there is no connection for it in time.
async fn within(
    answer: &mut ResponseFuture,
    connect: impl Future<Output = ()>,
    connection: &CaptureConnection,
) -> Result<Result<Response<Incoming>, legacy::Error>, Failure> {
    let mut deadline = pin!(Some(connect));
    poll_fn(|context| {
        if let Poll::Ready(answer) = Pin::new(&mut *answer).poll(context) {
            return Poll::Ready(Ok(answer));
        }
        let passed = deadline.as_mut().as_pin_mut().is_some_and(|deadline| deadline.poll(context).is_ready());
        if passed {
            deadline.set(None);
            if connection.connection_metadata().is_none() {
                // It waits for a connection, and goes when this future does.
                return Poll::Ready(Err(Failure::new(Sent::Nothing, FailureKind::Timeout(Phase::Connect))));
            }
        }
        Poll::Pending
    })
    .await
}

fn failure(error: legacy::Error) -> Failure {
    // Without a connection nothing was sent. With one the pool does not know.
    let sent = if error.is_connect() { Sent::Nothing } else { Sent::Maybe };
    Failure::new(sent, fault::kind(&error, Part::Head)).with_source(error)
}
