//! One of the processes: many tasks that use the grant, until somebody kills it or closes its input.

use std::{
    env,
    io::{Read, Write},
    path::PathBuf,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::{Either, join_all, select};
use http::{HeaderValue, Uri};
use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, Handle};
use valetkey::{Client, Error, Reason, Result, Session, Sessions, Timestamp};
use valetkey_http::{Backend, Failure, Limits, Request, Response, Task};
use valetkey_hyper::HyperBackend;
use valetkey_proto::random::SecureRandom;
use valetkey_testkit::SeededRandom;

use crate::stores;

pub(crate) const ACCOUNT: &str = "alice";
/// Says which process a request is of.
pub(crate) const PROCESS: &str = "x-process";
const ORDERS: &str = "VALETKEY_SHARING_ORDERS";

/// What a process is to do.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Orders {
    /// The store, by its address.
    pub(crate) store: String,
    pub(crate) issuer: String,
    /// No two have the same.
    pub(crate) process: u64,
    pub(crate) tasks: usize,
    /// Whether callers leave at random.
    pub(crate) leaves: bool,
    /// As long as there is such a file, the token endpoint cannot be reached.
    pub(crate) unreachable: PathBuf,
}

/// What a process says, a line each.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Word {
    /// What it has done since the last time.
    Did { calls: u64, left: u64, unavailable: u64, unreachable: u64 },
    /// A call failed that should not.
    Failed(String),
    /// The grant is lost: the user must sign in again.
    Lost,
}

/// The orders of this process, if it is a child.
pub(crate) fn orders() -> Option<Orders> {
    let text = env::var(ORDERS).ok()?;
    Some(serde_json::from_str(&text).expect("the parent writes JSON"))
}

impl Orders {
    /// The environment that makes this program a child.
    pub(crate) fn environment(&self) -> (&'static str, String) {
        (ORDERS, serde_json::to_string(self).expect("JSON"))
    }

    /// A client of this process, and its sessions.
    pub(crate) async fn sessions(&self, backend: &Arc<Named>) -> Result<(Client, Sessions)> {
        let client =
            Client::builder(Arc::clone(backend)).discover(&self.issuer).id("app").secret("app-secret");
        let client = client.redirect_uri("https://client.test/cb").api(&self.issuer).build().await?;
        let sessions = client.sessions(stores::open(&self.store)?);
        Ok((client, sessions))
    }
}

/// hyper, with the name of the process on each request.
pub(crate) struct Named {
    hyper: HyperBackend,
    process: HeaderValue,
    unreachable: PathBuf,
    /// How often it could not reach the token endpoint.
    turned_away: AtomicU64,
}

impl Named {
    pub(crate) fn new(orders: &Orders, handle: Handle) -> Arc<Self> {
        let hyper = HyperBackend::builder().no_proxy().handle(handle).build().expect("a backend");
        let (process, unreachable) = (orders.process.into(), orders.unreachable.clone());
        Arc::new(Self { hyper, process, unreachable, turned_away: AtomicU64::new(0) })
    }
}

#[async_trait]
impl Backend for Named {
    async fn send(&self, mut request: Request, limits: Limits) -> Result<Response, Failure> {
        request.headers_mut().insert(PROCESS, self.process.clone());
        if request.uri().path() == "/token" && self.unreachable.exists() {
            self.turned_away.fetch_add(1, Relaxed);
            // Nobody listens there.
            *request.uri_mut() = Uri::from_static("http://127.0.0.1:1/token");
        }
        self.hyper.send(request, limits).await
    }

    async fn sleep(&self, time: Duration) {
        self.hyper.sleep(time).await;
    }

    fn now(&self) -> SystemTime {
        self.hyper.now()
    }

    fn spawn(&self, task: Task) -> Result<(), Task> {
        self.hyper.spawn(task)
    }
}

/// Random numbers of one task.
pub(crate) struct Dice(SeededRandom);

impl Dice {
    pub(crate) fn new(process: u64, what: &str) -> Self {
        Self(SeededRandom::labelled(process, what))
    }

    /// A number below this one.
    pub(crate) fn below(&self, bound: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes).expect("it never fails");
        u64::from_be_bytes(bytes) % bound
    }

    pub(crate) fn up_to(&self, millis: u64) -> Duration {
        Duration::from_micros(self.below(millis * 1000))
    }
}

