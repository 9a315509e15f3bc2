//! One day of a grant: what happens is thrown by dice, and what must hold is checked.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use valetkey::{Advice, Client, Error, Reason, Session, Sessions, store::MemoryStore};
use valetkey_http::Backend;
use valetkey_testkit::{Provider, SeededRandom, block_on};

use crate::{
    network::{Asked, Ledger, Machine, Trouble},
    shelf::Shelf,
    world::{World, lock},
};

/// What the provider does about a refresh token that comes a second time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grace {
    /// It ends the grant.
    None,
    /// It is taken for a minute.
    Short,
    /// It is taken for longer than the day.
    Long,
}

impl Grace {
    pub(crate) const fn time(self) -> Duration {
        Duration::from_secs(match self {
            Self::None => 0,
            Self::Short => 60,
            Self::Long => 1_000_000,
        })
    }
}

/// What a day came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) days: u64,
    /// Days that did not hold; of these there are no other figures.
    pub(crate) wrong: u64,
    pub(crate) calls: u64,
    pub(crate) failed_calls: u64,
    pub(crate) refreshes: u64,
    pub(crate) troubles: u64,
    pub(crate) restarts: u64,
    pub(crate) lost_answers: u64,
    pub(crate) lost_grants: u64,
    /// Those that were lost because two answers in a row were.
    pub(crate) lost_twice: u64,
    /// Calls by a session of an earlier sign-in that was still open.
    pub(crate) stale: u64,
    pub(crate) log_outs: u64,
    /// Refresh tokens that were sent without the lease, because a clock was set back by as long as the program stood still.
    pub(crate) hidden: u64,
}

impl Figures {
    pub(crate) fn add(&mut self, day: Self) {
        self.days += day.days;
        self.wrong += day.wrong;
        self.calls += day.calls;
        self.failed_calls += day.failed_calls;
        self.refreshes += day.refreshes;
        self.troubles += day.troubles;
        self.restarts += day.restarts;
        self.lost_answers += day.lost_answers;
        self.lost_grants += day.lost_grants;
        self.lost_twice += day.lost_twice;
        self.stale += day.stale;
        self.log_outs += day.log_outs;
        self.hidden += day.hidden;
    }
}

const HOUR: u64 = 3600;

/// A program as it runs, until it is started again.
struct Program {
    number: usize,
    starts: u32,
    machine: Machine,
    sessions: Sessions,
    /// The session that it holds, and of which sign-in.
    held: Arc<Mutex<Option<(Session, u64)>>>,
}

/// What callers find out.
#[derive(Default)]
struct Found {
    /// How often somebody began to log out, and how often somebody had signed in.
    log_outs: u64,
    sign_ins: u64,
    /// Somebody has begun to log out, and nobody has signed in again.
    is_out: bool,
    /// A grant is known to be lost.
    is_lost: bool,
    lost: BTreeSet<u64>,
    lost_twice: BTreeSet<u64>,
    stale: u64,
    calls: u64,
    failed: u64,
    last: Option<u16>,
    wrong: Vec<String>,
}

pub(crate) struct Day {
    world: World,
    grace: Grace,
    shelf: Shelf,
    ledger: Arc<Mutex<Ledger>>,
    programs: Vec<Program>,
    found: Arc<Mutex<Found>>,
    random: Arc<SeededRandom>,
    restarts: u64,
}

impl Day {
    /// Lives the day of this seed through.
    ///
    /// # Errors
    ///
    /// What did not hold.
    pub(crate) fn live(seed: u64, grace: Grace) -> Result<Figures, String> {
        let mut day = Self::dawn(seed, grace);
        day.sign_in();
        while day.world.now() < Duration::from_secs(24 * HOUR) {
            day.happen();
            let pause = match day.world.roll(8) {
                0..3 => day.world.millis(500),
                3..6 => day.world.millis(60_000),
                _ => day.world.millis(2 * HOUR * 1000),
            };
            day.world.run(pause);
            day.mend();
        }
        day.dusk();
        day.judge()
    }

