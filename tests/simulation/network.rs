//! The way from a program to the provider, what happens on it, and a ledger of what was asked and lost.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use futures_channel::oneshot;
use futures_util::future::{Either, select};
use valetkey_http::{Backend, Failure, FailureKind, Limits, Phase, Request, Response, Sent, Task};

use crate::world::{Owner, World, lock};

/// What goes wrong on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    Unreachable,
    /// 503 with `Retry-After`.
    Busy,
    /// 500, and the server has not acted.
    Failing,
    /// 500, and it has.
    FailingLate,
    /// No answer, and it has acted.
    Dropped,
    /// Half an answer.
    Truncated,
}

impl Trouble {
    /// Whether the program cannot know if the server has acted.
    fn is_ambiguous(self) -> bool {
        !matches!(self, Self::Unreachable | Self::Busy)
    }
}

/// One request by a refresh token.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) token: String,
    pub(crate) at: Duration,
    /// The new refresh token, if the server has acted.
    pub(crate) new: Option<String>,
    /// Whether its program knows that the server may have acted, and not what it said.
    pub(crate) is_lost: bool,
    /// Whether its program knows that the server has not acted.
    pub(crate) is_unspent: bool,
    pub(crate) is_kept: bool,
    owner: Owner,
}

/// What everybody does to the grants.
#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) asked: Vec<Asked>,
    /// Which refresh tokens a program had in doubt when it died, and which could not be written.
    pub(crate) doubts: Vec<String>,
    /// Refresh tokens that were refused, and when.
    pub(crate) refused: Vec<(String, Duration)>,
    /// Access tokens and when the server takes them no longer.
    pub(crate) access: Vec<(String, Duration)>,
    pub(crate) weather: Option<(Trouble, Duration)>,
    pub(crate) shot: Option<Trouble>,
    /// Whether a request whose answer was lost is followed by another one that may be lost.
    pub(crate) is_harsh: bool,
    pub(crate) happened: u64,
}

impl Ledger {
    /// What happens to the next request; only token requests are shot at.
    fn trouble(&mut self, token: Option<&str>, now: Duration) -> Option<Trouble> {
        let shot = if token.is_some() { self.shot.take() } else { None };
        let weather = self.weather.filter(|(_, until)| now < *until).map(|(trouble, _)| trouble);
        let was_lost = self.asked.iter().any(|asked| Some(asked.token.as_str()) == token && asked.is_lost);
        let trouble = shot.or(weather);
        let trouble = trouble.filter(|trouble| self.is_harsh || !was_lost || !trouble.is_ambiguous());
        self.happened += u64::from(trouble.is_some());
        trouble
    }

    /// How many answers to the refresh token of this request were lost.
    pub(crate) fn losses(&self, asked: &Asked) -> usize {
        self.asked.iter().filter(|other| other.token == asked.token && other.is_lost).count()
    }

    /// A program dies: what it asked and has not heard of is in doubt.
    pub(crate) fn died(&mut self, owner: Owner) {
        for asked in self.asked.iter_mut().filter(|asked| asked.owner == owner && !asked.is_kept) {
            self.doubts.push(asked.token.clone());
        }
    }
}

/// The machine of a program: its clock, its way to the server, its executor if it has one.
#[derive(Clone)]
pub(crate) struct Machine {
    pub(crate) world: World,
    pub(crate) ledger: Arc<Mutex<Ledger>>,
    /// How wrong its clock is, in milliseconds.
    pub(crate) skew: Arc<AtomicI64>,
    pub(crate) owner: Owner,
    pub(crate) has_executor: bool,
}

/// How long an access token lives.
pub(crate) const LIFETIME: Duration = Duration::from_secs(3600);

