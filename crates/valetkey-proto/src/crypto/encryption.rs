//! Encryption: the names of its algorithms, and the keys that keys are encrypted with.

use std::fmt;

use super::{Curve, PublicKey};
use crate::{
    error::{Error, ErrorKind, Reason, Result},
    secret::{Wipe, Wiped},
};

/// How content is encrypted and authenticated (RFC 7518 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ContentEncryption {
    /// AES-128 in Galois/Counter Mode.
    A128Gcm,
    /// AES-256 in Galois/Counter Mode.
    A256Gcm,
    /// AES-128 in CBC mode with HMAC-SHA-256.
    A128CbcHs256,
    /// AES-256 in CBC mode with HMAC-SHA-512.
    A256CbcHs512,
}

impl ContentEncryption {
    /// The encryption of this name (`enc`).
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "A128GCM" => Self::A128Gcm,
            "A256GCM" => Self::A256Gcm,
            "A128CBC-HS256" => Self::A128CbcHs256,
            "A256CBC-HS512" => Self::A256CbcHs512,
            _ => return None,
        })
    }

    /// The registered name (`enc`).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::A128Gcm => "A128GCM",
            Self::A256Gcm => "A256GCM",
            Self::A128CbcHs256 => "A128CBC-HS256",
            Self::A256CbcHs512 => "A256CBC-HS512",
        }
    }

    /// Bytes of its key.
    #[must_use]
    pub fn key_size(self) -> usize {
        match self {
            Self::A128Gcm => 16,
            Self::A256Gcm | Self::A128CbcHs256 => 32,
            Self::A256CbcHs512 => 64,
        }
    }

    /// Bytes of its initialization vector.
    #[must_use]
    pub fn iv_size(self) -> usize {
        match self {
            Self::A128Gcm | Self::A256Gcm => 12,
            Self::A128CbcHs256 | Self::A256CbcHs512 => 16,
        }
    }

    /// Bytes of its tag, no more and no fewer.
    #[must_use]
    pub fn tag_size(self) -> usize {
        match self {
            Self::A128Gcm | Self::A256Gcm | Self::A128CbcHs256 => 16,
            Self::A256CbcHs512 => 32,
        }
    }
}

impl fmt::Display for ContentEncryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How the key of the content comes to the recipient (RFC 7518 §4.1).
///
/// RSA1_5 is not among them (RFC 8725 §3.2), nor is what derives keys of passwords.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyManagement {
    /// The shared secret is the key of the content.
    Dir,
    /// AES-GCM with a shared secret of 128 bits.
    A128GcmKw,
    /// AES-GCM with a shared secret of 256 bits.
    A256GcmKw,
    /// AES Key Wrap with a shared secret of 128 bits.
    A128Kw,
    /// AES Key Wrap with a shared secret of 256 bits.
    A256Kw,
    /// RSAES-OAEP with SHA-1.
    RsaOaep,
    /// RSAES-OAEP with SHA-256.
    RsaOaep256,
    /// Elliptic-curve Diffie-Hellman, whose result is the key of the content.
    EcdhEs,
    /// Elliptic-curve Diffie-Hellman, and AES Key Wrap with 128 bits of its result.
    EcdhEsA128Kw,
    /// Elliptic-curve Diffie-Hellman, and AES Key Wrap with 256 bits of its result.
    EcdhEsA256Kw,
}

impl KeyManagement {
    /// The algorithm of this name (`alg`).
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "dir" => Self::Dir,
            "A128GCMKW" => Self::A128GcmKw,
            "A256GCMKW" => Self::A256GcmKw,
            "A128KW" => Self::A128Kw,
            "A256KW" => Self::A256Kw,
            "RSA-OAEP" => Self::RsaOaep,
            "RSA-OAEP-256" => Self::RsaOaep256,
            "ECDH-ES" => Self::EcdhEs,
            "ECDH-ES+A128KW" => Self::EcdhEsA128Kw,
            "ECDH-ES+A256KW" => Self::EcdhEsA256Kw,
            _ => return None,
        })
    }

    /// The registered name (`alg`).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dir => "dir",
            Self::A128GcmKw => "A128GCMKW",
            Self::A256GcmKw => "A256GCMKW",
            Self::A128Kw => "A128KW",
            Self::A256Kw => "A256KW",
            Self::RsaOaep => "RSA-OAEP",
            Self::RsaOaep256 => "RSA-OAEP-256",
            Self::EcdhEs => "ECDH-ES",
            Self::EcdhEsA128Kw => "ECDH-ES+A128KW",
            Self::EcdhEsA256Kw => "ECDH-ES+A256KW",
        }
    }

    /// Whether the key of the content is agreed on, so that no encrypted key is sent (RFC 7516 §5.1).
    #[must_use]
    pub fn is_direct(self) -> bool {
        match self {
            Self::Dir | Self::EcdhEs => true,
            Self::A128GcmKw | Self::A256GcmKw | Self::A128Kw | Self::A256Kw => false,
            Self::RsaOaep | Self::RsaOaep256 | Self::EcdhEsA128Kw | Self::EcdhEsA256Kw => false,
        }
    }
}

