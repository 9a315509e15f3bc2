//! Getting new tokens: one piece of work, which owns all that it needs and goes on without the session.
//!
//! A refresh token is used as [`Refresh`] says, which knows what others may have done, and what may have been lost; here is
//! what it takes to do that.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use valetkey_http::{Backend, Sent};
use valetkey_proto::{
    Advice, Error, ErrorCode, ErrorKind, Reason, Result, Window,
    oauth2::{
        Requested,
        assertion::Assertion,
        binding::Dpop,
        grant::RefreshTokenGrant,
        token::{
            TokenRecord, TokenResponse, TokenSet,
            refresh::{Deed, Ended, Entry, Outcome, Refresh, Report, Standing},
        },
    },
};

use super::{
    Grant,
    event::{Anomaly, Observer, SessionEvent},
    live::{Live, is_same},
    part::{Part, is_of_a_part, tokens_for},
    place::GrantEntry,
};
use crate::client::Relation;

/// How new tokens are got.
#[derive(Clone)]
pub(crate) enum Renewal {
    RefreshToken,
    /// By asking again.
    Asking(Arc<dyn Asking>),
    SelfSigned(Arc<Assertion>),
}

/// What is asked for again each time, in the program's own name or by something that it shows anew.
#[async_trait]
pub(crate) trait Asking: Send + Sync {
    /// What it is called.
    fn name(&self) -> &'static str;

    /// Gets tokens, once.
    async fn fetch(&self, dpop: Option<&Dpop>) -> Result<TokenSet>;
}

/// One renewal.
pub(super) struct Work {
    pub(super) grant: Arc<Grant>,
    pub(super) present: Option<Arc<Live>>,
    pub(super) part: Option<Arc<Part>>,
    pub(super) follows_refusal: bool,
}

/// Why there are no new tokens, and what became of the refresh token.
struct Failed {
    report: Report<TokenRecord>,
    error: Error,
}

/// How often what others renewed may turn out to be too old already.
const ADOPTIONS: u8 = 3;

impl Work {
    pub(super) async fn run(self) -> Result<Live> {
        if !matches!(self.grant.renewal, Renewal::SelfSigned(_))
            && let Some(error) = self.grant.client.busy()
        {
            return Err(error);
        }
        let outcome = match (&self.grant.renewal, &self.present) {
            (Renewal::RefreshToken, Some(present)) => self.transact(present.entry()).await,
            (Renewal::RefreshToken, None) => Err(missing()),
            (Renewal::Asking(_) | Renewal::SelfSigned(_), _) => self.ask_anew().await,
        };
        if let Err(error) = &outcome {
            let now = self.grant.client.runtime().now();
            self.grant.note_refusal(self.part(), error, now);
            self.grant.client.note_busy(error);
            let event = match error.advice() {
                Advice::Reauthorize => SessionEvent::ReauthorizationRequired { error: error.clone() },
                _ => SessionEvent::RenewalFailed { error: error.clone() },
            };
            self.observer().event(&event);
        }
        outcome
    }

    fn part(&self) -> Option<&Part> {
        self.part.as_deref()
    }

    /// What is asked for, if it is not all that was granted.
    fn requested(&self) -> Option<&Requested> {
        self.part().map(Part::requested)
    }

    fn observer(&self) -> &Arc<dyn Observer> {
        self.grant.client.observer()
    }

    fn backend(&self) -> &Arc<dyn Backend> {
        self.grant.client.runtime().backend()
    }

    /// Tokens of a grant that can be asked for as often as one likes.
    async fn ask_anew(&self) -> Result<Live> {
        let tokens = match &self.grant.renewal {
            Renewal::Asking(asking) => asking.fetch(self.grant.dpop.as_ref()).await?,
            Renewal::SelfSigned(assertion) => self.grant.client.sign_token(assertion).await?,
            Renewal::RefreshToken => return Err(missing()),
        };
        let entry = match &self.present {
            Some(present) => Entry {
                generation: present.generation + 1,
                standing: Standing::Idle,
                record: present.record.renewed(tokens),
            },
            None => {
                Entry { generation: 1, standing: Standing::Idle, record: self.grant.client.record(tokens) }
            }
        };
        Ok(self.land(entry, true).await)
    }

