#![doc = include_str!("../README.md")]
//!
//! ```
//! use valetkey_proto::crypto::SignatureAlgorithm;
//!
//! let error = valetkey_rsa::signer(SignatureAlgorithm::RsaSha1, b"not a key").unwrap_err();
//! assert_eq!(error.reason(), valetkey_proto::Reason::InvalidKey);
//! ```

use std::{fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rsa::{
    RsaPrivateKey,
    pkcs1::DecodeRsaPrivateKey,
    pkcs1v15::{Signature as RsaSignature, SigningKey},
    pkcs8::DecodePrivateKey,
    rand_core::OsRng,
    sha2::{Sha256, Sha384, Sha512},
    signature::{RandomizedSigner, SignatureEncoding},
    traits::PublicKeyParts,
};
use sha1::Sha1;
use valetkey_proto::{
    Error, ErrorKind, Reason, Result,
    crypto::{Signature, SignatureAlgorithm, Signer},
};

/// The shortest key that is taken. Shorter ones are factored on a desk.
const SHORTEST: usize = 1024;
/// The longest key: its signature fills a [`Signature`].
const LONGEST: usize = 4096;

/// A signer of this algorithm by this private key: PKCS#8 or PKCS#1, in PEM or DER.
///
/// # Errors
///
/// `Config`: [`Reason::UnsupportedAlgorithm`] unless the algorithm is `RsaSha1`, `Rs256`, `Rs384` or `Rs512`;
/// [`Reason::InvalidKey`] if the key cannot be read, is encrypted, or has not 1024 to 4096 bits.
///
/// # Security
///
/// RUSTSEC-2023-0071: the time of a signature depends on the key, as far as blinding does not hide it.
pub fn signer(algorithm: SignatureAlgorithm, key: &[u8]) -> Result<Arc<dyn Signer>> {
    if !matches!(
        algorithm,
        SignatureAlgorithm::RsaSha1
            | SignatureAlgorithm::Rs256
            | SignatureAlgorithm::Rs384
            | SignatureAlgorithm::Rs512
    ) {
        return Err(Error::new(ErrorKind::Config, Reason::UnsupportedAlgorithm).with_detail(algorithm.name()));
    }
    let key = read(key)?;
    let bits = key.n().bits();
    if !(SHORTEST..=LONGEST).contains(&bits) {
        return Err(invalid("an RSA key has 1024 to 4096 bits"));
    }
    Ok(match algorithm {
        SignatureAlgorithm::Rs256 => {
            Arc::new(Rsa { algorithm, jwk: jwk(&key), key: SigningKey::<Sha256>::new(key) })
        }
        SignatureAlgorithm::Rs384 => {
            Arc::new(Rsa { algorithm, jwk: jwk(&key), key: SigningKey::<Sha384>::new(key) })
        }
        SignatureAlgorithm::Rs512 => {
            Arc::new(Rsa { algorithm, jwk: jwk(&key), key: SigningKey::<Sha512>::new(key) })
        }
        _ => Arc::new(Rsa { algorithm, jwk: jwk(&key), key: SigningKey::<Sha1>::new(key) }),
    })
}

fn read(key: &[u8]) -> Result<RsaPrivateKey> {
    let text = std::str::from_utf8(key).ok().filter(|text| text.contains("-----BEGIN"));
    let read = match text {
        Some(text) if text.contains("ENCRYPTED") => return Err(invalid("the private key is encrypted")),
        Some(text) if text.contains("BEGIN RSA PRIVATE KEY") => RsaPrivateKey::from_pkcs1_pem(text).ok(),
        Some(text) => RsaPrivateKey::from_pkcs8_pem(text).ok(),
        None => RsaPrivateKey::from_pkcs8_der(key).ok().or_else(|| RsaPrivateKey::from_pkcs1_der(key).ok()),
    };
    read.ok_or_else(|| invalid("neither PKCS#8 nor PKCS#1 of an RSA key"))
}

fn invalid(detail: &'static str) -> Error {
    Error::new(ErrorKind::Config, Reason::InvalidKey).with_detail(detail)
}

struct Rsa<K> {
    algorithm: SignatureAlgorithm,
    key: K,
    jwk: Box<str>,
}

/// The public key as a JWK (RFC 7518 §6.3.1).
fn jwk(key: &RsaPrivateKey) -> Box<str> {
    let (n, e) =
        (URL_SAFE_NO_PAD.encode(key.n().to_bytes_be()), URL_SAFE_NO_PAD.encode(key.e().to_bytes_be()));
    format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#).into()
}

impl<K: RandomizedSigner<RsaSignature> + Send + Sync> Signer for Rsa<K> {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    fn sign(&self, message: &[u8], signature: &mut Signature) -> Result<()> {
        let failed = |_| Error::new(ErrorKind::Config, Reason::SigningFailed);
        // With randomness, the private operation is blinded; the signature is the same.
        let signed = self.key.try_sign_with_rng(&mut OsRng, message).map_err(failed)?;
        signature.set(&signed.to_bytes())
    }

    fn public_jwk(&self) -> Option<&str> {
        Some(&self.jwk)
    }
}

impl<K> fmt::Debug for Rsa<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signer").field(&self.algorithm).finish()
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{self, RsaPublicKeyComponents};
    use rsa::{pkcs1::EncodeRsaPrivateKey, pkcs8::EncodePrivateKey, pkcs8::LineEnding};

    use super::*;

    fn key(bits: usize) -> RsaPrivateKey {
        RsaPrivateKey::new(&mut OsRng, bits).unwrap()
    }

    #[test]
    fn signatures_verify_elsewhere_and_are_the_same_each_time() {
        let key = key(1024);
        let public = RsaPublicKeyComponents { n: key.n().to_bytes_be(), e: key.e().to_bytes_be() };
        let der = key.to_pkcs8_der().unwrap();
        for (algorithm, verify) in [
            (SignatureAlgorithm::RsaSha1, &signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY),
            (SignatureAlgorithm::Rs256, &signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY),
            (SignatureAlgorithm::Rs512, &signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY),
        ] {
            let signer = signer(algorithm, der.as_bytes()).unwrap();
            let (mut first, mut second) = (Signature::new(), Signature::new());
            signer.sign(b"base string", &mut first).unwrap();
            signer.sign(b"base string", &mut second).unwrap();
            assert_eq!(first.as_ref(), second.as_ref());
            public.verify(verify, b"base string", first.as_ref()).unwrap();
            let jwk: serde_json::Value = serde_json::from_str(signer.public_jwk().unwrap()).unwrap();
            assert_eq!(URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap(), key.n().to_bytes_be());
            assert!(!format!("{signer:?}").contains(jwk["n"].as_str().unwrap()));
        }
    }

    #[test]
    fn keys_come_in_four_forms_and_bad_ones_say_why() {
        let key = key(1024);
        let pkcs8 = key.to_pkcs8_pem(LineEnding::LF).unwrap();
        let pkcs1 = key.to_pkcs1_pem(LineEnding::LF).unwrap();
        let (pkcs8_der, pkcs1_der) = (key.to_pkcs8_der().unwrap(), key.to_pkcs1_der().unwrap());
        for form in [pkcs8.as_bytes(), pkcs1.as_bytes(), pkcs8_der.as_bytes(), pkcs1_der.as_bytes()] {
            assert!(signer(SignatureAlgorithm::RsaSha1, form).is_ok());
        }
        let short = self::key(512).to_pkcs8_der().unwrap();
        let encrypted = pkcs8.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        for (bad, why) in [
            (short.as_bytes(), "1024 to 4096"),
            (encrypted.as_bytes(), "encrypted"),
            (b"".as_slice(), "neither"),
            (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "neither"),
            (pkcs8_der.as_bytes().get(..100).unwrap(), "neither"),
        ] {
            let error = signer(SignatureAlgorithm::RsaSha1, bad).unwrap_err();
            assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::InvalidKey));
            assert!(error.to_string().contains(why), "{error}");
        }
        let error = signer(SignatureAlgorithm::Es256, pkcs8.as_bytes()).unwrap_err();
        assert_eq!(error.reason(), Reason::UnsupportedAlgorithm);
    }
}
