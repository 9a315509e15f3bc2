//! The provider made of *ring*, with SHA-1 and its HMAC from RustCrypto.
//!
//! *ring* seals its trait for randomness, so that ECDSA nonces and RSA blinding cannot come from
//! [`Env`](crate::Env): they come from the system, here and nowhere else.

mod encryption;
mod verify;

use std::{fmt, sync::Arc};

use hmac::{Hmac, Mac};
use ring::{
    digest, hmac as ring_hmac,
    rand::{self, SecureRandom as _},
    rsa,
    signature::{self, KeyPair},
};
use sha1::{Digest as _, Sha1};

use self::encryption::elsewhere;
use super::{
    Curve, DecryptionKey, Digest, EncryptionKey, Hash, HashAlgorithm, KeyLoader, KeyManagement, KeyUnwrapper,
    KeyWrapper, PrivateKey, PublicKey, Signature, SignatureAlgorithm, Signer, Verifier,
};
use crate::{
    error::{Error, ErrorKind, Reason, Result},
    random::{RandomFailed, SecureRandom},
};

/// The system's source of randomness.
///
/// ```
/// use valetkey_proto::{crypto::SystemRandom, random::SecureRandom};
///
/// let mut bytes = [0; 32];
/// SystemRandom::new().fill(&mut bytes)?;
/// assert_ne!(bytes, [0; 32]);
/// # Ok::<(), valetkey_proto::random::RandomFailed>(())
/// ```
#[derive(Clone)]
pub struct SystemRandom(rand::SystemRandom);

impl SystemRandom {
    /// The system's source.
    #[must_use]
    pub fn new() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place where the system's randomness comes in")]
        Self(rand::SystemRandom::new())
    }
}

impl Default for SystemRandom {
    fn default() -> Self {
        Self::new()
    }
}

impl SecureRandom for SystemRandom {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomFailed> {
        self.0.fill(buffer).map_err(|_| RandomFailed::new())
    }
}

impl fmt::Debug for SystemRandom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SystemRandom")
    }
}

#[derive(Debug)]
pub(super) struct Ring;

impl Hash for Ring {
    fn digest(&self, algorithm: HashAlgorithm, message: &[u8]) -> Digest {
        let algorithm = match algorithm {
            HashAlgorithm::Sha1 => return Digest::new(&Sha1::digest(message)),
            HashAlgorithm::Sha256 => &digest::SHA256,
            HashAlgorithm::Sha384 => &digest::SHA384,
            HashAlgorithm::Sha512 => &digest::SHA512,
        };
        Digest::new(digest::digest(algorithm, message).as_ref())
    }
}

impl KeyLoader for Ring {
    fn private_key(&self, algorithm: SignatureAlgorithm, pkcs8: &[u8]) -> Result<Arc<dyn Signer>> {
        use SignatureAlgorithm as A;
        match algorithm {
            A::Es256 => ecdsa(algorithm, Curve::P256, &signature::ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8),
            A::Es384 => ecdsa(algorithm, Curve::P384, &signature::ECDSA_P384_SHA384_FIXED_SIGNING, pkcs8),
            A::EdDsa => ed25519(pkcs8),
            A::Rs256 => rsa(algorithm, &signature::RSA_PKCS1_SHA256, pkcs8),
            A::Rs384 => rsa(algorithm, &signature::RSA_PKCS1_SHA384, pkcs8),
            A::Rs512 => rsa(algorithm, &signature::RSA_PKCS1_SHA512, pkcs8),
            A::Ps256 => rsa(algorithm, &signature::RSA_PSS_SHA256, pkcs8),
            A::Ps384 => rsa(algorithm, &signature::RSA_PSS_SHA384, pkcs8),
            A::Ps512 => rsa(algorithm, &signature::RSA_PSS_SHA512, pkcs8),
            A::Es512 | A::Hs256 | A::Hs384 | A::Hs512 | A::HmacSha1 | A::RsaSha1 => {
                Err(unsupported(algorithm))
            }
        }
    }