    fn dawn(seed: u64, grace: Grace) -> Self {
        let provider = Provider::builder().seed(seed).rotation_grace(grace.time()).build();
        let world = World::new(seed, provider.clone());
        let ledger = Arc::<Mutex<Ledger>>::default();
        lock(&ledger).is_harsh = grace == Grace::None;
        let below = MemoryStore::with_clock(move || provider.now());
        let (down, skew) = (Arc::default(), Arc::default());
        let shelf =
            Shelf { world: world.clone(), below, ledger: Arc::clone(&ledger), owner: None, skew, down };
        let (found, random) = (Arc::default(), Arc::new(SeededRandom::labelled(seed, "programs")));
        let mut day = Self { world, grace, shelf, ledger, programs: Vec::new(), found, random, restarts: 0 };
        for number in 0..=usize::from(day.world.roll(3) > 0) {
            let program = day.start(number, 0, Arc::default());
            day.programs.push(program);
        }
        day
    }

    fn start(&self, number: usize, starts: u32, skew: Arc<AtomicI64>) -> Program {
        let owner = Some((number, starts));
        let has_executor = self.world.roll(2) == 0;
        let (world, ledger) = (self.world.clone(), Arc::clone(&self.ledger));
        let shelf = Shelf { owner, skew: Arc::clone(&skew), ..self.shelf.clone() };
        let machine = Machine { world, ledger, skew, owner, has_executor };
        let sessions = self.client(machine.clone()).sessions(shelf);
        Program { number, starts, machine, sessions, held: Arc::default() }
    }

    /// A client over this backend; what it learns of the server it has from the provider itself, as from a file.
    fn client(&self, backend: impl Backend) -> Client {
        let server = block_on(self.plain().build()).and_then(|client| block_on(client.server()));
        let builder = Client::builder(backend).server(server.expect("all is well"));
        let (building, built) = (self.known(builder), Arc::new(Mutex::new(None)));
        let to = Arc::clone(&built);
        let building = async move { *lock(&to) = Some(building.build().await.expect("it is set up")) };
        // Some of it may be left to the program's executor.
        self.world.spawn(None, None, Box::pin(building));
        self.world.run(Duration::ZERO);
        lock(&built).take().expect("nothing is sent")
    }

    fn plain(&self) -> valetkey::ClientBuilder {
        let provider = &self.world.provider;
        self.known(Client::builder(provider.clone()).discover(&provider.issuer()))
    }

    fn known(&self, builder: valetkey::ClientBuilder) -> valetkey::ClientBuilder {
        let builder = builder.random(Arc::clone(&self.random) as _).id("app").secret("app-secret");
        builder.redirect_uri("https://client.test/cb").api(&self.world.provider.issuer())
    }

    fn any(&self) -> &Program {
        let at = self.world.roll(self.programs.len() as u64);
        &self.programs[usize::try_from(at).expect("it is small")]
    }

    /// Signs alice in, once the store can be written to.
    fn sign_in(&self) {
        *lock(&self.shelf.down) = Duration::ZERO;
        let client = block_on(self.plain().build()).expect("all is well");
        let (url, pending) = block_on(client.authorize().scope("read").start()).expect("all is well");
        let callback = self.world.provider.visit(&url).expect("she approves");
        let session = block_on(client.redeem(pending, &callback)).expect("all is well");
        let (sessions, found) = (self.any().sessions.clone(), Arc::clone(&self.found));
        let saving = async move {
            sessions.save("alice", &session).await.expect("the store is well");
            let mut found = lock(&found);
            found.sign_ins += 1;
            (found.is_lost, found.is_out) = (false, false);
        };
        self.world.spawn(None, None, Box::pin(saving));
        self.world.run(Duration::from_secs(1));
    }

    /// After a grant was lost, somebody signs in again.
    fn mend(&self) {
        if lock(&self.found).is_lost {
            self.sign_in();
        }
    }

    /// One thing.
    fn happen(&mut self) {
        let (now, world) = (self.world.now(), self.world.clone());
        let roll = world.roll(32);
        world.tell(None, format_args!("something happens: {roll}"));
        match roll {
            0..2 => {
                let kinds: &[Trouble] = &[Trouble::Unreachable, Trouble::Busy, Trouble::Failing];
                let trouble = kinds[usize::try_from(world.roll(3)).expect("it is small")];
                lock(&self.ledger).weather = Some((trouble, now + world.millis(HOUR * 1000)));
            }
            2..6 => {
                let kinds = [Trouble::FailingLate, Trouble::Dropped, Trouble::Truncated, Trouble::Failing];
                let trouble = kinds[usize::try_from(world.roll(4)).expect("it is small")];
                lock(&self.ledger).shot = Some(trouble);
            }
            6 => world.suspend(world.millis(8 * HOUR * 1000)),
            7..9 => {
                let step = i64::try_from(world.roll(2 * HOUR * 1000)).expect("it is small") - 3_600_000;
                self.any().machine.skew.store(step, Ordering::Relaxed);
            }
            9..12 => self.restart(),
            12..14 => *lock(&self.shelf.down) = now + world.millis(5000),
            14 => self.log_out(),
            _ => self.call(self.any(), (roll < 18).then(|| world.roll(12))),
        }
    }

