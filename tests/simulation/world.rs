//! One thread, virtual time and dice: what runs next is as random as the seed, and the same each time.

use std::{
    collections::BTreeMap,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use valetkey_http::Task;
use valetkey_testkit::Provider;

/// Who runs a task: a program by its number and how often it was started, or the network, which outlives them.
pub(crate) type Owner = Option<(usize, u32)>;

/// The provider, time, and everything that runs. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) provider: Provider,
    inner: Arc<Mutex<Inner>>,
    ready: Arc<Mutex<Vec<u64>>>,
    /// Whether what happens is told: of a day that is replayed.
    is_told: bool,
}

struct Inner {
    dice: u64,
    now: Duration,
    next: u64,
    timers: BTreeMap<(Duration, u64), Waker>,
    tasks: BTreeMap<u64, Running>,
}

struct Running {
    owner: Owner,
    task: Task,
    /// How many polls it gets before it is dropped.
    polls: Option<u64>,
}

struct Signal {
    id: u64,
    ready: Arc<Mutex<Vec<u64>>>,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        let mut ready = lock(&self.ready);
        if !ready.contains(&self.id) {
            ready.push(self.id);
        }
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    pub(crate) fn new(seed: u64, provider: Provider) -> Self {
        let (timers, tasks) = (BTreeMap::new(), BTreeMap::new());
        let inner = Inner { dice: seed, now: Duration::ZERO, next: 0, timers, tasks };
        let is_told = std::env::var_os("VALETKEY_SEED").is_some();
        Self { provider, inner: Arc::new(Mutex::new(inner)), ready: Arc::default(), is_told }
    }

    /// A number below this one: SplitMix64.
    pub(crate) fn roll(&self, below: u64) -> u64 {
        let mut inner = lock(&self.inner);
        inner.dice = inner.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = inner.dice;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }

    pub(crate) fn millis(&self, below: u64) -> Duration {
        Duration::from_millis(self.roll(below))
    }

    /// Tells what happens to whom.
    #[expect(clippy::print_stderr, reason = "it is for who replays a day")]
    pub(crate) fn tell(&self, owner: Owner, what: fmt::Arguments<'_>) {
        if self.is_told {
            let who = owner.map_or_else(String::new, |(program, start)| format!(" {program}.{start}"));
            eprintln!("{:?}{who} {what}", self.now());
        }
    }

    /// Since the day began.
    pub(crate) fn now(&self) -> Duration {
        lock(&self.inner).now
    }

    pub(crate) fn spawn(&self, owner: Owner, polls: Option<u64>, task: Task) {
        let mut inner = lock(&self.inner);
        inner.next += 1;
        let id = inner.next;
        inner.tasks.insert(id, Running { owner, task, polls });
        lock(&self.ready).push(id);
    }

    /// Drops all that a program runs.
    pub(crate) fn kill(&self, owner: Owner) {
        let mut inner = lock(&self.inner);
        let gone: Vec<_> =
            inner.tasks.iter().filter(|(_, one)| one.owner == owner).map(|(id, _)| *id).collect();
        let gone: Vec<_> = gone.into_iter().filter_map(|id| inner.tasks.remove(&id)).collect();
        drop(inner);
        drop(gone);
    }

    /// Everybody sleeps, and time goes on.
    pub(crate) fn suspend(&self, time: Duration) {
        lock(&self.inner).now += time;
        self.provider.advance(time);
    }

    /// Lets everything run for this time.
    pub(crate) fn run(&self, time: Duration) {
        let end = self.now() + time;
        loop {
            while let Some(id) = self.pick() {
                self.poll(id);
            }
            let mut inner = lock(&self.inner);
            let due = inner.timers.first_key_value().map(|(key, _)| *key).filter(|(due, _)| *due <= end);
            let to = due.map_or(end, |(due, _)| due).max(inner.now);
            self.provider.advance(to - inner.now);
            inner.now = to;
            let waker = due.and_then(|key| inner.timers.remove(&key));
            drop(inner);
            match waker {
                Some(waker) => waker.wake(),
                None => return,
            }
        }
    }

    fn pick(&self) -> Option<u64> {
        let count = lock(&self.ready).len();
        if count == 0 {
            return None;
        }
        let at = usize::try_from(self.roll(count as u64)).expect("it is small");
        Some(lock(&self.ready).swap_remove(at))
    }

    fn poll(&self, id: u64) {
        let Some(mut running) = lock(&self.inner).tasks.remove(&id) else { return };
        if running.polls == Some(0) {
            return;
        }
        running.polls = running.polls.map(|polls| polls - 1);
        let waker = Waker::from(Arc::new(Signal { id, ready: Arc::clone(&self.ready) }));
        if running.task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            lock(&self.inner).tasks.insert(id, running);
        }
    }

    pub(crate) fn sleep(&self, time: Duration) -> Sleep {
        Sleep { world: self.clone(), due: self.now() + time, key: None }
    }
}

/// Until it is so late.
pub(crate) struct Sleep {
    world: World,
    due: Duration,
    key: Option<(Duration, u64)>,
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let gone = self.key.and_then(|key| lock(&self.world.inner).timers.remove(&key));
        drop(gone);
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut inner = lock(&this.world.inner);
        if inner.now >= this.due {
            return Poll::Ready(());
        }
        let key = *this.key.get_or_insert_with(|| {
            inner.next += 1;
            (this.due, inner.next)
        });
        inner.timers.insert(key, context.waker().clone());
        Poll::Pending
    }
}
