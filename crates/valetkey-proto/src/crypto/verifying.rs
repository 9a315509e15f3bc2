//! Keys to verify with.

use std::{fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{CryptoProvider, Curve, KeyKind, Signature, SignatureAlgorithm, Signer};
use crate::{
    error::{Error, ErrorKind, Reason, Result},
    secret,
};

/// The first byte of an uncompressed point.
const UNCOMPRESSED: u8 = 4;
/// The sizes of RSA keys that are taken, in bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// A public key, by its numbers: big-endian, without leading zeros for RSA, and with all bytes of the curve's
/// coordinates for points.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum PublicKey<'a> {
    /// RSA.
    Rsa {
        /// The modulus.
        n: &'a [u8],
        /// The exponent.
        e: &'a [u8],
    },
    /// A point of an elliptic curve; `y` is empty for Ed25519 and X25519.
    Point {
        /// The curve.
        curve: Curve,
        /// The x coordinate.
        x: &'a [u8],
        /// The y coordinate.
        y: &'a [u8],
    },
}

impl<'a> PublicKey<'a> {
    /// A point as providers write it: uncompressed (SEC 1 §2.3.3), or the x alone of Ed25519 and X25519. `None` unless
    /// it is as long as the curve's points are.
    #[must_use]
    pub fn of_point(curve: Curve, bytes: &'a [u8]) -> Option<Self> {
        let coordinates = if curve.is_okp() { bytes } else { bytes.strip_prefix(&[UNCOMPRESSED])? };
        let (x, y) = coordinates.split_at_checked(curve.size())?;
        (y.len() == curve.y_size()).then_some(Self::Point { curve, x, y })
    }

    /// The point as [`of_point`](Self::of_point) reads it; empty for RSA.
    #[must_use]
    pub fn to_point(&self) -> Vec<u8> {
        let Self::Point { curve, x, y } = self else { return Vec::new() };
        let mut bytes = Vec::with_capacity(1 + x.len() + y.len());
        if !curve.is_okp() {
            bytes.push(UNCOMPRESSED);
        }
        bytes.extend_from_slice(x);
        bytes.extend_from_slice(y);
        bytes
    }

    /// Checks what every provider asks of a public key: its kind, the size of an RSA modulus, 2048 to 8192 bits
    /// (RFC 7518 §3.3), an exponent that is one, and coordinates as long as the curve's. Whether a point is on its
    /// curve is for the provider to see.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidKey`].
    pub fn check(&self, kind: KeyKind) -> Result<()> {
        let invalid = |detail| Err(Error::new(ErrorKind::Config, Reason::InvalidKey).with_detail(detail));
        if self.kind() != kind {
            return invalid("a key of another kind than the algorithm needs");
        }
        match *self {
            Self::Rsa { n, e } => {
                let zeros = n.first().map_or(0, |byte| byte.leading_zeros() as usize);
                if !RSA_BITS.contains(&(n.len() * 8).saturating_sub(zeros)) {
                    return invalid("an RSA key of less than 2048 or more than 8192 bits");
                }
                // An exponent of 1 would make every text its own signature, and an even one is none.
                let is_odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
                if !is_odd(n) || !is_odd(e) || e == [1] {
                    return invalid("not the numbers of an RSA key");
                }
            }
            Self::Point { curve, x, y } => {
                if x.len() != curve.size() || y.len() != curve.y_size() {
                    return invalid("a coordinate of another length than the curve's");
                }
            }
        }
        Ok(())
    }

    /// What kind of key it is.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        match self {
            Self::Rsa { .. } => KeyKind::Rsa,
            Self::Point { curve, .. } => KeyKind::Curve(*curve),
        }
    }

    /// The key as a JWK of its required members alone, in the order that a thumbprint needs (RFC 7638 §3.2).
    #[must_use]
    pub fn jwk(&self) -> String {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match *self {
            Self::Rsa { n, e } => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, text(e), text(n)),
            Self::Point { curve, x, .. } if curve.is_okp() => {
                format!(r#"{{"crv":"{}","kty":"OKP","x":"{}"}}"#, curve.name(), text(x))
            }
            Self::Point { curve, x, y } => {
                format!(r#"{{"crv":"{}","kty":"EC","x":"{}","y":"{}"}}"#, curve.name(), text(x), text(y))
            }
        }
    }
}

/// A public key that is ready to verify by one algorithm.
pub trait Verifier: Send + Sync + fmt::Debug {
    /// Whether this is the key's signature of the message; ECDSA signatures are r‖s (RFC 7518 §3.4).
    #[must_use]
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool;
}

