//! One exchange as a flow: the only place that authenticates, retries and learns.
//!
//! ```text
//!            Go                    all signed
//!   Ready ───────▶ Signing ─────────────────────▶ InFlight ──▶ answer or error, and Ready again
//!     ▲              │ ▲ Signed                      │
//!     │              └─┘                             │ may be sent again
//!     └───────────────── Waiting ◀───────────────────┘
//!         time is over
//! ```
//!
//! A request that must not be sent twice, and that the server may have acted on, ends in `Spent` in place of
//! `Ready`.

use std::{fmt, sync::Arc, time::Duration};

use http::{HeaderMap, StatusCode, Uri, header::RETRY_AFTER};
use valetkey_http::{Failure, FailureKind, Phase, Response, Sent};

use crate::{
    draft::Draft,
    error::{Error, ErrorCode, ErrorKind, ErrorResponse, Reason, Result},
    flow::{Demand, Env, Event, Flow, Step},
    header::Challenge,
    oauth2::binding::{At, Dpop, Learned},
    party::Party,
    response,
    secret::AccessToken,
    time::{Timestamp, Wait, Window},
};

/// One endpoint: how a request to it is written, and how its answer is read. It knows parameters only;
/// who sends them, how often and with which proof is [`Call`]'s.
///
/// ```
/// use valetkey_http::Response;
/// use valetkey_proto::{Draft, Env, Error, Exchange, Result, Retry, Timestamp, endpoint::Endpoint, form::Form};
///
/// /// An endpoint of one's own: it takes a word and answers with it.
/// struct Echo(Endpoint);
///
/// impl Exchange for Echo {
///     type Output = String;
///
///     fn retry(&self) -> Retry {
///         Retry::IDEMPOTENT
///     }
///
///     fn request(&self, _: &Env<'_>) -> Result<Draft> {
///         let mut form = Form::new();
///         form.push("word", "hello");
///         Ok(Draft::post(&self.0, form))
///     }
///
///     fn response(&self, response: Response, _: Timestamp, _: &Env<'_>) -> Result<String> {
///         Ok(String::from_utf8_lossy(response.body()).into_owned())
///     }
/// }
/// ```
pub trait Exchange {
    /// What the answer means.
    type Output;

    /// How often the request may be sent again.
    fn retry(&self) -> Retry;

    /// The most bytes of answer that are taken. 256 KiB unless said otherwise.
    fn max_body(&self) -> usize {
        256 << 10
    }

    /// Whether the request goes on a connection of its own, because a server that closes an idle one just then would
    /// leave its outcome unknown. Unless said otherwise, if it must not be sent twice.
    fn fresh(&self) -> bool {
        self.retry().maybe == 0
    }

    /// Whether the request may be sent once more when the server says that it wants a nonce in the proof, and so has
    /// not acted on it (RFC 9449 §8, §9). Unless said otherwise, it may, even if it must not be sent twice.
    fn answers_challenge(&self) -> bool {
        true
    }

    /// What it means that the server may have acted on a request that must not be sent twice, and did not answer. Unless said
    /// otherwise [`Reason::OutcomeUnknown`], which advises to sign in again: a code or a refresh token may be used up.
    fn unknown(&self, error: Error) -> Error {
        error.with_reason(Reason::OutcomeUnknown)
    }

