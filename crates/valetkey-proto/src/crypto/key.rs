//! Signing keys: here, or elsewhere.

use std::{fmt, sync::Arc};

use super::{
    CryptoProvider, SignatureAlgorithm,
    verifying::{check_secret, check_short_secret},
};
use crate::error::{Error, ErrorKind, Reason, Result};

/// A key that signs here and now.
///
/// For a key that lives elsewhere and answers later (a KMS, an HSM) see [`RemoteKey`].
pub trait Signer: Send + Sync + fmt::Debug {
    /// By what it signs. A key signs by one algorithm alone.
    fn algorithm(&self) -> SignatureAlgorithm;

    /// Signs a message; ECDSA signatures are r‖s (RFC 7518 §3.4).
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::SigningFailed`] if the key cannot sign.
    fn sign(&self, message: &[u8], signature: &mut Signature) -> Result<()>;

    /// The public key as a JWK in JSON; `None` for a shared secret.
    fn public_jwk(&self) -> Option<&str> {
        None
    }
}

/// Room for a signature: 512 bytes, as many as an RSA key of 4096 bits makes.
pub struct Signature {
    bytes: [u8; 512],
    length: usize,
}

impl Signature {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self { bytes: [0; 512], length: 0 }
    }

    /// Takes the bytes of a signature.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::SigningFailed`] if there are more than 512.
    pub fn set(&mut self, signature: &[u8]) -> Result<()> {
        self.room(signature.len())?.copy_from_slice(signature);
        Ok(())
    }

    /// Room for this many bytes, all of which are to be written.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::SigningFailed`] if there are more than 512.
    pub fn room(&mut self, length: usize) -> Result<&mut [u8]> {
        self.length = length.min(self.bytes.len());
        let too_long =
            || Error::new(ErrorKind::Config, Reason::SigningFailed).with_detail("signature too long");
        self.bytes.get_mut(..length).ok_or_else(too_long)
    }
}

impl Default for Signature {
    fn default() -> Self {
        Self::new()
    }
}

impl AsRef<[u8]> for Signature {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signature").field("length", &self.length).finish_non_exhaustive()
    }
}

/// A key to sign with: one that is here, or the name of one that is elsewhere.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a key is either here or elsewhere")]
pub enum SigningKey {
    /// Signs at once.
    Local(Arc<dyn Signer>),
    /// The flow yields [`Step::Sign`](crate::Step::Sign) and goes on with the answer.
    Remote(RemoteKey),
}

impl SigningKey {
    /// A shared secret that authenticates by this HMAC of JOSE.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidKey`] if it is shorter than the hash (RFC 7518 §3.2);
    /// [`Reason::UnsupportedAlgorithm`] if the algorithm is no HMAC of JOSE.
    pub fn secret(algorithm: SignatureAlgorithm, secret: &[u8], crypto: &CryptoProvider) -> Result<Self> {
        check_secret(algorithm, secret)?;
        Self::short_secret(algorithm, secret, crypto)
    }

    /// A shared secret that authenticates by this HMAC of JOSE, although it is shorter than the hash: for servers that give
    /// out such secrets. An empty one is refused all the same.
    ///
    /// # Errors
    ///
    /// As [`secret`](Self::secret), but [`Reason::InvalidKey`] only if it is empty.
    ///
    /// # Security
    ///
    /// As for [`VerifyingKey::short_secret`](super::VerifyingKey::short_secret): whoever has one signature can try
    /// secrets on it.
    pub fn short_secret(
        algorithm: SignatureAlgorithm,
        secret: &[u8],
        crypto: &CryptoProvider,
    ) -> Result<Self> {
        check_short_secret(algorithm, secret)?;
        crypto.keys.shared_secret(algorithm, secret).map(Self::Local)
    }

    /// By what it signs.
    #[must_use]
    pub fn algorithm(&self) -> SignatureAlgorithm {
        match self {
            Self::Local(signer) => signer.algorithm(),
            Self::Remote(key) => key.algorithm,
        }
    }

    /// The public key as a JWK in JSON; `None` for a shared secret.
    #[must_use]
    pub fn public_jwk(&self) -> Option<&str> {
        match self {
            Self::Local(signer) => signer.public_jwk(),
            Self::Remote(key) => key.public_jwk.as_deref(),
        }
    }
}

impl From<Arc<dyn Signer>> for SigningKey {
    fn from(signer: Arc<dyn Signer>) -> Self {
        Self::Local(signer)
    }
}

/// The name of a key that signs elsewhere. The core knows no more of it.
///
/// ```
/// use valetkey_proto::crypto::{RemoteKey, SignatureAlgorithm};
///
/// let key = RemoteKey::new("projects/p/keys/login", SignatureAlgorithm::Es256);
/// assert_eq!(key.name(), "projects/p/keys/login");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteKey {
    name: Arc<str>,
    algorithm: SignatureAlgorithm,
    public_jwk: Option<Arc<str>>,
}

impl RemoteKey {
    /// A key of this name that signs by this algorithm.
    #[must_use]
    pub fn new(name: &str, algorithm: SignatureAlgorithm) -> Self {
        Self { name: name.into(), algorithm, public_jwk: None }
    }

    /// Adds the public key, a JWK in JSON.
    #[must_use]
    pub fn with_public_jwk(mut self, jwk: &str) -> Self {
        self.public_jwk = Some(jwk.into());
        self
    }

    /// The name by which the signer finds the key.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// By what it signs.
    #[must_use]
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }
}
