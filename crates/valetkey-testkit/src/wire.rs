//! Plays a script in virtual time, within the same limits that bind a real client.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::Method;
use valetkey_http::{
    Failure, FailureKind, Limits, Response, Sent, Unframed,
    adapter::{Chunks, exchange},
};

use crate::{
    clock::{Clock, nanos},
    script::{End, Fate, Feed, Script},
};

/// One exchange. Whenever everything in it waits, time jumps to whatever is due next, on the provider's
/// clock too; nothing waits for real.
pub(crate) async fn play(
    script: Script,
    method: &Method,
    limits: &Limits,
    clock: &Clock,
) -> Result<Response, Failure> {
    let time = Arc::new(Timeline::default());
    let sleep = |wait| Timer::new(&time, wait);
    let mut exchange = pin!(exchange(limits, method, sleep, head(script, Arc::clone(&time))));
    poll_fn(|context| {
        loop {
            time.next.store(u64::MAX, Ordering::Relaxed);
            if let Poll::Ready(outcome) = exchange.as_mut().poll(context) {
                return Poll::Ready(outcome);
            }
            clock.advance(time.jump());
        }
    })
    .await
}

async fn head(script: Script, time: Arc<Timeline>) -> Result<http::Response<Body>, Failure> {
    match script.fate {
        Fate::Refused => return Err(Failure::new(Sent::Nothing, FailureKind::Connect)),
        Fate::Dropped => {
            Timer::new(&time, script.delay).await;
            return Err(Failure::new(Sent::Maybe, FailureKind::Closed));
        }
        Fate::Answered => Timer::new(&time, script.delay).await,
    }
    let mut response = http::Response::new(Body { feed: script.body, gap: None, time });
    *response.status_mut() = script.status;
    *response.headers_mut() = script.headers;
    if script.unframed {
        response.extensions_mut().insert(Unframed::new());
    }
    Ok(response)
}

/// The time of one exchange, in nanoseconds since it began.
#[derive(Debug, Default)]
struct Timeline {
    now: AtomicU64,
    /// When the next thing is due, of those asked since the last jump.
    next: AtomicU64,
}

impl Timeline {
    fn jump(&self) -> Duration {
        let next = self.next.load(Ordering::Relaxed);
        let now = self.now.swap(next, Ordering::Relaxed);
        Duration::from_nanos(next.saturating_sub(now))
    }
}

struct Timer {
    time: Arc<Timeline>,
    due: u64,
}

impl Timer {
    fn new(time: &Arc<Timeline>, wait: Duration) -> Self {
        let due = time.now.load(Ordering::Relaxed).saturating_add(nanos(wait));
        Self { time: Arc::clone(time), due }
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.due <= self.time.now.load(Ordering::Relaxed) {
            return Poll::Ready(());
        }
        self.time.next.fetch_min(self.due, Ordering::Relaxed);
        Poll::Pending
    }
}

struct Body {
    feed: Feed,
    /// The wait before the next piece, once it has begun.
    gap: Option<Timer>,
    time: Arc<Timeline>,
}

impl Chunks for Body {
    fn poll_chunk(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Failure>>> {
        let body = &mut *self;
        if !body.feed.gap.is_zero() && !body.feed.pieces.is_empty() {
            let gap = body.gap.get_or_insert_with(|| Timer::new(&body.time, body.feed.gap));
            if Pin::new(gap).poll(context).is_pending() {
                return Poll::Pending;
            }
            body.gap = None;
        }
        if let Some(piece) = body.feed.pieces.pop_front() {
            return Poll::Ready(Some(Ok(piece)));
        }
        match &body.feed.end {
            End::Done => Poll::Ready(None),
            End::Stall => Poll::Pending,
            End::Cut => Poll::Ready(Some(Err(Failure::new(Sent::Maybe, FailureKind::Truncated)))),
            End::Endless(piece) => Poll::Ready(Some(Ok(piece.clone()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use http::StatusCode;
    use valetkey_http::Phase;

    use super::*;
    use crate::{block_on, clock::beginning, message::Answer};

    fn played(change: impl FnOnce(&mut Script)) -> (Result<Response, FailureKind>, Duration) {
        let mut script = Script::from(Answer::json(StatusCode::OK, &serde_json::json!({})));
        change(&mut script);
        let clock = Clock::new(Some(beginning()));
        let outcome = block_on(play(script, &Method::GET, &Limits::default(), &clock));
        (outcome.map_err(|failure| failure.kind()), clock.now().duration_since(beginning()).unwrap())
    }

    #[test]
    fn waiting_takes_virtual_time_only() {
        let limits = Limits::default();
        let (outcome, took) = played(|_| {});
        assert!(outcome.is_ok() && took.is_zero());
        let (outcome, took) = played(|script| script.delay = Duration::from_secs(14));
        assert!(outcome.is_ok());
        assert_eq!(took, Duration::from_secs(14));
        let (outcome, took) = played(|script| script.delay = Duration::MAX);
        assert_eq!((outcome.unwrap_err(), took), (FailureKind::Timeout(Phase::Head), limits.head));
        let (outcome, took) = played(|script| script.body.end = End::Stall);
        assert_eq!((outcome.unwrap_err(), took), (FailureKind::Timeout(Phase::Idle), limits.idle));
    }

    #[test]
    fn s_net_04_a_trickle_ends_at_the_total_deadline_and_an_endless_body_at_the_cap() {
        let trickle = |script: &mut Script| {
            script.headers.clear();
            script.body.gap = Duration::from_secs(9);
            script.body.pieces = VecDeque::from(vec![Bytes::from_static(b" "); 100]);
        };
        let (outcome, took) = played(trickle);
        assert_eq!(outcome.unwrap_err(), FailureKind::Timeout(Phase::Total));
        assert_eq!(took, Limits::default().total);
        let endless = |script: &mut Script| script.body.end = End::Endless(Bytes::from_static(b" "));
        assert_eq!(played(endless).0.unwrap_err(), FailureKind::TooLarge);
    }
}
