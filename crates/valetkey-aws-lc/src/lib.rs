#![doc = include_str!("../README.md")]

mod aead;
mod agreement;
mod key_wrap;
mod oaep;
mod signing;
mod verifying;

use std::sync::Arc;

use aws_lc_rs::digest;
use valetkey_proto::{
    Error, ErrorKind, Reason, Result,
    crypto::{
        CryptoProvider, DecryptionKey, Digest, EncryptionKey, Hash, HashAlgorithm, KeyLoader, KeyManagement,
        KeyUnwrapper, KeyWrapper, PrivateKey, PublicKey, SharedSecret, SignatureAlgorithm, Signer, Verifier,
    },
};

/// Cryptography by AWS-LC.
///
/// ```
/// use valetkey_proto::crypto::{PrivateKey, SignatureAlgorithm};
///
/// let crypto = valetkey_aws_lc::provider();
/// let jwk = r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
///     "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
/// let key = PrivateKey::parse(jwk.as_bytes())?.signing_key(SignatureAlgorithm::EdDsa, &crypto)?;
/// assert_eq!(key.algorithm(), SignatureAlgorithm::EdDsa);
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[must_use]
pub const fn provider() -> CryptoProvider {
    // It cannot be made of its fields, because later ones may come: they would be the default provider's.
    let mut crypto = CryptoProvider::ring();
    crypto.hash = &AwsLc;
    crypto.aead = &AwsLc;
    crypto.keys = &AwsLc;
    crypto
}

#[derive(Debug)]
struct AwsLc;

impl Hash for AwsLc {
    fn digest(&self, algorithm: HashAlgorithm, message: &[u8]) -> Digest {
        let algorithm = match algorithm {
            HashAlgorithm::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            HashAlgorithm::Sha384 => &digest::SHA384,
            HashAlgorithm::Sha512 => &digest::SHA512,
            // SHA-256: the crates are released together, so that there is no other.
            _ => &digest::SHA256,
        };
        Digest::new(digest::digest(algorithm, message).as_ref())
    }
}

impl KeyLoader for AwsLc {
    fn private_key(&self, algorithm: SignatureAlgorithm, pkcs8: &[u8]) -> Result<Arc<dyn Signer>> {
        signing::private_key(algorithm, pkcs8)
    }

    fn generate(&self, algorithm: SignatureAlgorithm) -> Result<PrivateKey> {
        signing::generate(algorithm)
    }

    fn shared_secret(&self, algorithm: SignatureAlgorithm, secret: &[u8]) -> Result<Arc<dyn Signer>> {
        signing::shared_secret(algorithm, secret)
    }

    fn public_key(&self, algorithm: SignatureAlgorithm, key: PublicKey<'_>) -> Result<Arc<dyn Verifier>> {
        verifying::public_key(algorithm, key)
    }

    fn unwrapper(&self, algorithm: KeyManagement, key: DecryptionKey<'_>) -> Result<Arc<dyn KeyUnwrapper>> {
        use KeyManagement as K;
        match (key, algorithm) {
            (DecryptionKey::Private(pkcs8), K::RsaOaep | K::RsaOaep256) => oaep::unwrapper(algorithm, pkcs8),
            (DecryptionKey::Private(pkcs8), K::EcdhEs | K::EcdhEsA128Kw | K::EcdhEsA256Kw) => {
                agreement::unwrapper(algorithm, pkcs8)
            }
            (DecryptionKey::Secret(secret), K::A128Kw | K::A256Kw) => {
                Ok(Arc::new(key_wrap::WrappingKey::new(algorithm, secret)?))
            }
            (DecryptionKey::Secret(secret), _) if SharedSecret::is_for(algorithm) => {
                Ok(Arc::new(SharedSecret::new(algorithm, secret, &Self)?))
            }
            _ => Err(mismatched()),
        }
    }

    fn wrapper(&self, algorithm: KeyManagement, key: EncryptionKey<'_>) -> Result<Arc<dyn KeyWrapper>> {
        use KeyManagement as K;
        match (key, algorithm) {
            (EncryptionKey::Public(public), K::RsaOaep | K::RsaOaep256) => oaep::wrapper(algorithm, public),
            (EncryptionKey::Public(public), K::EcdhEs | K::EcdhEsA128Kw | K::EcdhEsA256Kw) => {
                agreement::wrapper(algorithm, public)
            }
            (EncryptionKey::Secret(secret), K::A128Kw | K::A256Kw) => {
                Ok(Arc::new(key_wrap::WrappingKey::new(algorithm, secret)?))
            }
            (EncryptionKey::Secret(secret), _) if SharedSecret::is_for(algorithm) => {
                Ok(Arc::new(SharedSecret::new(algorithm, secret, &Self)?))
            }
            _ => Err(mismatched()),
        }
    }
}

/// A secret where a pair of keys is needed, or the other way round.
fn mismatched() -> Error {
    invalid_key("a shared secret for an algorithm of key pairs, or the other way round")
}

fn invalid_key(detail: &'static str) -> Error {
    Error::new(ErrorKind::Config, Reason::InvalidKey).with_detail(detail)
}

fn unsupported(name: &'static str) -> Error {
    Error::new(ErrorKind::Config, Reason::UnsupportedAlgorithm).with_detail(name)
}

/// The one error of decryption: what was wrong stays unsaid (RFC 7516 §11.5).
fn undecryptable() -> Error {
    Error::new(ErrorKind::Untrusted, Reason::DecryptionFailed)
}