    fn restart(&mut self) {
        let at = usize::try_from(self.world.roll(self.programs.len() as u64)).expect("it is small");
        let Program { number, starts, machine, .. } = &self.programs[at];
        self.world.kill(machine.owner);
        self.restarts += 1;
        self.programs[at] = self.start(*number, starts + 1, Arc::clone(&machine.skew));
    }

    fn log_out(&self) {
        {
            let mut found = lock(&self.found);
            found.log_outs += 1;
            found.is_out = true;
        }
        let sessions = self.any().sessions.clone();
        let done = Arc::new(Mutex::new(false));
        let tell = Arc::clone(&done);
        let leaving = async move {
            // What the store does not take is done again.
            while sessions.log_out("alice").await.is_err_and(is_of_store) {}
            *lock(&tell) = true;
        };
        self.world.spawn(None, None, Box::pin(leaving));
        self.world.run(self.world.millis(10_000));
        while !*lock(&done) {
            self.world.run(Duration::from_secs(1));
        }
        self.sign_in();
    }

    /// Somebody calls the API, and may go away.
    fn call(&self, program: &Program, polls: Option<u64>) {
        let call = Call {
            machine: program.machine.clone(),
            sessions: program.sessions.clone(),
            held: Arc::clone(&program.held),
            found: Arc::clone(&self.found),
            grace: self.grace,
        };
        self.world.spawn(program.machine.owner, polls, Box::pin(call.run()));
    }

    /// All is well again: everybody calls, now and when the tokens are too old.
    fn dusk(&mut self) {
        lock(&self.ledger).weather = None;
        lock(&self.ledger).shot = None;
        *lock(&self.shelf.down) = Duration::ZERO;
        self.world.run(Duration::from_secs(900));
        for _ in 0..2 {
            for program in 0..self.programs.len() {
                // The first ones may lose an answer, find a grant lost that was, or hear that somebody logged out before.
                for _ in 0..5 {
                    let program = &self.programs[program];
                    lock(&self.found).last = None;
                    self.call(program, None);
                    self.world.run(Duration::from_secs(200));
                    self.mend();
                    if lock(&self.found).last == Some(200) {
                        break;
                    }
                }
                if lock(&self.found).last != Some(200) {
                    lock(&self.found).wrong.push(format!("program {program} is not well at the end"));
                }
            }
            self.world.run(Duration::from_secs(3 * HOUR));
        }
    }

