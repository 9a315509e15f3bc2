//! One run: processes that share a grant, and what happens to them.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    time::{Duration, SystemTime},
};

use libtest_mimic::Failed;
use valetkey::oauth2::token::refresh::Standing;
use valetkey_testkit::{Effect, Expect, Fault, Mark, Place};

use crate::{
    child::{Dice, Job, Orders, Word},
    judge::{Figures, Known, judge},
    processes::Processes,
    stores::Engine,
    watch::{PROCESS, Trouble},
    world::{LIFETIME, World},
};

/// How long, and with how many.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) time: Duration,
    pub(crate) processes: usize,
    pub(crate) tasks: usize,
}

impl Size {
    /// What `cargo test` tries.
    pub(crate) const SMALL: Self = Self { time: Duration::from_secs(3), processes: 4, tasks: 20 };

    /// What `VALETKEY_SHARING_SECONDS`, `_PROCESSES` and `_TASKS` say.
    pub(crate) fn of_environment() -> Self {
        let number = |name: &str, otherwise: usize| {
            let value = env::var(format!("VALETKEY_SHARING_{name}"));
            value.map_or(otherwise, |value| value.parse().expect("a number"))
        };
        let time = Duration::from_secs(number("SECONDS", 60) as u64);
        Self { time, processes: number("PROCESSES", 8), tasks: number("TASKS", 200) }
    }

    /// At least this many seconds: for what takes its time.
    pub(crate) fn at_least(self, seconds: u64) -> Self {
        Self { time: self.time.max(Duration::from_secs(seconds)), ..self }
    }
}

/// What happens.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Kind {
    /// Whether a refresh token may be used again within a minute.
    pub(crate) grace: bool,
    /// Whether processes are killed.
    pub(crate) kills: bool,
    /// Whether the token endpoint fails.
    pub(crate) fails: bool,
    /// Whether the store fails.
    pub(crate) store_fails: bool,
    /// Whether callers leave.
    pub(crate) leaves: bool,
}

/// What goes wrong, each once at a time.
#[derive(Clone, Copy)]
enum Wrong {
    /// At the token endpoint, once.
    Server(Effect),
    /// In the processes, for this time.
    For(Trouble, Duration),
    /// In one process, once.
    Once(Trouble),
}

const SERVER_FAILS: [Wrong; 5] = [
    Wrong::Server(Effect::Drop),
    Wrong::For(Trouble::Unreachable, Duration::from_millis(1500)),
    Wrong::Server(Effect::Answer { status: 503, headers: &[("retry-after", "1")], body: b"" }),
    Wrong::Server(Effect::Answer { status: 500, headers: &[], body: b"" }),
    Wrong::Server(Effect::SlowHead(Duration::from_secs(10))),
];

/// At first what may cost most: new tokens that cannot be kept, or seem not to be.
const STORE_FAILS: [Wrong; 10] = [
    Wrong::Once(Trouble::StoreFailsAt("put idle: before")),
    Wrong::Once(Trouble::StoreFailsAt("put idle: after")),
    Wrong::For(Trouble::StoreFails, Duration::from_secs(5)),
    Wrong::Once(Trouble::StoreFailsAt("put in flight: before")),
    Wrong::Once(Trouble::StoreFailsAt("put in flight: after")),
    Wrong::Once(Trouble::StoreFailsAt("lease: before")),
    Wrong::Once(Trouble::StoreFailsAt("lease: after")),
    Wrong::Once(Trouble::StoreFailsAt("load: before")),
    Wrong::Once(Trouble::StoreFailsAt("release: before")),
    Wrong::Once(Trouble::StoreFailsAt("release: after")),
];

impl Kind {
    /// What goes wrong, by turns.
    fn wrongs(self) -> Vec<Wrong> {
        let server = SERVER_FAILS.iter().filter(|_| self.fails);
        server.chain(STORE_FAILS.iter().filter(|_| self.store_fails)).copied().collect()
    }
}

/// Runs it, and says what came of it.
pub(crate) fn run(engine: Engine, size: Size, kind: Kind) -> Result<Figures, Failed> {
    let mut run = Run::begin(engine, size, kind)?;
    let mut words = Vec::new();
    while run.world.now() < run.until {
        for (_, word) in run.processes.words() {
            if let Word::Lost = word {
                run.sign_in_again()?;
            }
            words.push(word);
        }
        let asking = run.observe();
        if kind.kills {
            run.kill(asking);
        }
        run.go_wrong();
        run.world.sleep(Duration::from_millis(1));
    }
    run.world.provider.clear_faults();
    Trouble::end(&run.world.orders.troubles);
    let said = run.processes.stop(run.until)?;
    words.extend(said.into_iter().map(|(_, word)| word));
    run.judge(size, &words)
}

struct Run {
    kind: Kind,
    world: World,
    orders: Orders,
    processes: Processes,
    dice: Dice,
    until: SystemTime,
    /// How often the user has signed in.
    signed_in: usize,
    /// What of the transcript was seen.
    seen: Mark,
    /// The refresh tokens that were used.
    used: BTreeSet<String>,
    next_kill: SystemTime,
    /// Who is killed soon, because it has just asked.
    marked: Option<(u64, SystemTime)>,
    wrongs: Vec<Wrong>,
    next_wrong: usize,
    present: Option<Present>,
}

/// What goes wrong now.
struct Present {
    wrong: Wrong,
    since: SystemTime,
    /// How many faults had happened at the server, and refresh tokens been used, when it began.
    faults: usize,
    used: usize,
}

const ACCOUNT: &str = "alice";

