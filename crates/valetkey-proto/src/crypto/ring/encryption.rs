//! AES-GCM: contents, sealed texts, and keys of contents.

use std::{fmt, sync::Arc};

use ring::aead;

use super::{Ring, invalid_key};
use crate::{
    crypto::{
        Aead, ContentEncryption, ContentKey, DecryptionKey, EncryptionKey, Fresh, KeyManagement,
        KeyParameters, KeyUnwrapper, KeyWrapper, encryption::undecryptable,
    },
    error::{Error, ErrorKind, Reason, Result},
};

/// Bytes of a tag of AES-GCM.
const TAG: usize = 16;

impl Aead for Ring {
    fn seal(
        &self,
        encryption: ContentEncryption,
        key: &[u8],
        iv: &[u8],
        associated: &[u8],
        text: &mut Vec<u8>,
    ) -> Result<()> {
        let (key, nonce) = ready(encryption, key, iv)?;
        let too_long = |_| Error::new(ErrorKind::Usage, Reason::InvalidValue).with_detail("text to seal");
        key.seal_in_place_append_tag(nonce, aead::Aad::from(associated), text).map_err(too_long)
    }

    fn open(
        &self,
        encryption: ContentEncryption,
        key: &[u8],
        iv: &[u8],
        associated: &[u8],
        text: &mut Vec<u8>,
    ) -> Result<()> {
        let (key, nonce) = ready(encryption, key, iv)?;
        let opened =
            key.open_in_place(nonce, aead::Aad::from(associated), text).map_err(|_| undecryptable())?;
        let length = opened.len();
        text.truncate(length);
        Ok(())
    }
}

/// A key and a nonce of the right sizes.
fn ready(encryption: ContentEncryption, key: &[u8], iv: &[u8]) -> Result<(aead::LessSafeKey, aead::Nonce)> {
    let algorithm = match encryption {
        ContentEncryption::A128Gcm => &aead::AES_128_GCM,
        ContentEncryption::A256Gcm => &aead::AES_256_GCM,
        ContentEncryption::A128CbcHs256 | ContentEncryption::A256CbcHs512 => {
            return Err(elsewhere(encryption.name()));
        }
    };
    let nonce = aead::Nonce::try_assume_unique_for_key(iv).map_err(|_| undecryptable())?;
    let key = aead::UnboundKey::new(algorithm, key).map_err(|_| invalid_key("a secret of another length"))?;
    Ok((aead::LessSafeKey::new(key), nonce))
}

/// *ring* has it not.
pub(super) fn elsewhere(name: &str) -> Error {
    let detail = format!("{name} needs the provider of the crate valetkey-aws-lc");
    Error::new(ErrorKind::Config, Reason::UnsupportedAlgorithm).with_detail(detail)
}

pub(super) fn unwrapper(algorithm: KeyManagement, key: DecryptionKey<'_>) -> Result<Arc<dyn KeyUnwrapper>> {
    match key {
        DecryptionKey::Secret(secret) => Ok(Arc::new(Secret::new(algorithm, secret)?)),
        DecryptionKey::Private(_) => Err(mismatched(algorithm)),
    }
}

pub(super) fn wrapper(algorithm: KeyManagement, key: EncryptionKey<'_>) -> Result<Arc<dyn KeyWrapper>> {
    match key {
        EncryptionKey::Secret(secret) => Ok(Arc::new(Secret::new(algorithm, secret)?)),
        EncryptionKey::Public(_) => Err(mismatched(algorithm)),
    }
}

/// A pair of keys: for what is not here, or for an algorithm that needs a secret.
fn mismatched(algorithm: KeyManagement) -> Error {
    if by_gcm(algorithm).is_some() || algorithm == KeyManagement::Dir {
        invalid_key("a pair of keys, and the algorithm needs a shared secret")
    } else {
        elsewhere(algorithm.name())
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

/// A shared secret: the key of the content itself (RFC 7518 §4.5), or what encrypts it (§4.7).
struct Secret {
    by: Option<ContentEncryption>,
    key: ContentKey,
}

impl Secret {
    fn new(algorithm: KeyManagement, secret: &[u8]) -> Result<Self> {
        let by = by_gcm(algorithm);
        if by.is_none() && algorithm != KeyManagement::Dir {
            return Err(elsewhere(algorithm.name()));
        }
        if by.is_some_and(|by| by.key_size() != secret.len()) {
            return Err(invalid_key("a secret of another length than the algorithm needs"));
        }
        Ok(Self { by, key: ContentKey::new(secret.to_vec()) })
    }

    /// The secret as the key of a content.
    fn direct(&self, encryption: ContentEncryption) -> Result<ContentKey> {
        if self.key.expose().len() != encryption.key_size() {
            return Err(invalid_key("a secret of another length than the content's encryption needs"));
        }
        Ok(ContentKey::new(self.key.expose().to_vec()))
    }
}

impl KeyUnwrapper for Secret {
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
        Ring.open(by, self.key.expose(), iv, b"", &mut key).map_err(|_| undecryptable())?;
        Ok(ContentKey::new(key))
    }
}

impl KeyWrapper for Secret {
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
        Ring.seal(by, self.key.expose(), &fresh.iv(), b"", &mut encrypted)?;
        let tag = encrypted.split_off(encrypted.len().saturating_sub(TAG));
        let parameters =
            KeyParameters { iv: Some(fresh.iv().to_vec()), tag: Some(tag), ..KeyParameters::default() };
        Ok((key, encrypted, parameters))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}
