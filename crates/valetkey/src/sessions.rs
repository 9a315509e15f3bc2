//! Sessions that outlive a program, and that processes and machines share: many accounts in one store.

mod keep_alive;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, Weak, atomic::Ordering},
};

use valetkey_proto::{
    Error, ErrorKind, Reason, Result,
    oauth2::{
        authorization::PendingAuthorization,
        token::{
            TokenRecord,
            refresh::{Ended, Entry, Standing},
        },
    },
    oidc::IdToken,
    secret::Secret,
};

pub use self::keep_alive::KeepAlive;
use crate::{
    client::Client,
    session::{GrantEntry, Session, Shared, Shelf, WeakSession, ended},
    store::{self, Put, Store, StoreKey},
    sync::{AtomicBool, Mutex, MutexGuard},
};

/// The sessions of a client's accounts, in a store.
///
/// Any number of processes, on any number of machines, can have the same ones: of those who find a token too old one renews it,
/// the others take over what it got, and a refresh token is used by one at a time. A log-out in one of them ends it in all.
///
/// Where the backend has no executor ([`Backend::spawn`](valetkey_http::Backend::spawn)), a renewal whose caller goes away before it
/// is done stands still until the next call. Once its lease is over it sends nothing; but what the server has answered meanwhile is
/// lost to the others, as if the process had died. There, wait for calls to end.
///
/// ```
/// use valetkey::{Client, store::MemoryStore};
/// # use valetkey_testkit::{Provider, block_on};
/// # block_on(async {
/// # let provider = Provider::new();
/// # let client = Client::builder(provider.clone()).discover("https://issuer.test").id("app").secret("app-secret")
/// #     .redirect_uri("https://client.test/cb").build().await?;
/// # let (url, pending) = client.authorize().scope("read").start().await?;
/// # let session = client.redeem(pending, provider.visit(&url).expect("the user approves")).await?;
///
/// let sessions = client.sessions(MemoryStore::new()); // or a `FileStore`
/// sessions.save("alice", &session).await?;
/// assert_eq!(sessions.accounts().await?, ["alice"]);
/// // In another process, or after a restart:
/// let session = sessions.open("alice").await?.expect("she is signed in");
/// session.tokens().await?;
/// sessions.log_out("alice").await?;
/// assert!(sessions.open("alice").await?.is_none());
/// # Ok::<(), valetkey::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Sessions {
    client: Client,
    shelf: Arc<Shelf>,
    /// Those that are open in this process, so that an account has one.
    open: Arc<Mutex<Opened>>,
}

#[derive(Default)]
struct Opened {
    sessions: HashMap<Arc<str>, WeakSession>,
    /// Those that are just being opened, and whether somebody has logged out meanwhile.
    openings: HashMap<Arc<str>, Weak<AtomicBool>>,
    /// At how many those are swept out that nobody holds any more.
    swept_at: usize,
}

impl Client {
    /// The sessions that this store keeps for the accounts of this client at its server.
    pub fn sessions(&self, store: impl Store) -> Sessions {
        let shelf = Arc::new(Shelf::new(Arc::new(store), self));
        Sessions { client: self.clone(), shelf, open: Arc::default() }
    }
}

impl Sessions {
    /// Keeps a session for this account, a name of the program's own or the user's subject, in the place of an older one. From
    /// now on the session is the one that all share.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::MissingRefreshToken`] for a session that is not a user's, which needs no store: it asks for tokens as
    /// often as it likes. `Store`: it is not kept.
    pub async fn save(&self, account: &str, session: &Session) -> Result<()> {
        if !session.is_users() {
            return Err(Error::new(ErrorKind::Usage, Reason::MissingRefreshToken));
        }
        let (sessions, opened) = (self.clone(), session.downgrade());
        let shared = self.shelf.shared(account);
        let place = shared.clone();
        let save = move |record| async move {
            let entry = place.save(record).await?;
            sessions.opened().sessions.insert(place.account, opened);
            Ok(entry)
        };
        session.share(shared, save).await
    }

