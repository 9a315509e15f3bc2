//! Hashes that bind a token to another (OpenID Connect Core §3.1.3.6, §3.3.2.11; FAPI 1.0 Part 2 §5.1).

use super::super::{encode, untrusted};
use crate::{
    crypto::{CryptoProvider, SignatureAlgorithm},
    error::{Reason, Result},
    secret::same,
};

/// What an ID token has the hash of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there are three")]
pub enum TokenHash {
    /// The access token: `at_hash`.
    AccessToken,
    /// The authorization code: `c_hash`.
    Code,
    /// The state: `s_hash`.
    State,
}

impl TokenHash {
    /// The name of the claim.
    #[must_use]
    pub fn claim(self) -> &'static str {
        match self {
            Self::AccessToken => "at_hash",
            Self::Code => "c_hash",
            Self::State => "s_hash",
        }
    }
}

/// The hash of a token, code or state in a token that is signed by this algorithm: the left half of the algorithm's
/// own hash, in base64url.
///
/// ```
/// use valetkey_proto::{crypto::{CryptoProvider, SignatureAlgorithm}, jose::jwt::token_hash};
///
/// // OpenID Connect Core A.3
/// let hash = token_hash(SignatureAlgorithm::Rs256, "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", &CryptoProvider::ring());
/// assert_eq!(hash, "77QmUPtjPfzWtF2AnpK9RQ");
/// ```
#[must_use]
pub fn token_hash(algorithm: SignatureAlgorithm, value: &str, crypto: &CryptoProvider) -> String {
    let digest = crypto.hash.digest(algorithm.hash(), value.as_bytes());
    let digest = digest.as_ref();
    encode(digest.get(..digest.len() / 2).unwrap_or_default())
}

/// Compares a claim with the hash that it should be.
pub(super) fn check(
    hash: TokenHash,
    claim: &str,
    value: &str,
    algorithm: SignatureAlgorithm,
    crypto: &CryptoProvider,
) -> Result<()> {
    if same(claim.as_bytes(), token_hash(algorithm, value, crypto).as_bytes()) {
        Ok(())
    } else {
        Err(untrusted(Reason::BindingMismatch).with_detail(hash.claim()))
    }
}
