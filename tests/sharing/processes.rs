//! The processes that share the grant, as their parent has them.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, Sender, channel},
    time::SystemTime,
};

use crate::child::{Orders, Word};

pub(crate) struct Processes {
    orders: Orders,
    alive: Vec<(u64, Child)>,
    /// When which was killed.
    pub(crate) killed: BTreeMap<u64, SystemTime>,
    sender: Sender<Word>,
    words: Receiver<Word>,
}

impl Processes {
    pub(crate) fn start(orders: Orders, number: usize) -> Self {
        let (sender, words) = channel();
        let mut processes = Self { orders, alive: Vec::new(), killed: BTreeMap::new(), sender, words };
        (0..number).for_each(|_| processes.start_one());
        processes
    }

    fn start_one(&mut self) {
        self.orders.process += 1;
        let program = std::env::current_exe().expect("this program");
        let (name, value) = self.orders.environment();
        let mut command = Command::new(program);
        command.env(name, value).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("another process");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let sender = self.sender.clone();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // One that is killed may be in the middle of a line.
                if let Ok(word) = serde_json::from_str(&line) {
                    let _ = sender.send(word);
                }
            }
        });
        self.alive.push((self.orders.process, child));
    }

    /// The process at this place of those that live.
    pub(crate) fn at(&self, place: u64) -> u64 {
        self.alive[place as usize % self.alive.len()].0
    }

    /// Kills a process, as `kill -9` does, and starts another in its place; nothing if it is dead already.
    pub(crate) fn kill(&mut self, process: u64, now: SystemTime) {
        let Some(at) = self.alive.iter().position(|(known, _)| *known == process) else { return };
        let (_, mut child) = self.alive.swap_remove(at);
        child.kill().expect("it is ours");
        child.wait().expect("it is ours");
        self.killed.insert(process, now);
        self.start_one();
    }

    /// What they have said since the last time.
    pub(crate) fn words(&self) -> Vec<Word> {
        self.words.try_iter().collect()
    }

    /// Has all of them end by themselves; what they have said until then, or who did not.
    pub(crate) fn stop(&mut self) -> Result<Vec<Word>, String> {
        for (_, child) in &mut self.alive {
            drop(child.stdin.take());
        }
        for (process, child) in &mut self.alive {
            let status = child.wait().expect("it is ours");
            if !status.success() {
                return Err(format!("process {process}: {status}"));
            }
        }
        self.alive.clear();
        // Whoever reads still has the ends of their outputs to get.
        let (sender, _) = channel();
        self.sender = sender;
        Ok(self.words.iter().collect())
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for (_, child) in &mut self.alive {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