/// A key that verifies by one algorithm and is good for nothing else (RFC 8725 §3.1). It is read once and kept
/// ready, and cheap to clone.
///
/// It comes of a [`Jwk`](crate::jose::Jwk), or of a shared secret:
///
/// ```
/// use valetkey_proto::crypto::{CryptoProvider, SignatureAlgorithm, VerifyingKey};
///
/// let crypto = CryptoProvider::ring();
/// assert!(VerifyingKey::secret(SignatureAlgorithm::Hs256, &[7; 32], &crypto).is_ok());
/// assert!(VerifyingKey::secret(SignatureAlgorithm::Hs256, b"too short", &crypto).is_err());
/// ```
#[derive(Clone)]
pub struct VerifyingKey {
    algorithm: SignatureAlgorithm,
    kid: Option<Arc<str>>,
    with: With,
}

#[derive(Clone)]
enum With {
    Public(Arc<dyn Verifier>),
    Secret(Arc<dyn Signer>),
}

impl VerifyingKey {
    /// A public key, by this algorithm.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidKey`] if the key is of another kind than the algorithm needs, or an RSA key of
    /// less than 2048 bits (RFC 7518 §3.3); [`Reason::UnsupportedAlgorithm`] if the provider does not verify by it.
    pub fn public(
        algorithm: SignatureAlgorithm,
        key: PublicKey<'_>,
        crypto: &CryptoProvider,
    ) -> Result<Self> {
        let verifier = crypto.keys.public_key(algorithm, key)?;
        Ok(Self { algorithm, kid: None, with: With::Public(verifier) })
    }

    /// A shared secret, by this HMAC.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidKey`] if it is shorter than the hash (RFC 7518 §3.2);
    /// [`Reason::UnsupportedAlgorithm`] if the algorithm is no HMAC of JOSE.
    pub fn secret(algorithm: SignatureAlgorithm, secret: &[u8], crypto: &CryptoProvider) -> Result<Self> {
        check_secret(algorithm, secret)?;
        Self::short_secret(algorithm, secret, crypto)
    }

    /// A shared secret, by this HMAC, although it is shorter than the hash: for providers that give out such secrets and
    /// sign ID tokens with them. An empty one is refused all the same.
    ///
    /// # Errors
    ///
    /// As [`secret`](Self::secret), but [`Reason::InvalidKey`] only if it is empty.
    ///
    /// # Security
    ///
    /// RFC 7518 §3.2 forbids it. Whoever has one token can try secrets on it until one fits, without asking anybody, and
    /// then make tokens. Ask the provider for a longer secret, or for tokens that are signed with its private key.
    pub fn short_secret(
        algorithm: SignatureAlgorithm,
        secret: &[u8],
        crypto: &CryptoProvider,
    ) -> Result<Self> {
        check_short_secret(algorithm, secret)?;
        let signer = crypto.keys.shared_secret(algorithm, secret)?;
        Ok(Self { algorithm, kid: None, with: With::Secret(signer) })
    }

    /// Gives it a name (`kid`).
    #[must_use]
    pub fn with_kid(mut self, kid: &str) -> Self {
        self.kid = Some(kid.into());
        self
    }

    /// Takes its name away, so that it is tried whatever a token calls it.
    #[must_use]
    pub(crate) fn without_kid(mut self) -> Self {
        self.kid = None;
        self
    }

    /// By what it verifies.
    #[must_use]
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// Its name, if it has one.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Checks a signature.
    ///
    /// # Errors
    ///
    /// `Untrusted`: [`Reason::SignatureInvalid`] unless this key made it.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<()> {
        let is_good = match &self.with {
            With::Public(verifier) => verifier.verify(message, signature),
            With::Secret(signer) => {
                let mut expected = Signature::new();
                signer.sign(message, &mut expected)?;
                secret::same(expected.as_ref(), signature)
            }
        };
        if is_good { Ok(()) } else { Err(Error::new(ErrorKind::Untrusted, Reason::SignatureInvalid)) }
    }
}

/// A secret must be at least as long as the hash, and is then not empty (RFC 7518 §3.2).
pub(crate) fn check_secret(algorithm: SignatureAlgorithm, secret: &[u8]) -> Result<()> {
    check_length(algorithm, secret, algorithm.hash().size())
}

/// A secret that may be short must not be empty.
pub(crate) fn check_short_secret(algorithm: SignatureAlgorithm, secret: &[u8]) -> Result<()> {
    check_length(algorithm, secret, 1)
}

fn check_length(algorithm: SignatureAlgorithm, secret: &[u8], least: usize) -> Result<()> {
    let is_of_jose = SignatureAlgorithm::parse(algorithm.name()).is_some();
    if algorithm.key_kind() != KeyKind::Secret || !is_of_jose {
        let error = Error::new(ErrorKind::Config, Reason::UnsupportedAlgorithm);
        return Err(error.with_detail(format!("{algorithm} takes no shared secret of JOSE")));
    }
    if secret.len() < least {
        let detail = format!("a secret of {} bytes, and {algorithm} needs {least}", secret.len());
        return Err(Error::new(ErrorKind::Config, Reason::InvalidKey).with_detail(detail));
    }
    Ok(())
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("algorithm", &self.algorithm)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}
