//! Where the entry of a session's grant is: in this process alone, or in a store that others share.

use std::{
    fmt,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::{Either, select};
use valetkey_http::Backend;
use valetkey_proto::{
    Error, ErrorKind, Reason, Result,
    oauth2::{
        client::ClientId,
        server::Issuer,
        token::{
            TokenRecord,
            refresh::{Ended, Entry, Manner, Report, Standing},
        },
    },
};

use crate::{
    client::Client,
    store::{Owner, Put, Store, StoreKey},
    sync::{Mutex, MutexGuard},
};

/// An entry of a grant, as sessions have it.
pub(crate) type GrantEntry = Entry<TokenRecord>;

/// Where it is.
pub(super) struct Place(Mutex<State>);

enum State {
    /// In this process alone; nothing before the first tokens.
    Own(Option<Box<GrantEntry>>),
    Shared(Shared),
}

/// The store of a client's grants.
pub(crate) struct Shelf {
    pub(crate) store: Arc<dyn Store>,
    issuer: Issuer,
    client: ClientId,
    /// Who takes leases there; each session by a number of its own.
    owner: Result<Owner>,
    next: AtomicU64,
}

/// One account's grant in a store, and who takes its lease.
#[derive(Clone)]
pub(crate) struct Shared {
    shelf: Arc<Shelf>,
    pub(crate) account: Arc<str>,
    number: u64,
}

/// How long a lease lasts unless it is kept up. Longer than a request, so that one that is kept up late is still there.
const LEASE: Duration = Duration::from_secs(60);

impl Place {
    /// In this process alone.
    pub(super) fn own(entry: Option<GrantEntry>) -> Self {
        Self(Mutex::new(State::Own(entry.map(Box::new))))
    }

    /// In a store that others share.
    pub(super) fn shared(shared: Shared) -> Self {
        Self(Mutex::new(State::Shared(shared)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The store, if others share it.
    pub(super) fn store(&self) -> Option<Shared> {
        match &*self.state() {
            State::Shared(shared) => Some(shared.clone()),
            State::Own(_) => None,
        }
    }

    /// From now on in this store.
    pub(super) fn move_to(&self, shared: Shared) {
        *self.state() = State::Shared(shared);
    }

    pub(super) async fn lease(&self) -> Result<Report<TokenRecord>> {
        let Some(shared) = self.store() else { return Ok(Report::Leased) };
        let is_ours = shared.shelf.store.lease(&shared.key(), &shared.owner()?, LEASE).await?;
        Ok(if is_ours { Report::Leased } else { Report::Held })
    }

    /// How its grant is renewed, by somebody of this manner.
    pub(super) fn manner(&self, mut manner: Manner) -> Manner {
        manner.lease = self.store().map(|_| LEASE);
        manner
    }

    pub(super) async fn load(&self) -> Result<Report<TokenRecord>> {
        match self.store() {
            None => Ok(Report::Loaded(self.own_entry())),
            Some(shared) => Ok(Report::Loaded(shared.load().await?)),
        }
    }

    fn own_entry(&self) -> Option<GrantEntry> {
        match &*self.state() {
            State::Own(entry) => entry.as_deref().cloned(),
            State::Shared(_) => None,
        }
    }

    pub(super) async fn put(&self, entry: GrantEntry) -> Result<Report<TokenRecord>> {
        if let Some(shared) = self.store() {
            return Ok(match shared.put(&entry).await? {
                Put::Written => Report::Written,
                Put::Conflict => Report::Conflict,
            });
        }
        if let State::Own(own) = &mut *self.state() {
            *own = Some(Box::new(entry));
        }
        Ok(Report::Written)
    }

    /// Gives the lease back; if that fails, it ends by itself.
    pub(super) async fn release(&self) {
        if let Some(shared) = self.store()
            && let Ok(owner) = shared.owner()
        {
            let _ = shared.shelf.store.release(&shared.key(), &owner).await;
        }
    }

    /// Does this, and keeps the lease up for as long as that takes.
    pub(super) async fn holding<T>(&self, work: impl Future<Output = T>, backend: &Arc<dyn Backend>) -> T {
        let mut work = std::pin::pin!(work);
        if self.store().is_none() {
            return work.await;
        }
        loop {
            match select(work.as_mut(), backend.sleep(LEASE / 3)).await {
                Either::Left((done, _)) => return done,
                // One that cannot be kept up may still last until the next time.
                Either::Right(_) => drop(self.lease().await),
            }
        }
    }
}

impl Shelf {
    pub(crate) fn new(store: Arc<dyn Store>, client: &Client) -> Self {
        let owner = Owner::new(client.runtime().env().random);
        let (issuer, client) = (client.issuer().clone(), client.id().clone());
        Self { store, issuer, client, owner, next: AtomicU64::new(0) }
    }

    /// The grant of this account, for one session.
    pub(crate) fn shared(self: &Arc<Self>, account: &str) -> Shared {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        Shared { shelf: Arc::clone(self), account: account.into(), number }
    }

    pub(crate) fn key(&self, account: &str) -> StoreKey {
        StoreKey::grant(&self.issuer, &self.client, account)
    }

    /// The accounts of which there is a record.
    pub(crate) async fn accounts(&self) -> Result<Vec<String>> {
        let keys = self.store.list(&StoreKey::prefix(&self.issuer, &self.client)).await?;
        Ok(keys.iter().filter_map(StoreKey::account).collect())
    }
}

impl Shared {
    fn key(&self) -> StoreKey {
        self.shelf.key(&self.account)
    }

    fn owner(&self) -> Result<Owner> {
        self.shelf.owner.as_ref().map(|owner| owner.numbered(self.number)).map_err(Error::clone)
    }

    pub(crate) async fn load(&self) -> Result<Option<GrantEntry>> {
        let Some(stored) = self.shelf.store.load(&self.key()).await? else { return Ok(None) };
        let (record, standing) =
            TokenRecord::parse_shared(stored.text.expose()).map_err(|error| self.unreadable(error))?;
        self.check(&record)?;
        let record = record.with_account(None);
        Ok(Some(Entry { generation: stored.generation, standing, record }))
    }

    /// Whether a record is the one of this name, and nobody has moved it here.
    fn check(&self, record: &TokenRecord) -> Result<()> {
        let reason = if record.check(&self.shelf.issuer, &self.shelf.client).is_err() {
            Reason::IssuerMismatch
        } else if record.account().is_some_and(|own| own != &*self.account) {
            Reason::Malformed
        } else {
            return Ok(());
        };
        let error =
            Error::new(ErrorKind::Store, reason).with_detail("another's record, which was moved here");
        Err(self.unreadable(error))
    }

    /// What to do about a record.
    fn unreadable(&self, error: Error) -> Error {
        let (name, what) = (self.key(), error.detail().unwrap_or_default());
        let detail =
            format!("{} is {what}; it is left as it is: move it away to sign in anew", name.as_str());
        error.with_detail(detail)
    }

    pub(crate) async fn put(&self, entry: &GrantEntry) -> Result<Put> {
        let record = entry.record.clone().with_account(Some(&self.account));
        let text = record.to_shared_text(entry.standing);
        self.shelf.store.put(&self.key(), entry.generation, &text, None).await
    }

    /// Marks that the grant has ended, whatever others write meanwhile, and returns what it was; `None` if it had ended, or
    /// never was.
    pub(crate) async fn end(&self, why: Ended) -> Result<Option<GrantEntry>> {
        loop {
            let Some(entry) = self.load().await? else { return Ok(None) };
            if let Standing::Ended(_) = entry.standing {
                return Ok(None);
            }
            let mark =
                Entry { generation: entry.generation + 1, standing: Standing::Ended(why), ..entry.clone() };
            // Whoever came before has written once more, and there is no end to writing but this one.
            if self.put(&mark).await? == Put::Written {
                return Ok(Some(entry));
            }
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.state() {
            State::Own(_) => f.write_str("Own"),
            State::Shared(shared) => f.debug_tuple("Shared").field(&shared.key()).finish(),
        }
    }
}
