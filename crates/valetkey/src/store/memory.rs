//! A store that lives as long as the program.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, PoisonError},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use valetkey_proto::{Result, Timestamp, secret::Secret};

use super::{Owner, Put, Store, StoreKey, Stored, clock, deadline};
use crate::sync::{Mutex, MutexGuard};

/// Keeps everything in memory: for one process, and for tests.
#[derive(Clone, Default)]
pub struct MemoryStore(Arc<Inner>);

#[derive(Default)]
struct Inner {
    shelf: Mutex<Shelf>,
    now: Option<Clock>,
}

type Clock = Box<dyn Fn() -> SystemTime + Send + Sync>;

#[derive(Default)]
struct Shelf {
    entries: BTreeMap<StoreKey, (Stored, Option<Timestamp>)>,
    leases: BTreeMap<StoreKey, (Owner, Timestamp)>,
    /// How many writes there were since what is over was swept out.
    writes: usize,
}

impl Shelf {
    /// Sweeps out what is over, once in as many writes as there are records: that costs each write a step or two.
    fn sweep(&mut self, now: Timestamp) {
        self.writes += 1;
        if self.writes > self.entries.len().max(64) {
            self.writes = 0;
            self.entries.retain(|_, (_, until)| until.is_none_or(|until| now < until));
            self.leases.retain(|_, (_, until)| now < *until);
        }
    }

    fn entry(&self, key: &StoreKey, now: Timestamp) -> Option<&Stored> {
        self.entries
            .get(key)
            .filter(|(_, until)| until.is_none_or(|until| now < until))
            .map(|(stored, _)| stored)
    }
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty store by whose clock leases end and records are forgotten, in place of the system's: a test's.
    #[must_use]
    pub fn with_clock(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner { shelf: Mutex::default(), now: Some(Box::new(now)) }))
    }

    fn now(&self) -> Timestamp {
        self.0.now.as_ref().map_or_else(clock::now, |now| now()).into()
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.0.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>> {
        let now = self.now();
        Ok(self.shelf().entry(key, now).cloned())
    }

    async fn put(
        &self,
        key: &StoreKey,
        generation: u64,
        text: &Secret,
        lifetime: Option<Duration>,
    ) -> Result<Put> {
        let now = self.now();
        let until = deadline(now, lifetime);
        let mut shelf = self.shelf();
        shelf.sweep(now);
        let present = shelf.entry(key, now).map_or(0, |stored| stored.generation);
        if present.checked_add(1) != Some(generation) {
            return Ok(Put::Conflict);
        }
        shelf.entries.insert(key.clone(), (Stored { generation, text: text.clone() }, until));
        Ok(Put::Written)
    }

    async fn take(&self, key: &StoreKey) -> Result<Option<Stored>> {
        let now = self.now();
        let mut shelf = self.shelf();
        let stored = shelf.entry(key, now).cloned();
        shelf.entries.remove(key);
        Ok(stored)
    }

    async fn list(&self, prefix: &str) -> Result<Vec<StoreKey>> {
        let now = self.now();
        let shelf = self.shelf();
        let keys = shelf.entries.keys().filter(|key| key.as_str().starts_with(prefix));
        Ok(keys.filter(|key| shelf.entry(key, now).is_some()).cloned().collect())
    }

    async fn lease(&self, key: &StoreKey, owner: &Owner, time: Duration) -> Result<bool> {
        let now = self.now();
        let until = now + time;
        let mut shelf = self.shelf();
        if shelf.leases.get(key).is_some_and(|(other, until)| other != owner && now < *until) {
            return Ok(false);
        }
        shelf.leases.insert(key.clone(), (owner.clone(), until));
        Ok(true)
    }

    async fn release(&self, key: &StoreKey, owner: &Owner) -> Result<()> {
        let mut shelf = self.shelf();
        if shelf.leases.get(key).is_some_and(|(other, _)| other == owner) {
            shelf.leases.remove(key);
        }
        Ok(())
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("records", &self.shelf().entries.len()).finish_non_exhaustive()
    }
}
