//! Sets of keys (RFC 7517 §5).

use serde_json::value::RawValue;

use super::{Jwk, too_large, untrusted};
use crate::{
    crypto::{CryptoProvider, KeyKind, SignatureAlgorithm, VerifyingKey},
    error::{Error, Reason, Result},
    response::members::{members, read},
};

/// The longest set.
const MAX_SET: usize = 256 << 10;
/// The most keys of a set.
const MAX_KEYS: usize = 100;
/// The most keys that are tried on one token that names none.
const MAX_TRIES: usize = 8;

members! {
    strict struct Members {
        keys: Vec<&'de RawValue>,
    }
}

/// A set of public keys that somebody publishes (RFC 7517 §5).
///
/// Keys of a type, curve or shape that is not known are passed over, and so are shared secrets, which nobody can
/// publish.
///
/// ```
/// use valetkey_proto::jose::Jwks;
///
/// let set = Jwks::parse(r#"{"keys":[
///     {"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
///     {"kty":"AKP","alg":"ML-DSA-44","pub":"…"}
/// ]}"#)?;
/// assert_eq!(set.keys().len(), 1);
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Jwks {
    keys: Vec<Jwk>,
}

impl Jwks {
    /// Reads a set of at most 100 keys and 256 KiB.
    ///
    /// # Errors
    ///
    /// `Protocol`: [`Reason::Malformed`] or [`Reason::MissingParameter`] if it is no set, [`Reason::TooLarge`].
    pub fn parse(json: &str) -> Result<Self> {
        if json.len() > MAX_SET {
            return Err(too_large("keys"));
        }
        let members: Members<'_> = read(json)?;
        let raw = members.keys.ok_or_else(|| super::missing("keys"))?;
        if raw.len() > MAX_KEYS {
            return Err(too_large("keys"));
        }
        let keys = raw.iter().filter_map(|key| Jwk::parse(key.get()).ok());
        Ok(Self { keys: keys.filter(|key| key.kind() != KeyKind::Secret).collect() })
    }

    /// The keys that are known.
    #[must_use]
    pub fn keys(&self) -> &[Jwk] {
        &self.keys
    }

    /// The keys of the set, ready to verify by these algorithms.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::UnsupportedAlgorithm`] if a key is there for an algorithm that the provider has not.
    pub fn verifying_keys(
        &self,
        algorithms: &[SignatureAlgorithm],
        crypto: &CryptoProvider,
    ) -> Result<VerifyingKeys> {
        let mut ready = VerifyingKeys { keys: Vec::new(), algorithms: algorithms.into() };
        for jwk in &self.keys {
            for &algorithm in algorithms {
                match jwk.verifying_key(algorithm, crypto) {
                    Ok(key) => ready.keys.push(key),
                    Err(error) if error.reason() == Reason::UnsupportedAlgorithm => return Err(error),
                    // It is for something else, or too short: as if it were not there.
                    Err(_) => {}
                }
            }
        }
        Ok(ready)
    }
}

/// Keys that are ready to verify, and the algorithms that were agreed on.
#[derive(Clone, Debug)]
pub struct VerifyingKeys {
    keys: Vec<VerifyingKey>,
    algorithms: Box<[SignatureAlgorithm]>,
}

impl VerifyingKeys {
    /// The keys that verify by this algorithm: the one of this name and those without; all, if no name is said
    /// (OpenID Connect Core §10.1).
    pub(super) fn candidates<'a>(
        &'a self,
        algorithm: SignatureAlgorithm,
        kid: Option<&'a str>,
    ) -> Result<impl Iterator<Item = &'a VerifyingKey>> {
        if !self.algorithms.contains(&algorithm) {
            return Err(untrusted(Reason::AlgorithmMismatch));
        }
        let may_be = move |own: Option<&str>| kid.is_none() || own.is_none() || own == kid;
        let fits = move |key: &&VerifyingKey| key.algorithm() == algorithm && may_be(key.kid());
        Ok(self.keys.iter().filter(fits).take(MAX_TRIES))
    }

    /// The error if none of the candidates verified: a key that is named and not here may be a new one.
    pub(super) fn refusal(&self, algorithm: SignatureAlgorithm, kid: Option<&str>) -> Error {
        let is_here =
            |key: &VerifyingKey| key.algorithm() == algorithm && (kid.is_none() || key.kid() == kid);
        untrusted(if self.keys.iter().any(is_here) { Reason::SignatureInvalid } else { Reason::KeyNotFound })
    }
}

/// One key, tried unless it has a name and a token has another.
impl From<VerifyingKey> for VerifyingKeys {
    fn from(key: VerifyingKey) -> Self {
        Self { algorithms: [key.algorithm()].into(), keys: vec![key] }
    }
}

/// Keys of one's own choice, each by its algorithm.
impl FromIterator<VerifyingKey> for VerifyingKeys {
    fn from_iter<I: IntoIterator<Item = VerifyingKey>>(keys: I) -> Self {
        let keys: Vec<_> = keys.into_iter().collect();
        Self { algorithms: keys.iter().map(VerifyingKey::algorithm).collect(), keys }
    }
}
