//! The world that the targets run in: a fixed time and randomness that repeats, so that an input which
//! breaks something breaks it again.

use std::sync::atomic::{AtomicU8, Ordering};

use valetkey_proto::{
    Env, Timestamp,
    crypto::CryptoProvider,
    random::{RandomFailed, SecureRandom},
};

/// The time at which every run begins.
pub(crate) const START: Timestamp = Timestamp::from_secs(1_700_000_000);

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) now: Timestamp,
    random: Counter,
    crypto: CryptoProvider,
}

#[derive(Debug)]
struct Counter(AtomicU8);

impl SecureRandom for Counter {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomFailed> {
        buffer.iter_mut().for_each(|byte| *byte = self.0.fetch_add(1, Ordering::Relaxed));
        Ok(())
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self { now: START, random: Counter(AtomicU8::new(1)), crypto: CryptoProvider::ring() }
    }

    pub(crate) fn env(&self) -> Env<'_> {
        Env { now: self.now, random: &self.random, crypto: &self.crypto }
    }
}
