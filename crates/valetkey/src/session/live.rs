//! Tokens in use, and what is known of them.

use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use arc_swap::Guard;
use http::HeaderValue;
use valetkey_proto::{Party, Timestamp, endpoint::Origin, oauth2::token::TokenSet};

use super::place::GrantEntry;
use crate::client::Client;

/// Tokens in use, and the party that shows them.
pub(super) struct Live {
    pub(super) entry: GrantEntry,
    pub(super) party: Arc<Party>,
    /// Where the access token may go.
    pub(super) origins: Arc<[Origin]>,
    /// Whether the access token is shown as a header and without a proof.
    is_header: bool,
    /// From when until when they are used without a thought, by the clock that is asked for every request.
    good: (SystemTime, SystemTime),
    /// Whether they were got because an API refused the ones before.
    pub(super) follows_refusal: bool,
    /// Whether an API has taken the access token.
    accepted: AtomicBool,
}

/// How far in the future a token may have been issued before its age is doubted.
const SKEW: Duration = Duration::from_secs(60);

/// How long a token is new that an API refuses.
const NEW: Duration = Duration::from_secs(300);

impl Live {
    pub(super) fn new(client: &Client, entry: GrantEntry, follows_refusal: bool) -> Self {
        let tokens = entry.record.tokens();
        let origins = client.origins_of(tokens);
        let party = client.bearer(tokens.access_token().clone(), &origins);
        let is_header = !tokens.access_token().is_bound() && party.placement().is_none();
        let until = tokens.stale_at().unwrap_or(Timestamp::from_millis(i64::MAX));
        let good = (system_time(tokens.issued_at() - SKEW), system_time(until));
        let accepted = AtomicBool::new(false);
        Self { entry, party: Arc::new(party), origins, is_header, good, follows_refusal, accepted }
    }

    pub(super) fn tokens(&self) -> &Arc<TokenSet> {
        self.entry.record.tokens()
    }

    /// Whether the access token is used without asking for another.
    pub(super) fn is_good(&self, now: SystemTime) -> bool {
        self.good.0 <= now && now < self.good.1
    }

    /// An API has taken the access token.
    pub(super) fn accept(&self) {
        // Written once: readers on other threads keep their copy of the line.
        if !self.accepted.load(Ordering::Relaxed) {
            self.accepted.store(true, Ordering::Relaxed);
        }
    }

    /// Whether an API that refuses the access token may mean the token: one that was got for this very reason,
    /// and never taken, is not exchanged again at once. Later it may have expired, by another clock than ours.
    pub(super) fn may_be_refused(&self, now: Timestamp) -> bool {
        let is_new = now - self.tokens().issued_at() < NEW;
        !self.follows_refusal || self.accepted.load(Ordering::Relaxed) || !is_new
    }
}

/// A time that compares without being computed.
fn system_time(time: Timestamp) -> SystemTime {
    let millis = Duration::from_millis(time.as_millis().unsigned_abs());
    let time = if time.as_millis() < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(millis)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(millis)
    };
    // Beyond what the system knows there is only far away, and it is on the side of being used.
    time.unwrap_or_else(|| SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40))
}

/// The `Authorization` value of a session, for as long as this is held. It is marked sensitive.
///
/// Holding it keeps the old tokens in memory when new ones come: use it and let it go.
pub struct Bearer(Guard<Option<Arc<Live>>>);

impl Bearer {
    /// The value of good tokens that need no proof.
    pub(super) fn of(live: Guard<Option<Arc<Live>>>, now: SystemTime) -> Option<Self> {
        let is_usable = |live: &Arc<Live>| live.is_header && live.is_good(now);
        live.as_ref().is_some_and(is_usable).then_some(Self(live))
    }
}

impl Deref for Bearer {
    type Target = HeaderValue;

    fn deref(&self) -> &HeaderValue {
        static NONE: HeaderValue = HeaderValue::from_static("");
        // `of` makes none without tokens.
        self.0.as_ref().map_or(&NONE, |live| live.tokens().access_token().header())
    }
}

impl std::fmt::Debug for Bearer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bearer([redacted])")
    }
}
