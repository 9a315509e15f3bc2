//! Keys that sign: pairs, and shared secrets.

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    rsa,
    signature::{self, KeyPair},
};
use valetkey_proto::{
    Error, ErrorKind, Reason, Result,
    crypto::{Curve, PrivateKey, PublicKey, Signature, SignatureAlgorithm, Signer},
};

use crate::{invalid_key, unsupported};

/// The longest RSA key that signs, in bytes: its signature fills a [`Signature`].
const LONGEST: usize = 512;

pub(crate) fn private_key(algorithm: SignatureAlgorithm, pkcs8: &[u8]) -> Result<Arc<dyn Signer>> {
    use SignatureAlgorithm as A;
    match algorithm {
        A::Es256 => ecdsa(algorithm, Curve::P256, &signature::ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8),
        A::Es384 => ecdsa(algorithm, Curve::P384, &signature::ECDSA_P384_SHA384_FIXED_SIGNING, pkcs8),
        A::Es512 => ecdsa(algorithm, Curve::P521, &signature::ECDSA_P521_SHA512_FIXED_SIGNING, pkcs8),
        A::EdDsa => ed25519(pkcs8),
        A::Rs256 => rsa(algorithm, &signature::RSA_PKCS1_SHA256, pkcs8),
        A::Rs384 => rsa(algorithm, &signature::RSA_PKCS1_SHA384, pkcs8),
        A::Rs512 => rsa(algorithm, &signature::RSA_PKCS1_SHA512, pkcs8),
        A::Ps256 => rsa(algorithm, &signature::RSA_PSS_SHA256, pkcs8),
        A::Ps384 => rsa(algorithm, &signature::RSA_PSS_SHA384, pkcs8),
        A::Ps512 => rsa(algorithm, &signature::RSA_PSS_SHA512, pkcs8),
        other => Err(unsupported(other.name())),
    }
}

pub(crate) fn generate(algorithm: SignatureAlgorithm) -> Result<PrivateKey> {
    use SignatureAlgorithm as A;
    let random = &SystemRandom::new();
    let ecdsa = |curve| signature::EcdsaKeyPair::generate_pkcs8(curve, random);
    let document = match algorithm {
        A::Es256 => ecdsa(&signature::ECDSA_P256_SHA256_FIXED_SIGNING),
        A::Es384 => ecdsa(&signature::ECDSA_P384_SHA384_FIXED_SIGNING),
        A::Es512 => ecdsa(&signature::ECDSA_P521_SHA512_FIXED_SIGNING),
        A::EdDsa => signature::Ed25519KeyPair::generate_pkcs8v1(random),
        other => return Err(unsupported(other.name())),
    };
    let document = document.map_err(|_| Error::new(ErrorKind::Config, Reason::RandomFailed))?;
    PrivateKey::parse(document.as_ref())
}

pub(crate) fn shared_secret(algorithm: SignatureAlgorithm, secret: &[u8]) -> Result<Arc<dyn Signer>> {
    use SignatureAlgorithm as A;
    if secret.is_empty() {
        return Err(invalid_key("an empty secret"));
    }
    let hash = match algorithm {
        A::Hs256 => hmac::HMAC_SHA256,
        A::Hs384 => hmac::HMAC_SHA384,
        A::Hs512 => hmac::HMAC_SHA512,
        A::HmacSha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        other => return Err(unsupported(other.name())),
    };
    Ok(Arc::new(Hmac { algorithm, key: hmac::Key::new(hash, secret) }))
}

struct Hmac {
    algorithm: SignatureAlgorithm,
    key: hmac::Key,
}

impl Signer for Hmac {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    fn sign(&self, message: &[u8], signature: &mut Signature) -> Result<()> {
        signature.set(hmac::sign(&self.key, message).as_ref())
    }
}

/// A pair of keys, and its public key as a JWK.
struct Pair<K> {
    algorithm: SignatureAlgorithm,
    key: K,
    jwk: Box<str>,
}

/// What pairs do, each in its way.
trait Sign: Send + Sync {
    fn sign(&self, message: &[u8], signature: &mut Signature) -> Result<()>;
}

impl<K: Sign> Signer for Pair<K> {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    fn sign(&self, message: &[u8], signature: &mut Signature) -> Result<()> {
        self.key.sign(message, signature)
    }

    fn public_jwk(&self) -> Option<&str> {
        Some(&self.jwk)
    }
}

fn ecdsa(
    algorithm: SignatureAlgorithm,
    curve: Curve,
    with: &'static signature::EcdsaSigningAlgorithm,
    pkcs8: &[u8],
) -> Result<Arc<dyn Signer>> {
    let key = signature::EcdsaKeyPair::from_pkcs8(with, pkcs8)
        .map_err(|_| invalid_key("not PKCS#8 of this elliptic curve"))?;
    let jwk = jwk(PublicKey::of_point(curve, key.public_key().as_ref()))?;
    Ok(Arc::new(Pair { algorithm, key, jwk }))
}

impl Sign for signature::EcdsaKeyPair {
    fn sign(&self, message: &[u8], signature: &mut Signature) -> Result<()> {
        // AWS-LC takes randomness of its own, whatever it is handed.
        let signed = self.sign(&SystemRandom::new(), message).map_err(|_| failed())?;
        signature.set(signed.as_ref())
    }
}

fn ed25519(pkcs8: &[u8]) -> Result<Arc<dyn Signer>> {
    let key =
        signature::Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| invalid_key("not PKCS#8 of Ed25519"))?;
    let jwk = jwk(PublicKey::of_point(Curve::Ed25519, key.public_key().as_ref()))?;
    Ok(Arc::new(Pair { algorithm: SignatureAlgorithm::EdDsa, key, jwk }))
}

impl Sign for signature::Ed25519KeyPair {
    fn sign(&self, message: &[u8], signature: &mut Signature) -> Result<()> {
        signature.set(self.try_sign(message).map_err(|_| failed())?.as_ref())
    }
}

struct Rsa {
    padding: &'static dyn signature::RsaEncoding,
    pair: rsa::KeyPair,
}

fn rsa(
    algorithm: SignatureAlgorithm,
    padding: &'static dyn signature::RsaEncoding,
    pkcs8: &[u8],
) -> Result<Arc<dyn Signer>> {
    let invalid = || invalid_key("not PKCS#8 of an RSA key of 2048 to 4096 bits");
    let pair = rsa::KeyPair::from_pkcs8(pkcs8).map_err(|_| invalid())?;
    if pair.public_modulus_len() > LONGEST {
        return Err(invalid());
    }
    let public = rsa::PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
    let jwk = jwk(Some(PublicKey::Rsa { n: &public.n, e: &public.e }))?;
    Ok(Arc::new(Pair { algorithm, key: Rsa { padding, pair }, jwk }))
}

impl Sign for Rsa {
    fn sign(&self, message: &[u8], signature: &mut Signature) -> Result<()> {
        let room = signature.room(self.pair.public_modulus_len())?;
        self.pair.sign(self.padding, &SystemRandom::new(), message, room).map_err(|_| failed())
    }
}

/// The public key of a pair as a JWK.
fn jwk(key: Option<PublicKey<'_>>) -> Result<Box<str>> {
    Ok(key.ok_or_else(|| invalid_key("not a point of the curve"))?.jwk().into())
}

fn failed() -> Error {
    Error::new(ErrorKind::Config, Reason::SigningFailed)
}

/// The `Debug` of a key shows its algorithm and nothing else.
impl fmt::Debug for Hmac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signer").field(&self.algorithm).finish()
    }
}

impl<K> fmt::Debug for Pair<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signer").field(&self.algorithm).finish()
    }
}
