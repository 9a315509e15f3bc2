//! Keys of contents that come of a shared secret, by whatever cipher a provider has.

use std::fmt;

use super::{
    Aead, ContentEncryption, ContentKey, Fresh, KeyManagement, KeyParameters, KeyUnwrapper, KeyWrapper,
    undecryptable,
};
use crate::error::{Error, ErrorKind, Reason, Result};

/// Bytes of a tag of AES-GCM.
const TAG: usize = 16;

/// A shared secret: the key of the content itself (RFC 7518 §4.5), or what encrypts it by AES-GCM (§4.7).
///
/// Providers make it of their own cipher:
///
/// ```
/// use valetkey_proto::crypto::{CryptoProvider, KeyManagement, SharedSecret};
///
/// let aead = CryptoProvider::ring().aead;
/// assert!(SharedSecret::new(KeyManagement::A128GcmKw, &[7; 16], aead).is_ok());
/// assert!(SharedSecret::new(KeyManagement::A128GcmKw, &[7; 32], aead).is_err());
/// assert!(!SharedSecret::is_for(KeyManagement::RsaOaep));
/// ```
pub struct SharedSecret {
    by: Option<ContentEncryption>,
    key: ContentKey,
    aead: &'static dyn Aead,
}

impl SharedSecret {
    /// Whether it is by this algorithm that a secret is used so.
    #[must_use]
    pub fn is_for(algorithm: KeyManagement) -> bool {
        algorithm == KeyManagement::Dir || by_gcm(algorithm).is_some()
    }

    /// A secret for one of the algorithms that it [is for](Self::is_for).
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::UnsupportedAlgorithm`], or [`Reason::InvalidKey`] if the secret is of another length.
    pub fn new(algorithm: KeyManagement, secret: &[u8], aead: &'static dyn Aead) -> Result<Self> {
        if !Self::is_for(algorithm) {
            let error = Error::new(ErrorKind::Config, Reason::UnsupportedAlgorithm);
            return Err(error.with_detail(algorithm.name()));
        }
        let by = by_gcm(algorithm);
        if by.is_some_and(|by| by.key_size() != secret.len()) {
            return Err(invalid_key("a secret of another length than the algorithm needs"));
        }
        Ok(Self { by, key: ContentKey::new(secret.to_vec()), aead })
    }

    /// The secret as the key of a content.
    fn direct(&self, encryption: ContentEncryption) -> Result<ContentKey> {
        if self.key.expose().len() != encryption.key_size() {
            return Err(invalid_key("a secret of another length than the content's encryption needs"));
        }
        Ok(ContentKey::new(self.key.expose().to_vec()))
    }
}

impl KeyUnwrapper for SharedSecret {
    fn unwrap(
        &self,
        encrypted: &[u8],
        parameters: &KeyParameters,
        encryption: ContentEncryption,
    ) -> Result<ContentKey> {
        let Some(by) = self.by else { return self.direct(encryption) };
        let (Some(iv), Some(tag)) = (&parameters.iv, &parameters.tag) else { return Err(undecryptable()) };
        if tag.len() != TAG || encrypted.len() != encryption.key_size() {
            return Err(undecryptable());
        }
        let mut key = Vec::with_capacity(encrypted.len() + TAG);
        key.extend_from_slice(encrypted);
        key.extend_from_slice(tag);
        self.aead.open(by, self.key.expose(), iv, b"", &mut key).map_err(|_| undecryptable())?;
        Ok(ContentKey::new(key))
    }
}

impl KeyWrapper for SharedSecret {
    fn wrap(
        &self,
        fresh: &Fresh,
        encryption: ContentEncryption,
    ) -> Result<(ContentKey, Vec<u8>, KeyParameters)> {
        let Some(by) = self.by else {
            return Ok((self.direct(encryption)?, Vec::new(), KeyParameters::default()));
        };
        let key = fresh.key(encryption);
        let mut encrypted = Vec::with_capacity(key.expose().len() + TAG);
        encrypted.extend_from_slice(key.expose());
        self.aead.seal(by, self.key.expose(), &fresh.iv(), b"", &mut encrypted)?;
        let tag = encrypted.split_off(encrypted.len().saturating_sub(TAG));
        let parameters =
            KeyParameters { iv: Some(fresh.iv().to_vec()), tag: Some(tag), ..KeyParameters::default() };
        Ok((key, encrypted, parameters))
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret([redacted])")
    }
}

/// The AES-GCM that encrypts keys.
fn by_gcm(algorithm: KeyManagement) -> Option<ContentEncryption> {
    match algorithm {
        KeyManagement::A128GcmKw => Some(ContentEncryption::A128Gcm),
        KeyManagement::A256GcmKw => Some(ContentEncryption::A256Gcm),
        KeyManagement::Dir | KeyManagement::A128Kw | KeyManagement::A256Kw => None,
        KeyManagement::RsaOaep | KeyManagement::RsaOaep256 => None,
        KeyManagement::EcdhEs | KeyManagement::EcdhEsA128Kw | KeyManagement::EcdhEsA256Kw => None,
    }
}

fn invalid_key(detail: &'static str) -> Error {
    Error::new(ErrorKind::Config, Reason::InvalidKey).with_detail(detail)
}