    /// The session of this account; `None` if there is none, or somebody logged out. Within a program it is one, until it has
    /// ended: when the user has signed in again, whoever opens it gets another.
    ///
    /// # Errors
    ///
    /// `Denied`: [`Reason::RefreshDenied`] or [`Reason::RotationLost`], `Transport`: [`Reason::OutcomeUnknown`], if it has ended;
    /// sign in again. `Store`: it cannot be read. Otherwise as [`Client::restore`].
    pub async fn open(&self, account: &str) -> Result<Option<Session>> {
        let shared = self.shelf.shared(account);
        loop {
            // One that has ended may still be held by others: the user may have signed in again elsewhere.
            let known = self.opened().session(account);
            if known.as_ref().is_some_and(|known| !known.has_ended()) {
                return Ok(known);
            }
            let is_logged_out = self.opened().begin(&shared.account);
            let Some(entry) = shared.load().await? else { return Ok(None) };
            match entry.standing {
                Standing::Ended(Ended::LoggedOut) => return Ok(None),
                Standing::Ended(why) => return Err(ended(why, None)),
                Standing::Idle | Standing::InFlight { .. } => {}
            }
            let record = entry.record.clone();
            let session = self.client.restore_at(entry, shared.clone())?;
            let mut opened = self.opened();
            // Somebody may have opened it meanwhile. One that has ended with these very tokens is not asked for again.
            if let Some(known) = opened.session(account)
                && !known.has_ended_before(&record)
            {
                return Ok(Some(known));
            }
            // What was read may be what was before somebody logged out.
            if !is_logged_out.load(Ordering::Relaxed) {
                if Arc::strong_count(&is_logged_out) == 1 {
                    opened.openings.remove(account);
                }
                opened.sessions.insert(shared.account, session.downgrade());
                return Ok(Some(session));
            }
        }
    }

    /// The accounts that are signed in, in order.
    ///
    /// # Errors
    ///
    /// `Store`: they cannot be listed or read.
    pub async fn accounts(&self) -> Result<Vec<String>> {
        let mut accounts = Vec::new();
        for account in self.shelf.accounts().await? {
            let entry = self.shelf.shared(&account).load().await?;
            if entry.is_some_and(|entry| !matches!(entry.standing, Standing::Ended(_))) {
                accounts.push(account);
            }
        }
        Ok(accounts)
    }

    /// Signs an account out: marks that in the store, so that it is signed out everywhere, whatever the server does; then has
    /// the server revoke the tokens. The ID token, if there is one, is for [`Client::logout`], which signs the user out there.
    ///
    /// # Errors
    ///
    /// `Store`: it could not be marked, and nothing was done. Otherwise what revoking ends with
    /// ([`Session::revoke`]); the account is signed out here.
    pub async fn log_out(&self, account: &str) -> Result<Option<IdToken>> {
        let kept = self.shelf.shared(account).end(Ended::LoggedOut).await?.map(|entry| entry.record);
        let known = self.opened().log_out(account);
        let session = match (known, &kept) {
            // Also if somebody was here before: it is not used any more.
            (Some(session), _) => session,
            (None, Some(kept)) => self.client.restore(kept.clone())?,
            (None, None) => return Ok(None),
        };
        let newest = kept.as_ref().and_then(|kept| kept.tokens().id_token().cloned());
        let identity = newest.or_else(|| session.identity());
        session.revoke_with(kept.as_ref()).await?;
        Ok(identity)
    }

