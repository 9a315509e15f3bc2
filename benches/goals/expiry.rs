//! Row 8: ten thousand callers at the instant of expiry.

use std::{
    pin::pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
use http::Request;
use tokio::{
    runtime::Builder,
    sync::{Notify, Semaphore},
    task::{self, Id, JoinHandle},
};
use valetkey::Session;
use valetkey_http::{Backend, Failure, Limits, Response, Task};

use crate::{
    goal::Goal,
    rounds::Rounds,
    session::{self, LIFETIME, token_answer},
    stopwatch::start,
    world::{API, TOKEN},
};

const CALLERS: usize = 10_000;
/// A caller who waits for longer is lost.
const PATIENCE: Duration = Duration::from_secs(10);
/// A round of these takes about twice as long as one of the other rows.
const ROUNDS_FOR_ONE: usize = 2;

pub(crate) fn goals(rounds: &Rounds) -> Vec<Goal> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_time().build().expect("a runtime");
    let (mut bare, mut whole, mut answered) = (Duration::MAX, Duration::MAX, Duration::MAX);
    let mut most = 0;
    for _ in 0..rounds.count.div_ceil(ROUNDS_FOR_ONE) {
        bare = bare.min(runtime.block_on(wake()));
        let expired = runtime.block_on(expire());
        (whole, answered) = (whole.min(expired.whole), answered.min(expired.answered));
        most = most.max(expired.refreshes);
    }
    println!(
        "# {CALLERS} bare waiters woken in {bare:.1?}; callers have the token {whole:.1?} after it expired,"
    );
    println!("# {answered:.1?} after it was answered");
    let leaving = [true, false].map(|spawns| runtime.block_on(leave(spawns)));
    let session = session::cached();
    let request = Request::get(API).body(Bytes::new()).expect("a request");
    vec![
        Goal::at_most(8, "refreshes", most as f64, 1.0),
        Goal::at_most(8, "token-in-hand-to-bare-wake", whole.as_secs_f64() / bare.as_secs_f64(), 3.0),
        Goal::at_most(8, "send-future-bytes", size_of_val(&session.send(request)) as f64, 400.0),
        Goal::at_most(8, "refreshes-though-some-leave", largest(leaving, |left| left.refreshes), 1.0),
        Goal::at_most(8, "callers-lost-though-some-leave", largest(leaving, |left| left.lost), 0.0),
    ]
}

/// The time that it takes to wake as many tasks that wait for nothing else.
async fn wake() -> Duration {
    let (start_line, finish, waiting) = (Arc::new(Notify::new()), Crowd::new(), Crowd::new());
    for _ in 0..CALLERS {
        let (start_line, finish, waiting) = (start_line.clone(), finish.clone(), waiting.clone());
        drop(tokio::spawn(async move {
            waiting.while_waiting(start_line.notified()).await;
            finish.add();
        }));
    }
    waiting.is_complete().await;
    let began = start();
    start_line.notify_waiters();
    finish.is_complete().await;
    began.elapsed()
}

/// What came of an expiry.
struct Expired {
    /// From the instant until the last has the token.
    whole: Duration,
    /// The part of it from the server's answer on.
    answered: Duration,
    refreshes: usize,
}

/// All wait for the instant, and ask; the server answers when all have asked.
async fn expire() -> Expired {
    let (server, session) = Server::new(true).await;
    let (start_line, finish, waiting) = (Arc::new(Notify::new()), Crowd::new(), Crowd::new());
    let asking = Crowd::new();
    for _ in 0..CALLERS {
        let (start_line, finish, waiting) = (start_line.clone(), finish.clone(), waiting.clone());
        let (session, asking) = (session.clone(), asking.clone());
        drop(tokio::spawn(async move {
            waiting.while_waiting(start_line.notified()).await;
            asking.while_waiting(session.tokens()).await.expect("tokens");
            finish.add();
        }));
    }
    waiting.is_complete().await;
    server.expire();
    let began = start();
    start_line.notify_waiters();
    asking.is_complete().await;
    let asked = began.elapsed();
    server.answer.add_permits(1);
    finish.is_complete().await;
    let whole = began.elapsed();
    Expired { whole, answered: whole - asked, refreshes: server.refreshes() }
}

/// What came of an expiry at which some went away.
#[derive(Clone, Copy)]
struct Left {
    refreshes: usize,
    lost: usize,
}