    fn generate(&self, algorithm: SignatureAlgorithm) -> Result<PrivateKey> {
        use SignatureAlgorithm as A;
        let random = &SystemRandom::new().0;
        let ecdsa = |curve| signature::EcdsaKeyPair::generate_pkcs8(curve, random);
        let document = match algorithm {
            A::Es256 => ecdsa(&signature::ECDSA_P256_SHA256_FIXED_SIGNING),
            A::Es384 => ecdsa(&signature::ECDSA_P384_SHA384_FIXED_SIGNING),
            A::EdDsa => signature::Ed25519KeyPair::generate_pkcs8(random),
            A::Rs256 | A::Rs384 | A::Rs512 | A::Ps256 | A::Ps384 | A::Ps512 | A::RsaSha1 => {
                return Err(unsupported(algorithm));
            }
            A::Es512 | A::Hs256 | A::Hs384 | A::Hs512 | A::HmacSha1 => return Err(unsupported(algorithm)),
        };
        let failed = |_| Error::new(ErrorKind::Config, Reason::RandomFailed);
        PrivateKey::parse(document.map_err(failed)?.as_ref())
    }

    fn shared_secret(&self, algorithm: SignatureAlgorithm, secret: &[u8]) -> Result<Arc<dyn Signer>> {
        use SignatureAlgorithm as A;
        if secret.is_empty() {
            return Err(invalid_key("an empty secret"));
        }
        let hash = match algorithm {
            A::Hs256 => ring_hmac::HMAC_SHA256,
            A::Hs384 => ring_hmac::HMAC_SHA384,
            A::Hs512 => ring_hmac::HMAC_SHA512,
            A::HmacSha1 => {
                let key = Hmac::<Sha1>::new_from_slice(secret).map_err(|_| invalid_key("HMAC-SHA1"))?;
                return Ok(Arc::new(HmacSha1(key)));
            }
            A::Rs256 | A::Rs384 | A::Rs512 | A::Ps256 | A::Ps384 | A::Ps512 => {
                return Err(unsupported(algorithm));
            }
            A::Es256 | A::Es384 | A::Es512 | A::EdDsa | A::RsaSha1 => return Err(unsupported(algorithm)),
        };
        Ok(Arc::new(HmacSha2 { algorithm, key: ring_hmac::Key::new(hash, secret) }))
    }

    fn public_key(&self, algorithm: SignatureAlgorithm, key: PublicKey<'_>) -> Result<Arc<dyn Verifier>> {
        verify::public_key(algorithm, key)
    }

    fn unwrapper(&self, algorithm: KeyManagement, key: DecryptionKey<'_>) -> Result<Arc<dyn KeyUnwrapper>> {
        encryption::unwrapper(algorithm, key)
    }

    fn wrapper(&self, algorithm: KeyManagement, key: EncryptionKey<'_>) -> Result<Arc<dyn KeyWrapper>> {
        encryption::wrapper(algorithm, key)
    }
}

struct HmacSha1(Hmac<Sha1>);

impl Signer for HmacSha1 {
    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::HmacSha1
    }

    fn sign(&self, message: &[u8], signature: &mut Signature) -> Result<()> {
        signature.set(&self.0.clone().chain_update(message).finalize().into_bytes())
    }
}

struct HmacSha2 {
    algorithm: SignatureAlgorithm,
    key: ring_hmac::Key,
}

impl Signer for HmacSha2 {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    fn sign(&self, message: &[u8], signature: &mut Signature) -> Result<()> {
        signature.set(ring_hmac::sign(&self.key, message).as_ref())
    }
}

struct Ecdsa {
    algorithm: SignatureAlgorithm,
    key: signature::EcdsaKeyPair,
    random: SystemRandom,
    jwk: Box<str>,
}

fn ecdsa(
    algorithm: SignatureAlgorithm,
    curve: Curve,
    with: &'static signature::EcdsaSigningAlgorithm,
    pkcs8: &[u8],
) -> Result<Arc<dyn Signer>> {
    let random = SystemRandom::new();
    let key = signature::EcdsaKeyPair::from_pkcs8(with, pkcs8, &random.0)
        .map_err(|_| invalid_key("not PKCS#8 of this elliptic curve"))?;
    let jwk = jwk(curve, key.public_key().as_ref())?;
    Ok(Arc::new(Ecdsa { algorithm, key, random, jwk }))
}

/// The public key of a pair as a JWK.
fn jwk(curve: Curve, point: &[u8]) -> Result<Box<str>> {
    let key = PublicKey::of_point(curve, point).ok_or_else(|| invalid_key("not a point of the curve"))?;
    Ok(key.jwk().into())
}