    /// Keeps a sign-in under way while the user is away, and returns what the browser is to bring back with the user, in a
    /// cookie: the sign-in is found by it alone, and once.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::RandomFailed`]. `Store`: it is not kept.
    ///
    /// # Security
    ///
    /// Unlike a sealed cookie ([`Client::seal`]), a copied one is worth nothing once the user is back.
    pub async fn park(&self, pending: PendingAuthorization) -> Result<Secret> {
        let ticket = Secret::new(store::drawn(self.client.runtime().env().random)?);
        let key = self.parked(ticket.expose());
        match self.shelf.store.put(&key, 1, &pending.to_text(), Some(PendingAuthorization::LIFETIME)).await? {
            Put::Written => Ok(ticket),
            Put::Conflict => Err(contended()),
        }
    }

    /// Takes back what [`park`](Self::park) kept, for who brings what it returned. There is none a second time, nor after ten
    /// minutes.
    ///
    /// # Errors
    ///
    /// `Expired`: [`Reason::PendingExpired`] if there is none, or none any more. `Store`: it cannot be read.
    pub async fn unpark(&self, ticket: &str) -> Result<PendingAuthorization> {
        let expired = || Error::new(ErrorKind::Expired, Reason::PendingExpired);
        let parked = self.shelf.store.take(&self.parked(ticket)).await?.ok_or_else(expired)?;
        let (issuer, id) = (self.client.issuer(), self.client.id());
        PendingAuthorization::parse(parked.text.expose(), issuer, id, self.client.runtime().now())
    }

    /// What a parked sign-in is called: by a hash, so that who can read the names cannot take it.
    fn parked(&self, ticket: &str) -> StoreKey {
        let runtime = self.client.runtime();
        let ticket = store::hashed(runtime.env().crypto, ticket);
        StoreKey::of(&["pending", self.client.issuer().as_str(), self.client.id().as_str(), &ticket])
    }

    fn opened(&self) -> MutexGuard<'_, Opened> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Keeps a record in the place of what is there.
    async fn save(&self, record: TokenRecord) -> Result<GrantEntry> {
        for _ in 0..TRIES {
            // What cannot be read is not written over.
            let before = self.load().await?;
            let (generation, renewals) = match &before {
                // Newer than what is there, and than what may be on its way to whoever renews it.
                Some(entry) => (entry.generation, entry.record.generation() + 2),
                None => (0, 0),
            };
            // It is newer than what was there, whatever it was renewed before.
            let record = record.clone().with_generation(renewals.max(record.generation()));
            let entry = Entry { generation: generation + 1, standing: Standing::Idle, record };
            if self.put(&entry).await? == Put::Written {
                return Ok(entry);
            }
        }
        Err(contended())
    }
}

/// How often a write is tried again that somebody else came before.
const TRIES: u8 = 8;

impl Opened {
    fn session(&self, account: &str) -> Option<Session> {
        self.sessions.get(account).and_then(WeakSession::upgrade)
    }

    /// One is opened: what will say whether somebody has logged out meanwhile.
    fn begin(&mut self, account: &Arc<str>) -> Arc<AtomicBool> {
        if self.sessions.len() + self.openings.len() >= self.swept_at {
            self.sessions.retain(|_, session| session.upgrade().is_some());
            self.openings.retain(|_, opening| opening.strong_count() > 0);
            // Once in as many as there are: that costs each a step or two.
            self.swept_at = (2 * (self.sessions.len() + self.openings.len())).max(64);
        }
        let opening = self.openings.get(account).and_then(Weak::upgrade).unwrap_or_default();
        self.openings.insert(Arc::clone(account), Arc::downgrade(&opening));
        opening
    }

    fn log_out(&mut self, account: &str) -> Option<Session> {
        if let Some(opening) = self.openings.remove(account).and_then(|opening| opening.upgrade()) {
            opening.store(true, Ordering::Relaxed);
        }
        self.sessions.remove(account).and_then(|session| session.upgrade())
    }
}

/// Others write at once, again and again.
fn contended() -> Error {
    Error::new(ErrorKind::Store, Reason::StoreFailed).with_detail("others write the same record: try again")
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("client", &self.client)
            .field("store", &self.shelf.store)
            .finish_non_exhaustive()
    }
}
