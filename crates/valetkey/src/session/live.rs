//! Tokens in use, and what is known of them.

use std::{
    fmt,
    ops::Deref,
    sync::{Arc, atomic::Ordering},
    time::{Duration, SystemTime},
};

use http::HeaderValue;
use valetkey_proto::{
    Party, Timestamp,
    endpoint::Origin,
    oauth2::{
        binding::Dpop,
        token::{
            TokenRecord, TokenSet,
            refresh::{Entry, Standing},
        },
    },
};

use super::{part::Part, place::GrantEntry};
use crate::{
    client::Client,
    sync::{AtomicBool, Guard},
};

/// The tokens of a grant: those for all of it, and those for parts.
pub(super) struct Live {
    /// How often its entry was written.
    pub(super) generation: u64,
    pub(super) record: TokenRecord,
    /// The key that they are bound to.
    pub(super) dpop: Option<Dpop>,
    whole: Shown,
    parts: Box<[Shown]>,
}

/// Which of the access tokens in use.
#[derive(Clone, Copy)]
enum At {
    Whole,
    Part(usize),
}

/// An access token in use, and the party that shows it.
pub(super) struct Shown {
    tokens: Arc<TokenSet>,
    pub(super) party: Arc<Party>,
    /// Where the access token may go.
    pub(super) origins: Arc<[Origin]>,
    /// Whether the access token is shown as a header and without a proof.
    is_header: bool,
    /// From when until when it is used without a thought, by the clock that is asked for every request.
    good: (SystemTime, SystemTime),
    /// Until when it is used at all: from the end of the time before, another is wanted.
    until: SystemTime,
    /// Whether another is being got, or cannot be while nobody waits for it.
    is_sought: AtomicBool,
    /// Whether it was got because an API refused the one before.
    follows_refusal: AtomicBool,
    /// Whether an API has taken it.
    accepted: AtomicBool,
}

/// How far in the future a token may have been issued before its age is doubted.
const SKEW: Duration = Duration::from_secs(60);

/// How long a token is new that an API refuses.
const NEW: Duration = Duration::from_secs(300);

impl Live {
    /// The tokens of this entry.
    pub(super) fn new(client: &Client, entry: GrantEntry, dpop: Option<Dpop>) -> Self {
        let record = entry.record.sharing(client.issuer(), client.id());
        let whole = Shown::new(client, Arc::clone(record.tokens()));
        let parts = record.parts().iter().map(|tokens| Shown::new(client, Arc::clone(tokens)));
        let (generation, parts) = (entry.generation, parts.collect());
        Self { generation, record, dpop, whole, parts }
    }

    /// The entry that they are of. Somebody may be about to renew it: whoever does so finds out in the store.
    pub(super) fn entry(&self) -> GrantEntry {
        Entry { generation: self.generation, standing: Standing::Idle, record: self.record.clone() }
    }

    /// The same, in place of others: what is known of an access token that stays is known of it still.
    pub(super) fn in_place_of(self, before: Option<&Self>) -> Self {
        if let Some(before) = before {
            self.whole.learn_from(&before.whole);
            for part in &self.parts {
                let known = before.parts.iter().find(|known| known.is_for(&part.tokens));
                known.into_iter().for_each(|known| part.learn_from(known));
            }
        }
        self
    }

    /// Those that were got for this part, because an API may have refused the ones before.
    pub(super) fn got_for(self, part: Option<&Part>, follows_refusal: bool) -> Self {
        if let Some(shown) = self.find(part).map(|at| self.at(at)) {
            shown.follows_refusal.store(follows_refusal, Ordering::Relaxed);
            shown.accepted.store(false, Ordering::Relaxed);
            shown.is_sought.store(false, Ordering::Relaxed);
        }
        self
    }

    /// The tokens for all of the grant.
    pub(super) fn tokens(&self) -> &Arc<TokenSet> {
        &self.whole.tokens
    }

    fn find(&self, part: Option<&Part>) -> Option<At> {
        let Some(part) = part else { return Some(At::Whole) };
        let asked = part.requested();
        self.parts.iter().position(|shown| shown.tokens.requested() == asked).map(At::Part)
    }

    fn at(&self, at: At) -> &Shown {
        match at {
            At::Part(at) => self.parts.get(at).unwrap_or(&self.whole),
            At::Whole => &self.whole,
        }
    }
}