impl Signer for Ecdsa {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    fn sign(&self, message: &[u8], signature: &mut Signature) -> Result<()> {
        let signed = self.key.sign(&self.random.0, message).map_err(|_| failed())?;
        signature.set(signed.as_ref())
    }

    fn public_jwk(&self) -> Option<&str> {
        Some(&self.jwk)
    }
}

struct Ed25519 {
    key: signature::Ed25519KeyPair,
    jwk: Box<str>,
}

fn ed25519(pkcs8: &[u8]) -> Result<Arc<dyn Signer>> {
    // OpenSSL writes PKCS#8 without the public key, which the strict reader refuses.
    let key = signature::Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8)
        .map_err(|_| invalid_key("not PKCS#8 of Ed25519"))?;
    let jwk = jwk(Curve::Ed25519, key.public_key().as_ref())?;
    Ok(Arc::new(Ed25519 { key, jwk }))
}

impl Signer for Ed25519 {
    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::EdDsa
    }

    fn sign(&self, message: &[u8], signature: &mut Signature) -> Result<()> {
        signature.set(self.key.sign(message).as_ref())
    }

    fn public_jwk(&self) -> Option<&str> {
        Some(&self.jwk)
    }
}

struct Rsa {
    algorithm: SignatureAlgorithm,
    padding: &'static dyn signature::RsaEncoding,
    key: rsa::KeyPair,
    random: SystemRandom,
    jwk: Box<str>,
}

fn rsa(
    algorithm: SignatureAlgorithm,
    padding: &'static dyn signature::RsaEncoding,
    pkcs8: &[u8],
) -> Result<Arc<dyn Signer>> {
    let key = rsa::KeyPair::from_pkcs8(pkcs8)
        .map_err(|_| invalid_key("not PKCS#8 of an RSA key of 2048 to 4096 bits"))?;
    let public = rsa::PublicKeyComponents::<Vec<u8>>::from(key.public());
    let jwk = PublicKey::Rsa { n: &public.n, e: &public.e }.jwk().into();
    Ok(Arc::new(Rsa { algorithm, padding, key, random: SystemRandom::new(), jwk }))
}

impl Signer for Rsa {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    fn sign(&self, message: &[u8], signature: &mut Signature) -> Result<()> {
        let room = signature.room(self.key.public().modulus_len())?;
        self.key.sign(self.padding, &self.random.0, message, room).map_err(|_| failed())
    }

    fn public_jwk(&self) -> Option<&str> {
        Some(&self.jwk)
    }
}

/// The `Debug` of a key shows its algorithm and nothing else.
macro_rules! redacted {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple("Signer").field(&self.algorithm()).finish()
            }
        }
    )*};
}
redacted!(HmacSha1, HmacSha2, Ecdsa, Ed25519, Rsa);

fn invalid_key(detail: &'static str) -> Error {
    Error::new(ErrorKind::Config, Reason::InvalidKey).with_detail(detail)
}

fn unsupported(algorithm: SignatureAlgorithm) -> Error {
    if algorithm == SignatureAlgorithm::Es512 {
        return elsewhere(algorithm.name());
    }
    Error::new(ErrorKind::Config, Reason::UnsupportedAlgorithm).with_detail(algorithm.name())
}

