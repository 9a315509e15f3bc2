//! A session: tokens that renew themselves, and the requests that are made with them.

mod event;
mod keeping;
mod live;
mod part;
mod place;
mod renewal;
mod revoking;
mod sending;
mod step_up;

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, OnceLock, Weak, atomic::Ordering},
    time::{Duration, SystemTime},
};

use valetkey_proto::{
    Advice, Error, ErrorKind, Reason, Result,
    oauth2::{
        binding::Dpop,
        step_up::Operation,
        token::{TokenRecord, TokenSet, refresh::Standing},
    },
    oidc::{IdToken, UserInfo},
};

pub(crate) use self::{
    event::Nobody,
    place::{GrantEntry, Shared, Shelf},
    renewal::{Asking, Renewal, ended},
};
#[cfg(feature = "tracing")]
pub use event::TracingObserver;
pub use event::{Anomaly, Observer, SessionEvent};
pub use keeping::TokenKeeper;
pub use live::Bearer;
pub use part::Narrow;
pub use sending::{Attached, NoReplay, Verdict};

use self::{
    keeping::Keeping,
    live::{InUse, Live},
    part::{Part, Parts, is_of_a_part},
    place::Place,
    renewal::{Work, pause_after},
};
use crate::{
    client::Client,
    remembered::Remembered,
    slot::{Slot, WeakSlot},
    sync::{AtomicBool, Mutex},
};

/// The tokens of one grant, and the way to use them. They renew themselves. It is cheap to clone, and clones are
/// the same session.
///
/// It comes of [`Client::redeem`] or [`DeviceLogin::wait`](crate::DeviceLogin::wait), in a user's name, of [`Client::client_credentials`], in the client's own, of
/// [`Client::jwt_bearer`], [`Client::exchange`] and other grants, and [`Client::self_signed`], or of [`Client::restore`].
///
/// Any number of callers at once make one renewal and share its outcome, and it goes on if a caller goes away. A
/// renewal that fails does not hide a token that is still good, and is not tried again before its time.
///
/// Where the backend has an executor ([`Backend::spawn`](valetkey_http::Backend::spawn)), nobody waits for a renewal in the
/// last minute or so of a token's life: the token is used, and another is got meanwhile
/// ([`TokenSet::renew_at`]). Within the last ten seconds, and without an executor, callers wait.
#[derive(Clone)]
pub struct Session {
    grant: Arc<Grant>,
    tokens: Slot<Live>,
    /// What of the grant it is for, if that is not all.
    part: Option<Arc<Part>>,
}

/// What is known of a grant beside its tokens. A renewal takes it along, and may outlive the session.
struct Grant {
    client: Client,
    renewal: Renewal,
    /// The key that the first tokens are bound to, and all that are got by them.
    dpop: Option<Dpop>,
    place: Place,
    is_closed: AtomicBool,
    /// What most grants do without.
    rare: OnceLock<Box<Rare>>,
}

#[derive(Default)]
struct Rare {
    keeping: Keeping,
    /// For what the user was asked for more, and then it succeeded.
    succeeded: Mutex<BTreeSet<Operation>>,
    /// The parts that there are sessions for.
    parts: Parts,
    /// Why the server gives no tokens for all of the grant, and until when it is not asked again.
    refusal: Remembered,
}

impl Grant {
    fn rare(&self) -> &Rare {
        self.rare.get_or_init(Box::default)
    }
}

/// A session that others hold, or have let go.
pub(crate) struct WeakSession {
    grant: Weak<Grant>,
    tokens: WeakSlot<Live>,
}

impl WeakSession {
    pub(crate) fn upgrade(&self) -> Option<Session> {
        Some(Session { grant: self.grant.upgrade()?, tokens: self.tokens.upgrade()?, part: None })
    }
}

