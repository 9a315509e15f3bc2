//! Randomness that is handed in, and the values made of it.

use std::{error::Error, fmt};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::secret::Wipe;

/// A source of randomness fit for secrets.
///
/// [`SystemRandom`](crate::crypto::SystemRandom) is the system's; tests use a seeded one.
pub trait SecureRandom: Send + Sync + fmt::Debug {
    /// Fills the whole buffer.
    ///
    /// # Errors
    ///
    /// [`RandomFailed`] when the source has none to give; nothing secret may then be made.
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomFailed>;
}

/// The source of randomness failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RandomFailed;

impl RandomFailed {
    /// The error, for implementations of [`SecureRandom`].
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

impl Default for RandomFailed {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for RandomFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the source of randomness failed")
    }
}

impl Error for RandomFailed {}

/// Bytes of entropy in each random text: 256 bits.
pub(crate) const ENTROPY: usize = 32;

/// Length of [`ENTROPY`] bytes in base64url, which is also the shortest verifier of RFC 7636 §4.1.
pub(crate) const TEXT: usize = 43;

/// Fills `N` random texts of 256 bits each with one call to the source.
pub(crate) fn texts<const N: usize>(random: &dyn SecureRandom) -> Result<[[u8; TEXT]; N], RandomFailed> {
    let mut entropy = [[0; ENTROPY]; N];
    let filled = random.fill(entropy.as_flattened_mut());
    let mut texts = [[0; TEXT]; N];
    for (text, bytes) in texts.iter_mut().zip(&entropy) {
        // 32 bytes are 43 characters, so that the slice always fits.
        let _ = URL_SAFE_NO_PAD.encode_slice(bytes, text);
    }
    entropy.as_flattened_mut().wipe();
    filled.map(|()| texts)
}