fn failed() -> Error {
    Error::new(ErrorKind::Config, Reason::SigningFailed)
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    use super::*;
    use crate::crypto::{ContentEncryption, CryptoProvider};

    fn pkcs8(algorithm: SignatureAlgorithm) -> Vec<u8> {
        let random = &SystemRandom::new().0;
        match algorithm {
            SignatureAlgorithm::Es256 => {
                let curve = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
                signature::EcdsaKeyPair::generate_pkcs8(curve, random).unwrap().as_ref().to_vec()
            }
            SignatureAlgorithm::Es384 => {
                let curve = &signature::ECDSA_P384_SHA384_FIXED_SIGNING;
                signature::EcdsaKeyPair::generate_pkcs8(curve, random).unwrap().as_ref().to_vec()
            }
            _ => signature::Ed25519KeyPair::generate_pkcs8(random).unwrap().as_ref().to_vec(),
        }
    }

    #[test]
    fn hashes_and_macs_give_the_published_values() {
        let crypto = CryptoProvider::ring();
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let sha1 = crypto.hash.digest(HashAlgorithm::Sha1, b"abc");
        assert_eq!(hex(sha1.as_ref()), "a9993e364706816aba3e25717850c26c9cd0d89d");
        for (algorithm, bytes) in
            [(HashAlgorithm::Sha256, 32), (HashAlgorithm::Sha384, 48), (HashAlgorithm::Sha512, 64)]
        {
            assert_eq!(crypto.hash.digest(algorithm, b"abc").as_ref().len(), bytes);
        }
        // RFC 2202 §3 case 2, RFC 4231 §4.3.
        for (algorithm, mac) in [
            (SignatureAlgorithm::HmacSha1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            (SignatureAlgorithm::Hs256, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        ] {
            let signer = crypto.keys.shared_secret(algorithm, b"Jefe").unwrap();
            let mut signature = Signature::new();
            signer.sign(b"what do ya want for nothing?", &mut signature).unwrap();
            assert_eq!(hex(signature.as_ref()), mac);
            assert_eq!((signer.algorithm(), signer.public_jwk()), (algorithm, None));
        }
    }

    #[test]
    fn signatures_verify() {
        let crypto = CryptoProvider::ring();
        for (algorithm, verify) in [
            (
                SignatureAlgorithm::Es256,
                &signature::ECDSA_P256_SHA256_FIXED as &dyn signature::VerificationAlgorithm,
            ),
            (SignatureAlgorithm::Es384, &signature::ECDSA_P384_SHA384_FIXED),
            (SignatureAlgorithm::EdDsa, &signature::ED25519),
        ] {
            let signer = crypto.keys.private_key(algorithm, &pkcs8(algorithm)).unwrap();
            let mut signature = Signature::new();
            signer.sign(b"message", &mut signature).unwrap();
            let jwk: serde_json::Value = serde_json::from_str(signer.public_jwk().unwrap()).unwrap();
            let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap_or("")).unwrap();
            let point = match algorithm {
                SignatureAlgorithm::EdDsa => coordinate("x"),
                _ => [vec![4], coordinate("x"), coordinate("y")].concat(),
            };
            signature::UnparsedPublicKey::new(verify, point).verify(b"message", signature.as_ref()).unwrap();
            assert!(!format!("{signer:?}").contains("jwk"));
        }
    }

    #[test]
    fn keys_of_another_kind_are_refused() {
        let crypto = CryptoProvider::ring();
        let es256 = pkcs8(SignatureAlgorithm::Es256);
        for algorithm in [SignatureAlgorithm::Es384, SignatureAlgorithm::EdDsa, SignatureAlgorithm::Rs256] {
            assert_eq!(crypto.keys.private_key(algorithm, &es256).unwrap_err().reason(), Reason::InvalidKey);
        }
        for algorithm in [SignatureAlgorithm::Es512, SignatureAlgorithm::Hs256, SignatureAlgorithm::RsaSha1] {
            let error = crypto.keys.private_key(algorithm, &es256).unwrap_err();
            assert_eq!(error.reason(), Reason::UnsupportedAlgorithm);
        }
        assert_eq!(
            crypto.keys.shared_secret(SignatureAlgorithm::Hs256, b"").unwrap_err().reason(),
            Reason::InvalidKey
        );
        let error = crypto.keys.shared_secret(SignatureAlgorithm::Rs256, b"x").unwrap_err();
        assert_eq!(error.reason(), Reason::UnsupportedAlgorithm);
    }

    #[test]
    fn seals_open_only_as_they_were_made() {
        const GCM: ContentEncryption = ContentEncryption::A256Gcm;
        let aead = CryptoProvider::ring().aead;
        let mut text = b"secret".to_vec();
        aead.seal(GCM, &[1; 32], &[2; 12], b"for", &mut text).unwrap();
        for (key, nonce, associated) in
            [([0; 32], [2; 12], "for"), ([1; 32], [0; 12], "for"), ([1; 32], [2; 12], "of")]
        {
            let error = aead.open(GCM, &key, &nonce, associated.as_bytes(), &mut text.clone()).unwrap_err();
            assert_eq!((error.kind(), error.reason()), (ErrorKind::Untrusted, Reason::DecryptionFailed));
        }
        aead.open(GCM, &[1; 32], &[2; 12], b"for", &mut text).unwrap();
        assert_eq!(text, b"secret");
    }
}