impl Session {
    pub(crate) fn new(
        client: Client,
        renewal: Renewal,
        record: Option<TokenRecord>,
        dpop: Option<Dpop>,
    ) -> Self {
        let entry = record.map(|record| GrantEntry { generation: 1, standing: Standing::Idle, record });
        Self::at(client, renewal, entry.clone(), Place::own(entry), dpop)
    }

    /// A session whose grant is in a store.
    pub(crate) fn of_store(client: Client, entry: GrantEntry, shared: Shared, dpop: Option<Dpop>) -> Self {
        Self::at(client, Renewal::RefreshToken, Some(entry), Place::shared(shared), dpop)
    }

    /// From now on its grant is in a store, where this has put its record. Nobody renews it meanwhile, so that no refresh
    /// token is kept that has been used.
    pub(crate) async fn share<W>(&self, shared: Shared, save: impl FnOnce(TokenRecord) -> W) -> Result<()>
    where
        W: Future<Output = Result<GrantEntry>> + Send + 'static,
    {
        let grant = Arc::clone(&self.grant);
        let work = |present: Option<Arc<Live>>| {
            let record = present.as_ref().map(|live| live.record.clone());
            let saved = record.map(|record| save(self.without_what_succeeded(record)));
            async move {
                let missing = || Error::new(ErrorKind::Usage, Reason::MissingRefreshToken);
                let entry = saved.ok_or_else(missing)?.await?;
                grant.place.move_to(shared);
                let dpop = present.as_ref().and_then(|present| present.dpop.clone());
                Ok(Live::new(&grant.client, entry, dpop).in_place_of(present.as_deref()))
            }
        };
        self.tokens.rename(self.grant.client.runtime().backend(), work).await.map(drop)
    }

    /// Whether a user has granted it, and a refresh token renews it.
    pub(crate) fn is_users(&self) -> bool {
        matches!(self.grant.renewal, Renewal::RefreshToken)
    }

    /// Whether it was closed, or has ended with older tokens than these.
    pub(crate) fn has_ended_before(&self, record: &TokenRecord) -> bool {
        if self.grant.is_closed.load(Ordering::Relaxed) {
            return true;
        }
        self.has_ended() && self.record().is_none_or(|own| own.generation() < record.generation())
    }

    /// Whether nothing renews its tokens any more.
    pub(crate) fn has_ended(&self) -> bool {
        self.grant.is_closed.load(Ordering::Relaxed) || self.tokens.has_ended()
    }

