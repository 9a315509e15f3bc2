//! One of the processes: it uses or renews the grant as it was told, until somebody kills it or closes its input.

use std::{
    env,
    io::{Read, Write},
    path::PathBuf,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::{Either, join_all, select};
use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, Handle};
use valetkey::{Client, ErrorKind, Reason, Result, Session, Sessions, Timestamp};
use valetkey_http::Backend;
use valetkey_proto::random::SecureRandom;
use valetkey_testkit::SeededRandom;

use crate::{
    stores::Address,
    watch::{Watch, WatchedBackend, WatchedStore},
    world::LIFETIME,
};

const ORDERS: &str = "VALETKEY_SHARING_ORDERS";

/// What a process is to do.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Orders {
    pub(crate) store: Address,
    pub(crate) issuer: String,
    pub(crate) account: String,
    /// No two have the same.
    pub(crate) process: u64,
    pub(crate) job: Job,
    /// At which step it ends itself.
    pub(crate) stop_at: Option<usize>,
    /// The file that says what goes wrong, if there is one.
    pub(crate) troubles: PathBuf,
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum Job {
    /// Many tasks call with the session of the account.
    Call {
        tasks: usize,
        /// Whether callers leave at random.
        leaves: bool,
    },
    /// The tokens are renewed one time after the other.
    Renew { times: usize },
}

/// What a process says, a line each.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Word {
    /// What it has done since the last time.
    Did { calls: u64, left: u64, unavailable: u64, faults: u64 },
    /// A call failed that should not.
    Failed(String),
    /// The grant is lost: the user must sign in again.
    Lost,
    /// Who it is when it takes leases.
    Leases { key: String, owner: String },
    /// It has other tokens than those with this refresh token, which it or another one had used.
    Renewed { instead_of: String },
    /// It ends itself at this step.
    Stops(String),
}

/// The orders of this process, if it is a child.
pub(crate) fn orders() -> Option<Orders> {
    let text = env::var(ORDERS).ok()?;
    Some(serde_json::from_str(&text).expect("the parent writes JSON"))
}

/// A client, and the sessions that it keeps.
pub(crate) struct Kept {
    pub(crate) backend: Arc<WatchedBackend>,
    pub(crate) client: Client,
    pub(crate) sessions: Sessions,
}

impl Orders {
    /// The environment that makes this program a child.
    pub(crate) fn environment(&self) -> (&'static str, String) {
        (ORDERS, serde_json::to_string(self).expect("JSON"))
    }

    /// What a process has, all that it does being watched; on a runtime of tokio.
    pub(crate) async fn keep(&self, watch: &Arc<Watch>, handle: Handle) -> Result<Kept> {
        let backend = WatchedBackend::new(Arc::clone(watch), handle);
        let client =
            Client::builder(Arc::clone(&backend)).discover(&self.issuer).id("app").secret("app-secret");
        let client = client.redirect_uri("https://client.test/cb").api(&self.issuer).build().await?;
        let sessions = client.sessions(WatchedStore::new(self.store.open()?, Arc::clone(watch)));
        Ok(Kept { backend, client, sessions })
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
    let watch = Watch::new(&orders);
    let outcome = runtime.block_on(async {
        let kept = orders.keep(&watch, runtime.handle().clone()).await?;
        match orders.job {
            Job::Call { tasks, leaves } => call(orders.clone(), kept, watch, tasks, leaves).await,
            Job::Renew { times } => renew(&orders.account, &kept.sessions, &watch, times).await,
        }
    });
    match outcome {
        Ok(()) => {}
        Err(error) if error.reason() == Reason::RotationLost => say(&Word::Lost),
        Err(error) => say(&Word::Failed(format!("the process ended: {error}"))),
    }
}

/// Has this done when the input ends, which it does with the parent, too.
fn at_the_end(done: impl FnOnce() + Send + 'static) {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        done();
    });
}

async fn renew(account: &str, sessions: &Sessions, watch: &Watch, times: usize) -> Result<()> {
    at_the_end(|| std::process::exit(0));
    let session = sessions.open(account).await?.expect("somebody is signed in");
    for _ in 0..times {
        let instead_of = refresh_token(&session);
        session.refresh().await?;
        watch.step("published");
        say(&Word::Renewed { instead_of });
    }
    session.close().await
}