    /// Does what the transaction says until it is over.
    async fn transact(&self, mut held: GrantEntry) -> Result<Live> {
        for _ in 0..ADOPTIONS {
            let mut refresh = Refresh::new(held, self.grant.place.manner(self.grant.client.manner()));
            let (mut report, mut failure) = (Report::Go, None);
            let outcome = loop {
                let done = match refresh.step(report, self.grant.client.runtime().now()) {
                    Deed::Done(outcome) => break outcome,
                    Deed::Lease => {
                        // It begins anew: what came before is not why it fails, if it does.
                        failure = None;
                        self.grant.place.lease().await
                    }
                    Deed::Load => self.grant.place.load().await,
                    Deed::Put(entry) => self.grant.place.put(entry).await,
                    Deed::Wait(time) => {
                        self.grant.place.holding(self.backend().sleep(time), self.backend()).await;
                        Ok(Report::Go)
                    }
                    Deed::Ask(record, window) => match self.ask_held(&record, window).await {
                        Ok(renewed) => Ok(Report::Tokens(renewed)),
                        Err(Failed { report, error }) => {
                            failure = Some(error);
                            Ok(report)
                        }
                    },
                };
                report = done.unwrap_or_else(|error| {
                    failure.get_or_insert(error);
                    Report::StoreFailed
                });
            };
            self.grant.place.release().await;
            match outcome {
                Outcome::Adopted(entry) if !self.is_served_by(&entry) => held = entry,
                outcome => return self.conclude(outcome, failure).await,
            }
        }
        Err(busy())
    }

    /// Whether what others renewed is what is wanted: it may be too old already, or for another part.
    fn is_served_by(&self, entry: &GrantEntry) -> bool {
        let now = self.grant.client.runtime().now();
        let present = self.present_tokens();
        tokens_for(self.part(), &entry.record).is_some_and(|tokens| {
            !tokens.is_stale(now) && present.is_none_or(|present| !is_same(present, tokens))
        })
    }

    /// What was found wanting.
    fn present_tokens(&self) -> Option<&Arc<TokenSet>> {
        self.present.as_ref().and_then(|present| tokens_for(self.part(), &present.record))
    }

    /// What is in use now.
    fn live(&self, entry: GrantEntry, dpop: Option<Dpop>) -> Live {
        let live = Live::new(&self.grant.client, entry, dpop).in_place_of(self.present.as_deref());
        live.got_for(self.part(), self.follows_refusal)
    }

    async fn conclude(&self, outcome: Outcome<TokenRecord>, failure: Option<Error>) -> Result<Live> {
        match outcome {
            Outcome::Adopted(entry) => {
                self.observer().event(&SessionEvent::Adopted { generation: entry.record.generation() });
                let dpop = self.key_of(entry.record.tokens())?;
                Ok(self.live(entry, dpop))
            }
            Outcome::Renewed { entry, kept } => Ok(self.land(entry, kept).await),
            Outcome::Orphaned(record) => {
                // Whoever logged out could not know of them.
                if let Some(token) = record.tokens().refresh_token() {
                    let _ = self.grant.client.revoke(token).await;
                }
                Err(ended(Ended::LoggedOut, None))
            }
            Outcome::Ended(why) => Err(ended(why, failure)),
            Outcome::Lost => Err(failure.unwrap_or_else(busy).with_retry_after(self.moment())),
            Outcome::Failed => Err(failure.unwrap_or_else(busy)),
        }
    }

    /// Has what is new kept, then lets it be used: whoever gets it may rely on its being kept.
    async fn land(&self, entry: GrantEntry, is_written: bool) -> Live {
        let generation = entry.record.generation();
        if let (Some(before), Some(now)) = (self.present_tokens(), tokens_for(self.part(), &entry.record)) {
            if before.scope().scope() != now.scope().scope() {
                self.observer().event(&SessionEvent::Anomaly(Anomaly::ScopeChanged));
            }
            if before.authorization_details() != now.authorization_details() {
                self.observer().event(&SessionEvent::Anomaly(Anomaly::DetailsChanged));
            }
        }
        if !self.grant.keep(&entry.record).await || !is_written {
            self.observer().event(&SessionEvent::NotKept { generation });
        }
        self.observer().event(&SessionEvent::Renewed { generation });
        // They were got with it.
        let dpop = self.key_of(entry.record.tokens()).ok().flatten();
        self.live(entry, dpop)
    }