    /// Writes the request; called anew for every attempt.
    ///
    /// # Errors
    ///
    /// `Usage` or `Config` if it cannot be written.
    fn request(&self, env: &Env<'_>) -> Result<Draft>;

    /// Reads an answer of any status. `asked` is when its request was handed out: lifetimes count from then.
    ///
    /// # Errors
    ///
    /// Whatever the answer is, if it is not what was asked for.
    fn response(&self, response: Response, asked: Timestamp, env: &Env<'_>) -> Result<Self::Output>;
}

impl<E: Exchange + ?Sized> Exchange for &E {
    type Output = E::Output;

    fn retry(&self) -> Retry {
        (**self).retry()
    }

    fn max_body(&self) -> usize {
        (**self).max_body()
    }

    fn fresh(&self) -> bool {
        (**self).fresh()
    }

    fn answers_challenge(&self) -> bool {
        (**self).answers_challenge()
    }

    fn unknown(&self, error: Error) -> Error {
        (**self).unknown(error)
    }

    fn request(&self, env: &Env<'_>) -> Result<Draft> {
        (**self).request(env)
    }

    fn response(&self, response: Response, asked: Timestamp, env: &Env<'_>) -> Result<E::Output> {
        (**self).response(response, asked, env)
    }
}

/// How often a request may be sent again, by what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by authors of exchanges, who must decide all four cases")]
pub struct Retry {
    /// When the server cannot have seen it.
    pub unsent: u8,
    /// When the server may have acted on it.
    pub maybe: u8,
    /// When the server answered 5xx or 429 and did not say when to come again.
    pub busy: u8,
    /// When the server answered 503 or 429 and said when to come again.
    pub busy_if_told: u8,
}

impl Retry {
    /// Sent once and never again.
    pub const NEVER: Self = Self { unsent: 0, maybe: 0, busy: 0, busy_if_told: 0 };
    /// Safe to send any number of times: metadata, keys.
    pub const IDEMPOTENT: Self = Self { unsent: 3, maybe: 3, busy: 3, busy_if_told: 3 };
    /// Sending it twice costs little: client credentials, revocation, introspection.
    pub const REPEATABLE: Self = Self { unsent: 3, maybe: 2, busy: 2, busy_if_told: 2 };
    /// Sending it twice may revoke everything: a code (RFC 6749 §4.1.2), a refresh token that may rotate
    /// (RFC 9700 §4.14).
    pub const ONE_TIME: Self = Self { unsent: 3, maybe: 0, busy: 0, busy_if_told: 1 };
}

/// An [`Exchange`] as a [`Flow`]: authenticates every attempt, retries what may be retried, and hands the
/// answer to the exchange.
pub struct Call<E> {
    exchange: E,
    party: Arc<Party>,
    dpop: Option<Dpop>,
    /// When an attempt may begin.
    window: Window,
    state: State,
    spent: Retry,
    /// Whether the last answer was a demand for a nonce.
    challenged: bool,
    began: Option<Timestamp>,
}

enum State {
    Ready,
    Waiting(Wait),
    Signing(Box<Draft>),
    InFlight {
        asked: Timestamp,
        /// Where to, if that is whose nonces are learned.
        to: Option<Uri>,
    },
    /// The server may have acted on a request that must not be sent twice: there is no other.
    Spent,
}

/// A call gives up rather than wait beyond this time since it began.
const PATIENCE: Duration = Duration::from_secs(30);
/// The first wait is at most this long, each further one at most twice as long (full jitter).
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The longest wait that we choose ourselves.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// The longest wait that a server may ask for and be heard.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);
/// What a retry costs of [`Party`]'s budget, and what it costs if the server asked for it.
const COST: u32 = 14;
const COST_IF_TOLD: u32 = 5;

impl<E: Exchange> Call<E> {
    /// A call in the name of this party.
    #[must_use]
    pub fn new(exchange: E, party: Arc<Party>) -> Self {
        let (state, spent) = (State::Ready, Retry::NEVER);
        let window = Window::ALWAYS;
        Self { exchange, party, dpop: None, window, state, spent, challenged: false, began: None }
    }

    /// Proves with every attempt that this key is here (RFC 9449 §5): to the server that binds a token to it, or to an
    /// API together with a token that is bound to it. Nonces are learned from every answer, and a demand for one is
    /// answered once.
    ///
    /// With a token that is not bound to a key, no proof is sent.
    #[must_use]
    pub fn with_dpop(mut self, dpop: impl Into<Option<Dpop>>) -> Self {
        self.dpop = dpop.into();
        self
    }

    /// Sends nothing outside of this time, the first time or again: the call then ends with [`Reason::TimedOut`], and
    /// [`Error::was_sent`] says of it what it says of a request that did not get through.
    ///
    /// For what may be asked for only as long as nobody else may: a call that nobody drives on, or whose machine sleeps, does not
    /// know how late it is before it is woken.
    #[must_use]
    pub fn within(mut self, window: Window) -> Self {
        self.window = window;
        self
    }

    /// A call in nobody's name.
    #[must_use]
    pub fn anonymous(exchange: E) -> Self {
        Self::new(exchange, Arc::new(Party::anonymous()))
    }

    /// The exchange.
    #[must_use]
    pub fn exchange(&self) -> &E {
        &self.exchange
    }

    /// Writes the request for one attempt.
    fn prepare(&mut self, env: &Env<'_>) -> Result<Step<E::Output>> {
        self.began.get_or_insert(env.now);
        let mut draft = self.exchange.request(env)?;
        self.party.authenticate(&mut draft, env)?;
        let token = self.party.access_token();
        if let Some(dpop) = self.proves() {
            dpop.prove(&mut draft, token, env)?;
        } else if token.is_some_and(AccessToken::is_bound) {
            return Err(Error::new(ErrorKind::Config, Reason::KeyMissing));
        }
        self.dispatch(draft, env)
    }

    /// The key that proves, unless the token is one that needs no proof.
    fn proves(&self) -> Option<&Dpop> {
        self.dpop.as_ref().filter(|_| self.party.access_token().is_none_or(AccessToken::is_bound))
    }

    /// Has the draft signed, or sends it.
    fn dispatch(&mut self, draft: Draft, env: &Env<'_>) -> Result<Step<E::Output>> {
        if let Some(signing) = draft.wants() {
            let step = Step::Sign(signing.clone());
            self.state = State::Signing(Box::new(draft));
            return Ok(step);
        }
        if !self.window.contains(env.now) {
            return Err(self.too_late());
        }
        let to = self.proves().map(|_| draft.uri().clone());
        let demand = Demand {
            body_bytes: self.exchange.max_body(),
            fresh: self.exchange.fresh(),
            addresses: draft.addresses(),
        };
        let request = draft.into_request()?;
        self.state = State::InFlight { asked: env.now, to };
        Ok(Step::Send(request, demand))
    }

    /// The error of a request that is not sent any more. An earlier attempt may have been acted on.
    fn too_late(&self) -> Error {
        let sent = if self.spent.maybe + self.spent.busy > 0 { Sent::Maybe } else { Sent::Nothing };
        Error::from(Failure::new(sent, FailureKind::Timeout(Phase::Total))).with_detail("too late to be sent")
    }

    fn signed(&mut self, mut draft: Box<Draft>, signature: &[u8], env: &Env<'_>) -> Result<Step<E::Output>> {
        draft.signed(signature)?;
        self.dispatch(*draft, env)
    }

    /// Learns the nonce of an answer; `true` if the request should be sent again with it.
    ///
    /// A server that demands one has not acted on the request (RFC 9449 §8), so that even a code may be sent again.
    fn is_challenged(&mut self, response: &Response, to: Option<&Uri>) -> Result<bool> {
        let (Some(dpop), Some(to)) = (&self.dpop, to) else { return Ok(false) };
        let at = if self.party.access_token().is_some() { At::Api } else { At::Server };
        let learned = dpop.learned(at, to, response.headers());
        if !self.exchange.answers_challenge() || !self.demands_nonce(response) {
            return Ok(false);
        }
        if self.challenged || learned != Learned::Nonce {
            let why = if self.challenged { "again" } else { "none that can be used" };
            return Err(response::refusal(response).with_reason(Reason::NonceDemanded).with_detail(why));
        }
        self.challenged = true;
        Ok(true)
    }

    /// Whether an answer demands a nonce: an API by a challenge (RFC 9449 §9), the server by its error (§8).
    fn demands_nonce(&self, response: &Response) -> bool {
        let is_server = self.party.access_token().is_none();
        match response.status() {
            StatusCode::UNAUTHORIZED if !is_server => Challenge::parse_all(response.headers())
                .is_ok_and(|challenges| challenges.iter().any(Challenge::demands_nonce)),
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED if is_server => {
                let code = |refused: &ErrorResponse| *refused.code() == ErrorCode::UseDpopNonce;
                response.body().len() <= self.exchange.max_body()
                    && response::refusal(response).response().is_some_and(code)
            }
            _ => false,
        }
    }

    fn answered(
        &mut self,
        response: Response,
        asked: Timestamp,
        to: Option<&Uri>,
        env: &Env<'_>,
    ) -> Result<Step<E::Output>> {
        if self.is_challenged(&response, to)? {
            self.party.earn();
            return self.prepare(env);
        }
        self.challenged = false;
        let status = response.status();
        let told = retry_after(response.headers(), env.now);
        // Only these two say that the request was not acted on (RFC 9110 §15.6.4, RFC 6585 §4).
        let turned_away = told.is_some()
            && matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS);
        self.end(!turned_away);
        if is_busy(status) {
            let retry = self.exchange.retry();
            let allowed = if turned_away {
                spend(&mut self.spent.busy_if_told, retry.busy_if_told)
            } else {
                spend(&mut self.spent.busy, retry.busy)
            };
            if allowed && let Some(wait) = self.wait(told, env)? {
                return Ok(wait);
            }
        } else {
            self.party.earn();
        }
        // The user's backend may know nothing of limits.
        if response.body().len() > self.exchange.max_body() {
            return Err(Error::new(ErrorKind::Protocol, Reason::TooLarge).with_status(status));
        }
        self.rest();
        match self.exchange.response(response, asked, env) {
            Ok(output) => Ok(Step::Done(output)),
            Err(error) => Err(match told {
                Some(time) => error.with_retry_after(time),
                None => error,
            }),
        }
    }

    fn failed(&mut self, failure: Failure, env: &Env<'_>) -> Result<Step<E::Output>> {
        let retry = self.exchange.retry();
        self.end(failure.sent() != Sent::Nothing);
        self.challenged = false;
        let allowed = match failure.sent() {
            // What is wrong with the request or the certificate is wrong the next time, too.
            _ if !is_passing(failure.kind()) => false,
            Sent::Nothing => spend(&mut self.spent.unsent, retry.unsent),
            Sent::Maybe | Sent::Answered(_) => spend(&mut self.spent.maybe, retry.maybe),
        };
        if allowed && let Some(wait) = self.wait(None, env)? {
            return Ok(wait);
        }
        self.rest();
        let unknown = failure.sent() == Sent::Maybe && retry.maybe == 0;
        let error = Error::from(failure);
        // RFC 6749 §4.1.2: a code that was seen twice may revoke what it was exchanged for.
        let restate = unknown && matches!(error.kind(), ErrorKind::Transport | ErrorKind::Timeout);
        Err(if restate { self.exchange.unknown(error) } else { error })
    }

    /// Begins to wait before the next attempt; `None` if the budget or the patience does not reach.
    fn wait(&mut self, told: Option<Duration>, env: &Env<'_>) -> Result<Option<Step<E::Output>>> {
        let Retry { unsent, maybe, busy, busy_if_told } = self.spent;
        let tries: u32 = [unsent, maybe, busy, busy_if_told].map(u32::from).iter().sum();
        let longest = FIRST_WAIT.saturating_mul(1 << tries.saturating_sub(1).min(10)).min(LONGEST_WAIT);
        let mut bytes = [0; 4];
        env.random.fill(&mut bytes)?;
        let jitter = longest.mul_f64(f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX));
        // Timestamps are whole milliseconds: the rest of a finer wait would never be over.
        let time = Duration::from_millis(jitter.as_millis() as u64).max(told.unwrap_or_default());
        let waited = self.began.map_or(Duration::ZERO, |began| env.now - began);
        let cost = if told.is_some() { COST_IF_TOLD } else { COST };
        if waited + time > PATIENCE || !self.party.pay(cost) {
            return Ok(None);
        }
        self.state = State::Waiting(Wait::new(env.now, time));
        Ok(Some(Step::Wait(time)))
    }