impl fmt::Display for KeyManagement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The key of a content: wiped when dropped, and not shown.
pub struct ContentKey(Wiped<Vec<u8>>);

impl ContentKey {
    /// Takes the bytes of a key.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Wiped::new(bytes))
    }

    /// The bytes themselves.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentKey([redacted])")
    }
}

/// What a header says about the encrypted key beside `alg` and `enc` (RFC 7518 §4.6.1, §4.7.1).
#[derive(Clone, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "made by providers, for the algorithms that there are")]
pub struct KeyParameters {
    /// The sender's ephemeral public key (`epk`).
    pub ephemeral: Option<EphemeralKey>,
    /// Who sends (`apu`).
    pub producer: Option<Vec<u8>>,
    /// Who receives (`apv`).
    pub recipient: Option<Vec<u8>>,
    /// The initialization vector of the encrypted key (`iv`).
    pub iv: Option<Vec<u8>>,
    /// The tag of the encrypted key (`tag`).
    pub tag: Option<Vec<u8>>,
}

/// An ephemeral public key: its point, not yet known to be on its curve.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "made by providers; a point is no more than this")]
pub struct EphemeralKey {
    /// The curve.
    pub curve: Curve,
    /// The x coordinate, as many bytes as the curve's coordinates have.
    pub x: Vec<u8>,
    /// The y coordinate; empty for X25519.
    pub y: Vec<u8>,
}

/// Decrypts the keys of contents.
pub trait KeyUnwrapper: Send + Sync + fmt::Debug {
    /// The key of a content that is encrypted in this way. An implementation checks that a point is on its
    /// curve, and takes the same time whatever is wrong.
    ///
    /// # Errors
    ///
    /// `Untrusted`: [`Reason::DecryptionFailed`], without saying why (RFC 7516 §11.5).
    fn unwrap(
        &self,
        encrypted: &[u8],
        parameters: &KeyParameters,
        encryption: ContentEncryption,
    ) -> Result<ContentKey>;
}

/// Encrypts the keys of contents.
pub trait KeyWrapper: Send + Sync + fmt::Debug {
    /// A key for a content, the same encrypted, and what the header says of it. `fresh` is randomness: the key
    /// itself where it can be chosen, and then bytes for an initialization vector.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidKey`].
    fn wrap(
        &self,
        fresh: &Fresh,
        encryption: ContentEncryption,
    ) -> Result<(ContentKey, Vec<u8>, KeyParameters)>;
}

/// Randomness for one encryption, out of [`Env`](crate::Env).
pub struct Fresh {
    key: [u8; 64],
    iv: [u8; 12],
}

impl Fresh {
    /// Draws it.
    pub(crate) fn draw(random: &dyn crate::random::SecureRandom) -> Result<Self> {
        let mut fresh = Self { key: [0; 64], iv: [0; 12] };
        random.fill(&mut fresh.key)?;
        random.fill(&mut fresh.iv)?;
        Ok(fresh)
    }

    /// A key for this encryption.
    #[must_use]
    pub fn key(&self, encryption: ContentEncryption) -> ContentKey {
        ContentKey::new(self.key.get(..encryption.key_size()).unwrap_or_default().to_vec())
    }

    /// An initialization vector for an encrypted key.
    #[must_use]
    pub fn iv(&self) -> [u8; 12] {
        self.iv
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        self.key.wipe();
    }
}

impl fmt::Debug for Fresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fresh([redacted])")
    }
}

/// The key that decrypts: a private one in PKCS#8 DER, or a shared secret.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum DecryptionKey<'a> {
    /// PKCS#8 DER.
    Private(&'a [u8]),
    /// The secret.
    Secret(&'a [u8]),
}

impl fmt::Debug for DecryptionKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DecryptionKey([redacted])")
    }
}

/// The key that encrypts: the recipient's public one, or a shared secret.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum EncryptionKey<'a> {
    /// The public key.
    Public(PublicKey<'a>),
    /// The secret.
    Secret(&'a [u8]),
}

impl fmt::Debug for EncryptionKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EncryptionKey([redacted])")
    }
}

/// The one error of decryption: what was wrong stays unsaid (RFC 7516 §11.5).
pub(crate) fn undecryptable() -> Error {
    Error::new(ErrorKind::Untrusted, Reason::DecryptionFailed)
}