impl Shown {
    fn new(client: &Client, tokens: Arc<TokenSet>) -> Self {
        let origins = client.origins_of(&tokens);
        let party = client.bearer(tokens.access_token().clone(), &origins);
        let is_header = !tokens.access_token().is_bound() && party.placement().is_none();
        let time = |time: Option<Timestamp>| system_time(time.unwrap_or(Timestamp::from_millis(i64::MAX)));
        let good = (system_time(tokens.issued_at() - SKEW), time(tokens.renew_at(client.runtime().draw())));
        let (until, party) = (time(tokens.stale_at()), Arc::new(party));
        let (is_sought, follows_refusal, accepted) = Default::default();
        Self { tokens, party, origins, is_header, good, until, is_sought, follows_refusal, accepted }
    }

    /// Whether it was asked for as those were.
    fn is_for(&self, tokens: &TokenSet) -> bool {
        self.tokens.requested() == tokens.requested()
    }

    fn learn_from(&self, known: &Self) {
        if self.is_same(known) {
            for (own, known) in [
                (&self.is_sought, &known.is_sought),
                (&self.follows_refusal, &known.follows_refusal),
                (&self.accepted, &known.accepted),
            ] {
                own.store(known.load(Ordering::Relaxed), Ordering::Relaxed);
            }
        }
    }

    /// Whether it is the same access token, got at the same time.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        is_same(&self.tokens, &other.tokens)
    }

    pub(super) fn tokens(&self) -> &Arc<TokenSet> {
        &self.tokens
    }

    /// Whether the access token is used without asking for another.
    pub(super) fn is_good(&self, now: SystemTime) -> bool {
        self.good.0 <= now && now < self.good.1
    }

    /// Whether the access token can be used, though another may be wanted.
    pub(super) fn is_usable(&self, now: SystemTime) -> bool {
        self.good.0 <= now && now < self.until
    }

    /// Whether the access token will live for this long; where nobody knows, it will.
    pub(super) fn lasts(&self, time: Duration, now: SystemTime) -> bool {
        self.is_usable(now) && self.tokens.expires_at().is_none_or(|end| Timestamp::from(now) + time <= end)
    }

    /// Whether nobody is getting another yet: who asks gets it.
    pub(super) fn seek(&self) -> bool {
        !self.is_sought.load(Ordering::Relaxed) && !self.is_sought.swap(true, Ordering::Relaxed)
    }

    /// Another could not be got, and may be sought again.
    pub(super) fn give_up(&self) {
        self.is_sought.store(false, Ordering::Relaxed);
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
        let is_new = now - self.tokens.issued_at() < NEW;
        !self.follows_refusal.load(Ordering::Relaxed) || self.accepted.load(Ordering::Relaxed) || !is_new
    }
}

/// Whether it is the same access token, got at the same time.
pub(super) fn is_same(one: &TokenSet, other: &TokenSet) -> bool {
    one.issued_at() == other.issued_at() && one.access_token() == other.access_token()
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

/// One access token of those in use, held with the others.
#[derive(Clone)]
pub(super) struct InUse {
    pub(super) live: Arc<Live>,
    at: At,
}

impl InUse {
    /// That for this part, if there is one.
    pub(super) fn of(live: Arc<Live>, part: Option<&Part>) -> Option<Self> {
        live.find(part).map(|at| Self { live, at })
    }
}

impl Deref for InUse {
    type Target = Shown;

    fn deref(&self) -> &Shown {
        self.live.at(self.at)
    }
}

/// The `Authorization` value of a session, for as long as this is held. It is marked sensitive.
///
/// Holding it keeps the old tokens in memory when new ones come: use it and let it go.
pub struct Bearer {
    live: Guard<Option<Arc<Live>>>,
    at: At,
}

impl Bearer {
    /// The value for this part, if it needs no proof and is good; otherwise somebody says whether it can be used.
    pub(super) fn of(
        live: Guard<Option<Arc<Live>>>,
        part: Option<&Part>,
        now: SystemTime,
        is_usable: impl FnOnce(&InUse) -> bool,
    ) -> Option<Self> {
        let known = live.as_ref()?;
        let at = known.find(part)?;
        let shown = known.at(at);
        if !shown.is_header || !(shown.is_good(now) || Self::is_asked_for(known, at, is_usable)) {
            return None;
        }
        Some(Self { live, at })
    }

    /// Apart, so that who has a good one does not carry it along.
    #[cold]
    fn is_asked_for(known: &Arc<Live>, at: At, is_usable: impl FnOnce(&InUse) -> bool) -> bool {
        is_usable(&InUse { live: Arc::clone(known), at })
    }
}

impl Deref for Bearer {
    type Target = HeaderValue;

    fn deref(&self) -> &HeaderValue {
        static NONE: HeaderValue = HeaderValue::from_static("");
        // `of` makes none without tokens.
        self.live.as_ref().map_or(&NONE, |live| live.at(self.at).tokens.access_token().header())
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer([redacted])")
    }
}