    /// Asks the server, and keeps the lease up as long as that takes.
    async fn ask_held(&self, record: &TokenRecord, window: Window) -> Result<TokenRecord, Failed> {
        let asked = self.grant.place.holding(self.ask(record, window), self.backend()).await;
        asked.map_err(|failed| match failed.report {
            // Nobody drove this on, or the machine slept: another may have the lease by now, and have asked.
            Report::Unspent if !window.contains(self.grant.client.runtime().now()) => {
                Failed { report: Report::Late, ..failed }
            }
            _ => failed,
        })
    }

    /// Asks the server once, by the refresh token of this record.
    async fn ask(&self, record: &TokenRecord, window: Window) -> Result<TokenRecord, Failed> {
        let (relation, response) = self.exchange(record, window).await.map_err(Failed::of)?;
        let renewed = match self.requested() {
            None => record.tokens().renewed(&response).map(|tokens| record.renewed(tokens)),
            Some(part) => record.renewed_for(part, &response),
        };
        // It was used up, whatever came of it.
        let renewed = renewed.map_err(|error| match error.reason() {
            Reason::TokenNotBound => Failed { report: Report::Worthless, error },
            _ => Failed { report: Report::Lost, error: error.with_reason(Reason::OutcomeUnknown) },
        })?;
        match self.grant.client.refreshed(&relation, &response, record.tokens()).await {
            Ok(Some(id_token)) => {
                let tokens = (**renewed.tokens()).clone().with_id_token(id_token);
                Ok(renewed.with_tokens(tokens))
            }
            Ok(None) => Ok(renewed),
            // The keys cannot be had: the tokens are good, and the server will not give them again.
            Err(error)
                if matches!(error.kind(), ErrorKind::Transport | ErrorKind::Timeout | ErrorKind::Server) =>
            {
                self.observer().event(&SessionEvent::Anomaly(Anomaly::IdentityNotRenewed(error.reason())));
                Ok(renewed)
            }
            // Another's tokens are worse than none.
            Err(error) => Err(Failed { report: Report::Worthless, error }),
        }
    }

    async fn exchange(&self, record: &TokenRecord, window: Window) -> Result<(Arc<Relation>, TokenResponse)> {
        let refresh_token = record.tokens().refresh_token().ok_or_else(missing)?.clone();
        let relation = self.grant.client.relation().await?;
        let grant = RefreshTokenGrant::new(relation.server(), refresh_token)?;
        let mut grant = grant.with_strictness(self.grant.client.strictness());
        let part = self.requested();
        // For the same APIs as before: left out, some servers take it for all that were ever granted (RFC 8707 §2.2).
        for resource in part.unwrap_or_else(|| record.tokens().requested()).resources() {
            grant = grant.with_resource(resource.clone())?;
        }
        // The scope and the details stay what they were unless there is less asked for (RFC 6749 §6, RFC 9396 §6).
        if let Some(scope) = part.and_then(Requested::scope) {
            grant = grant.with_scope(scope.as_str())?;
        }
        if let Some(details) = part.and_then(Requested::authorization_details) {
            grant = grant.with_authorization_details(details.clone())?;
        }
        let dpop = self.key_of(record.tokens())?;
        let response = self.grant.client.call_within(window, &relation, grant, dpop).await;
        let response = response.map_err(lost_or_not)?;
        Ok((relation, response))
    }

    /// The key that tokens are bound to: another than before, if the user has signed in anew elsewhere.
    fn key_of(&self, tokens: &TokenSet) -> Result<Option<Dpop>> {
        match (&self.grant.dpop, tokens.key()) {
            (Some(dpop), Some(kept)) if dpop.kept() == kept => Ok(Some(dpop.clone())),
            _ => self.grant.client.key_of(tokens),
        }
    }

