//! What a process does outside of itself, step by step, each of which may be its last, or fail.
//!
//! A step is the moment before or after a question to the store or the server, by a label: `put idle: after`. That is where a
//! process can be stopped so that anybody else could tell the difference.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use http::{HeaderValue, Uri};
use tokio::runtime::Handle;
use valetkey::{
    Error, ErrorKind, Reason, Result, TokenRecord,
    oauth2::token::refresh::Standing,
    secret::Secret,
    store::{Owner, Put, Store, StoreKey, Stored},
};
use valetkey_http::{Backend, Failure, Limits, Request, Response, Task};
use valetkey_hyper::HyperBackend;

use crate::child::{Orders, Word, say};

/// Says which process a request is of.
pub(crate) const PROCESS: &str = "x-process";

/// The number of the parent, who does not talk to itself.
pub(crate) const PARENT: u64 = 0;

/// What goes wrong in all processes, as long as a file says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The token endpoint cannot be reached.
    Unreachable,
    /// The store fails: by turns it does nothing, or does what it was asked for and does not say so.
    StoreFails,
    /// The store fails once, at the step of this label.
    StoreFailsAt(&'static str),
}

impl Trouble {
    fn text(self) -> String {
        match self {
            Self::Unreachable => "unreachable".to_owned(),
            Self::StoreFails => "store".to_owned(),
            Self::StoreFailsAt(label) => format!("store at {label}"),
        }
    }

    pub(crate) fn begin(self, file: &Path) {
        fs::write(file, self.text()).expect("a file");
    }

    pub(crate) fn end(file: &Path) {
        let _ = fs::remove_file(file);
    }
}

/// Sees every step of a process.
#[derive(Debug)]
pub(crate) struct Watch {
    process: u64,
    /// At which step the process stops.
    stop_at: Option<usize>,
    steps: AtomicUsize,
    troubles: PathBuf,
    /// How often something went wrong because of a trouble.
    pub(crate) faults: AtomicU64,
    owners: Mutex<BTreeSet<String>>,
}

impl Watch {
    pub(crate) fn new(orders: &Orders) -> Arc<Self> {
        let (process, stop_at, troubles) = (orders.process, orders.stop_at, orders.troubles.clone());
        let (steps, faults, owners) = (AtomicUsize::new(0), AtomicU64::new(0), Mutex::default());
        Arc::new(Self { process, stop_at, steps, troubles, faults, owners })
    }

    /// A step; ends the process if it is to end there, and says whether the store fails.
    pub(crate) fn step(&self, label: &str) -> bool {
        let number = self.steps.fetch_add(1, Relaxed);
        if self.stop_at == Some(number) {
            say(&Word::Stops(label.to_owned()));
            std::process::abort();
        }
        let Ok(trouble) = fs::read_to_string(&self.troubles) else { return false };
        let once =
            || trouble.strip_prefix("store at ") == Some(label) && fs::remove_file(&self.troubles).is_ok();
        let fails = (trouble == "store" && number.is_multiple_of(2)) || once();
        self.faults.fetch_add(fails.into(), Relaxed);
        fails
    }

    fn is_unreachable(&self) -> bool {
        let is_so =
            fs::read_to_string(&self.troubles).is_ok_and(|trouble| trouble == Trouble::Unreachable.text());
        self.faults.fetch_add(is_so.into(), Relaxed);
        is_so
    }

    /// Tells the parent whose lease it is, once each.
    fn leases(&self, key: &StoreKey, owner: &Owner) {
        let owner = owner.as_str().to_owned();
        if self.process != PARENT
            && self.owners.lock().unwrap_or_else(PoisonError::into_inner).insert(owner.clone())
        {
            say(&Word::Leases { key: key.as_str().to_owned(), owner });
        }
    }
}

/// A store that is watched.
#[derive(Debug)]
pub(crate) struct WatchedStore {
    store: Arc<dyn Store>,
    watch: Arc<Watch>,
}

impl WatchedStore {
    pub(crate) fn new(store: Arc<dyn Store>, watch: Arc<Watch>) -> Self {
        Self { store, watch }
    }

    async fn watched<T>(&self, what: &str, work: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let failed =
            || Error::new(ErrorKind::Store, Reason::StoreFailed).with_detail("the store is in trouble");
        if self.watch.step(&format!("{what}: before")) {
            return Err(failed());
        }
        let done = work.await?;
        if self.watch.step(&format!("{what}: after")) { Err(failed()) } else { Ok(done) }
    }
}

/// What a record is written as.
fn standing(text: &Secret) -> &'static str {
    match TokenRecord::parse_shared(text.expose()) {
        Ok((_, Standing::Idle)) => "put idle",
        Ok((_, Standing::InFlight { .. })) => "put in flight",
        Ok((_, Standing::Ended(_))) => "put ended",
        Err(_) => "put",
    }
}

#[async_trait]
impl Store for WatchedStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>> {
        self.watched("load", self.store.load(key)).await
    }

    async fn put(
        &self,
        key: &StoreKey,
        generation: u64,
        text: &Secret,
        lifetime: Option<Duration>,
    ) -> Result<Put> {
        self.watched(standing(text), self.store.put(key, generation, text, lifetime)).await
    }

    async fn take(&self, key: &StoreKey) -> Result<Option<Stored>> {
        self.watched("take", self.store.take(key)).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<StoreKey>> {
        self.watched("list", self.store.list(prefix)).await
    }

    async fn lease(&self, key: &StoreKey, owner: &Owner, time: Duration) -> Result<bool> {
        self.watch.leases(key, owner);
        self.watched("lease", self.store.lease(key, owner, time)).await
    }

    async fn release(&self, key: &StoreKey, owner: &Owner) -> Result<()> {
        self.watched("release", self.store.release(key, owner)).await
    }
}

/// hyper, watched, with the name of the process on each request.
pub(crate) struct WatchedBackend {
    hyper: HyperBackend,
    watch: Arc<Watch>,
}

impl WatchedBackend {
    pub(crate) fn new(watch: Arc<Watch>, handle: Handle) -> Arc<Self> {
        let hyper = HyperBackend::builder().no_proxy().handle(handle).build().expect("a backend");
        Arc::new(Self { hyper, watch })
    }
}

#[async_trait]
impl Backend for WatchedBackend {
    async fn send(&self, mut request: Request, limits: Limits) -> std::result::Result<Response, Failure> {
        let path = request.uri().path().to_owned();
        request.headers_mut().insert(PROCESS, HeaderValue::from(self.watch.process));
        if path == "/token" && self.watch.is_unreachable() {
            // Nobody listens there.
            *request.uri_mut() = Uri::from_static("http://127.0.0.1:1/token");
        }
        self.watch.step(&format!("{path}: before"));
        let outcome = self.hyper.send(request, limits).await;
        self.watch.step(&format!("{path}: after"));
        outcome
    }

    async fn sleep(&self, time: Duration) {
        self.hyper.sleep(time).await;
    }

    fn now(&self) -> SystemTime {
        self.hyper.now()
    }

    fn spawn(&self, task: Task) -> std::result::Result<(), Task> {
        self.hyper.spawn(task)
    }
}
