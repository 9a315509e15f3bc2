//! The refresh transaction: how many who share one grant renew it, one at a time, and lose nothing that can be kept.
//!
//! ```text
//!              held by others             newer                       nothing there, or ended
//!   Leasing ◀───────────────▶ Waiting  ┌────────▶ adopted        ┌──────────▶ logged out, ended
//!      │ acquired                      │                         │
//!      ▼                               │                         │
//!   Loading ───────────────────────────┴─────────────────────────┘
//!      │ as we hold it
//!      ▼            conflict: load again
//!   Intending ─────────────────────────▶ Loading
//!      │ written
//!      ▼        tokens                 kept, or not
//!   Asking ───────────────▶ Keeping ───────────────▶ renewed
//!      │  │ refused ──────▶ Reviewing ── moved ─────▶ adopted
//!      │  │                     └─ as it was ───────▶ ended, by a mark in the store
//!      │  │ lost ─────────▶ Noting ──▶ lost: once more, another time; or ended, if that was the second
//!      │  └ unspent ──────▶ Withdrawing ──▶ failed
//!      └ late: the lease may be over ──▶ Leasing
//! ```
//!
//! A server that rotates refresh tokens takes a second use of one for theft, and revokes the whole grant (RFC 9700 §4.14.2).
//! Whoever shares a grant therefore takes a lease, reads what is there, and writes down what is about to be done before it is
//! done. What the server answered is kept before anybody uses it.

use std::{fmt, time::Duration};

use super::TokenRecord;
use crate::time::{Timestamp, Window};

/// What a store holds of one grant: what it was written as, how it stands, and the tokens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "made by drivers of what their stores hold")]
pub struct Entry<R> {
    /// How often it was written. A write names the one that it follows.
    pub generation: u64,
    /// How it stands.
    pub standing: Standing,
    /// The tokens.
    pub record: R,
}

/// Tokens of a grant, which are renewed time and again.
pub trait Renewed: Clone + PartialEq {
    /// How often they were renewed: of two records of a grant, the one with more is the newer.
    fn renewals(&self) -> u64;
}

impl Renewed for TokenRecord {
    fn renewals(&self) -> u64 {
        self.generation()
    }
}

/// How a grant stands in its store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "whoever reads one decides about all of them")]
pub enum Standing {
    /// Nobody is about to use the refresh token.
    Idle,
    /// Somebody was about to use the refresh token, and may have.
    InFlight {
        /// Since when.
        since: Timestamp,
        /// How many answers are known to be lost.
        lost: u8,
    },
    /// Nothing renews it any more: the user has to sign in again. It is not deleted, so that nobody takes what is left of it
    /// for a grant, and that why is known.
    Ended(Ended),
}

/// Why nothing renews a grant any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ended {
    /// Somebody logged out.
    LoggedOut,
    /// The server refused the refresh token.
    Refused,
    /// The server had taken the refresh token, and what it answered was lost.
    RotationLost,
    /// The answer was lost twice, so that nobody knows.
    OutcomeUnknown,
}

/// What is to be done next.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a driver that forgets one must not compile")]
pub enum Deed<R> {
    /// Take the lease of the grant, or keep it if it is held already.
    Lease,
    /// Read what the store holds.
    Load,
    /// Write this, if the store holds what was written the time before.
    Put(Entry<R>),
    /// Ask the server, by the refresh token of this record, and send nothing outside of this time: the lease may then be another's,
    /// who asks by the same token. Hold on to the lease as long as that takes.
    Ask(R, Window),
    /// Come back after this time. If the lease is held, it is held on to.
    Wait(Duration),
    /// It is over: give the lease back.
    Done(Outcome<R>),
}

/// What came of a deed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "made by drivers")]
pub enum Report<R> {
    /// Nothing yet; or the wait is over.
    Go,
    /// The lease was taken.
    Leased,
    /// Somebody else has the lease.
    Held,
    /// What the store holds.
    Loaded(Option<Entry<R>>),
    /// It was written.
    Written,
    /// Something else was written before.
    Conflict,
    /// The store did not answer, or with an error.
    StoreFailed,
    /// The server gave new tokens.
    Tokens(R),
    /// The server refused the refresh token for good.
    Refused,
    /// The server may have acted, and its answer is lost.
    Lost,
    /// The server cannot have acted, or refused for a reason that is not the token's.
    Unspent,
    /// It was too late to send anything, and the server cannot have acted.
    Late,
    /// The server gave tokens that are not to be used, for a refresh token that is now worth nothing.
    Worthless,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "whoever gets one decides about all of them")]
