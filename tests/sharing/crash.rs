//! Programs that end in the middle of what they do, and the programs that come after them.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fmt,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, SystemTime},
};

use libtest_mimic::Failed;
use valetkey_testkit::Mark;

use crate::{
    child::{Dice, Job, Orders, Word},
    judge::{Known, judge},
    processes::Processes,
    stores::Engine,
    watch::PROCESS,
    world::World,
};

/// How much.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Much {
    /// How many processes are killed at random.
    pub(crate) kills: usize,
    /// How many programs end at some step before one does not.
    pub(crate) programs: usize,
}

impl Much {
    /// What `cargo test` tries.
    pub(crate) const SMALL: Self = Self { kills: 60, programs: 1 };

    /// What `VALETKEY_SHARING_KILLS` says, or so many that each store has 10,000: half with grace, and half without.
    pub(crate) fn of_environment() -> Self {
        let kills = env::var("VALETKEY_SHARING_KILLS");
        let kills = kills.map_or(5000, |kills| kills.parse().expect("a number"));
        Self { kills, programs: 2 }
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    /// How many programs ended in the middle.
    ends: usize,
    /// Of these, how many when the store said that the server was being asked.
    under_way: usize,
    /// Of these, how many when the server had given tokens that were not kept.
    not_kept: usize,
    lost: usize,
    renewals: usize,
}

impl Ends {
    pub(crate) const HEADING: &str = "| test | ends | under way | answered and not kept | lost | renewals |\n\
                                      |---|---|---|---|---|---|";
}

impl fmt::Display for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ends, under_way, not_kept, lost, renewals } = self;
        write!(f, "| {ends} | {under_way} | {not_kept} | {lost} | {renewals} |")
    }
}

/// How many at once.
const LANES: usize = 6;
/// How long a process may take for what takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(40);

/// The steps between the server's answer and its being kept. Whoever ends there has lost what a server without grace gave.
const ON_ITS_WAY: [&str; 2] = ["/token: after", "put idle: before"];

/// Ends programs at every step, up to so many one after the other, each time followed by one that goes on.
pub(crate) fn at_every_step(engine: Engine, grace: bool, much: Much) -> Result<Ends, Failed> {
    let world = World::begin(engine, grace)?;
    let ledger = Mutex::new(Ledger::default());
    let steps = extend(&world, grace, &ledger, &[])?;
    if much.programs > 1 {
        let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
        let lane = || {
            loop {
                let first = next.fetch_add(1, Relaxed);
                if first >= steps {
                    return;
                }
                if let Err(error) = extend(&world, grace, &ledger, &[first]) {
                    *failed.lock().expect("unpoisoned") = Some(error);
                    return;
                }
            }
        };
        thread::scope(|scope| (0..LANES).for_each(|_| drop(scope.spawn(lane))));
        if let Some(error) = failed.into_inner().expect("unpoisoned") {
            return Err(error);
        }
    }
    ledger.into_inner().expect("unpoisoned").judge(&world, grace)
}

/// Ends a program at every step that it takes, after others that end at those steps; and says how many it takes.
fn extend(world: &World, grace: bool, ledger: &Mutex<Ledger>, stops: &[usize]) -> Result<usize, Failed> {
    for step in 0.. {
        let stops = [stops, &[step]].concat();
        let labels = succession(world, grace, ledger, &stops)?;
        if labels.len() < stops.len() {
            return Ok(step);
        }
    }
    unreachable!("a program has an end")
}