/// Does as it was told until its input ends.
pub(crate) fn run(orders: Orders) {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let backend = Named::new(&orders, runtime.handle().clone());
    let outcome = runtime.block_on(async {
        let (_, sessions) = orders.sessions(&backend).await?;
        let child = Arc::new(Child { orders, backend, sessions, counts: Counts::default() });
        let watched = Arc::clone(&child);
        // It ends when the parent does, too.
        std::thread::spawn(move || {
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            watched.counts.is_over.store(true, Relaxed);
        });
        let reports = tokio::spawn(Arc::clone(&child).report());
        let tasks = (0..child.orders.tasks).map(|task| tokio::spawn(Arc::clone(&child).task(task)));
        for ended in join_all(tasks).await {
            ended.expect("no task panics");
        }
        reports.await.expect("no task panics");
        if let Ok(Some(session)) = child.sessions.open(ACCOUNT).await {
            session.close().await?;
        }
        Ok::<(), Error>(())
    });
    if let Err(error) = outcome {
        say(&Word::Failed(format!("the process ended: {error}")));
    }
}

struct Child {
    orders: Orders,
    backend: Arc<Named>,
    sessions: Sessions,
    counts: Counts,
}

#[derive(Default)]
struct Counts {
    calls: AtomicU64,
    left: AtomicU64,
    unavailable: AtomicU64,
    is_over: AtomicBool,
}

impl Child {
    fn is_over(&self) -> bool {
        self.counts.is_over.load(Relaxed)
    }

    /// Says from time to time what was done.
    async fn report(self: Arc<Self>) {
        loop {
            let is_last = self.is_over();
            self.backend.sleep(Duration::from_millis(100)).await;
            let Counts { calls, left, unavailable, .. } = &self.counts;
            let [calls, left, unavailable, unreachable] =
                [calls, left, unavailable, &self.backend.turned_away].map(|count| count.swap(0, Relaxed));
            say(&Word::Did { calls, left, unavailable, unreachable });
            if is_last {
                return;
            }
        }
    }

    /// Uses the grant; when it is lost, waits until the user has signed in again.
    async fn task(self: Arc<Self>, task: usize) {
        let dice = Dice::new(self.orders.process, &task.to_string());
        while !self.is_over() {
            if let Some(session) = self.open().await {
                self.use_up(&session, &dice).await;
            }
        }
    }

    async fn open(&self) -> Option<Session> {
        match self.sessions.open(ACCOUNT).await {
            Ok(Some(session)) => return Some(session),
            Ok(None) => say(&Word::Failed("nobody is signed in".to_owned())),
            Err(error) if error.reason() == Reason::RotationLost => say(&Word::Lost),
            Err(error) => say(&Word::Failed(format!("open: {error}"))),
        }
        self.backend.sleep(Duration::from_millis(100)).await;
        None
    }

    /// Calls until it is over, or the grant is lost.
    async fn use_up(&self, session: &Session, dice: &Dice) {
        while !self.is_over() {
            let before = session.record();
            let call = pin!(self.call(session, dice));
            let outcome = if self.orders.leaves && dice.below(2) == 0 {
                match select(call, self.backend.sleep(dice.up_to(4))).await {
                    Either::Left((outcome, _)) => outcome,
                    Either::Right(_) => {
                        self.counts.left.fetch_add(1, Relaxed);
                        continue;
                    }
                }
            } else {
                call.await
            };
            match outcome {
                Ok(()) => drop(self.counts.calls.fetch_add(1, Relaxed)),
                Err(error) if error.reason() == Reason::RotationLost => return say(&Word::Lost),
                Err(error) => {
                    let now = Timestamp::from(self.backend.now());
                    let was_good = before.is_some_and(|record| !record.tokens().is_expired(now));
                    if was_good || error.advice() == valetkey::Advice::Reauthorize {
                        say(&Word::Failed(format!("{error}, and the token was good: {was_good}")));
                    }
                    self.counts.unavailable.fetch_add(1, Relaxed);
                }
            }
            // All together call about as often, however many they are: it is when tokens expire that they come at once.
            let rest = dice.up_to(45 * self.orders.tasks as u64 / 20);
            self.backend.sleep(Duration::from_millis(5) + rest).await;
        }
    }

    /// One call: mostly for the tokens alone, now and then of the API.
    async fn call(&self, session: &Session, dice: &Dice) -> Result<()> {
        if dice.below(32) != 0 {
            return session.tokens().await.map(drop);
        }
        let request = http::Request::get(format!("{}/api/me", self.orders.issuer)).body(Bytes::new());
        let begun = self.backend.now();
        let response = session.send(request.expect("a request")).await?;
        if response.status() != 200 {
            let (status, headers) = (response.status(), response.headers());
            let now = self.backend.now();
            let challenge = headers.get(http::header::WWW_AUTHENTICATE);
            let took = now.duration_since(begun).unwrap_or_default();
            let rest = session.record().and_then(|record| record.tokens().expires_at());
            let rest = rest.map(|until| until.as_millis() - Timestamp::from(now).as_millis());
            let what =
                format!("the API said {status} after {took:?}, {challenge:?}; the token has {rest:?} ms");
            say(&Word::Failed(what));
        }
        Ok(())
    }
}

/// Tells the parent, who may be gone.
fn say(word: &Word) {
    let line = serde_json::to_string(word).expect("JSON") + "\n";
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
}