pub enum Outcome<R> {
    /// Somebody else had renewed it.
    Adopted(Entry<R>),
    /// It was renewed.
    Renewed {
        /// What is in use now.
        entry: Entry<R>,
        /// Whether it is kept: if not, keep it as soon as that can be done.
        kept: bool,
    },
    /// It was renewed, and somebody had logged out meanwhile: have these revoked.
    Orphaned(R),
    /// Nothing renews it any more.
    Ended(Ended),
    /// The answer was lost. Another transaction, a moment later, asks once more.
    Lost,
    /// Nothing was lost, and nothing was got: by what the last [`Report`] told, or because others were at it for too long.
    Failed,
}

/// How a transaction goes about what can be done in several ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Manner {
    /// Whether to ask the server although the store cannot be asked. Two who do so at once may lose the grant.
    pub without_store: bool,
    /// Whether the next one asks once more when an answer was lost. If the server had not acted, that succeeds; if it had, its answer
    /// was lost to everybody, and asking loses nothing more.
    pub once_more: bool,
    /// How often to look whether somebody else who has the lease is done, four times a second.
    pub patience: u8,
    /// How often to try to keep new tokens: about half a minute, unless it is said otherwise. Until then the lease is held, so
    /// that nobody uses the refresh token that is worth nothing any more.
    pub keep_tries: u8,
    /// How long a lease lasts that is not kept up, unless nobody else ever has the grant.
    pub lease: Option<Duration>,
}

impl Default for Manner {
    fn default() -> Self {
        Self { without_store: false, once_more: true, patience: 120, keep_tries: 18, lease: None }
    }
}

impl Manner {
    /// As most want it: nothing without the store, and once more after a lost answer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

/// How long to wait for somebody else, between two looks, and before new tokens are tried to be kept again for the first time.
const LOOK: Duration = Duration::from_millis(250);
/// How long to wait at most between two tries to keep new tokens.
const LONGEST_REST: Duration = Duration::from_secs(2);
/// How long a request may take that is sent at the last moment of a lease.
const REQUEST: Duration = Duration::from_secs(15);
/// How often any other write is tried, and a conflict looked into.
const TRIES: u8 = 3;

/// One transaction. Its driver does what [`step`](Self::step) says, and reports what came of it.
///
/// ```
/// use valetkey_proto::{Timestamp, oauth2::token::refresh::{Deed, Entry, Manner, Outcome, Refresh, Renewed, Report, Standing}};
///
/// let now = Timestamp::from_secs(1_700_000_000);
/// /// How often they were renewed, in the place of tokens.
/// #[derive(Clone, Debug, PartialEq)]
/// struct Tokens(u64);
///
/// impl Renewed for Tokens {
///     fn renewals(&self) -> u64 {
///         self.0
///     }
/// }
///
/// let held = Entry { generation: 4, standing: Standing::Idle, record: Tokens(2) };
/// let mut refresh = Refresh::new(held.clone(), Manner::new());
/// assert_eq!(refresh.step(Report::Go, now), Deed::Lease);
/// assert_eq!(refresh.step(Report::Leased, now), Deed::Load);
/// // Another process was quicker.
/// let newer = Entry { generation: 6, record: Tokens(3), ..held };
/// assert_eq!(refresh.step(Report::Loaded(Some(newer.clone())), now), Deed::Done(Outcome::Adopted(newer)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Refresh<R> {
    /// What the caller found wanting.
    held: Entry<R>,
    manner: Manner,
    state: State<R>,
    looks: u8,
    tries: u8,
    /// How many answers are known to be lost.
    lost: u8,
    /// Whether the server may have taken the refresh token for an answer that nobody has.
    is_doubtful: bool,
    /// Whether the store says that the server is being asked.
    is_written: bool,
    /// When the lease was asked for: it may have been given at once, and nobody heard of it for long.
    leased: Option<Timestamp>,
    /// The generation that says that the server is being asked, and it was too late for that.
    unasked: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum State<R> {
    Ready,
    Leasing,
    Loading,
    /// What is about to be done is being written down.
    Intending(Entry<R>),
    /// With what was written last.
    Asking(Entry<R>),
    /// The server has refused: is it because somebody else was quicker?
    Reviewing(Entry<R>),
    /// The mark that it has ended is being written.
    Ending(Ended),
    /// The intent is being taken back.
    Withdrawing(Entry<R>),
    /// That an answer was lost is being written down.
    Noting,
    /// New tokens are being kept.
    Keeping(Entry<R>),
    /// New tokens were not kept, because something else is there.
    Reconciling(Entry<R>),
    /// Somebody else has the lease.
    Waiting,
    /// Before new tokens are tried to be kept once more.
    Resting(Entry<R>),
    Over,
}

impl<R: Renewed> Refresh<R> {
    /// Renews what the caller holds and found wanting.
    #[must_use]
    pub fn new(held: Entry<R>, manner: Manner) -> Self {
        let (is_doubtful, is_written) = (false, false);
        let (state, leased, unasked) = (State::Ready, None, None);
        let (looks, tries, lost) = (0, 0, 0);
        Self { held, manner, state, looks, tries, lost, is_doubtful, is_written, leased, unasked }
    }

