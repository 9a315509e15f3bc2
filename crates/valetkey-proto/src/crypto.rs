//! Cryptography, chosen by value: [`CryptoProvider`] is handed in with every step, and there is no default
//! of the process.

mod algorithm;
mod der;
mod encryption;
mod key;
mod pem;
mod private_key;
mod ring;
mod shared_secret;
mod verifying;

use std::fmt;

pub use self::{
    algorithm::{Curve, HashAlgorithm, KeyKind, SignatureAlgorithm},
    encryption::{
        ContentEncryption, ContentKey, DecryptionKey, EncryptionKey, EphemeralKey, Fresh, KeyManagement,
        KeyParameters, KeyUnwrapper, KeyWrapper,
    },
    key::{RemoteKey, Signature, Signer, SigningKey},
    private_key::PrivateKey,
    ring::SystemRandom,
    shared_secret::SharedSecret,
    verifying::{PublicKey, Verifier, VerifyingKey},
};
pub(crate) use self::{
    der::rsa_spki,
    encryption::undecryptable,
    private_key::certificate_der,
    verifying::{check_secret, check_short_secret},
};

use std::sync::Arc;

use crate::error::Result;

/// The cryptography that flows use: a handful of trait objects, copied freely.
///
/// Another provider takes the place of some of them or of all: its crate has a function that makes such a value, of
/// [`ring`](Self::ring) with other fields.
///
/// ```
/// use valetkey_proto::crypto::{CryptoProvider, HashAlgorithm};
///
/// let crypto = CryptoProvider::ring();
/// assert_eq!(crypto.hash.digest(HashAlgorithm::Sha256, b"").as_ref().len(), 32);
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CryptoProvider {
    /// Hash functions.
    pub hash: &'static dyn Hash,
    /// Authenticated encryption: of contents, and of texts that leave the program and come back.
    pub aead: &'static dyn Aead,
    /// Keys: to sign, to verify, to encrypt, to decrypt.
    pub keys: &'static dyn KeyLoader,
}

impl CryptoProvider {
    /// *ring*, with RustCrypto's SHA-1, which uses the processor's SHA instructions and *ring*'s does not.
    #[must_use]
    pub const fn ring() -> Self {
        Self { hash: &ring::Ring, aead: &ring::Ring, keys: &ring::Ring }
    }
}

/// Hash functions.
pub trait Hash: Send + Sync + fmt::Debug {
    /// The hash of a message.
    fn digest(&self, algorithm: HashAlgorithm, message: &[u8]) -> Digest;
}

/// A hash value.
#[derive(Clone, Copy)]
pub struct Digest {
    bytes: [u8; 64],
    length: usize,
}

impl Digest {
    /// Takes a hash value of at most 64 bytes; what is longer is cut off.
    #[must_use]
    pub fn new(hash: &[u8]) -> Self {
        let mut bytes = [0; 64];
        let length = hash.len().min(bytes.len());
        if let (Some(start), Some(hash)) = (bytes.get_mut(..length), hash.get(..length)) {
            start.copy_from_slice(hash);
        }
        Self { bytes, length }
    }
}

impl AsRef<[u8]> for Digest {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Digest").field("length", &self.length).finish_non_exhaustive()
    }
}

/// Authenticated encryption.
pub trait Aead: Send + Sync + fmt::Debug {
    /// Encrypts `text` in place and appends the tag.
    ///
    /// # Errors
    ///
    /// `Usage` if the text is too long for the cipher; `Config`:
    /// [`Reason::UnsupportedAlgorithm`](crate::Reason::UnsupportedAlgorithm) if the provider has it not,
    /// [`Reason::InvalidKey`](crate::Reason::InvalidKey) if the key is of another length.
    fn seal(
        &self,
        encryption: ContentEncryption,
        key: &[u8],
        iv: &[u8],
        associated: &[u8],
        text: &mut Vec<u8>,
    ) -> Result<()>;

    /// Checks the tag at the end of `text`, removes it and decrypts in place. With CBC the tag is checked before
    /// anything is decrypted, in constant time.
    ///
    /// # Errors
    ///
    /// `Untrusted`: [`Reason::DecryptionFailed`](crate::Reason::DecryptionFailed) unless it was sealed with this
    /// key, initialization vector and associated data; `Config` as [`seal`](Self::seal).
    fn open(
        &self,
        encryption: ContentEncryption,
        key: &[u8],
        iv: &[u8],
        associated: &[u8],
        text: &mut Vec<u8>,
    ) -> Result<()>;
}

/// Makes keys ready for use, each for one algorithm.
pub trait KeyLoader: Send + Sync + fmt::Debug {
    /// A private key in PKCS#8 DER, to sign by this algorithm.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidKey`](crate::Reason::InvalidKey) if the key cannot be read or is of
    /// another kind, [`Reason::UnsupportedAlgorithm`](crate::Reason::UnsupportedAlgorithm) if the provider
    /// has no such algorithm.
    fn private_key(&self, algorithm: SignatureAlgorithm, pkcs8: &[u8]) -> Result<Arc<dyn Signer>>;

    /// Makes a new private key for this algorithm, of the provider's own randomness: PKCS#8 in DER.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::UnsupportedAlgorithm`](crate::Reason::UnsupportedAlgorithm) if the provider makes no such
    /// keys, [`Reason::RandomFailed`](crate::Reason::RandomFailed).
    fn generate(&self, algorithm: SignatureAlgorithm) -> Result<PrivateKey>;

    /// A shared secret, to authenticate messages by this HMAC.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidKey`](crate::Reason::InvalidKey) if the secret is empty (except for
    /// OAuth 1.0's HMAC-SHA1 family, whose keys are never empty), or
    /// [`Reason::UnsupportedAlgorithm`](crate::Reason::UnsupportedAlgorithm).
    fn shared_secret(&self, algorithm: SignatureAlgorithm, secret: &[u8]) -> Result<Arc<dyn Signer>>;

    /// A public key, to verify by this algorithm.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidKey`](crate::Reason::InvalidKey) if the key is of another kind, or an RSA key of
    /// less than 2048 bits; [`Reason::UnsupportedAlgorithm`](crate::Reason::UnsupportedAlgorithm).
    fn public_key(&self, algorithm: SignatureAlgorithm, key: PublicKey<'_>) -> Result<Arc<dyn Verifier>>;

    /// A key, to decrypt keys of contents by this algorithm.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidKey`](crate::Reason::InvalidKey),
    /// [`Reason::UnsupportedAlgorithm`](crate::Reason::UnsupportedAlgorithm).
    fn unwrapper(&self, algorithm: KeyManagement, key: DecryptionKey<'_>) -> Result<Arc<dyn KeyUnwrapper>>;

    /// A key, to encrypt keys of contents by this algorithm.
    ///
    /// # Errors
    ///
    /// As [`unwrapper`](Self::unwrapper).
    fn wrapper(&self, algorithm: KeyManagement, key: EncryptionKey<'_>) -> Result<Arc<dyn KeyWrapper>>;
}