    /// One to five seconds: whatever broke the connection may pass.
    fn moment(&self) -> Duration {
        Duration::from_millis(1000 + u64::from(self.grant.client.runtime().draw()) * 4000 / 255)
    }
}

impl Failed {
    /// What a failure of the exchange says of the refresh token.
    fn of(error: Error) -> Self {
        let report = match error.reason() {
            Reason::RefreshDenied => Report::Refused,
            Reason::OutcomeUnknown => Report::Lost,
            _ => Report::Unspent,
        };
        Self { report, error }
    }
}

/// The error of a grant that has ended.
pub(crate) fn ended(why: Ended, failure: Option<Error>) -> Error {
    match (why, failure) {
        (Ended::RotationLost | Ended::OutcomeUnknown, Some(error))
            if error.reason() == Reason::RefreshDenied =>
        {
            error.with_reason(Reason::RotationLost)
        }
        // What ended it just now says more than that it has ended.
        (Ended::Refused | Ended::RotationLost | Ended::OutcomeUnknown, Some(error)) => error,
        (Ended::Refused, None) => Error::new(ErrorKind::Denied, Reason::RefreshDenied),
        (Ended::RotationLost, None) => Error::new(ErrorKind::Denied, Reason::RotationLost),
        (Ended::OutcomeUnknown, None) => Error::new(ErrorKind::Transport, Reason::OutcomeUnknown),
        (_, _) => Error::new(ErrorKind::Denied, Reason::LoggedOut),
    }
}

/// Others are at it for too long.
fn busy() -> Error {
    let error = Error::new(ErrorKind::Store, Reason::StoreFailed)
        .with_detail("others hold the grant: try again in a moment");
    error.with_retry_after(Duration::from_secs(1))
}

fn missing() -> Error {
    Error::new(ErrorKind::Usage, Reason::MissingRefreshToken)
}

/// Whether a refresh token may have been used up by a request that failed like this, in which case it says so.
fn lost_or_not(error: Error) -> Error {
    let refused = error.response().is_some();
    let unsent = error.was_sent() == Some(Sent::Nothing);
    // 429, and 503 with a time, say that the request was not acted on.
    let turned_away = error.status().is_some_and(|status| status.as_u16() == 429)
        || (error.status().is_some_and(|status| status.as_u16() == 503)
            && matches!(error.advice(), Advice::RetryAfter(_)));
    let ours = matches!(error.kind(), ErrorKind::Usage | ErrorKind::Config);
    if refused || unsent || turned_away || ours { error } else { error.with_reason(Reason::OutcomeUnknown) }
}

/// How long a server is left alone after a renewal failed.
pub(super) fn pause_after(error: &Error, failures: u32) -> Option<Duration> {
    const REFUSED: Duration = Duration::from_secs(60);
    const LONGEST_REFUSED: Duration = Duration::from_secs(600);
    const FAILED: Duration = Duration::from_secs(1);
    const LONGEST_FAILED: Duration = Duration::from_secs(60);
    let doubled = |first: Duration, longest: Duration| {
        first.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(longest)
    };
    let code = error.response().map(|response| response.code());
    match (error.advice(), code) {
        // The program's own doing, which it may mend at any time; nothing was sent.
        _ if matches!(error.kind(), ErrorKind::Usage | ErrorKind::Config) => Some(Duration::ZERO),
        (Advice::Reauthorize, _) => None,
        // That is remembered with the part: what others ask for may be granted.
        _ if is_of_a_part(error) => Some(Duration::ZERO),
        (_, Some(ErrorCode::ServerError | ErrorCode::TemporarilyUnavailable)) => {
            Some(doubled(FAILED, LONGEST_FAILED))
        }
        (Advice::RetryAfter(time), Some(_)) => Some(time),
        // `invalid_client` and its like: somebody has to do something.
        (_, Some(_)) => Some(doubled(REFUSED, LONGEST_REFUSED)),
        (Advice::RetryAfter(time), None) => Some(time.max(doubled(FAILED, LONGEST_FAILED))),
        _ => Some(doubled(FAILED, LONGEST_FAILED)),
    }
}