/// A tenth of those who wait goes away, among them the one who began the refresh.
async fn leave(spawns: bool) -> Left {
    let (server, session) = Server::new(spawns).await;
    server.expire();
    let asking = Crowd::new();
    let callers: Vec<JoinHandle<bool>> = (0..CALLERS)
        .map(|_| {
            let (session, asking) = (session.clone(), asking.clone());
            tokio::spawn(async move { asking.while_waiting(session.tokens()).await.is_ok() })
        })
        .collect();
    asking.is_complete().await;
    let leader = *server.leader.get().expect("somebody began");
    let leaves = |(index, caller): &(usize, JoinHandle<bool>)| index % 10 == 0 || caller.id() == leader;
    let (leaving, staying): (Vec<_>, Vec<_>) = callers.into_iter().enumerate().partition(leaves);
    for (_, caller) in leaving {
        caller.abort();
        assert!(caller.await.is_err(), "it was waiting");
    }
    server.answer.add_permits(1);
    let mut lost = 0;
    for (_, caller) in staying {
        let served = tokio::time::timeout(PATIENCE, caller).await;
        lost += usize::from(!matches!(served, Ok(Ok(true))));
    }
    Left { refreshes: server.refreshes(), lost }
}

fn largest(left: [Left; 2], figure: impl Fn(Left) -> usize) -> f64 {
    left.into_iter().map(figure).max().unwrap_or_default() as f64
}

/// A server in this process, which answers when it is told to, and its clock.
struct Server {
    /// Seconds.
    now: AtomicU64,
    asked: AtomicUsize,
    answer: Semaphore,
    /// Whether tasks are spawned, or else handed back.
    spawns: bool,
    /// Who began the refresh.
    leader: OnceLock<Id>,
}

impl Server {
    /// A server and a session that has its first tokens.
    async fn new(spawns: bool) -> (Arc<Self>, Session) {
        let server = Arc::new(Self {
            now: AtomicU64::new(1_700_000_000),
            asked: AtomicUsize::new(0),
            answer: Semaphore::new(1),
            spawns,
            leader: OnceLock::new(),
        });
        let session = session::new(server.clone(), TOKEN, API).await;
        session.tokens().await.expect("tokens");
        (server, session)
    }

    fn expire(&self) {
        self.now.fetch_add(LIFETIME, Ordering::Relaxed);
    }

    /// How often it was asked for more than the first tokens.
    fn refreshes(&self) -> usize {
        self.asked.load(Ordering::Relaxed) - 1
    }
}

#[async_trait]
impl Backend for Server {
    async fn send(&self, _: valetkey_http::Request, _: Limits) -> Result<Response, Failure> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.answer.acquire().await.expect("an open gate").forget();
        Ok(token_answer())
    }

    async fn sleep(&self, time: Duration) {
        #[expect(clippy::disallowed_methods, reason = "what a backend's is made of")]
        tokio::time::sleep(time).await;
    }

    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.now.load(Ordering::Relaxed))
    }

    fn spawn(&self, work: Task) -> Result<(), Task> {
        // The first tokens are got outside of any task.
        if let Some(id) = task::try_id() {
            let _ = self.leader.set(id);
        }
        if !self.spawns {
            return Err(work);
        }
        drop(tokio::spawn(work));
        Ok(())
    }
}

/// Callers, counted as they begin to wait or as they are done.
#[derive(Clone)]
struct Crowd(Arc<(AtomicUsize, Notify)>);

impl Crowd {
    fn new() -> Self {
        Self(Arc::default())
    }

    /// One more.
    fn add(&self) {
        let (count, complete) = &*self.0;
        if count.fetch_add(1, Ordering::Relaxed) + 1 == CALLERS {
            complete.notify_one();
        }
    }

    /// Counts who waits for this as soon as it waits.
    async fn while_waiting<T>(&self, future: impl Future<Output = T>) -> T {
        let (mut future, mut is_counted) = (pin!(future), false);
        std::future::poll_fn(|context| {
            let poll = future.as_mut().poll(context);
            if poll.is_pending() && !std::mem::replace(&mut is_counted, true) {
                self.add();
            }
            poll
        })
        .await
    }

    async fn is_complete(&self) {
        self.0.1.notified().await;
    }
}