fn refresh_token(session: &Session) -> String {
    let record = session.record().expect("the tokens of a user");
    record.tokens().refresh_token().expect("one that renews them").expose().to_owned()
}

async fn call(orders: Orders, kept: Kept, watch: Arc<Watch>, tasks: usize, leaves: bool) -> Result<()> {
    let child = Arc::new(Child { orders, kept, watch, tasks, leaves, counts: Counts::default() });
    let watched = Arc::clone(&child);
    at_the_end(move || watched.counts.is_over.store(true, Relaxed));
    let reports = tokio::spawn(Arc::clone(&child).report());
    let tasks = (0..child.tasks).map(|task| tokio::spawn(Arc::clone(&child).task(task)));
    for ended in join_all(tasks).await {
        ended.expect("no task panics");
    }
    reports.await.expect("no task panics");
    if let Ok(Some(session)) = child.kept.sessions.open(&child.orders.account).await {
        session.close().await?;
    }
    Ok(())
}

struct Child {
    orders: Orders,
    kept: Kept,
    watch: Arc<Watch>,
    tasks: usize,
    leaves: bool,
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
            self.kept.backend.sleep(Duration::from_millis(100)).await;
            let Counts { calls, left, unavailable, .. } = &self.counts;
            let [calls, left, unavailable, faults] =
                [calls, left, unavailable, &self.watch.faults].map(|count| count.swap(0, Relaxed));
            say(&Word::Did { calls, left, unavailable, faults });
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
        match self.kept.sessions.open(&self.orders.account).await {
            Ok(Some(session)) => return Some(session),
            Ok(None) => say(&Word::Failed("nobody is signed in".to_owned())),
            Err(error) if error.reason() == Reason::RotationLost => say(&Word::Lost),
            // The store, which cannot be asked.
            Err(error) if error.kind() == ErrorKind::Store => {
                self.counts.unavailable.fetch_add(1, Relaxed);
            }
            Err(error) => say(&Word::Failed(format!("open: {error}"))),
        }
        self.kept.backend.sleep(Duration::from_millis(100)).await;
        None
    }

    /// Calls until it is over, or the grant is lost.
    async fn use_up(&self, session: &Session, dice: &Dice) {
        while !self.is_over() {
            let before = session.record();
            let call = pin!(self.call(session, dice));
            let outcome = if self.leaves && dice.below(2) == 0 {
                match select(call, self.kept.backend.sleep(dice.up_to(4))).await {
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
                    let now = Timestamp::from(self.kept.backend.now());
                    let was_good = before.is_some_and(|record| !record.tokens().is_expired(now));
                    if was_good || error.advice() == valetkey::Advice::Reauthorize {
                        say(&Word::Failed(format!("{error}, and the token was good: {was_good}")));
                    }
                    self.counts.unavailable.fetch_add(1, Relaxed);
                }
            }
            // All together call about as often, however many they are: it is when tokens expire that they come at once.
            let rest = dice.up_to(45 * self.tasks as u64 / 20);
            self.kept.backend.sleep(Duration::from_millis(5) + rest).await;
        }
    }

    /// One call: mostly for the tokens alone, now and then of the API.
    async fn call(&self, session: &Session, dice: &Dice) -> Result<()> {
        if dice.below(32) != 0 {
            return session.tokens().await.map(drop);
        }
        let request = http::Request::get(format!("{}/api/me", self.orders.issuer)).body(Bytes::new());
        let begun = self.kept.backend.now();
        let response = session.send(request.expect("a request")).await?;
        let now = self.kept.backend.now();
        let took = now.duration_since(begun).unwrap_or_default();
        // A busy machine takes longer than a token lives, and the next one may also expire under way.
        if response.status() != 200 && took < LIFETIME {
            let (status, headers) = (response.status(), response.headers());
            let challenge = headers.get(http::header::WWW_AUTHENTICATE);
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
pub(crate) fn say(word: &Word) {
    let line = serde_json::to_string(word).expect("JSON") + "\n";
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
}
