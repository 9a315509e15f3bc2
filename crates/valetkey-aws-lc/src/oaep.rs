//! RSAES-OAEP (RFC 7518 §4.3).

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    rand,
    rsa::{
        OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm, OaepPrivateDecryptingKey,
        OaepPublicEncryptingKey, PrivateDecryptingKey, PublicEncryptingKey, PublicKeyComponents,
    },
};
use valetkey_proto::{
    Result,
    crypto::{
        ContentEncryption, ContentKey, Fresh, KeyKind, KeyManagement, KeyParameters, KeyUnwrapper,
        KeyWrapper, PublicKey,
    },
};
use zeroize::Zeroizing;

use crate::{invalid_key, undecryptable};

fn padding(algorithm: KeyManagement) -> &'static OaepAlgorithm {
    if algorithm == KeyManagement::RsaOaep { &OAEP_SHA1_MGF1SHA1 } else { &OAEP_SHA256_MGF1SHA256 }
}

pub(crate) fn unwrapper(algorithm: KeyManagement, pkcs8: &[u8]) -> Result<Arc<dyn KeyUnwrapper>> {
    let key = PrivateDecryptingKey::from_pkcs8(pkcs8).map_err(|_| invalid_key("not PKCS#8 of an RSA key"))?;
    let key =
        OaepPrivateDecryptingKey::new(key).map_err(|_| invalid_key("not an RSA key to decrypt with"))?;
    Ok(Arc::new(Decrypting { padding: padding(algorithm), key }))
}

pub(crate) fn wrapper(algorithm: KeyManagement, key: PublicKey<'_>) -> Result<Arc<dyn KeyWrapper>> {
    key.check(KeyKind::Rsa)?;
    let PublicKey::Rsa { n, e } = key else { return Err(invalid_key("not an RSA key")) };
    let key: Result<PublicEncryptingKey, _> = PublicKeyComponents { n, e }.try_into();
    let key = key.and_then(OaepPublicEncryptingKey::new);
    let key = key.map_err(|_| invalid_key("not the numbers of an RSA key"))?;
    Ok(Arc::new(Encrypting { padding: padding(algorithm), key }))
}

struct Decrypting {
    padding: &'static OaepAlgorithm,
    key: OaepPrivateDecryptingKey,
}

impl KeyUnwrapper for Decrypting {
    /// A key that cannot be decrypted is replaced by a random one, so that it fails where a wrong tag does, and as late
    /// (RFC 7516 §11.5).
    fn unwrap(
        &self,
        encrypted: &[u8],
        _: &KeyParameters,
        encryption: ContentEncryption,
    ) -> Result<ContentKey> {
        let mut other = vec![0; encryption.key_size()];
        rand::fill(&mut other).map_err(|_| undecryptable())?;
        let other = ContentKey::new(other);
        let mut room = Zeroizing::new(vec![0; self.key.min_output_size()]);
        match self.key.decrypt(self.padding, encrypted, &mut room, None) {
            Ok(key) if key.len() == encryption.key_size() => Ok(ContentKey::new(key.to_vec())),
            Ok(_) | Err(_) => Ok(other),
        }
    }
}

impl fmt::Debug for Decrypting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decrypting([redacted])")
    }
}

struct Encrypting {
    padding: &'static OaepAlgorithm,
    key: OaepPublicEncryptingKey,
}

impl KeyWrapper for Encrypting {
    fn wrap(
        &self,
        fresh: &Fresh,
        encryption: ContentEncryption,
    ) -> Result<(ContentKey, Vec<u8>, KeyParameters)> {
        let key = fresh.key(encryption);
        let mut encrypted = vec![0; self.key.ciphertext_size()];
        let done = self.key.encrypt(self.padding, key.expose(), &mut encrypted, None);
        done.map_err(|_| invalid_key("RSAES-OAEP"))?;
        Ok((key, encrypted, KeyParameters::default()))
    }
}

impl fmt::Debug for Encrypting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Encrypting")
    }
}
