//! Row 7: the token that a session has at hand, by one thread and by two.

use std::{
    hint::{black_box, spin_loop},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use arc_swap::ArcSwap;
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use valetkey::Session;
use valetkey_http::block_on;

use crate::{
    goal::Goal, many::Many, measure::Allocations, rounds::Rounds, session::cached, stopwatch::start,
    world::now,
};

/// What threads do over and over, each with its own of what is not shared.
struct Shared {
    name: &'static str,
    worker: Box<dyn Fn() -> Worker + Sync>,
}

/// Does it [`BATCH`] times.
type Worker = Box<dyn FnMut() + Send>;

const BATCH: u32 = 64;
const RUNS: usize = 5;

impl Shared {
    fn new<F: FnMut() + Send + 'static>(name: &'static str, worker: impl Fn() -> F + Sync + 'static) -> Self {
        let batch = move || -> Worker {
            let mut once = worker();
            Box::new(move || (0..BATCH).for_each(|_| once()))
        };
        Self { name, worker: Box::new(batch) }
    }

    /// Nanoseconds an operation with this many threads at it: the slowest thread's.
    fn round(&self, threads: usize, time: Duration) -> f64 {
        let ready = AtomicUsize::new(0);
        let run = || {
            let mut worker = (self.worker)();
            worker();
            ready.fetch_add(1, Ordering::Relaxed);
            while ready.load(Ordering::Relaxed) < threads {
                spin_loop();
            }
            let (began, mut operations) = (start(), 0);
            loop {
                worker();
                operations += BATCH;
                let spent = began.elapsed();
                if spent >= time {
                    return spent.as_secs_f64() * 1e9 / f64::from(operations);
                }
            }
        };
        thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(run)).collect();
            let own = run();
            others.into_iter().map(|other| other.join().expect("a worker")).fold(own, f64::max)
        })
    }
}

/// The figures of one of them in one run: nanoseconds with one thread and with two.
#[derive(Clone, Copy)]
struct Times {
    one: f64,
    two: f64,
}

/// What no reading can go below, the reading, a request that is given the token, and the reading of a session in a store.
fn all(session: &Session, kept: Session) -> [Shared; 4] {
    let limit = Arc::new(ArcSwap::from_pointee(0_u64));
    let (read, given) = (session.clone(), session.clone());
    [
        Shared::new("arc-swap load and a clock", move || {
            let limit = Arc::clone(&limit);
            move || {
                let guard = limit.load();
                black_box((&**guard, now()));
            }
        }),
        Shared::new("bearer", move || {
            let session = read.clone();
            move || {
                let bearer = session.bearer().expect("a token");
                black_box::<&HeaderValue>(&bearer);
            }
        }),
        Shared::new("bearer into a request", move || {
            let session = given.clone();
            let mut headers = HeaderMap::with_capacity(8);
            move || {
                let bearer = session.bearer().expect("a token");
                headers.insert(AUTHORIZATION, bearer.clone());
                black_box(&mut headers).clear();
            }
        }),
        Shared::new("bearer of a kept session", move || {
            let session = kept.clone();
            move || {
                let bearer = session.bearer().expect("a token");
                black_box::<&HeaderValue>(&bearer);
            }
        }),
    ]
}

pub(crate) fn goals(rounds: &Rounds, allocations: &Allocations) -> Vec<Goal> {
    let contenders = all(&cached(), block_on(async { Many::kept(1).await.open(0).await }));
    let runs: Vec<[Times; 4]> = (0..RUNS).map(|_| run(rounds, &contenders)).collect();
    // The time of all runs is the fastest; a ratio is the one in the middle.
    let time = |index: usize| runs.iter().map(|run| run[index].one).fold(f64::MAX, f64::min);
    let threads = |index: usize| median(runs.iter().map(|run| run[index].two / run[index].one).collect());
    for (index, contender) in contenders.iter().enumerate() {
        let (name, one, ratio) = (contender.name, time(index), threads(index));
        println!("# {name:<32} {one:>6.1} ns/op, with two threads {ratio:.2} times that");
    }
    vec![
        Goal::at_most(7, "bearer-to-load-and-clock", time(1) / time(0), 1.35),
        Goal::at_most(7, "bearer-in-a-store-to-load-and-clock", time(3) / time(0), 1.35),
        Goal::at_most(7, "bearer-allocations", allocations.of("bearer"), 0.0),
        Goal::at_most(7, "bearer-two-threads", threads(1), 1.10),
        Goal::at_most(7, "bearer-in-request-to-load-and-clock", time(2) / time(0), 2.2),
        Goal::at_most(7, "bearer-in-request-two-threads", threads(2), 1.35),
    ]
}

/// The fastest rounds of one run, by one thread and by two, back and forth.
fn run(rounds: &Rounds, contenders: &[Shared; 4]) -> [Times; 4] {
    let mut best = [Times { one: f64::MAX, two: f64::MAX }; 4];
    for _ in 0..rounds.count.div_ceil(RUNS) {
        for (best, contender) in best.iter_mut().zip(contenders) {
            best.one = best.one.min(contender.round(1, rounds.time));
            best.two = best.two.min(contender.round(2, rounds.time));
        }
    }
    best
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
