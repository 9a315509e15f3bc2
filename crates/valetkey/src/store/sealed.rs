//! A store whose engine sees nothing of what it keeps.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use valetkey_proto::{
    Env, Reason, Result, Timestamp,
    crypto::{CryptoProvider, SystemRandom},
    random::SecureRandom,
    seal::SealingKeys,
    secret::Secret,
};

use super::{Owner, Put, Store, StoreKey, Stored, failed};

/// Seals texts before another store keeps them (AES-256-GCM), each for its key and its generation: whoever can write to that
/// store can neither read them, nor put one in the place of another, nor an older one in the place of a newer one under its
/// number.
///
/// Keys are changed by [`SealingKeys::with_former`]: what is written anew is sealed by the current one.
///
/// ```
/// use valetkey::{seal::{SealingKey, SealingKeys}, store::{MemoryStore, SealedStore}};
///
/// let keys = SealingKeys::new(SealingKey::new([7; 32])); // of a keyring, or a KMS
/// let store = SealedStore::new(MemoryStore::new(), keys);
/// # let _ = store;
/// ```
///
/// # Security
///
/// Names are not sealed: they say which servers, clients and accounts there are. Whoever can write to the store below can
/// delete, and bring back a whole older state of a record together with its number.
#[derive(Clone)]
pub struct SealedStore {
    below: Arc<dyn Store>,
    keys: SealingKeys,
    random: Arc<dyn SecureRandom>,
    crypto: CryptoProvider,
}

impl SealedStore {
    /// Seals by these keys what that store keeps.
    #[must_use]
    pub fn new(below: impl Store, keys: SealingKeys) -> Self {
        let random = Arc::new(SystemRandom::new());
        Self { below: Arc::new(below), keys, random, crypto: CryptoProvider::ring() }
    }

    fn env(&self) -> Env<'_> {
        Env { now: Timestamp::from_secs(0), random: &*self.random, crypto: &self.crypto }
    }

    fn open(&self, key: &StoreKey, stored: Stored) -> Result<Stored> {
        let opened =
            self.keys.open_record(key.as_str(), stored.generation, stored.text.expose(), &self.env());
        let text = opened.map_err(|_| {
            let what = "a record does not open by these keys: bring back the key that sealed it, or delete it to sign in anew";
            failed(Reason::SealBroken, what)
        })?;
        Ok(Stored { text, ..stored })
    }
}

#[async_trait]
impl Store for SealedStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>> {
        self.below.load(key).await?.map(|stored| self.open(key, stored)).transpose()
    }

    async fn put(
        &self,
        key: &StoreKey,
        generation: u64,
        text: &Secret,
        lifetime: Option<Duration>,
    ) -> Result<Put> {
        let sealed = self.keys.seal_record(key.as_str(), generation, text.expose(), &self.env())?;
        self.below.put(key, generation, &sealed, lifetime).await
    }

    async fn take(&self, key: &StoreKey) -> Result<Option<Stored>> {
        // What does not open is not taken away.
        self.load(key).await?;
        self.below.take(key).await?.map(|stored| self.open(key, stored)).transpose()
    }

    async fn list(&self, prefix: &str) -> Result<Vec<StoreKey>> {
        self.below.list(prefix).await
    }

    async fn lease(&self, key: &StoreKey, owner: &Owner, time: Duration) -> Result<bool> {
        self.below.lease(key, owner, time).await
    }

    async fn release(&self, key: &StoreKey, owner: &Owner) -> Result<()> {
        self.below.release(key, owner).await
    }
}

impl fmt::Debug for SealedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedStore").field("below", &self.below).finish_non_exhaustive()
    }
}
