//! Signatures of others.

use std::{fmt, sync::Arc};

use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};

use super::{invalid_key, unsupported};
use crate::{
    crypto::{Curve, PublicKey, SignatureAlgorithm, Verifier},
    error::Result,
};

/// The sizes of RSA keys that verify, in bits (RFC 7518 §3.3; *ring* goes no further).
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

pub(super) fn public_key(algorithm: SignatureAlgorithm, key: PublicKey<'_>) -> Result<Arc<dyn Verifier>> {
    use SignatureAlgorithm as A;
    match algorithm {
        A::Rs256 => rsa(&signature::RSA_PKCS1_2048_8192_SHA256, key),
        A::Rs384 => rsa(&signature::RSA_PKCS1_2048_8192_SHA384, key),
        A::Rs512 => rsa(&signature::RSA_PKCS1_2048_8192_SHA512, key),
        A::Ps256 => rsa(&signature::RSA_PSS_2048_8192_SHA256, key),
        A::Ps384 => rsa(&signature::RSA_PSS_2048_8192_SHA384, key),
        A::Ps512 => rsa(&signature::RSA_PSS_2048_8192_SHA512, key),
        A::Es256 => point(&signature::ECDSA_P256_SHA256_FIXED, Curve::P256, key),
        A::Es384 => point(&signature::ECDSA_P384_SHA384_FIXED, Curve::P384, key),
        A::EdDsa => point(&signature::ED25519, Curve::Ed25519, key),
        A::Es512 | A::Hs256 | A::Hs384 | A::Hs512 | A::HmacSha1 | A::RsaSha1 => Err(unsupported(algorithm)),
    }
}

struct Rsa {
    parameters: &'static signature::RsaParameters,
    key: RsaPublicKeyComponents<Box<[u8]>>,
}

fn rsa(parameters: &'static signature::RsaParameters, key: PublicKey<'_>) -> Result<Arc<dyn Verifier>> {
    let PublicKey::Rsa { n, e } = key else { return Err(invalid_key("not an RSA key")) };
    let bits = (n.len() * 8).saturating_sub(n.first().map_or(0, |byte| byte.leading_zeros() as usize));
    if !RSA_BITS.contains(&bits) {
        return Err(invalid_key("an RSA key of less than 2048 or more than 8192 bits"));
    }
    // An exponent of 1 would make every text its own signature, and an even one is none.
    let is_odd = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 1);
    if !is_odd(n) || !is_odd(e) || e == [1] {
        return Err(invalid_key("not the numbers of an RSA key"));
    }
    Ok(Arc::new(Rsa { parameters, key: RsaPublicKeyComponents { n: n.into(), e: e.into() } }))
}

impl Verifier for Rsa {
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.verify(self.parameters, message, signature).is_ok()
    }
}

impl fmt::Debug for Rsa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rsa")
    }
}

/// The longest point: 4, x, y of P-384.
const POINT: usize = 97;

fn point(
    algorithm: &'static dyn signature::VerificationAlgorithm,
    expected: Curve,
    key: PublicKey<'_>,
) -> Result<Arc<dyn Verifier>> {
    let PublicKey::Point { curve, x, y } = key else { return Err(invalid_key("not an elliptic curve")) };
    let y_size = if curve.is_okp() { 0 } else { curve.size() };
    if curve != expected || x.len() != curve.size() || y.len() != y_size {
        return Err(invalid_key("not a point of the algorithm's curve"));
    }
    let mut bytes = Vec::with_capacity(POINT);
    if !curve.is_okp() {
        // Uncompressed (SEC 1 §2.3.3).
        bytes.push(4);
    }
    bytes.extend_from_slice(x);
    bytes.extend_from_slice(y);
    Ok(Arc::new(Point(UnparsedPublicKey::new(algorithm, bytes))))
}

/// *ring* checks at every signature that the point is on its curve.
#[derive(Debug)]
struct Point(UnparsedPublicKey<Vec<u8>>);

impl Verifier for Point {
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verify(message, signature).is_ok()
    }
}
