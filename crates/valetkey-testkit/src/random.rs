//! Randomness that repeats: the same seed, the same flow, byte for byte.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest::{Context, SHA256, digest};
use valetkey_proto::random::{RandomFailed, SecureRandom};

/// Length of a SHA-256 digest.
const BLOCK: usize = 32;

/// A deterministic [`SecureRandom`]: SHA-256 in counter mode over a seed.
///
/// Block *n* is `SHA-256(key ‖ n)` with *n* as eight bytes, most significant first, and
/// `key = SHA-256(seed ‖ label)`, the seed encoded likewise. Every call to
/// [`fill`](SecureRandom::fill) begins a new block. It is shared by reference: what one thread draws,
/// another does not get.
///
/// # Security
///
/// Whoever knows the seed knows every value. It is for tests alone.
///
/// ```
/// use valetkey_proto::random::SecureRandom;
/// use valetkey_testkit::SeededRandom;
///
/// let (mut one, mut two) = ([0; 40], [0; 40]);
/// SeededRandom::new(7).fill(&mut one)?;
/// SeededRandom::new(7).fill(&mut two)?;
/// assert_eq!(one, two);
/// # Ok::<(), valetkey_proto::random::RandomFailed>(())
/// ```
pub struct SeededRandom {
    key: [u8; BLOCK],
    next: AtomicU64,
}

impl SeededRandom {
    /// The stream of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::labelled(seed, "")
    }

    /// One of many independent streams of this seed.
    #[must_use]
    pub fn labelled(seed: u64, label: &str) -> Self {
        let mut key = Context::new(&SHA256);
        key.update(&seed.to_be_bytes());
        key.update(label.as_bytes());
        Self { key: sized(key.finish().as_ref()), next: AtomicU64::new(0) }
    }

    /// The next 256 bits as base64url text: 43 characters.
    pub(crate) fn text(&self) -> String {
        let block: [u8; BLOCK] = self.block();
        URL_SAFE_NO_PAD.encode(block)
    }

    /// Seven digits, to be typed by a human.
    pub(crate) fn pin(&self) -> String {
        let block: [u8; BLOCK] = self.block();
        let number = block.iter().take(8).fold(0, |number, &byte| number << 8 | u64::from(byte));
        format!("{:07}", number % 10_000_000)
    }

    fn block(&self) -> [u8; BLOCK] {
        let mut input = [0; BLOCK + 8];
        let (key, counter) = input.split_at_mut(BLOCK);
        key.copy_from_slice(&self.key);
        counter.copy_from_slice(&self.next.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        sized(digest(&SHA256, &input).as_ref())
    }
}

impl SecureRandom for SeededRandom {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomFailed> {
        for chunk in buffer.chunks_mut(BLOCK) {
            let block = self.block();
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
        Ok(())
    }
}

impl fmt::Debug for SeededRandom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeededRandom").finish_non_exhaustive()
    }
}

/// A digest as an array; SHA-256 always has this length.
fn sized(digest: &[u8]) -> [u8; BLOCK] {
    let mut sized = [0; BLOCK];
    sized.copy_from_slice(digest);
    sized
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_by_seed_and_label_and_never_repeat() {
        let draw = |random: SeededRandom| (random.text(), random.text());
        let (first, second) = draw(SeededRandom::new(1));
        assert_ne!(first, second);
        assert_eq!(draw(SeededRandom::new(1)), (first.clone(), second));
        assert_ne!(SeededRandom::new(2).text(), first);
        assert_ne!(SeededRandom::labelled(1, "other").text(), first);
        assert_eq!(first.len(), 43);
    }
}
