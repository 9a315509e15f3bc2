//! AES Key Wrap (RFC 3394, RFC 7518 §4.4).

use std::fmt;

use aws_lc_rs::key_wrap::{AES_128, AES_256, AesBlockCipher, AesKek, KeyWrap};
use valetkey_proto::{
    Result,
    crypto::{ContentEncryption, ContentKey, Fresh, KeyManagement, KeyParameters, KeyUnwrapper, KeyWrapper},
};

use crate::{invalid_key, undecryptable};

/// Bytes that an encrypted key is longer than the key.
const LONGER: usize = 8;

/// A key that encrypts keys.
pub(crate) struct WrappingKey {
    cipher: &'static AesBlockCipher,
    key: ContentKey,
}

impl WrappingKey {
    /// A secret, for `A128KW` or `A256KW`, or what was agreed on for the algorithms that end in these.
    pub(crate) fn new(algorithm: KeyManagement, secret: &[u8]) -> Result<Self> {
        let cipher = match size(algorithm) {
            Some(16) => &AES_128,
            _ => &AES_256,
        };
        if size(algorithm) != Some(secret.len()) {
            return Err(invalid_key("a secret of another length than the algorithm needs"));
        }
        Ok(Self { cipher, key: ContentKey::new(secret.to_vec()) })
    }

    fn ready(&self) -> Result<AesKek> {
        AesKek::new(self.cipher, self.key.expose()).map_err(|_| invalid_key("AES Key Wrap"))
    }

    /// The key that is encrypted so, if it is as long as it must be.
    pub(crate) fn open(&self, encrypted: &[u8], encryption: ContentEncryption) -> Result<ContentKey> {
        let size = encryption.key_size();
        if encrypted.len() != size + LONGER {
            return Err(undecryptable());
        }
        let mut key = vec![0; size];
        self.ready()?.unwrap(encrypted, &mut key).map_err(|_| undecryptable())?;
        Ok(ContentKey::new(key))
    }

    /// The key, encrypted.
    pub(crate) fn seal(&self, key: &ContentKey) -> Result<Vec<u8>> {
        let mut encrypted = vec![0; key.expose().len() + LONGER];
        let wrapped = self.ready()?.wrap(key.expose(), &mut encrypted);
        wrapped.map_err(|_| invalid_key("AES Key Wrap"))?;
        Ok(encrypted)
    }
}

/// Bytes of the key that this algorithm encrypts keys with; `None` if it does not.
pub(crate) fn size(algorithm: KeyManagement) -> Option<usize> {
    match algorithm {
        KeyManagement::A128Kw | KeyManagement::EcdhEsA128Kw => Some(16),
        KeyManagement::A256Kw | KeyManagement::EcdhEsA256Kw => Some(32),
        _ => None,
    }
}

impl KeyUnwrapper for WrappingKey {
    fn unwrap(
        &self,
        encrypted: &[u8],
        _: &KeyParameters,
        encryption: ContentEncryption,
    ) -> Result<ContentKey> {
        self.open(encrypted, encryption)
    }
}

impl KeyWrapper for WrappingKey {
    fn wrap(
        &self,
        fresh: &Fresh,
        encryption: ContentEncryption,
    ) -> Result<(ContentKey, Vec<u8>, KeyParameters)> {
        let key = fresh.key(encryption);
        let encrypted = self.seal(&key)?;
        Ok((key, encrypted, KeyParameters::default()))
    }
}

impl fmt::Debug for WrappingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WrappingKey([redacted])")
    }
}