    #[cfg(all(test, shuttle))]
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.grant, &other.grant)
    }

    pub(crate) fn downgrade(&self) -> WeakSession {
        WeakSession { grant: Arc::downgrade(&self.grant), tokens: self.tokens.downgrade() }
    }

    /// A session whose grant is at this place.
    fn at(
        client: Client,
        renewal: Renewal,
        entry: Option<GrantEntry>,
        place: Place,
        dpop: Option<Dpop>,
    ) -> Self {
        let live = entry.map(|entry| Live::new(&client, entry, dpop.clone()));
        let tokens = Slot::new(live, pause_after);
        let (is_closed, rare) = (AtomicBool::new(false), OnceLock::new());
        let grant = Arc::new(Grant { client, renewal, dpop, place, is_closed, rare });
        Self { grant, tokens, part: None }
    }

    fn part(&self) -> Option<&Part> {
        self.part.as_deref()
    }

    /// The `Authorization` value, if there is an access token that can be used; without waiting, and, but for the one call
    /// that has another one got meanwhile, without locking or allocating. `None`: [`tokens`](Self::tokens) renews. There is
    /// none for a token that is bound to a key, which is worth nothing without a proof: [`attach`](Self::attach) adds both.
    ///
    /// # Security
    ///
    /// Nothing checks where you send it: [`send`](Self::send) and [`attach`](Self::attach) do.
    #[must_use]
    pub fn bearer(&self) -> Option<Bearer> {
        // The clock last: it takes the longest, and the processor need not wait for the rest before.
        let live = self.tokens.peek();
        let now = self.now();
        Bearer::of(live, self.part(), now, |used| self.is_usable(used, now))
    }

    /// Tokens that can be used now, renewed if they are about to expire; in the client's own name, the first ones are
    /// got if there are none yet.
    ///
    /// # Errors
    ///
    /// Whatever renewing ends with, unless the present token is still good.
    pub async fn tokens(&self) -> Result<Arc<TokenSet>> {
        Ok(Arc::clone(self.usable().await?.tokens()))
    }

    /// Tokens that can be used for this long from now, renewed if the present ones cannot. Where the server does not say how
    /// long they live, the present ones will do.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use valetkey::Client;
    /// # use valetkey_testkit::{Provider, block_on};
    /// # block_on(async {
    /// # let provider = Provider::new();
    /// # let client = Client::builder(provider.clone()).discover("https://issuer.test").id("app").secret("app-secret")
    /// #     .redirect_uri("https://client.test/cb").build().await?;
    /// # let (url, pending) = client.authorize().scope("read").start().await?;
    /// # let session = client.redeem(pending, provider.visit(&url).expect("the user approves")).await?;
    /// // For a job that takes half an hour, and cannot renew the token itself.
    /// let tokens = session.tokens_for(Duration::from_secs(30 * 60)).await?;
    /// # let _ = tokens;
    /// # Ok::<(), valetkey::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::InvalidValue`] if the server's tokens do not live that long. Otherwise whatever renewing ends with.
    pub async fn tokens_for(&self, time: Duration) -> Result<Arc<TokenSet>> {
        let too_long =
            || Error::new(ErrorKind::Usage, Reason::InvalidValue).with_detail("tokens do not live that long");
        let known = self.usable().await?;
        if known.lasts(time, self.now()) {
            return Ok(Arc::clone(known.tokens()));
        }
        // What the server gave for less than that, it will give for less again.
        if known.tokens().lifetime().is_some_and(|lifetime| lifetime < time) {
            return Err(too_long());
        }
        let live = match self.renew(Some(&known), false).await {
            Ok(live) => live,
            Err(error) => self.once_more(Some(&known), error).await?,
        };
        if live.lasts(time, self.now()) { Ok(Arc::clone(live.tokens())) } else { Err(too_long()) }
    }

    /// Gets new tokens in place of the present ones, be they good or not: by the refresh token (RFC 6749 §6), or in
    /// the client's own name by asking again, with another assertion where there is one.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::MissingRefreshToken`], [`Reason::SessionClosed`]. `Denied`: [`Reason::RefreshDenied`] if the
    /// refresh token is no longer good, [`Reason::RotationLost`] if the server took it and the answer was lost; sign
    /// in again. `Transport`, `Timeout`, `Server`, `Protocol`: [`Reason::OutcomeUnknown`] if it cannot be known
    /// whether the refresh token was used. After an error the present tokens stay as they are, and for a while the
    /// same error is returned without asking.
    pub fn refresh(&self) -> impl Future<Output = Result<Arc<TokenSet>>> + Send + '_ {
        // What is to be replaced is settled by the call, and not when the future is first polled: of many who
        // were refused with the same token, one renews.
        let present = self.present();
        async move { Ok(Arc::clone(self.renew(present.as_ref(), false).await?.tokens())) }
    }

    /// Who signed in, verified by the server's keys; `None` if the scope `openid` was not asked for. After a refresh that
    /// says it anew, it is what that said.
    #[must_use]
    pub fn identity(&self) -> Option<IdToken> {
        self.tokens.peek().as_ref().and_then(|live| live.tokens().id_token().cloned())
    }

    /// Asks the server for more about the user (OpenID Connect Core §5.3), with the access token in the header. The answer
    /// is about the same user as the [`identity`](Self::identity), or an error.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::OutOfTurn`] without an identity. `Untrusted`: [`Reason::SubjectMismatch`], and whatever is
    /// wrong with a signature; [`Reason::KindMismatch`] if it is not signed and should be. `Denied`:
    /// [`Reason::Challenged`] or [`Reason::RequestDenied`] if the server does not take the token. `Protocol`: whatever is
    /// wrong with the answer. Otherwise whatever renewing ends with.
    pub async fn user_info(&self) -> Result<UserInfo> {
        Box::pin(self.ask_user_info(false)).await
    }

    /// The same, with the access token in a posted form (RFC 6750 §2.2), for servers that take it nowhere else.
    ///
    /// # Errors
    ///
    /// As [`user_info`](Self::user_info); `Usage`: [`Reason::InvalidValue`] for tokens that are bound to a key.
    pub async fn user_info_by_form(&self) -> Result<UserInfo> {
        Box::pin(self.ask_user_info(true)).await
    }

    async fn ask_user_info(&self, in_body: bool) -> Result<UserInfo> {
        // With the token for all that was granted, which the server knows best.
        let used = Self { part: None, ..self.clone() }.usable().await?;
        let tokens = used.tokens();
        let nobody = || Error::new(ErrorKind::Usage, Reason::OutOfTurn).with_detail("no identity");
        let user = tokens.id_token().ok_or_else(nobody)?;
        self.grant.client.user_info(user, tokens.access_token(), in_body, used.live.dpop.clone()).await
    }

    /// The tokens as they can be kept; `None` before the first ones are got. [`Client::restore`] takes it.
    #[must_use]
    pub fn record(&self) -> Option<TokenRecord> {
        let record = self.tokens.peek().as_ref().map(|live| live.record.clone());
        record.map(|record| self.without_what_succeeded(record))
    }

    /// Keeps the present tokens, and from now on every new ones before they are used.
    ///
    /// # Errors
    ///
    /// `Store`: [`Reason::NotKept`] if the present tokens could not be kept. The keeper stays all the same.
    pub async fn keep(&self, keeper: impl TokenKeeper + 'static) -> Result<()> {
        self.grant.rare().keeping.set(Arc::new(keeper));
        self.keep_present().await
    }

    async fn keep_present(&self) -> Result<()> {
        let Some(record) = self.record() else { return Ok(()) };
        if self.grant.keep(&record).await {
            Ok(())
        } else {
            Err(Error::new(ErrorKind::Store, Reason::NotKept))
        }
    }

    /// Ends renewing: waits for a renewal that is under way, and keeps tokens that could not be kept before. The
    /// access token stays usable until it expires.
    ///
    /// Call it before a program ends: what a renewal brings after that, nobody keeps.
    ///
    /// # Errors
    ///
    /// `Store`: [`Reason::NotKept`] if tokens are in use that could not be kept.
    pub async fn close(&self) -> Result<()> {
        self.grant.is_closed.store(true, Ordering::Relaxed);
        self.tokens.settle().await;
        if self.grant.keeping().is_some_and(Keeping::is_behind) { self.keep_present().await } else { Ok(()) }
    }

    /// What there is, good or not.
    fn present(&self) -> Option<InUse> {
        self.tokens.get().and_then(|live| InUse::of(live, self.part()))
    }

    /// What can be used now.
    async fn usable(&self) -> Result<InUse> {
        let now = self.now();
        let known = match self.present() {
            Some(used) if used.is_good(now) || self.is_usable(&used, now) => return Ok(used),
            known => known,
        };
        let error = match self.renew(known.as_ref(), false).await {
            Ok(used) => return Ok(used),
            Err(error) => error,
        };
        match known {
            // It was early to renew, and the old one is still good.
            Some(used) if !used.tokens().is_expired(self.grant.client.runtime().now()) => Ok(used),
            known => self.once_more(known.as_ref(), error).await,
        }
    }

    fn now(&self) -> SystemTime {
        self.grant.client.runtime().backend().now()
    }

    /// Whether this can be used though another is wanted, which is then got meanwhile. Without an executor nobody would
    /// drive that on: then it can be used until callers have to wait.
    fn is_usable(&self, used: &InUse, now: SystemTime) -> bool {
        let is_usable = used.is_usable(now);
        if is_usable && self.is_renewable(used) && used.seek() {
            let (session, part, used) = (self.downgrade(), self.part.clone(), used.clone());
            let backend = self.grant.client.runtime().backend();
            let alarm = Arc::clone(backend);
            // If it is handed back, nothing has begun.
            let _ = backend.spawn(Box::pin(async move {
                let Some(session) = session.upgrade() else { return };
                let session = Self { part, ..session };
                if session.renew(Some(&used), false).await.is_err() {
                    drop(session);
                    alarm.sleep(SOUGHT_AGAIN).await;
                    used.give_up();
                }
            }));
        }
        is_usable
    }

    /// Whether there is something to renew it by.
    fn is_renewable(&self, used: &InUse) -> bool {
        let has_refresh_token = used.live.tokens().refresh_token().is_some();
        !self.grant.is_closed.load(Ordering::Relaxed) && (has_refresh_token || !self.is_users())
    }

    /// After a failure with nothing left to use: if only an answer was lost, asks the one more time that is allowed.
    async fn once_more(&self, known: Option<&InUse>, error: Error) -> Result<InUse> {
        match (error.reason(), error.advice()) {
            (Reason::OutcomeUnknown, Advice::RetryAfter(time)) => {
                self.grant.client.runtime().backend().sleep(time).await;
                self.renew(known, false).await
            }
            (Reason::MissingRefreshToken, _) => Err(Error::new(ErrorKind::Expired, Reason::TokenExpired)),
            _ => Err(error),
        }
    }

    /// Gets another in place of this one. All parts of a grant take turns, since they have one refresh token; those who are
    /// for the same part share what comes.
    async fn renew(&self, known: Option<&InUse>, follows_refusal: bool) -> Result<InUse> {
        if self.grant.is_closed.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Usage, Reason::SessionClosed));
        }
        let backend = self.grant.client.runtime().backend();
        let mut wanting = known.map(|known| Arc::clone(&known.live));
        loop {
            if let Some(error) = self.grant.refusal(self.part(), self.grant.client.runtime().now()) {
                return Err(error);
            }
            let mut is_ours = false;
            let work = || {
                is_ours = true;
                self.work(wanting.clone(), follows_refusal).run()
            };
            match self.tokens.renew(wanting.as_ref(), backend, work).await {
                Ok(live) => match InUse::of(Arc::clone(&live), self.part()) {
                    Some(used) if is_ours || known.is_none_or(|known| !used.is_same(known)) => {
                        return Ok(used);
                    }
                    // A renewal brings what it was for.
                    _ if is_ours => return Err(Error::new(ErrorKind::Usage, Reason::OutOfTurn)),
                    // It was another part's turn.
                    _ => wanting = Some(live),
                },
                Err(error) if !is_ours && is_of_a_part(&error) => wanting = self.tokens.get(),
                Err(error) => return Err(error),
            }
        }
    }

    fn work(&self, present: Option<Arc<Live>>, follows_refusal: bool) -> Work {
        Work { grant: Arc::clone(&self.grant), present, part: self.part.clone(), follows_refusal }
    }
}

/// How long after a failure new tokens are sought again while the present ones are used.
const SOUGHT_AGAIN: Duration = Duration::from_secs(2);

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let renewal = match self.grant.renewal {
            Renewal::RefreshToken => "refresh token",
            Renewal::Asking(ref asking) => asking.name(),
            Renewal::SelfSigned(_) => "self-signed",
        };
        f.debug_struct("Session")
            .field("client", &self.grant.client)
            .field("renewal", &renewal)
            .finish_non_exhaustive()
    }
}