    /// Takes what came of the last deed, and says what to do. A report that makes no sense counts as a failure of what was
    /// to be done, and after [`Deed::Done`] as nothing.
    pub fn step(&mut self, report: Report<R>, now: Timestamp) -> Deed<R> {
        match (std::mem::replace(&mut self.state, State::Over), report) {
            (State::Ready | State::Waiting, _) => self.lease(now),
            (State::Leasing, Report::Leased) => self.goes(State::Loading, Deed::Load),
            (State::Leasing, Report::Held) => self.look_again(),
            (State::Loading, Report::Loaded(found)) => self.found(found, now),
            (State::Leasing | State::Loading, _) => self.without_store(),
            (State::Intending(entry), Report::Written) => self.ask(entry),
            (State::Intending(_), Report::Conflict) if self.may_try() => self.look_anew(now),
            (State::Intending(_), _) => self.without_store(),
            (State::Asking(entry), Report::Tokens(record)) => {
                self.tries = 0;
                let generation = entry.generation + 1;
                self.keep(Entry { generation, standing: Standing::Idle, record })
            }
            (State::Asking(entry), Report::Refused) => self.goes(State::Reviewing(entry), Deed::Load),
            (State::Asking(entry), Report::Late) if self.may_try() => {
                self.unasked = Some(entry.generation);
                self.lease(now)
            }
            (State::Asking(entry), Report::Unspent | Report::Late) => self.withdraw(entry),
            (State::Asking(entry), Report::Worthless) => self.end(entry, Ended::RotationLost),
            // Whatever else came of it, the server may have acted.
            (State::Asking(entry), _) => self.lost(entry),
            (State::Noting, _) => self.over(Outcome::Lost),
            (State::Reviewing(entry), Report::Loaded(Some(found))) if is_newer(&found, &entry) => {
                self.over(Outcome::Adopted(found))
            }
            (State::Reviewing(entry), _) => self.refused(entry),
            (State::Ending(_), Report::Conflict) if self.may_try() => self.look_anew(now),
            (State::Ending(why), _) => self.over(Outcome::Ended(why)),
            (State::Withdrawing(entry), Report::StoreFailed) if self.may_try() => self.withdraw(entry),
            (State::Withdrawing(_), _) => self.over(Outcome::Failed),
            (State::Keeping(entry), Report::Written) => self.over(Outcome::Renewed { entry, kept: true }),
            (State::Keeping(entry), Report::Conflict) => self.goes(State::Reconciling(entry), Deed::Load),
            (State::Keeping(entry), _) if self.may_keep() => {
                let rest = LOOK.saturating_mul(1 << self.tries.min(8)).min(LONGEST_REST);
                self.goes(State::Resting(entry), Deed::Wait(rest))
            }
            (State::Resting(entry), _) => self.keep(entry),
            (State::Reconciling(entry), Report::Loaded(found)) => self.reconcile(entry, found, now),
            (State::Keeping(entry) | State::Reconciling(entry), _) => {
                self.over(Outcome::Renewed { entry, kept: false })
            }
            (State::Over, _) => self.over(Outcome::Failed),
        }
    }