    /// Waits for the rest of the time, or begins the next attempt.
    fn go_on(&mut self, mut wait: Wait, env: &Env<'_>) -> Result<Step<E::Output>> {
        let rest = wait.rest(env.now);
        if rest.is_zero() {
            return self.prepare(env);
        }
        self.state = State::Waiting(wait);
        Ok(Step::Wait(rest))
    }

    /// Nothing has happened.
    fn out_of_turn(&mut self, state: State) -> Result<Step<E::Output>> {
        self.state = state;
        Err(Error::new(ErrorKind::Usage, Reason::OutOfTurn))
    }

    /// Ends an attempt. Unless it is tried again, the next `Go` is a new request, or an error if there must
    /// be none.
    fn end(&mut self, may_have_acted: bool) {
        let is_spent = may_have_acted && self.exchange.retry().maybe == 0;
        self.state = if is_spent { State::Spent } else { State::Ready };
    }

    /// Forgets what was spent on the request that is over.
    fn rest(&mut self) {
        (self.spent, self.began) = (Retry::NEVER, None);
    }
}

impl<E: Exchange> Flow for Call<E> {
    type Output = E::Output;

    fn step(&mut self, event: Event, env: &Env<'_>) -> Result<Step<E::Output>> {
        let state = std::mem::replace(&mut self.state, State::Ready);
        let outcome = match event {
            Event::Go => match state {
                State::Ready => self.prepare(env),
                State::Waiting(wait) => self.go_on(wait, env),
                State::Signing(draft) => self.dispatch(*draft, env),
                State::InFlight { .. } => self.failed(Failure::new(Sent::Maybe, FailureKind::Abandoned), env),
                State::Spent => return self.out_of_turn(State::Spent),
            },
            Event::Response(response) => {
                let State::InFlight { asked, to } = state else { return self.out_of_turn(state) };
                self.answered(response, asked, to.as_ref(), env)
            }
            Event::Failure(failure) => {
                let State::InFlight { .. } = state else { return self.out_of_turn(state) };
                self.failed(failure, env)
            }
            Event::Signed(signed) => match (state, signed) {
                (State::Signing(draft), Ok(signature)) => self.signed(draft, &signature, env),
                // The cause is the signer's, and may quote what it signs.
                (State::Signing(_), Err(_)) => Err(Error::new(ErrorKind::Config, Reason::SigningFailed)),
                (state, _) => return self.out_of_turn(state),
            },
        };
        if outcome.is_err() {
            self.challenged = false;
            self.rest();
        }
        outcome
    }
}