impl Run {
    fn begin(engine: Engine, size: Size, kind: Kind) -> Result<Self, Failed> {
        let world = World::begin(engine, kind.grace)?;
        world.sign_in(ACCOUNT)?;
        let job = Job::Call { tasks: size.tasks, leaves: kind.leaves };
        let orders = Orders { account: ACCOUNT.to_owned(), job, ..world.orders.clone() };
        let mut processes = Processes::new();
        for _ in 0..size.processes {
            processes.start(&orders);
        }
        let now = world.now();
        Ok(Self {
            kind,
            seen: world.provider.mark(),
            world,
            orders,
            dice: Dice::new(processes.at(0), "parent"),
            processes,
            until: now + size.time,
            signed_in: 1,
            used: BTreeSet::new(),
            next_kill: now + Duration::from_millis(300),
            marked: None,
            wrongs: kind.wrongs(),
            next_wrong: 0,
            present: None,
        })
    }

    /// After a process has said that the grant is lost. The others say so, too, and some when there is another one already.
    fn sign_in_again(&mut self) -> Result<(), Failed> {
        match self.world.entry(ACCOUNT)?.1 {
            Standing::Ended(_) if self.world.is_lost(ACCOUNT)? => {
                self.world.provider.clear_faults();
                Trouble::end(&self.world.orders.troubles);
                self.present = None;
                self.world.sign_in(ACCOUNT)?;
                self.signed_in += 1;
                Ok(())
            }
            Standing::Idle | Standing::InFlight { .. } if self.signed_in > 1 => Ok(()),
            standing => Err(format!("the grant is lost, and the store says {standing:?}").into()),
        }
    }

    /// Looks at what has arrived, and says which process has just used a refresh token.
    fn observe(&mut self) -> Option<u64> {
        let mark = self.world.provider.mark();
        let mut asking = None;
        for entry in self.world.provider.requests_since(self.seen) {
            if let Some(token) = entry.param("refresh_token") {
                self.used.insert(token.to_owned());
                asking = entry.headers()[PROCESS].to_str().ok().and_then(|text| text.parse().ok());
            }
        }
        self.seen = mark;
        asking
    }

    /// Kills some process now and then, and often one that has just asked for new tokens: before the answer is read, while it
    /// is written, or a little later.
    fn kill(&mut self, asking: Option<u64>) {
        let now = self.world.now();
        if let Some(process) = asking.filter(|_| self.dice.below(4) != 0) {
            self.marked = Some((process, now + self.dice.up_to(3)));
        }
        if let Some((process, _)) = self.marked.take_if(|(_, at)| *at <= now) {
            self.replace(process, now);
        }
        if self.next_kill <= now {
            self.replace(self.processes.at(self.dice.below(64)), now);
            self.next_kill = now + Duration::from_millis(100) + self.dice.up_to(900);
        }
        self.processes.bury(&*self.world.store, now);
    }

    fn replace(&mut self, process: u64, now: SystemTime) {
        if self.processes.kill(process, now) {
            self.processes.start(&self.orders);
        }
    }

    /// Lets the next thing go wrong when the last one is over, and new tokens were got and used up since.
    fn go_wrong(&mut self) {
        let (now, used) = (self.world.now(), self.used.len());
        let (provider, file) = (&self.world.provider, &self.world.orders.troubles);
        let faults = provider.faults_happened();
        if let Some(present) = &self.present {
            let is_over = match present.wrong {
                Wrong::Server(_) => faults > present.faults,
                Wrong::For(_, time) => present.since + time <= now,
                Wrong::Once(_) => !file.exists(),
            };
            if is_over && matches!(present.wrong, Wrong::For(..)) {
                Trouble::end(file);
            }
            if !is_over || used < present.used + 2 {
                return;
            }
        }
        if self.wrongs.is_empty() {
            return;
        }
        let wrong = self.wrongs[self.next_wrong % self.wrongs.len()];
        self.next_wrong += 1;
        match wrong {
            Wrong::Server(effect) => {
                provider.set_fault(Fault::new("sharing", Place::Token, effect, Expect::Accepted).times(1));
            }
            Wrong::For(trouble, _) | Wrong::Once(trouble) => trouble.begin(file),
        }
        self.present = Some(Present { wrong, since: now, faults, used });
    }

    /// When all processes have ended: goes on with the grant, and judges the whole.
    fn judge(&mut self, size: Size, words: &[Word]) -> Result<Figures, Failed> {
        let kind = self.kind;
        self.world.sleep(LIFETIME + LIFETIME / 10);
        self.processes.bury(&*self.world.store, self.world.now());
        let (generation, signs_in) = self.world.settle(ACCOUNT)?;
        let signed_in = self.signed_in + usize::from(signs_in);
        let (grace, killed, renewed) = (kind.grace, &self.processes.killed, &BTreeMap::new());
        let known = Known { grace, killed, accounts: 1, signed_in, generation, renewed };
        let mut figures = judge(&known, &self.world.provider.transcript())?;
        figures.add(words)?;
        figures.faults += self.world.provider.faults_happened();
        // A renewal takes its time where something stands in its way.
        let is_hindered = kind.fails || kind.kills || kind.store_fails;
        let least = size.time.as_secs() / if is_hindered { 4 } else { 2 };
        if (figures.generations as u64) < least {
            return Err(format!("{} generations in {:?}", figures.generations, size.time).into());
        }
        if (kind.kills && figures.kills == 0)
            || (!self.wrongs.is_empty() && figures.faults == 0)
            || (kind.leaves && figures.left == 0)
        {
            return Err(format!("nothing was put to the test: {figures:?}").into());
        }
        Ok(figures)
    }
}
