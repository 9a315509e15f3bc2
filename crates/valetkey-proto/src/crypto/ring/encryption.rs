//! AES-GCM: contents, sealed texts, and keys of contents.

use std::sync::Arc;

use ring::aead;

use super::{Ring, invalid_key};
use crate::{
    crypto::{
        Aead, ContentEncryption, DecryptionKey, EncryptionKey, KeyManagement, KeyUnwrapper, KeyWrapper,
        SharedSecret, encryption::undecryptable,
    },
    error::{Error, ErrorKind, Reason, Result},
};

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
        DecryptionKey::Secret(secret) => shared(algorithm, secret).map(|secret| Arc::new(secret) as _),
        DecryptionKey::Private(_) => Err(mismatched(algorithm)),
    }
}

pub(super) fn wrapper(algorithm: KeyManagement, key: EncryptionKey<'_>) -> Result<Arc<dyn KeyWrapper>> {
    match key {
        EncryptionKey::Secret(secret) => shared(algorithm, secret).map(|secret| Arc::new(secret) as _),
        EncryptionKey::Public(_) => Err(mismatched(algorithm)),
    }
}

/// A pair of keys: for what is not here, or for an algorithm that needs a secret.
fn mismatched(algorithm: KeyManagement) -> Error {
    if SharedSecret::is_for(algorithm) {
        invalid_key("a pair of keys, and the algorithm needs a shared secret")
    } else {
        elsewhere(algorithm.name())
    }
}

/// A shared secret, for what *ring* has.
fn shared(algorithm: KeyManagement, secret: &[u8]) -> Result<SharedSecret> {
    if !SharedSecret::is_for(algorithm) {
        return Err(elsewhere(algorithm.name()));
    }
    SharedSecret::new(algorithm, secret, &Ring)
}
