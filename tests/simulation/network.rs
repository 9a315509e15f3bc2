//! The way from a program to the provider, what happens on it, and a ledger of what was asked and lost.

use std::{
    collections::BTreeMap,
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
use valetkey::oauth2::token::{TokenRecord, refresh::Standing};
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
    /// Whether its program has heard of it, and whether it has written so.
    is_heard: bool,
    is_noted: bool,
    owner: Owner,
}

/// Who has the lease, and until when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lease {
    pub(crate) owner: Owner,
    pub(crate) until: Duration,
}

/// What everybody does to the grants.
#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) asked: Vec<Asked>,
    /// Refresh tokens that were sent again although nobody had written what came of the time before.
    pub(crate) doubts: Vec<String>,
    /// Refresh tokens that were refused, when, and whether nobody had then kept what the server had given for them.
    pub(crate) refused: Vec<(String, Duration, bool)>,
    /// Access tokens and when the server takes them no longer.
    pub(crate) access: Vec<(String, Duration)>,
    pub(crate) weather: Option<(Trouble, Duration)>,
    pub(crate) shot: Option<Trouble>,
    /// Whether a request whose answer was lost is followed by another one that may be lost.
    pub(crate) is_harsh: bool,
    pub(crate) happened: u64,
    pub(crate) lease: Option<Lease>,
    /// How wrong the clock of each was when it last took the lease.
    pub(crate) skews: BTreeMap<Owner, i64>,
    /// What must not have been sent.
    pub(crate) wrong: Vec<String>,
    /// How often a clock that was stepped by just as long as a program stood still hid that.
    pub(crate) hidden: u64,
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

    /// A program sends a refresh token: the lease must be its own. What came of it before, and nobody wrote, is in doubt.
    fn sends(&mut self, token: &str, owner: Owner, skew: i64, now: Duration) {
        match self.lease {
            Some(lease) if lease.owner == owner && now <= lease.until => {}
            _ if self.skews.get(&owner).is_some_and(|then| *then != skew) => self.hidden += 1,
            lease => {
                self.wrong.push(format!("{owner:?} sent a token without the lease: {lease:?} (at {now:?})"))
            }
        }
        for asked in self.asked.iter_mut().filter(|asked| asked.token == token && !asked.is_noted) {
            asked.is_noted = true;
            self.doubts.push(token.to_owned());
        }
    }

    /// A program has written this.
    pub(crate) fn wrote(&mut self, owner: Owner, text: &str) {
        // That somebody is about to ask says of the answers before only how many of them are lost.
        let most = match TokenRecord::parse_shared(text) {
            Ok((_, Standing::InFlight { lost, .. })) => usize::from(lost),
            _ => usize::MAX,
        };
        let is_of = |asked: &Asked| text.contains(&asked.token);
        let noted = self.asked.iter().filter(|asked| is_of(asked) && asked.is_noted && !asked.is_unspent);
        let mut left = most.saturating_sub(noted.count());
        for asked in &mut self.asked {
            let is_new = asked.new.as_ref().is_some_and(|new| text.contains(new.as_str()));
            asked.is_kept |= is_new;
            let is_heard = asked.owner == owner && asked.is_heard && !asked.is_noted;
            if is_heard && (is_new || (is_of(asked) && left > 0)) {
                asked.is_noted = true;
                left = left.saturating_sub(1);
            }
        }
    }

    /// A program could not write this: of a token in it nobody knows what came of it.
    pub(crate) fn failed_to_write(&mut self, text: &str) {
        if let Some(asked) = self.asked.iter().find(|asked| text.contains(&asked.token)) {
            self.doubts.push(asked.token.clone());
        }
    }

    /// How many answers to the refresh token of this request were lost.
    pub(crate) fn losses(&self, asked: &Asked) -> usize {
        self.asked.iter().filter(|other| other.token == asked.token && other.is_lost).count()
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
        let is_revocation = request.uri().path() == "/revoke";
        let response = self.world.provider.send(request, limits).await?;
        if is_revocation {
            lock(&self.ledger).access.clear();
        }
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
            let is_unkept = |asked: &Asked| asked.token == token && asked.new.is_some() && !asked.is_kept;
            let is_unkept = ledger.asked.iter().any(is_unkept);
            ledger.refused.push((token, now, is_unkept));
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
                ledger.sends(&token, owner, self.skew.load(Ordering::Relaxed), at);
                let (new, is_unspent, is_kept, is_heard, is_noted) = (None, false, false, false, false);
                let asked = Asked { token, at, new, is_lost, is_unspent, is_kept, is_heard, is_noted, owner };
                ledger.asked.push(asked);
                ledger.asked.len() - 1
            });
            (trouble, asked)
        };
        let (path, shown) = (request.uri().path(), String::from_utf8_lossy(request.body()));
        self.world.tell(self.owner, format_args!("asks {path} {shown}; what goes wrong: {trouble:?}"));
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
        let heard = outcome.as_ref().map(|response| (response.status(), response.body()));
        self.world.tell(self.owner, format_args!("hears {heard:?}"));
        if let Some(at) = asked {
            let asked = &mut lock(&self.ledger).asked[at];
            asked.is_lost |= outcome.as_ref().is_err_and(|failure| failure.sent() == Sent::Maybe);
            asked.is_unspent = !asked.is_lost && trouble.is_some();
            asked.is_heard = true;
            asked.is_noted |= asked.is_unspent;
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