    fn lease(&mut self, now: Timestamp) -> Deed<R> {
        self.leased = Some(now);
        self.goes(State::Leasing, Deed::Lease)
    }

    /// Something else is there than what was read. If the lease is over, somebody else may be at it.
    fn look_anew(&mut self, now: Timestamp) -> Deed<R> {
        if self.lasts(now) { self.goes(State::Loading, Deed::Load) } else { self.lease(now) }
    }

    /// Somebody else has the lease.
    fn look_again(&mut self) -> Deed<R> {
        if self.looks == self.manner.patience {
            return self.over(Outcome::Failed);
        }
        self.looks += 1;
        self.goes(State::Waiting, Deed::Wait(LOOK))
    }

    /// What the store holds, now that nobody else is at it.
    fn found(&mut self, found: Option<Entry<R>>, now: Timestamp) -> Deed<R> {
        // Somebody has deleted it: a log-out elsewhere wins.
        let Some(found) = found else { return self.over(Outcome::Ended(Ended::LoggedOut)) };
        // What we hold could not be kept when it came: nobody else knows of it, and what is there is worth nothing.
        let is_ours = self.held.record.renewals() > found.record.renewals();
        match found.standing {
            Standing::Ended(why) => return self.over(Outcome::Ended(why)),
            // Somebody who did not know of ours was about to use the one before, for which the server may have ended the grant.
            Standing::InFlight { .. } if is_ours => self.is_doubtful = true,
            Standing::Idle if is_ours => {}
            Standing::Idle if found.record != self.held.record => return self.over(Outcome::Adopted(found)),
            Standing::Idle => {}
            // That is ours, and nobody has written anything since.
            Standing::InFlight { .. } if self.unasked == Some(found.generation) => {}
            // Whoever wrote that is gone, since the lease is ours. Whether the server was asked, nobody knows.
            Standing::InFlight { lost, .. } => {
                self.is_doubtful = true;
                self.lost = self.lost.max(lost);
            }
        }
        if self.is_enough() {
            return self.end(found, Ended::OutcomeUnknown);
        }
        let standing = Standing::InFlight { since: now, lost: self.lost };
        let record = if is_ours { self.held.record.clone() } else { found.record };
        let intent = Entry { generation: found.generation + 1, standing, record };
        self.goes(State::Intending(intent.clone()), Deed::Put(intent))
    }

    /// Whether no more answers may be lost.
    fn is_enough(&self) -> bool {
        self.lost > u8::from(self.manner.once_more)
    }

    /// The store cannot be asked.
    fn without_store(&mut self) -> Deed<R> {
        if !self.manner.without_store {
            return self.over(Outcome::Failed);
        }
        if self.is_enough() {
            return self.over(Outcome::Ended(Ended::OutcomeUnknown));
        }
        (self.is_written, self.leased) = (false, None);
        self.ask(self.held.clone())
    }

    fn ask(&mut self, entry: Entry<R>) -> Deed<R> {
        self.is_written |= matches!(entry.standing, Standing::InFlight { .. });
        let record = entry.record.clone();
        let window = self.window();
        self.goes(State::Asking(entry), Deed::Ask(record, window))
    }

    /// Whether the lease lasts, by the clock.
    fn lasts(&self, now: Timestamp) -> bool {
        let (from, time) = (self.leased, self.manner.lease);
        from.zip(time).is_none_or(|(from, time)| Window { from, until: from + time }.contains(now))
    }

    /// When the server may be asked: what is sent then has come there before the lease is over.
    fn window(&self) -> Window {
        match (self.leased, self.manner.lease) {
            (Some(from), Some(lease)) => Window { from, until: from + lease.saturating_sub(REQUEST) },
            (_, _) => Window::ALWAYS,
        }
    }

    /// The server may have acted, and nobody knows.
    fn lost(&mut self, entry: Entry<R>) -> Deed<R> {
        self.lost += 1;
        if self.is_enough() {
            return self.end(entry, Ended::OutcomeUnknown);
        }
        let standing = match entry.standing {
            Standing::InFlight { since, .. } => Standing::InFlight { since, lost: self.lost },
            // Without the store, nobody hears of it.
            Standing::Idle | Standing::Ended(_) => return self.over(Outcome::Lost),
        };
        let generation = entry.generation + 1;
        self.goes(State::Noting, Deed::Put(Entry { generation, standing, ..entry }))
    }

