//! Signatures of others.

use std::{fmt, sync::Arc};

use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};

use super::{invalid_key, unsupported};
use crate::{
    crypto::{Curve, KeyKind, PublicKey, SignatureAlgorithm, Verifier},
    error::Result,
};

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
    key.check(KeyKind::Rsa)?;
    let PublicKey::Rsa { n, e } = key else { return Err(invalid_key("not an RSA key")) };
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

fn point(
    algorithm: &'static dyn signature::VerificationAlgorithm,
    curve: Curve,
    key: PublicKey<'_>,
) -> Result<Arc<dyn Verifier>> {
    key.check(KeyKind::Curve(curve))?;
    Ok(Arc::new(Point(UnparsedPublicKey::new(algorithm, key.to_point()))))
}

/// *ring* checks at every signature that the point is on its curve.
#[derive(Debug)]
struct Point(UnparsedPublicKey<Vec<u8>>);

impl Verifier for Point {
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verify(message, signature).is_ok()
    }
}
