//! What threads do to each other in every order: docs/SCHEDULE_CAMPAIGN.md.
//!
//! ```text
//! RUSTFLAGS="--cfg shuttle" cargo test --target-dir target/schedules -p valetkey --lib schedules
//! ```
//!
//! A test here is run under as many schedules as `VALETKEY_SCHEDULES` says. What it decides by chance (`below`), is part of
//! the schedule. One that fails prints its schedule, and `VALETKEY_SCHEDULE` plays that again. A wake that is lost is a
//! deadlock, which fails.

mod keys;
mod sessions;
mod slot;

use std::{
    cell::RefCell,
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
use shuttle::{
    Config, Runner,
    future::yield_now,
    rand::Rng,
    scheduler::{PctScheduler, RandomScheduler, Schedule, Scheduler, Task, TaskId},
    thread::{self, JoinHandle},
};
use valetkey_http::{Backend, Failure, Limits, Request, Response};
use valetkey_testkit::{Provider, Spawning};

/// How many schedules of each test, unless told otherwise.
const SCHEDULES: usize = 500;
/// How often a schedule of the second kind takes a thread's turn away.
const PREEMPTIONS: usize = 3;

/// Runs a test under many schedules: half of them draw who is next at every step, and half run one thread for as long as it
/// can, but for a few steps. They differ from run to run.
#[expect(clippy::print_stdout, reason = "a row of the page")]
fn explore(name: &str, test: impl Fn() + Copy + Send + Sync + 'static) {
    let mut config = Config::new();
    // Whatever order our atomics have: docs/SCHEDULE_CAMPAIGN.md.
    config.silence_warnings = true;
    config.stack_size = 1 << 18;
    if let Ok(schedule) = std::env::var("VALETKEY_SCHEDULE") {
        Runner::new(shuttle::scheduler::ReplayScheduler::new_from_encoded(&schedule), config).run(test);
        return;
    }
    let schedules = std::env::var("VALETKEY_SCHEDULES").ok();
    let schedules = schedules.map_or(SCHEDULES, |number| number.parse().expect("a number"));
    let seen = Rc::new(RefCell::new(HashSet::new()));
    let random = Counting::new(RandomScheduler::new(schedules.div_ceil(2)), &seen);
    let preempting = Counting::new(PctScheduler::new(PREEMPTIONS, schedules / 2), &seen);
    let run = Runner::new(random, config.clone()).run(test) + Runner::new(preempting, config).run(test);
    let distinct = seen.borrow().len();
    println!("| {name} | {run} | {distinct} |");
}

/// A scheduler, and which orders of threads it has made.
struct Counting<S> {
    scheduler: S,
    schedule: DefaultHasher,
    seen: Rc<RefCell<HashSet<u64>>>,
}

impl<S> Counting<S> {
    fn new(scheduler: S, seen: &Rc<RefCell<HashSet<u64>>>) -> Self {
        Self { scheduler, schedule: DefaultHasher::new(), seen: Rc::clone(seen) }
    }

    fn count(&mut self) {
        self.seen.borrow_mut().insert(std::mem::take(&mut self.schedule).finish());
    }
}

impl<S: Scheduler> Scheduler for Counting<S> {
    fn new_execution(&mut self) -> Option<Schedule> {
        if self.schedule.finish() != DefaultHasher::new().finish() {
            self.count();
        }
        self.scheduler.new_execution()
    }

    fn next_task(&mut self, tasks: &[&Task], current: Option<TaskId>, is_yielding: bool) -> Option<TaskId> {
        let next = self.scheduler.next_task(tasks, current, is_yielding);
        if let Some(next) = next {
            usize::from(next).hash(&mut self.schedule);
        }
        next
    }

    fn next_u64(&mut self) -> u64 {
        self.scheduler.next_u64()
    }
}

/// A number below this one, by chance.
fn below(end: usize) -> usize {
    shuttle::rand::thread_rng().gen_range(0..end)
}

/// So many threads, each of which does this with its number; what they end with.
fn together<T: Send + 'static>(threads: usize, act: impl Fn(usize) -> T + Send + Sync + 'static) -> Vec<T> {
    let act = Arc::new(act);
    let threads = (0..threads).map(|number| {
        let act = Arc::clone(&act);
        thread::spawn(move || act(number))
    });
    let threads: Vec<JoinHandle<T>> = threads.collect();
    threads.into_iter().map(|thread| thread.join().expect("no thread fails")).collect()
}

/// What becomes of a task by one of these: it is handed back, it runs on its own, or at once.
fn executor() -> Spawning {
    match below(3) {
        0 => Spawning::HandBack,
        1 => Spawning::with(spawn),
        _ => Spawning::with(block_on),
    }
}

/// A provider with an executor.
fn provider(spawning: Spawning) -> Provider {
    Provider::builder().spawning(spawning).build()
}

/// A provider whose clock stands still, as a thread that waits must not have the leases of others end; or in its place one
/// answer to everything.
struct Still {
    provider: Provider,
    answer: Option<&'static [u8]>,
}

#[async_trait]
impl Backend for Still {
    async fn send(&self, request: Request, limits: Limits) -> Result<Response, Failure> {
        yield_now().await;
        let response = match self.answer {
            Some(answer) => Ok(http::Response::new(Bytes::from_static(answer))),
            None => self.provider.send(request, limits).await,
        };
        yield_now().await;
        response
    }

    async fn sleep(&self, _: Duration) {
        yield_now().await;
    }

    fn now(&self) -> SystemTime {
        self.provider.now()
    }

    fn spawn(&self, task: valetkey_http::Task) -> Result<(), valetkey_http::Task> {
        self.provider.spawn(task)
    }
}

fn backend(spawning: Spawning) -> Arc<dyn Backend> {
    Arc::new(provider(spawning))
}

/// Whether somebody has woken a future since it was last polled.
struct Woken {
    is: AtomicBool,
    task: Waker,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.is.store(true, Ordering::Relaxed);
        self.task.wake_by_ref();
    }
}

/// Sees to it that no wake is lost to a lock: a task of shuttle that waits for one takes any wake for that of the lock.
async fn wakeful<F: Future>(future: F) -> F::Output {
    let (mut future, mut woken) = (Box::pin(future), None);
    std::future::poll_fn(|context| {
        let new = || Arc::new(Woken { is: AtomicBool::new(false), task: context.waker().clone() });
        let woken = woken.get_or_insert_with(new);
        woken.is.store(false, Ordering::Relaxed);
        let poll = future.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::clone(woken))));
        if poll.is_pending() && woken.is.load(Ordering::Relaxed) {
            context.waker().wake_by_ref();
        }
        poll
    })
    .await
}

fn block_on<F: Future>(future: F) -> F::Output {
    shuttle::future::block_on(wakeful(future))
}

/// Runs a task on its own.
fn spawn(task: impl Future<Output: Send> + Send + 'static) {
    drop(shuttle::future::spawn(wakeful(task)));
}

/// Polls at most so often, and then lets go; `None` if it was not done by then.
async fn leaving<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let (mut future, mut polled) = (Box::pin(future), 0);
    std::future::poll_fn(|context| {
        if polled == polls {
            return Poll::Ready(None);
        }
        polled += 1;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if polled == polls => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}
