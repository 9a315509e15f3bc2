//! What was shown before.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use crate::{
    crypto::{CryptoProvider, HashAlgorithm},
    error::{Error, ErrorKind, Reason, Result},
    time::Timestamp,
};

/// Remembers which logout tokens and DPoP proofs were shown, until they expire; each is let through once.
///
/// It is bounded: if there are more tokens than it has room for, those that expire first are forgotten first. One for
/// all requests of a program; programs of several processes keep the same in a store of theirs, by
/// [`LogoutToken::id`](crate::oidc::logout::LogoutToken::id).
///
/// ```
/// use valetkey_proto::jose::jwt::ReplayGuard;
///
/// let seen = ReplayGuard::new(10_000);
/// assert!(seen.is_empty());
/// ```
pub struct ReplayGuard {
    capacity: usize,
    seen: BTreeMap<Digest, Timestamp>,
    by_expiry: BTreeSet<(Timestamp, Digest)>,
}

/// Of who made it and its id, so that long ids take no more room.
type Digest = [u8; 32];

impl ReplayGuard {
    /// Room for this many tokens at once, and for one at least. One takes about 100 bytes.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), seen: BTreeMap::new(), by_expiry: BTreeSet::new() }
    }

    /// How many tokens are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// Lets a token through that was not shown before.
    pub(crate) fn admit(
        &mut self,
        issuer: &str,
        id: &str,
        until: Timestamp,
        now: Timestamp,
        crypto: &CryptoProvider,
    ) -> Result<()> {
        self.forget(now);
        // A URL has no NUL.
        let text = [issuer, "\0", id].concat();
        let mut digest = Digest::default();
        let hash = crypto.hash.digest(HashAlgorithm::Sha256, text.as_bytes());
        digest.iter_mut().zip(hash.as_ref()).for_each(|(byte, of_hash)| *byte = *of_hash);
        if self.seen.contains_key(&digest) {
            return Err(Error::new(ErrorKind::Untrusted, Reason::Replayed).with_detail("jti"));
        }
        if self.seen.len() >= self.capacity
            && let Some((_, first)) = self.by_expiry.pop_first()
        {
            self.seen.remove(&first);
        }
        self.seen.insert(digest, until);
        self.by_expiry.insert((until, digest));
        Ok(())
    }

    fn forget(&mut self, now: Timestamp) {
        while let Some((until, digest)) = self.by_expiry.first().copied()
            && until <= now
        {
            self.by_expiry.pop_first();
            self.seen.remove(&digest);
        }
    }
}

impl fmt::Debug for ReplayGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayGuard")
            .field("capacity", &self.capacity)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
