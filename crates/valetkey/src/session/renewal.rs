//! Getting new tokens: one piece of work, which owns all that it needs and goes on without the session.
//!
//! ```text
//!   ask ──▶ new tokens ──▶ kept ──▶ in use
//!    │
//!    ├─ refused for good ───────────────▶ nothing is asked again
//!    ├─ answer lost, for the first time ─▶ asked once more, a moment later
//!    ├─ answer lost again ──────────────▶ nothing is asked again
//!    └─ anything else ──────────────────▶ asked again after a pause
//! ```

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use valetkey_http::Sent;
use valetkey_proto::{
    Advice, Error, ErrorCode, ErrorKind, Reason, Result,
    oauth2::{
        assertion::Assertion,
        binding::Dpop,
        grant::RefreshTokenGrant,
        token::{TokenRecord, TokenSet},
    },
};

use super::{
    event::{Anomaly, Observer, SessionEvent},
    keeping::Keeping,
    live::Live,
};
use crate::client::Client;

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
    pub(super) client: Client,
    pub(super) renewal: Renewal,
    pub(super) present: Option<Arc<Live>>,
    pub(super) keeping: Arc<Keeping>,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) dpop: Option<Dpop>,
    pub(super) follows_refusal: bool,
}

impl Work {
    pub(super) async fn run(self) -> Result<Live> {
        match self.fetch().await {
            Ok(record) => Ok(self.land(record).await),
            Err(error) => {
                let is_spent = self.present.as_ref().is_some_and(|present| present.is_spent());
                let is_final = is_spent || matches!(error.advice(), Advice::Reauthorize);
                let event = match is_final {
                    true => SessionEvent::ReauthorizationRequired { error: error.clone() },
                    false => SessionEvent::RenewalFailed { error: error.clone() },
                };
                self.observer.event(&event);
                Err(error)
            }
        }
    }

    /// Keeps new tokens, then lets them be used: whoever gets them may rely on their being kept.
    async fn land(self, record: TokenRecord) -> Live {
        let generation = record.generation();
        let scope = |record: &TokenRecord| record.tokens().scope().scope().cloned();
        let changed = self.present.as_ref().is_some_and(|present| scope(&present.record) != scope(&record));
        if changed {
            self.observer.event(&SessionEvent::Anomaly(Anomaly::ScopeChanged));
        }
        let details = |record: &TokenRecord| record.tokens().authorization_details().cloned();
        let before = self.present.as_ref().map(|present| details(&present.record));
        if before.is_some_and(|before| before != details(&record)) {
            self.observer.event(&SessionEvent::Anomaly(Anomaly::DetailsChanged));
        }
        if !self.keeping.keep(&record, self.client.runtime().backend()).await {
            self.observer.event(&SessionEvent::NotKept { generation });
        }
        self.observer.event(&SessionEvent::Renewed { generation });
        Live::new(&self.client, record, self.follows_refusal)
    }

    async fn fetch(&self) -> Result<TokenRecord> {
        let dpop = self.dpop.as_ref();
        let tokens = match (&self.renewal, &self.present) {
            (Renewal::Asking(asking), _) => asking.fetch(dpop).await?,
            (Renewal::SelfSigned(assertion), _) => self.client.sign_token(assertion).await?,
            (Renewal::RefreshToken, Some(present)) => {
                self.refresh(present).await.map_err(|error| self.judge(error, present))?
            }
            (Renewal::RefreshToken, None) => return Err(missing()),
        };
        Ok(match &self.present {
            Some(present) => present.record.renewed(tokens),
            None => self.client.record(tokens),
        })
    }

    async fn refresh(&self, present: &Live) -> Result<TokenSet> {
        if present.is_spent() {
            return Err(Error::new(ErrorKind::Denied, Reason::RotationLost));
        }
        let refresh_token = present.tokens().refresh_token().ok_or_else(missing)?.clone();
        let relation = self.client.relation().await?;
        let grant = RefreshTokenGrant::new(relation.server(), refresh_token)?;
        let mut grant = grant.with_strictness(self.client.strictness());
        // For the same APIs as before: left out, some servers take it for all that were ever granted (RFC 8707 §2.2).
        for resource in present.tokens().requested().resources() {
            grant = grant.with_resource(resource.clone())?;
        }
        let response = self.client.call_as(&relation, grant, self.dpop.clone()).await.map_err(lost_or_not)?;
        // It was used up, whatever came of it.
        let renewed = present.tokens().renewed(&response).map_err(|error| match error.reason() {
            Reason::TokenNotBound => error,
            _ => error.with_reason(Reason::OutcomeUnknown),
        })?;
        match self.client.refreshed(&relation, &response, present.tokens()).await {
            Ok(Some(id_token)) => Ok(renewed.with_id_token(id_token)),
            Ok(None) => Ok(renewed),
            // The keys cannot be had: the tokens are good, and the server will not give them again.
            Err(error)
                if matches!(error.kind(), ErrorKind::Transport | ErrorKind::Timeout | ErrorKind::Server) =>
            {
                self.observer.event(&SessionEvent::Anomaly(Anomaly::IdentityNotRenewed(error.reason())));
                Ok(renewed)
            }
            // Another's tokens are worse than none.
            Err(error) => {
                present.spend();
                Err(error)
            }
        }
    }

    /// What a failure means after what happened before. A lost answer is asked for once more: if the server had not
    /// acted, that succeeds; if it had, the token is lost already, and asking loses nothing.
    fn judge(&self, error: Error, present: &Live) -> Error {
        match error.reason() {
            Reason::OutcomeUnknown if !present.doubt() => error.with_retry_after(self.moment()),
            Reason::RefreshDenied if present.is_doubtful() => error.with_reason(Reason::RotationLost),
            _ => error,
        }
    }

    /// One to five seconds: whatever broke the connection may pass.
    fn moment(&self) -> Duration {
        let mut byte = [128];
        // Without randomness it is three.
        let _ = self.client.runtime().env().random.fill(&mut byte);
        Duration::from_millis(1000 + u64::from(byte[0]) * 4000 / 255)
    }
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