/// Has programs renew the grant of an account one after the other, which end at these steps, but for the last one. Says what the
/// steps are.
fn succession(
    world: &World,
    grace: bool,
    ledger: &Mutex<Ledger>,
    stops: &[usize],
) -> Result<Vec<String>, Failed> {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let account = format!("account-{}", NUMBER.fetch_add(1, Relaxed));
    world.sign_in(&account)?;
    let (mut labels, mut own) = (Vec::new(), Ledger { accounts: 1, signed_in: 1, ..Ledger::default() });
    let mut processes = Processes::new();
    let mut is_lost = false;
    for stop_at in stops.iter().copied().map(Some).chain([None]) {
        let job = Job::Renew { times: 1 };
        let process =
            processes.start(&Orders { account: account.clone(), job, stop_at, ..world.orders.clone() });
        finish(world, &mut processes, process)?;
        is_lost = false;
        for (_, word) in processes.words() {
            match word {
                Word::Stops(label) => labels.push(label),
                Word::Renewed { instead_of } => drop(own.renewed.insert(instead_of, process)),
                Word::Lost => is_lost = true,
                word => return Err(format!("{word:?} after {labels:?}").into()),
            }
        }
        own.under_way += usize::from(world.is_under_way(&account)?);
        processes.bury(&*world.store, world.now());
    }
    // One that was lost is lost to the last one, too.
    let on_its_way = labels.iter().any(|label| ON_ITS_WAY.contains(&label.as_str()));
    if is_lost != (on_its_way && !grace) {
        return Err(format!("after {labels:?}, the grant is lost: {is_lost}").into());
    }
    own.killed = std::mem::take(&mut processes.killed);
    own.settle(world, &account)?;
    ledger.lock().expect("unpoisoned").merge(own);
    Ok(labels)
}

/// Waits until a process has ended.
fn finish(world: &World, processes: &mut Processes, process: u64) -> Result<(), Failed> {
    let until = world.now() + PATIENCE;
    while !processes.has_ended(process) {
        if until < world.now() {
            return Err(format!("process {process} takes more than {PATIENCE:?}").into());
        }
        world.sleep(Duration::from_millis(1));
    }
    processes.wait_for(process, world.now());
    Ok(())
}

/// What is known of many programs beside what the provider saw.
#[derive(Debug, Default)]
struct Ledger {
    killed: BTreeSet<u64>,
    /// Which process has said last that it has other tokens than those with this refresh token.
    renewed: BTreeMap<String, u64>,
    accounts: usize,
    signed_in: usize,
    generation: u64,
    under_way: usize,
}

impl Ledger {
    /// The last program has ended: goes on once more.
    fn settle(&mut self, world: &World, account: &str) -> Result<(), Failed> {
        let (generation, signs_in) = world.settle(account)?;
        self.generation += generation;
        self.signed_in += usize::from(signs_in);
        Ok(())
    }

    fn merge(&mut self, mut other: Self) {
        self.killed.append(&mut other.killed);
        self.renewed.append(&mut other.renewed);
        self.accounts += other.accounts;
        self.signed_in += other.signed_in;
        self.generation += other.generation;
        self.under_way += other.under_way;
    }

    fn judge(&self, world: &World, grace: bool) -> Result<Ends, Failed> {
        let Self { killed, renewed, accounts, signed_in, generation, under_way } = self;
        let (accounts, signed_in, generation) = (*accounts, *signed_in, *generation);
        let known = Known { grace, killed, accounts, signed_in, generation, renewed };
        let figures = judge(&known, &world.provider.transcript())?;
        let ends = Ends {
            ends: figures.kills,
            under_way: *under_way,
            not_kept: figures.not_kept,
            lost: figures.lost,
            renewals: figures.generations,
        };
        if ends.not_kept == 0 || (ends.lost == 0) != grace {
            return Err(format!("nothing was put to the test: {ends:?}").into());
        }
        Ok(ends)
    }
}

/// Kills programs at random, each time followed by one that goes on.
pub(crate) fn at_random(engine: Engine, grace: bool, much: Much) -> Result<Ends, Failed> {
    let world = World::begin(engine, grace)?;
    let mut kills = Kills::begin(&world)?;
    while kills.processes.killed.len() < much.kills {
        kills.observe();
        kills.listen()?;
        for lane in 0..LANES {
            kills.attend(lane)?;
        }
        kills.processes.bury(&*world.store, world.now());
        world.sleep(Duration::from_millis(1));
    }
    kills.end(grace)
}

/// An account, and the program that renews its grant again and again.
struct Lane {
    orders: Orders,
    process: u64,
    since: SystemTime,
    /// After how many questions to the server it is killed, and how much later; none: so long after it was started.
    questions: u64,
    rest: Duration,
    /// How often it has asked.
    asked: u64,
    due: Option<SystemTime>,
}

