//! The processes that share grants, as their parent has them.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead, BufReader},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, Sender, channel},
    },
    thread::JoinHandle,
    time::{Duration, SystemTime},
};

use valetkey::store::{Owner, Store, StoreKey};
use valetkey_http::block_on;

use crate::child::{Orders, Word};

pub(crate) struct Processes {
    alive: BTreeMap<u64, Alive>,
    /// Those that ended in the middle of what they did.
    pub(crate) killed: BTreeSet<u64>,
    sender: Sender<(u64, Word)>,
    words: Receiver<(u64, Word)>,
    /// What was said and not yet asked for.
    said: Vec<(u64, Word)>,
    /// Who takes which leases, by their process.
    owners: BTreeMap<u64, Vec<(StoreKey, Owner)>>,
    /// Leases of the dead, and when they are given back.
    left_behind: Vec<(SystemTime, StoreKey, Owner)>,
}

struct Alive {
    child: Child,
    reader: JoinHandle<()>,
}

/// When a lease of the dead is given back: once more a little later, if the engine had yet to hear of it.
const GIVEN_BACK: [Duration; 3] = [Duration::ZERO, Duration::from_millis(100), Duration::from_secs(1)];

impl Processes {
    pub(crate) fn new() -> Self {
        let (sender, words) = channel();
        Self {
            alive: BTreeMap::new(),
            killed: BTreeSet::new(),
            sender,
            words,
            said: Vec::new(),
            owners: BTreeMap::new(),
            left_behind: Vec::new(),
        }
    }

    /// Starts another one, and says its number.
    pub(crate) fn start(&mut self, orders: &Orders) -> u64 {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let number = NUMBER.fetch_add(1, Relaxed);
        let (name, value) = Orders { process: number, ..orders.clone() }.environment();
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.env(name, value).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("another process");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let sender = self.sender.clone();
        let reader = std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // One that is killed may be in the middle of a line.
                if let Ok(word) = serde_json::from_str(&line) {
                    let _ = sender.send((number, word));
                }
            }
        });
        self.alive.insert(number, Alive { child, reader });
        number
    }

    /// The process at this place of those that live.
    pub(crate) fn at(&self, place: u64) -> u64 {
        let mut alive = self.alive.keys().copied().cycle();
        alive.nth(place as usize).expect("some live")
    }

    /// Kills a process, as `kill -9` does; `false` if it is dead already.
    pub(crate) fn kill(&mut self, process: u64, now: SystemTime) -> bool {
        let Some(Alive { child, .. }) = self.alive.get_mut(&process) else { return false };
        child.kill().expect("it is ours");
        self.wait_for(process, now);
        true
    }

    /// Whether a process has ended that nobody has waited for.
    pub(crate) fn has_ended(&mut self, process: u64) -> bool {
        let alive = self.alive.get_mut(&process).expect("nobody has waited for it");
        alive.child.try_wait().expect("it is ours").is_some()
    }

    /// Waits until a process has ended by itself, or was stopped by itself.
    pub(crate) fn wait_for(&mut self, process: u64, now: SystemTime) -> ExitStatus {
        let Alive { mut child, reader } = self.alive.remove(&process).expect("it is alive");
        drop(child.stdin.take());
        let status = child.wait().expect("it is ours");
        reader.join().expect("it only reads");
        self.listen();
        if !status.success() {
            self.killed.insert(process);
            for (key, owner) in self.owners.remove(&process).unwrap_or_default() {
                let times = GIVEN_BACK.map(|after| (now + after, key.clone(), owner.clone()));
                self.left_behind.extend(times);
            }
        }
        status
    }

    /// Gives leases of the dead back, as an engine does when their time is over, so that nobody has to wait for that.
    pub(crate) fn bury(&mut self, store: &dyn Store, now: SystemTime) {
        self.left_behind.retain(|(at, key, owner)| {
            let is_due = *at <= now;
            if is_due {
                block_on(store.release(key, owner)).expect("the store of the parent is well");
            }
            !is_due
        });
    }

    fn listen(&mut self) {
        for (process, word) in self.words.try_iter() {
            if let Word::Leases { key, owner } = &word {
                let key = StoreKey::parse(key).expect("a key");
                self.owners.entry(process).or_default().push((key, Owner::parse(owner).expect("an owner")));
            } else {
                self.said.push((process, word));
            }
        }
    }

    /// What they have said since the last time, and which of them.
    pub(crate) fn words(&mut self) -> Vec<(u64, Word)> {
        self.listen();
        std::mem::take(&mut self.said)
    }

    /// Has all of them end by themselves, and says what they have said until then, or who did not.
    pub(crate) fn stop(&mut self, now: SystemTime) -> Result<Vec<(u64, Word)>, String> {
        for alive in self.alive.values_mut() {
            drop(alive.child.stdin.take());
        }
        while let Some(process) = self.alive.keys().next().copied() {
            let status = self.wait_for(process, now);
            if !status.success() {
                return Err(format!("process {process}: {status}"));
            }
        }
        Ok(self.words())
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for alive in self.alive.values_mut() {
            let _ = alive.child.kill();
            let _ = alive.child.wait();
        }
    }
}
