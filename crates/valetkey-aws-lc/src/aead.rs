//! Authenticated encryption: AES-GCM, and AES-CBC with HMAC (RFC 7518 §5.2, §5.3).

use aws_lc_rs::{
    aead,
    cipher::{
        self, DecryptionContext, EncryptionContext, PaddedBlockDecryptingKey, PaddedBlockEncryptingKey,
        UnboundCipherKey,
    },
    constant_time::verify_slices_are_equal,
    hmac,
    iv::FixedLength,
};
use valetkey_proto::{
    Error, ErrorKind, Reason, Result,
    crypto::{Aead, ContentEncryption},
};

use crate::{AwsLc, invalid_key, undecryptable, unsupported};

/// Bytes of a block of AES.
const BLOCK: usize = 16;

impl Aead for AwsLc {
    fn seal(
        &self,
        encryption: ContentEncryption,
        key: &[u8],
        iv: &[u8],
        associated: &[u8],
        text: &mut Vec<u8>,
    ) -> Result<()> {
        let too_long = |_| Error::new(ErrorKind::Usage, Reason::InvalidValue).with_detail("text to seal");
        match cipher_of(encryption)? {
            Cipher::Gcm(algorithm) => {
                let (key, nonce) = gcm(algorithm, key, iv)?;
                key.seal_in_place_append_tag(nonce, aead::Aad::from(associated), text).map_err(too_long)
            }
            Cipher::Cbc(cbc) => {
                let keys = cbc.keys(encryption, key, iv)?;
                let encrypting = PaddedBlockEncryptingKey::cbc_pkcs7(keys.cipher).map_err(too_long)?;
                let context = EncryptionContext::Iv128(FixedLength::from(keys.iv));
                encrypting.less_safe_encrypt(text, context).map_err(too_long)?;
                let tag = tag(&keys.mac, associated, &keys.iv, text);
                text.extend_from_slice(tag.as_ref().get(..encryption.tag_size()).unwrap_or_default());
                Ok(())
            }
        }
    }

    fn open(
        &self,
        encryption: ContentEncryption,
        key: &[u8],
        iv: &[u8],
        associated: &[u8],
        text: &mut Vec<u8>,
    ) -> Result<()> {
        let length = match cipher_of(encryption)? {
            Cipher::Gcm(algorithm) => {
                let (key, nonce) = gcm(algorithm, key, iv)?;
                let opened = key.open_in_place(nonce, aead::Aad::from(associated), text);
                opened.map_err(|_| undecryptable())?.len()
            }
            Cipher::Cbc(cbc) => {
                let keys = cbc.keys(encryption, key, iv)?;
                let length = text.len().checked_sub(encryption.tag_size()).ok_or_else(undecryptable)?;
                let (content, sent) = text.split_at_mut(length);
                let tag = tag(&keys.mac, associated, &keys.iv, content);
                let tag = tag.as_ref().get(..encryption.tag_size()).unwrap_or_default();
                verify_slices_are_equal(tag, sent).map_err(|_| undecryptable())?;
                // Whoever has the key wrote it, so that its padding tells nobody else anything.
                if content.is_empty() || content.len() % BLOCK != 0 {
                    return Err(undecryptable());
                }
                let decrypting =
                    PaddedBlockDecryptingKey::cbc_pkcs7(keys.cipher).map_err(|_| undecryptable())?;
                let context = DecryptionContext::Iv128(FixedLength::from(keys.iv));
                decrypting.decrypt(content, context).map_err(|_| undecryptable())?.len()
            }
        };
        text.truncate(length);
        Ok(())
    }
}

enum Cipher {
    Gcm(&'static aead::Algorithm),
    Cbc(Cbc),
}

fn cipher_of(encryption: ContentEncryption) -> Result<Cipher> {
    Ok(match encryption {
        ContentEncryption::A128Gcm => Cipher::Gcm(&aead::AES_128_GCM),
        ContentEncryption::A256Gcm => Cipher::Gcm(&aead::AES_256_GCM),
        ContentEncryption::A128CbcHs256 => {
            Cipher::Cbc(Cbc { cipher: &cipher::AES_128, hash: hmac::HMAC_SHA256 })
        }
        ContentEncryption::A256CbcHs512 => {
            Cipher::Cbc(Cbc { cipher: &cipher::AES_256, hash: hmac::HMAC_SHA512 })
        }
        other => return Err(unsupported(other.name())),
    })
}

/// A key and a nonce of the right sizes.
fn gcm(
    algorithm: &'static aead::Algorithm,
    key: &[u8],
    iv: &[u8],
) -> Result<(aead::LessSafeKey, aead::Nonce)> {
    let nonce = aead::Nonce::try_assume_unique_for_key(iv).map_err(|_| undecryptable())?;
    let key = aead::UnboundKey::new(algorithm, key).map_err(|_| invalid_key("a secret of another length"))?;
    Ok((aead::LessSafeKey::new(key), nonce))
}

struct Cbc {
    cipher: &'static cipher::Algorithm,
    hash: hmac::Algorithm,
}

struct CbcKeys {
    mac: hmac::Key,
    cipher: UnboundCipherKey,
    iv: [u8; BLOCK],
}

impl Cbc {
    /// The first half of a key authenticates, the second encrypts (RFC 7518 §5.2.2.1).
    fn keys(&self, encryption: ContentEncryption, key: &[u8], iv: &[u8]) -> Result<CbcKeys> {
        let iv = iv.try_into().map_err(|_| undecryptable())?;
        if key.len() != encryption.key_size() {
            return Err(invalid_key("a secret of another length"));
        }
        let (mac, cipher) = key.split_at(key.len() / 2);
        let cipher = UnboundCipherKey::new(self.cipher, cipher);
        let cipher = cipher.map_err(|_| invalid_key("a secret of another length"))?;
        Ok(CbcKeys { mac: hmac::Key::new(self.hash, mac), cipher, iv })
    }
}

/// The tag before it is cut: of the associated data, the initialization vector, the text and the bits of the first.
fn tag(key: &hmac::Key, associated: &[u8], iv: &[u8], text: &[u8]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    let bits = (associated.len() as u64).saturating_mul(8);
    for part in [associated, iv, text, &bits.to_be_bytes()] {
        context.update(part);
    }
    context.sign()
}
