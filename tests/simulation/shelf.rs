//! The store that programs share: it takes its time, and fails for some seconds.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use valetkey::{
    Error, ErrorKind, Reason, Result,
    secret::Secret,
    store::{MemoryStore, Owner, Put, Store, StoreKey, Stored},
};

use crate::{
    network::{Lease, Ledger},
    world::{self, World, lock},
};

#[derive(Clone)]
pub(crate) struct Shelf {
    pub(crate) world: World,
    pub(crate) below: MemoryStore,
    pub(crate) ledger: Arc<Mutex<Ledger>>,
    /// Whose way to it this is, and how wrong its clock is.
    pub(crate) owner: world::Owner,
    pub(crate) skew: Arc<AtomicI64>,
    /// Until when it fails.
    pub(crate) down: Arc<Mutex<Duration>>,
}

impl Shelf {
    /// On the way there and back.
    async fn way(&self) -> Result<()> {
        self.world.sleep(self.world.millis(10)).await;
        if self.world.now() < *lock(&self.down) {
            return Err(Error::new(ErrorKind::Store, Reason::StoreFailed).with_detail("of this day"));
        }
        Ok(())
    }
}

#[async_trait]
impl Store for Shelf {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>> {
        self.way().await?;
        let stored = self.below.load(key).await;
        self.world
            .tell(self.owner, format_args!("loads {}", shown(stored.as_ref().ok().and_then(Option::as_ref))));
        self.way().await?;
        stored
    }

    async fn put(
        &self,
        key: &StoreKey,
        generation: u64,
        text: &Secret,
        lifetime: Option<Duration>,
    ) -> Result<Put> {
        if let Err(error) = self.way().await {
            lock(&self.ledger).failed_to_write(text.expose());
            return Err(error);
        }
        let put = self.below.put(key, generation, text, lifetime).await;
        self.world.tell(self.owner, format_args!("puts {generation}, {put:?}: {}", text.expose()));
        if matches!(put, Ok(Put::Written)) {
            lock(&self.ledger).wrote(self.owner, text.expose());
        }
        self.way().await?;
        put
    }

    async fn take(&self, key: &StoreKey) -> Result<Option<Stored>> {
        self.way().await?;
        self.below.take(key).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<StoreKey>> {
        self.way().await?;
        self.below.list(prefix).await
    }

    async fn lease(&self, key: &StoreKey, owner: &Owner, time: Duration) -> Result<bool> {
        self.way().await?;
        let is_ours = self.below.lease(key, owner, time).await;
        self.world.tell(self.owner, format_args!("takes the lease: {is_ours:?}"));
        if matches!(is_ours, Ok(true)) {
            let (until, skew) = (self.world.now() + time, self.skew.load(Ordering::Relaxed));
            let mut ledger = lock(&self.ledger);
            ledger.lease = Some(Lease { owner: self.owner, until });
            ledger.skews.insert(self.owner, skew);
        }
        self.way().await?;
        is_ours
    }

    async fn release(&self, key: &StoreKey, owner: &Owner) -> Result<()> {
        self.way().await?;
        self.below.release(key, owner).await
    }
}

fn shown(stored: Option<&Stored>) -> String {
    stored.map_or_else(|| "nothing".to_owned(), |one| format!("{}: {}", one.generation, one.text.expose()))
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shelf")
    }
}
