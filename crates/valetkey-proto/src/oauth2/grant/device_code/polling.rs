//! Asking until the user has decided (RFC 8628 §3.5).
//!
//! ```text
//!             the interval is over
//!   Waiting ───────────────────────▶ Polling ──▶ tokens: done
//!     │  ▲                             │  │
//!     │  └── pending, slower, lost ────┘  └────▶ no, too late, anything else: the error
//!     └──▶ the code has expired: the error
//! ```

use std::{fmt, sync::Arc, time::Duration};

use valetkey_http::{Failure, Sent};

use super::DeviceCodeGrant;
use crate::{
    call::{Call, is_passing},
    error::{Advice, Error, ErrorCode, ErrorKind, Reason, Result},
    flow::{Env, Event, Flow, Step},
    oauth2::{binding::Dpop, token::TokenResponse},
    party::Party,
    time::Wait,
};

/// What a server that is asked too often adds to the interval, for good.
const SLOWER: Duration = Duration::from_secs(5);
/// The longest wait that lost polls lead to, unless the server's interval is longer.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Asks at the server's interval whether the user has decided, until there are tokens or will be none.
///
/// A poll whose answer is lost, or that a server answers with 5xx or 429, is asked again after twice the time, and twice
/// that, up to a minute. The code's time is looked at between polls: tokens that come late are taken.
///
/// # Errors
///
/// `Denied`: [`Reason::AuthorizationDenied`] if the user said no; [`Reason::CodeConsumed`] if the answer with the tokens was
/// lost; [`Reason::RequestDenied`] for any other refusal. `Expired`: [`Reason::PendingExpired`] if the user did not come in
/// time. `Transport`: a failure that the next poll would have, too. `Protocol`: whatever is wrong with the response.
#[must_use]
pub struct DevicePolling {
    grant: DeviceCodeGrant,
    party: Arc<Party>,
    dpop: Option<Dpop>,
    interval: Duration,
    /// How many polls in a row were lost.
    lost: u32,
    /// Whether one was lost that the server may have answered with tokens.
    is_doubtful: bool,
    state: State,
}

enum State {
    Waiting(Wait),
    Polling(Box<Call<DeviceCodeGrant>>),
    Over,
}

impl DevicePolling {
    /// Asks in the name of this party, for the first time an interval after the codes were asked for.
    pub fn new(grant: DeviceCodeGrant, party: Arc<Party>) -> Self {
        let interval = grant.device.interval();
        let state = State::Waiting(Wait::new(grant.device.asked_at(), interval));
        Self { grant, party, dpop: None, interval, lost: 0, is_doubtful: false, state }
    }

    /// Proves with every poll that this key is here, as [`Call::with_dpop`] does.
    pub fn with_dpop(mut self, dpop: impl Into<Option<Dpop>>) -> Self {
        self.dpop = dpop.into();
        self
    }

    /// Polls, or waits for the rest of the time.
    fn go_on(&mut self, mut wait: Wait, env: &Env<'_>) -> Result<Step<TokenResponse>> {
        let expires_at = self.grant.device.expires_at();
        if env.now >= expires_at {
            return Err(self.over(Error::new(ErrorKind::Expired, Reason::PendingExpired)));
        }
        let rest = wait.rest(env.now);
        if !rest.is_zero() {
            self.state = State::Waiting(wait);
            return Ok(Step::Wait(rest.min(expires_at - env.now)));
        }
        let call = Call::new(self.grant.clone(), Arc::clone(&self.party)).with_dpop(self.dpop.clone());
        self.polled(Box::new(call), Event::Go, env)
    }

    fn polled(
        &mut self,
        mut call: Box<Call<DeviceCodeGrant>>,
        event: Event,
        env: &Env<'_>,
    ) -> Result<Step<TokenResponse>> {
        let is_lasting = matches!(&event, Event::Failure(failure) if !passes(failure));
        match call.step(event, env) {
            Ok(step @ Step::Done(_)) => {
                self.state = State::Over;
                Ok(step)
            }
            Ok(step) => {
                self.state = State::Polling(call);
                Ok(step)
            }
            // Nothing has happened.
            Err(error) if error.reason() == Reason::OutOfTurn => {
                self.state = State::Polling(call);
                Err(error)
            }
            Err(error) if is_lasting => Err(self.over(error)),
            Err(error) => self.refused(error, env),
        }
    }

    fn refused(&mut self, error: Error, env: &Env<'_>) -> Result<Step<TokenResponse>> {
        let code = error.response().map(|response| response.code().clone());
        let wait = match code {
            Some(ErrorCode::AuthorizationPending) => self.answered(),
            Some(ErrorCode::SlowDown) => {
                self.interval += SLOWER;
                self.answered()
            }
            Some(ErrorCode::AccessDenied) => {
                return Err(self.over(error.with_reason(Reason::AuthorizationDenied)));
            }
            Some(ErrorCode::ExpiredToken) => {
                let error = error.restated_by(ErrorKind::Expired).with_reason(Reason::PendingExpired);
                return Err(self.over(error));
            }
            Some(ErrorCode::InvalidGrant) if self.is_doubtful => {
                return Err(self.over(error.with_reason(Reason::CodeConsumed)));
            }
            Some(ErrorCode::ServerError | ErrorCode::TemporarilyUnavailable) => self.lost(&error),
            None if is_lost(&error) => self.lost(&error),
            _ => return Err(self.over(error)),
        };
        self.go_on(Wait::new(env.now, wait), env)
    }

    /// The wait after an answer.
    fn answered(&mut self) -> Duration {
        self.lost = 0;
        self.interval
    }

    /// The wait after a poll that brought nothing (RFC 8628 §3.5).
    fn lost(&mut self, error: &Error) -> Duration {
        self.lost += 1;
        self.is_doubtful |= error.was_sent() != Some(Sent::Nothing);
        let doubled = self.interval.saturating_mul(1 << self.lost.min(10));
        let told = if let Advice::RetryAfter(time) = error.advice() { time } else { Duration::ZERO };
        doubled.min(LONGEST_WAIT.max(self.interval)).max(told)
    }

    fn over(&mut self, error: Error) -> Error {
        self.state = State::Over;
        error
    }
}

/// Whether the next poll may get through.
fn passes(failure: &Failure) -> bool {
    is_passing(failure.kind())
}

/// Whether an error is no answer to the question.
fn is_lost(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Transport | ErrorKind::Timeout)
        || error.reason() == Reason::ServerFailed
}

impl Flow for DevicePolling {
    type Output = TokenResponse;

    fn step(&mut self, event: Event, env: &Env<'_>) -> Result<Step<TokenResponse>> {
        match (std::mem::replace(&mut self.state, State::Over), event) {
            (State::Waiting(wait), Event::Go) => self.go_on(wait, env),
            (State::Polling(call), event) => self.polled(call, event, env),
            (state @ (State::Waiting(_) | State::Over), _) => {
                self.state = state;
                Err(Error::new(ErrorKind::Usage, Reason::OutOfTurn))
            }
        }
    }
}

impl fmt::Debug for DevicePolling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Waiting(_) => "Waiting",
            State::Polling(_) => "Polling",
            State::Over => "Over",
        };
        f.debug_struct("DevicePolling")
            .field("interval", &self.interval)
            .field("lost", &self.lost)
            .field("state", &state)
            .finish_non_exhaustive()
    }
}
