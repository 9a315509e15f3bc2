//! One run: a provider, a store, processes that share a grant in it, and what happens to them.

use std::{
    collections::BTreeSet,
    env, fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use libtest_mimic::Failed;
use tokio::runtime::{Builder, Runtime};
use valetkey::{
    Client, Reason, Result, Sessions,
    oauth2::{
        client::ClientId,
        token::{
            TokenRecord,
            refresh::{Ended, Standing},
        },
    },
    store::{Store, StoreKey},
};
use valetkey_http::{Backend, block_on};
use valetkey_testkit::{Effect, Expect, Fault, Mark, Place, Provider, Served};

use crate::{
    child::{ACCOUNT, Dice, Named, Orders, PROCESS, Word},
    judge::{Figures, judge},
    processes::Processes,
    stores::{self, Address},
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
    /// Whether callers leave.
    pub(crate) leaves: bool,
}

/// How long an access token lives.
const LIFETIME: Duration = Duration::from_secs(1);

/// What goes wrong at the token endpoint, each once at a time.
const TROUBLES: [Option<Effect>; 4] = [
    Some(Effect::Drop),
    // It is the processes that cannot reach it.
    None,
    Some(Effect::Answer { status: 503, headers: &[("retry-after", "1")], body: b"" }),
    Some(Effect::Answer { status: 500, headers: &[], body: b"" }),
];

/// Runs it, and says what came of it.
pub(crate) fn run(size: Size, kind: Kind) -> Result<Figures, Failed> {
    let mut run = Run::begin(size, kind)?;
    let mut processes = Processes::start(run.orders.clone(), size.processes);
    let mut words = Vec::new();
    while run.backend.now() < run.until {
        for word in processes.words() {
            if let Word::Lost = word {
                run.sign_in_again()?;
            }
            words.push(word);
        }
        let asking = run.observe();
        if kind.kills {
            run.kill(&mut processes, asking);
        }
        if kind.fails {
            run.fail();
        }
        block_on(run.backend.sleep(Duration::from_millis(1)));
    }
    run.provider.clear_faults();
    run.make_reachable();
    words.extend(processes.stop()?);
    let generation = run.settle()?;
    let entries = run.provider.transcript();
    let mut figures = judge(kind, &entries, &processes.killed, run.signed_in, generation)?;
    figures.add(&words)?;
    figures.faults += run.provider.faults_happened();
    // A renewal takes its time where something stands in its way.
    let least = size.time.as_secs() / if kind.fails || kind.kills { 4 } else { 2 };
    if (figures.generations as u64) < least {
        return Err(format!("{} generations in {:?}", figures.generations, size.time).into());
    }
    if (kind.kills && figures.kills == 0)
        || (kind.fails && figures.faults == 0)
        || (kind.leaves && figures.left == 0)
    {
        return Err(format!("nothing was put to the test: {figures:?}").into());
    }
    Ok(figures)
}

struct Run {
    provider: Provider,
    _served: Served,
    orders: Orders,
    _address: Address,
    backend: Arc<Named>,
    _runtime: Runtime,
    client: Client,
    sessions: Sessions,
    store: Arc<dyn Store>,
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
    troubles: Troubles,
}

/// What goes wrong, one after the other.
#[derive(Default)]
struct Troubles {
    next: usize,
    /// How many faults had happened, and refresh tokens been used, when the present one was set.
    since: Option<(usize, usize)>,
    unreachable_until: Option<SystemTime>,
}

impl Run {
    fn begin(size: Size, kind: Kind) -> Result<Self, Failed> {
        let grace = if kind.grace { Duration::from_secs(60) } else { Duration::ZERO };
        let provider =
            Provider::builder().real_clock().access_token_lifetime(LIFETIME).rotation_grace(grace).build();
        let served = block_on(provider.serve())?;
        let port = served.address().port();
        let address = Address::of_environment(&port.to_string());
        let orders = Orders {
            store: address.text.clone(),
            issuer: provider.issuer(),
            process: 0,
            tasks: size.tasks,
            leaves: kind.leaves,
            unreachable: flag(port),
        };
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        // Who signs in reaches the server.
        let own = Orders { unreachable: PathBuf::new(), ..orders.clone() };
        let backend = Named::new(&own, runtime.handle().clone());
        let (client, sessions) = block_on(orders.sessions(&backend))?;
        let (store, now) = (stores::open(&orders.store)?, backend.now());
        let mut run = Self {
            seen: provider.mark(),
            used: BTreeSet::new(),
            _served: served,
            provider,
            orders,
            _address: address,
            _runtime: runtime,
            client,
            sessions,
            store,
            dice: Dice::new(u64::from(port), "parent"),
            until: now + size.time,
            backend,
            signed_in: 0,
            next_kill: now + Duration::from_millis(300),
            marked: None,
            troubles: Troubles::default(),
        };
        run.sign_in()?;
        Ok(run)
    }

    /// The user signs in, and all processes have the grant.
    fn sign_in(&mut self) -> Result<(), Failed> {
        self.provider.clear_faults();
        self.troubles.since = None;
        let (url, pending) = block_on(self.client.authorize().scope("read").start())?;
        let callback = self.provider.visit(&url)?;
        let session = block_on(self.client.redeem(pending, &callback))?;
        block_on(self.sessions.save(ACCOUNT, &session))?;
        self.signed_in += 1;
        Ok(())
    }

    /// After a process has said that the grant is lost. The others say so, too, and some when there is another one already.
    fn sign_in_again(&mut self) -> Result<(), Failed> {
        match self.entry()?.1 {
            Standing::Ended(Ended::RotationLost) => self.sign_in(),
            Standing::Idle | Standing::InFlight { .. } if self.signed_in > 1 => Ok(()),
            standing => Err(format!("the grant is lost, and the store says {standing:?}").into()),
        }
    }

    fn entry(&self) -> Result<(TokenRecord, Standing), Failed> {
        let server = block_on(self.client.server())?;
        let key = StoreKey::grant(server.issuer(), &ClientId::parse("app")?, ACCOUNT);
        let stored = block_on(self.store.load(&key))?.ok_or("the store has lost the record")?;
        Ok(TokenRecord::parse_shared(stored.text.expose())?)
    }

    /// Looks at what has arrived, and says which process has just used a refresh token.
    fn observe(&mut self) -> Option<u64> {
        let mark = self.provider.mark();
        let mut asking = None;
        for entry in self.provider.requests_since(self.seen) {
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
    fn kill(&mut self, processes: &mut Processes, asking: Option<u64>) {
        let now = self.backend.now();
        if let Some(process) = asking.filter(|_| self.dice.below(4) != 0) {
            self.marked = Some((process, now + self.dice.up_to(3)));
        }
        if let Some((process, _)) = self.marked.take_if(|(_, at)| *at <= now) {
            processes.kill(process, now);
        }
        if self.next_kill <= now {
            processes.kill(processes.at(self.dice.below(64)), now);
            self.next_kill = now + Duration::from_millis(100) + self.dice.up_to(900);
        }
    }

    /// Lets the next thing go wrong when the last one is over, and new tokens were got and used up since.
    fn fail(&mut self) {
        let (now, used) = (self.backend.now(), self.used.len());
        if self.troubles.unreachable_until.take_if(|until| *until <= now).is_some() {
            self.make_reachable();
        }
        let happened = self.provider.faults_happened();
        let is_under_way = self.troubles.unreachable_until.is_some()
            || self.troubles.since.is_some_and(|(before, then)| happened == before || used < then + 2);
        if is_under_way {
            return;
        }
        let trouble = TROUBLES[self.troubles.next % TROUBLES.len()];
        self.troubles.next += 1;
        if let Some(effect) = trouble {
            self.troubles.since = Some((happened, used));
            let fault = Fault::new("sharing", Place::Token, effect, Expect::Accepted);
            self.provider.set_fault(fault.times(1));
        } else {
            // There is no fault of the provider's to wait for.
            self.troubles.since = Some((happened.wrapping_sub(1), used));
            self.troubles.unreachable_until = Some(now + LIFETIME + LIFETIME / 2);
            fs::write(&self.orders.unreachable, "").expect("a file");
        }
    }

    fn make_reachable(&self) {
        let _ = fs::remove_file(&self.orders.unreachable);
    }

    /// When all processes have ended: goes on with the grant, whatever they left, and says how often it was renewed.
    fn settle(&mut self) -> Result<u64, Failed> {
        block_on(self.backend.sleep(LIFETIME + LIFETIME / 10));
        for _ in 0..2 {
            let renewed = block_on(async {
                let session = self.sessions.open(ACCOUNT).await?.ok_or_else(lost)?;
                session.refresh().await
            });
            match renewed {
                Ok(_) => return Ok(self.entry()?.0.generation()),
                Err(error) if error.reason() == Reason::RotationLost => self.sign_in_again()?,
                Err(error) => return Err(format!("nobody can go on: {error}").into()),
            }
        }
        Err("the grant was lost twice in a row".into())
    }
}

fn lost() -> valetkey::Error {
    valetkey::Error::new(valetkey::ErrorKind::Store, Reason::StoreFailed)
}

/// Where the file is that makes the token endpoint unreachable.
fn flag(port: u16) -> PathBuf {
    env::temp_dir().join(format!("valetkey-sharing-{}-{port}-unreachable", std::process::id()))
}

impl Drop for Run {
    fn drop(&mut self) {
        self.make_reachable();
    }
}