impl Machine {
    /// Carries a request and its answer, whether anybody still waits for it or not.
    async fn carry(
        self,
        request: Request,
        limits: Limits,
        asked: Option<usize>,
        trouble: Option<Trouble>,
    ) -> Result<Response, Failure> {
        self.world.sleep(self.world.millis(200)).await;
        match trouble {
            Some(Trouble::Unreachable) => return Err(Failure::new(Sent::Nothing, FailureKind::Connect)),
            Some(Trouble::Busy) => return Ok(answer(503, Some("30"))),
            Some(Trouble::Failing) => return Ok(answer(500, None)),
            _ => {}
        }
        let response = self.world.provider.send(request, limits).await?;
        if let Some(at) = asked {
            self.note(at, &response);
        }
        self.world.sleep(self.world.millis(200)).await;
        match trouble {
            Some(Trouble::FailingLate) => Ok(answer(500, None)),
            Some(Trouble::Dropped) => Err(Failure::new(Sent::Maybe, FailureKind::Closed)),
            Some(Trouble::Truncated) => Err(Failure::new(Sent::Maybe, FailureKind::Truncated)),
            _ => Ok(response),
        }
    }

    fn note(&self, at: usize, response: &Response) {
        let now = self.world.now();
        let mut ledger = lock(&self.ledger);
        if response.status() != 200 {
            let token = ledger.asked[at].token.clone();
            ledger.refused.push((token, now));
            // With it goes all that came of its grant.
            ledger.access.clear();
            return;
        }
        let tokens: serde_json::Value = serde_json::from_slice(response.body()).expect("the provider's");
        let text = |name: &str| tokens[name].as_str().unwrap_or_default().to_owned();
        ledger.asked[at].new = Some(text("refresh_token"));
        ledger.asked[at].at = now;
        ledger.access.push((text("access_token"), now + LIFETIME));
    }
}

fn answer(status: u16, retry_after: Option<&str>) -> Response {
    let mut response = http::Response::builder().status(status);
    if let Some(seconds) = retry_after {
        response = response.header("retry-after", seconds);
    }
    response.body(bytes::Bytes::new()).expect("a response")
}

#[async_trait]
impl Backend for Machine {
    async fn send(&self, request: Request, limits: Limits) -> Result<Response, Failure> {
        let is_api = request.uri().path().starts_with("/api");
        let token = form_urlencoded::parse(request.body())
            .find(|(name, _)| name == "refresh_token")
            .map(|(_, value)| value.into_owned());
        let departed = self.world.now();
        let (trouble, asked) = {
            let mut ledger = lock(&self.ledger);
            let trouble = if is_api { None } else { ledger.trouble(token.as_deref(), departed) };
            let asked = token.map(|token| {
                let is_lost = trouble.is_some_and(Trouble::is_ambiguous);
                let (owner, at) = (self.owner, departed);
                let (new, is_unspent, is_kept) = (None, false, false);
                ledger.asked.push(Asked { token, at, new, is_lost, is_unspent, is_kept, owner });
                ledger.asked.len() - 1
            });
            (trouble, asked)
        };
        let (sender, receiver) = oneshot::channel();
        let carrying = self.clone().carry(request, limits, asked, trouble);
        let carrying = Box::pin(async move { drop(sender.send(carrying.await)) });
        self.world.spawn(None, None, carrying);
        if is_api {
            // It is always well, however long everybody slept.
            return receiver.await.expect("it is carried");
        }
        let outcome = match select(receiver, self.world.sleep(limits.total)).await {
            // What comes after a suspend comes on a connection that is gone.
            Either::Left((Ok(outcome), _)) if self.world.now() < departed + limits.total => outcome,
            _ => Err(Failure::new(Sent::Maybe, FailureKind::Timeout(Phase::Total))),
        };
        if let Some(at) = asked {
            let asked = &mut lock(&self.ledger).asked[at];
            asked.is_lost |= outcome.as_ref().is_err_and(|failure| failure.sent() == Sent::Maybe);
            asked.is_unspent = !asked.is_lost && trouble.is_some();
        }
        outcome
    }

    async fn sleep(&self, time: Duration) {
        self.world.sleep(time).await;
    }

    fn now(&self) -> SystemTime {
        let skew = self.skew.load(Ordering::Relaxed);
        let (now, by) = (self.world.provider.now(), Duration::from_millis(skew.unsigned_abs()));
        if skew < 0 { now - by } else { now + by }
    }

    fn spawn(&self, task: Task) -> Result<(), Task> {
        if !self.has_executor {
            return Err(task);
        }
        self.world.spawn(self.owner, None, task);
        Ok(())
    }
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine").field("owner", &self.owner).finish_non_exhaustive()
    }
}