impl<E> fmt::Debug for Call<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Ready => "Ready",
            State::Waiting(_) => "Waiting",
            State::Signing(_) => "Signing",
            State::InFlight { .. } => "InFlight",
            State::Spent => "Spent",
        };
        f.debug_struct("Call").field("party", &self.party).field("state", &state).finish_non_exhaustive()
    }
}

/// Uses up one of `allowed`, if there is one left.
fn spend(spent: &mut u8, allowed: u8) -> bool {
    let left = *spent < allowed;
    *spent += u8::from(left);
    left
}

fn is_busy(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
}

/// Whether a failure may be gone the next time.
pub(crate) fn is_passing(kind: FailureKind) -> bool {
    matches!(
        kind,
        FailureKind::Resolve
            | FailureKind::Connect
            | FailureKind::Timeout(Phase::Connect | Phase::Head | Phase::Idle | Phase::Total)
            | FailureKind::Closed
            | FailureKind::Truncated
            | FailureKind::Panicked
            | FailureKind::Abandoned
            | FailureKind::Other
    )
}

/// `Retry-After` (RFC 9110 §10.2.3): seconds or a date, capped.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let time = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        Timestamp::from(httpdate::parse_http_date(text).ok()?) - now
    };
    Some(time.min(LONGEST_RETRY_AFTER))
}
