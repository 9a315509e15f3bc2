//! Randomness for nonces, asked of the system for many at a time: for one it costs as much as half a signature.
//!
//! It is for nonces alone, which are public and must only never come twice for one second (RFC 5849 §3.3). So it is
//! made safe:
//!
//! * **Fork.** A child begins with a copy of the pool. What is drawn is mixed with the nanoseconds of the clock, which
//!   differ between two processes, and a pool serves one second only: later ones have nothing in common.
//! * **Panic.** Bytes are taken out of the pool before they are used, and a pool whose lock is poisoned is never used
//!   again.
//! * **Threads.** Whoever finds the pool taken asks the system.
//! * **Wiping.** Bytes that were drawn are overwritten, and the rest when the pool is dropped.

use std::{
    fmt,
    sync::Mutex,
    time::{Duration, SystemTime},
};

use valetkey_proto::random::{RandomFailed, SecureRandom};
use zeroize::{Zeroize, Zeroizing};

/// Bytes asked for at once: 32 nonces.
const POOL: usize = 512;

/// A source of nonces over another source of randomness.
pub(super) struct Nonces<R> {
    source: R,
    pool: Mutex<Pool>,
}

struct Pool {
    bytes: Zeroizing<[u8; POOL]>,
    /// How many are left; they are the last ones.
    left: usize,
    /// The second that it serves.
    second: u64,
}

impl<R: SecureRandom> Nonces<R> {
    pub(super) fn new(source: R) -> Self {
        let pool = Pool { bytes: Zeroizing::new([0; POOL]), left: 0, second: 0 };
        Self { source, pool: Mutex::new(pool) }
    }

    /// The nonces of this moment.
    pub(super) fn at(&self, now: SystemTime) -> NoncesAt<'_, R> {
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        NoncesAt { nonces: self, since }
    }
}

/// Gives nonces of one moment; to be used for one signature.
pub(super) struct NoncesAt<'a, R> {
    nonces: &'a Nonces<R>,
    since: Duration,
}

impl<R: SecureRandom> SecureRandom for NoncesAt<'_, R> {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomFailed> {
        let Nonces { source, pool } = self.nonces;
        match pool.try_lock() {
            Ok(mut pool) if buffer.len() <= POOL => pool.draw(buffer, source, self.since.as_secs())?,
            _ => return source.fill(buffer),
        }
        // Random bytes that something known is added to are as random as before.
        for (byte, moment) in buffer.iter_mut().zip(self.since.subsec_nanos().to_le_bytes()) {
            *byte ^= moment;
        }
        Ok(())
    }
}

impl Pool {
    fn draw(
        &mut self,
        buffer: &mut [u8],
        source: &dyn SecureRandom,
        second: u64,
    ) -> Result<(), RandomFailed> {
        if self.left < buffer.len() || self.second != second {
            self.left = 0;
            source.fill(&mut *self.bytes)?;
            (self.left, self.second) = (POOL, second);
        }
        let start = POOL - self.left;
        self.left -= buffer.len();
        if let Some(drawn) = self.bytes.get_mut(start..start + buffer.len()) {
            buffer.copy_from_slice(drawn);
            drawn.zeroize();
        }
        Ok(())
    }
}

impl<R> fmt::Debug for NoncesAt<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NoncesAt").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

    use super::*;

    /// Counts up, so that what came of it can be told; it fails when told to.
    #[derive(Debug, Default)]
    struct Counter {
        next: AtomicU64,
        asked: AtomicUsize,
        fails: bool,
    }

    impl SecureRandom for Counter {
        fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomFailed> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            for piece in buffer.chunks_mut(8) {
                let next = self.next.fetch_add(1, Ordering::Relaxed).to_le_bytes();
                piece.copy_from_slice(&next[..piece.len()]);
            }
            if self.fails { Err(RandomFailed::new()) } else { Ok(()) }
        }
    }

    fn moment(seconds: u64, nanoseconds: u32) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds)
    }

    fn draw<R: SecureRandom>(nonces: &Nonces<R>, now: SystemTime) -> [u8; 16] {
        let mut nonce = [0; 16];
        nonces.at(now).fill(&mut nonce).unwrap();
        nonce
    }

    #[test]
    fn the_system_is_asked_once_for_many_and_no_bytes_come_twice() {
        let nonces = Nonces::new(Counter::default());
        let all: Vec<_> = (0..100).map(|_| draw(&nonces, moment(5, 0))).collect();
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), 100);
        assert_eq!(nonces.source.asked.load(Ordering::Relaxed), 4);
        let pool = nonces.pool.lock().unwrap();
        assert!(pool.bytes[..POOL - pool.left].iter().all(|&byte| byte == 0), "drawn bytes are wiped");
        assert!(pool.bytes[POOL - pool.left..].iter().any(|&byte| byte != 0));
    }

    #[test]
    fn s_o1_02_a_million_nonces_of_one_second_are_distinct() {
        let nonces = Nonces::new(valetkey_proto::crypto::SystemRandom::new());
        let mut all: Vec<_> = (0..1_000_000).map(|at| draw(&nonces, moment(5, at))).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 1_000_000);
    }

    #[test]
    fn a_copy_of_the_pool_gives_other_nonces() {
        // What a child of a fork has: the same state, and a clock of its own.
        let (parent, child) = (Nonces::new(Counter::default()), Nonces::new(Counter::default()));
        draw(&parent, moment(5, 1));
        draw(&child, moment(5, 1));
        assert_ne!(draw(&parent, moment(5, 10)), draw(&child, moment(5, 11)));
        // In the next second neither draws what was there.
        draw(&parent, moment(6, 0));
        assert_eq!(parent.source.asked.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn s_net_09_a_source_that_fails_leaves_nothing_to_draw() {
        let nonces = Nonces::new(Counter { fails: true, ..Counter::default() });
        for _ in 0..3 {
            assert!(nonces.at(moment(5, 0)).fill(&mut [0; 16]).is_err());
        }
        assert_eq!(nonces.source.asked.load(Ordering::Relaxed), 3, "half a pool is none");
    }

    #[test]
    fn who_finds_the_pool_taken_or_broken_asks_the_system() {
        let nonces = Nonces::new(Counter::default());
        let held = nonces.pool.lock().unwrap();
        assert_eq!(draw(&nonces, moment(5, 0))[0], 0);
        assert_eq!(draw(&nonces, moment(5, 0))[0], 2);
        drop(held);
        let broken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _held = nonces.pool.lock().unwrap();
            panic!("a program's own");
        }));
        assert!(broken.is_err());
        assert_eq!(draw(&nonces, moment(5, 0))[0], 4);
        let mut long = [0; POOL + 8];
        nonces.at(moment(5, 0)).fill(&mut long).unwrap();
        assert_eq!(long[0], 6);
    }
}
