//! Randomness that is handed in, and the values made of it.

use std::{error::Error, fmt};

/// A source of randomness fit for secrets.
///
/// Programs use the system's; tests use a seeded one.
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