    /// The server cannot have acted: the next one need not doubt it, unless there was doubt before.
    fn withdraw(&mut self, entry: Entry<R>) -> Deed<R> {
        if self.is_doubtful || !self.is_written {
            return self.over(Outcome::Failed);
        }
        let generation = entry.generation + 1;
        let idle = Entry { generation, standing: Standing::Idle, record: entry.record.clone() };
        self.goes(State::Withdrawing(entry), Deed::Put(idle))
    }

    /// The refresh token is good for nothing, and nobody was quicker.
    fn refused(&mut self, entry: Entry<R>) -> Deed<R> {
        let why = if self.is_doubtful { Ended::RotationLost } else { Ended::Refused };
        self.end(entry, why)
    }

    fn end(&mut self, entry: Entry<R>, why: Ended) -> Deed<R> {
        let generation = entry.generation + 1;
        let mark = Entry { generation, standing: Standing::Ended(why), record: entry.record };
        self.goes(State::Ending(why), Deed::Put(mark))
    }

    fn keep(&mut self, entry: Entry<R>) -> Deed<R> {
        self.goes(State::Keeping(entry.clone()), Deed::Put(entry))
    }

    /// Something else is where the new tokens should be.
    fn reconcile(&mut self, entry: Entry<R>, found: Option<Entry<R>>, now: Timestamp) -> Deed<R> {
        let Some(found) = found else { return self.over(Outcome::Orphaned(entry.record)) };
        let (ours, theirs) = (entry.record.renewals(), found.record.renewals());
        let may_be_late = !self.lasts(now);
        if let Standing::Ended(why) = found.standing
            && (theirs >= ours || why != Ended::OutcomeUnknown)
        {
            let is_orphaned = why == Ended::LoggedOut;
            // Otherwise the server has ended the grant, and what it gave us with it.
            let outcome = if is_orphaned { Outcome::Orphaned(entry.record) } else { Outcome::Ended(why) };
            return self.over(outcome);
        }
        if found.record == entry.record {
            // The write that seemed to fail had not.
            self.over(Outcome::Renewed { entry: found, kept: true })
        } else if theirs > ours || (theirs == ours && may_be_late) {
            // We stood still for so long that others went on; or the user has signed in again.
            self.over(Outcome::Adopted(found))
        } else if may_be_late || !self.may_keep() {
            // Whoever else is about to ask gets something newer.
            self.over(Outcome::Renewed { entry, kept: false })
        } else {
            // Ours came later than whatever else the server was asked.
            self.keep(Entry { generation: found.generation + 1, ..entry })
        }
    }

    fn may_keep(&mut self) -> bool {
        self.tries = self.tries.saturating_add(1);
        self.tries < self.manner.keep_tries
    }

    fn may_try(&mut self) -> bool {
        self.tries = self.tries.saturating_add(1);
        self.tries < TRIES
    }

    fn goes(&mut self, state: State<R>, deed: Deed<R>) -> Deed<R> {
        self.state = state;
        deed
    }

    fn over(&mut self, outcome: Outcome<R>) -> Deed<R> {
        self.state = State::Over;
        Deed::Done(outcome)
    }
}

/// Whether somebody else has renewed it.
fn is_newer<R: Renewed>(found: &Entry<R>, entry: &Entry<R>) -> bool {
    found.record.renewals() > entry.record.renewals() && !matches!(found.standing, Standing::Ended(_))
}

impl Ended {
    const ALL: [Self; 4] = [Self::LoggedOut, Self::Refused, Self::RotationLost, Self::OutcomeUnknown];

    /// As records have it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::LoggedOut => "logged_out",
            Self::Refused => "refused",
            Self::RotationLost => "rotation_lost",
            Self::OutcomeUnknown => "outcome_unknown",
        }
    }

    pub(super) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ended| ended.name() == name)
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LoggedOut => "somebody logged out",
            Self::Refused => "the server refused the refresh token",
            Self::RotationLost => "the server's answer was lost",
            Self::OutcomeUnknown => "the server's answer was lost twice",
        })
    }
}

#[cfg(test)]
mod model;