struct Kills<'a> {
    world: &'a World,
    processes: Processes,
    lanes: Vec<Lane>,
    ledger: Ledger,
    dice: Dice,
    seen: Mark,
}

impl<'a> Kills<'a> {
    fn begin(world: &'a World) -> Result<Self, Failed> {
        let (processes, seen) = (Processes::new(), world.provider.mark());
        let dice = Dice::new(u64::from(std::process::id()), "kills");
        let ledger = Ledger { accounts: LANES, signed_in: LANES, ..Ledger::default() };
        let mut kills = Self { world, processes, lanes: Vec::new(), ledger, dice, seen };
        for lane in 0..LANES {
            let account = format!("account-{lane}");
            world.sign_in(&account)?;
            let job = Job::Renew { times: usize::MAX };
            let lane = kills.start(Orders { account, job, ..world.orders.clone() });
            kills.lanes.push(lane);
        }
        Ok(kills)
    }

    /// Starts a program, and makes up when it is killed: mostly while the server is asked, or shortly after.
    fn start(&mut self, orders: Orders) -> Lane {
        let process = self.processes.start(&orders);
        let since = self.world.now();
        let questions = self.dice.below(8).min(3);
        let (rest, due) = if questions == 0 {
            let rest = self.dice.up_to(60);
            (rest, Some(since + rest))
        } else {
            (self.dice.up_to(4), None)
        };
        Lane { orders, process, since, questions, rest, asked: 0, due }
    }

    /// Looks at what has arrived.
    fn observe(&mut self) {
        let mark = self.world.provider.mark();
        for entry in self.world.provider.requests_since(self.seen) {
            if entry.param("refresh_token").is_none() {
                continue;
            }
            let process = entry.headers()[PROCESS].to_str().ok().and_then(|text| text.parse().ok());
            if let Some(lane) = self.lanes.iter_mut().find(|lane| Some(lane.process) == process) {
                lane.asked += 1;
                if lane.asked == lane.questions {
                    lane.due = Some(self.world.now() + lane.rest);
                }
            }
        }
        self.seen = mark;
    }

    fn listen(&mut self) -> Result<(), Failed> {
        for (process, word) in self.processes.words() {
            match word {
                Word::Renewed { instead_of } => drop(self.ledger.renewed.insert(instead_of, process)),
                // It ends.
                Word::Lost => {}
                word => return Err(format!("{word:?}").into()),
            }
        }
        Ok(())
    }

    /// Kills the program of a lane if it is time, and starts the next one if it has ended.
    fn attend(&mut self, at: usize) -> Result<(), Failed> {
        let Lane { process, since, due, .. } = self.lanes[at];
        let now = self.world.now();
        if due.is_some_and(|due| due <= now) {
            self.processes.kill(process, now);
        } else if self.processes.has_ended(process) {
            self.processes.wait_for(process, now);
        } else if since + PATIENCE < now {
            return Err(format!("process {process} does not get on").into());
        } else {
            return Ok(());
        }
        let orders = self.lanes[at].orders.clone();
        self.ledger.under_way += usize::from(self.world.is_under_way(&orders.account)?);
        if self.world.is_lost(&orders.account)? {
            self.world.sign_in(&orders.account)?;
            self.ledger.signed_in += 1;
        } else if !self.processes.killed.contains(&process) {
            return Err(format!("process {process} has ended, and the grant is not lost").into());
        }
        self.processes.bury(&*self.world.store, now);
        self.lanes[at] = self.start(orders);
        Ok(())
    }

    /// All programs end, and all grants go on.
    fn end(mut self, grace: bool) -> Result<Ends, Failed> {
        let now = self.world.now();
        for lane in 0..LANES {
            self.processes.kill(self.lanes[lane].process, now);
        }
        self.listen()?;
        for wait in [0, 1100] {
            self.world.sleep(Duration::from_millis(wait));
            self.processes.bury(&*self.world.store, self.world.now());
        }
        for lane in &self.lanes {
            self.ledger.settle(self.world, &lane.orders.account)?;
        }
        self.ledger.killed = std::mem::take(&mut self.processes.killed);
        self.ledger.judge(self.world, grace)
    }
}