    fn judge(self) -> Result<Figures, String> {
        let (ledger, found) = (lock(&self.ledger), lock(&self.found));
        let mut wrong = found.wrong.clone();
        wrong.extend(ledger.wrong.iter().cloned());
        for asked in &ledger.asked {
            let may_count = |other: &&Asked| other.token == asked.token && !other.is_unspent;
            let count = ledger.asked.iter().filter(may_count).count();
            let doubts = ledger.doubts.iter().filter(|token| **token == asked.token).count();
            if count > 2 + doubts {
                wrong.push(format!("one token was sent {count} times, with {doubts} doubts"));
            }
        }
        if let Some(first) = wrong.first() {
            return Err(first.clone());
        }
        Ok(Figures {
            days: 1,
            calls: found.calls,
            failed_calls: found.failed,
            refreshes: ledger.asked.len() as u64,
            troubles: ledger.happened,
            restarts: self.restarts,
            lost_answers: ledger.asked.iter().filter(|asked| asked.new.is_some() && !asked.is_kept).count()
                as u64,
            lost_grants: found.lost.len() as u64,
            lost_twice: found.lost_twice.len() as u64,
            stale: found.stale,
            log_outs: found.log_outs,
            hidden: ledger.hidden,
            wrong: 0,
        })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as `is_err_and` wants it")]
fn is_of_store(error: Error) -> bool {
    error.kind() == valetkey::ErrorKind::Store
}

struct Call {
    machine: Machine,
    sessions: Sessions,
    held: Arc<Mutex<Option<(Session, u64)>>>,
    found: Arc<Mutex<Found>>,
    grace: Grace,
}

impl Call {
    async fn run(self) {
        let (began, log_outs, was_out) = {
            let mut found = lock(&self.found);
            found.calls += 1;
            (found.sign_ins, found.log_outs, found.is_out)
        };
        let nobody_logged_out = |found: &Found| !was_out && found.log_outs == log_outs;
        let held = lock(&self.held).clone();
        let (outcome, good, of) = match held {
            Some((session, of)) => {
                let (outcome, good) = self.ask(&session).await;
                (outcome, good, of)
            }
            None => match self.sessions.open("alice").await {
                Ok(Some(session)) => {
                    *lock(&self.held) = Some((session.clone(), began));
                    let (outcome, good) = self.ask(&session).await;
                    (outcome, good, began)
                }
                Ok(None) => {
                    let is_in = nobody_logged_out(&lock(&self.found));
                    if is_in {
                        self.wrong("nobody is signed in, and nobody logged out");
                    }
                    return;
                }
                Err(error) => (Err(error), false, began),
            },
        };
        let mut found = lock(&self.found);
        // Of a sign-in that has ended, everything may fail.
        let is_current = found.sign_ins == of && nobody_logged_out(&found);
        let status = outcome.as_ref().ok().copied();
        self.machine.world.tell(
            self.machine.owner,
            format_args!("called by sign-in {of} of {}: {outcome:?}", found.sign_ins),
        );
        found.last = status;
        found.failed += u64::from(status != Some(200));
        if good && is_current && status != Some(200) {
            let what = format!("a call failed although its token was good: {outcome:?}");
            found.wrong.push(what);
        }
        drop(found);
        if let Err(error) = outcome {
            self.failed(&error, of, is_current);
        }
    }

    /// Calls the API; with whether the access token was good before and afterwards.
    async fn ask(&self, session: &Session) -> (Result<u16, Error>, bool) {
        let good = self.good(session);
        let url = self.machine.world.provider.api("me");
        let request = http::Request::get(url).body(Bytes::new()).expect("a request");
        let outcome = session.send(request).await.map(|response| response.status().as_u16());
        (outcome, good && self.good(session))
    }

    /// Whether the access token is good, by the server's clock and by the program's.
    fn good(&self, session: &Session) -> bool {
        let Some(record) = session.record() else { return false };
        let tokens = record.tokens();
        let now: SystemTime = self.machine.now();
        let text = tokens.access_token().expose().to_owned();
        let ledger = lock(&self.machine.ledger);
        let server = ledger.access.iter().find(|(token, _)| *token == text).map(|(_, until)| *until);
        !tokens.is_expired(now.into()) && server.is_some_and(|until| self.machine.world.now() < until)
    }

    /// A session that has ended is let go; whether it may have ended is checked.
    fn failed(&self, error: &Error, of: u64, is_current: bool) {
        let is_over = error.reason() == Reason::SessionClosed || error.advice() == Advice::Reauthorize;
        if !is_over {
            return;
        }
        *lock(&self.held) = None;
        if !is_current {
            return;
        }
        // A program that heard of an earlier log-out has its session until all have let it go.
        if matches!(error.reason(), Reason::LoggedOut | Reason::SessionClosed) && of > 1 {
            lock(&self.found).stale += 1;
            return;
        }
        {
            let mut found = lock(&self.found);
            found.is_lost = true;
            found.lost.insert(of);
        }
        let ledger = lock(&self.machine.ledger);
        let grace = self.grace.time();
        let may_be = match error.reason() {
            // The server had acted, nobody kept what it answered, and it was asked again too late.
            Reason::RotationLost => ledger.asked.iter().any(|asked| {
                let is_late = |(token, at, is_unkept): &(String, Duration, bool)| {
                    *is_unkept && *token == asked.token && *at >= asked.at + grace
                };
                asked.new.is_some() && ledger.refused.iter().any(is_late)
            }),
            Reason::OutcomeUnknown => {
                ledger.asked.iter().any(|asked| asked.is_lost && ledger.losses(asked) > 1)
            }
            _ => false,
        };
        drop(ledger);
        if error.reason() == Reason::OutcomeUnknown {
            lock(&self.found).lost_twice.insert(of);
        }
        if !may_be {
            self.wrong(&format!("a grant is lost that need not be: {error:?}"));
        }
    }

    fn wrong(&self, what: &str) {
        lock(&self.found).wrong.push(format!("{what} (at {:?})", self.machine.world.now()));
    }
}
