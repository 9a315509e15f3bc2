//! Public keys, which are parsed once.

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    rsa::PublicKeyComponents,
    signature::{self, ParsedPublicKey},
};
use valetkey_proto::{
    Result,
    crypto::{PublicKey, SignatureAlgorithm, Verifier},
};

use crate::{invalid_key, unsupported};

pub(crate) fn public_key(algorithm: SignatureAlgorithm, key: PublicKey<'_>) -> Result<Arc<dyn Verifier>> {
    use SignatureAlgorithm as A;
    match algorithm {
        A::Rs256 => rsa(algorithm, &signature::RSA_PKCS1_2048_8192_SHA256, key),
        A::Rs384 => rsa(algorithm, &signature::RSA_PKCS1_2048_8192_SHA384, key),
        A::Rs512 => rsa(algorithm, &signature::RSA_PKCS1_2048_8192_SHA512, key),
        A::Ps256 => rsa(algorithm, &signature::RSA_PSS_2048_8192_SHA256, key),
        A::Ps384 => rsa(algorithm, &signature::RSA_PSS_2048_8192_SHA384, key),
        A::Ps512 => rsa(algorithm, &signature::RSA_PSS_2048_8192_SHA512, key),
        A::Es256 => point(algorithm, &signature::ECDSA_P256_SHA256_FIXED, key),
        A::Es384 => point(algorithm, &signature::ECDSA_P384_SHA384_FIXED, key),
        A::Es512 => point(algorithm, &signature::ECDSA_P521_SHA512_FIXED, key),
        A::EdDsa => point(algorithm, &signature::ED25519, key),
        other => Err(unsupported(other.name())),
    }
}

fn rsa(
    algorithm: SignatureAlgorithm,
    parameters: &'static signature::RsaParameters,
    key: PublicKey<'_>,
) -> Result<Arc<dyn Verifier>> {
    key.check(algorithm.key_kind())?;
    let PublicKey::Rsa { n, e } = key else { return Err(invalid_key("not an RSA key")) };
    let parsed = PublicKeyComponents { n, e }.to_parsed_public_key(parameters);
    Ok(Arc::new(Parsed(parsed.map_err(|_| invalid_key("not the numbers of an RSA key"))?)))
}

/// AWS-LC checks that the point is on its curve.
fn point(
    algorithm: SignatureAlgorithm,
    with: &'static dyn signature::VerificationAlgorithm,
    key: PublicKey<'_>,
) -> Result<Arc<dyn Verifier>> {
    key.check(algorithm.key_kind())?;
    let parsed = ParsedPublicKey::new(with, key.to_point());
    Ok(Arc::new(Parsed(parsed.map_err(|_| invalid_key("not a point of the curve"))?)))
}

struct Parsed(ParsedPublicKey);

impl Verifier for Parsed {
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verify_sig(message, signature).is_ok()
    }
}

impl fmt::Debug for Parsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Parsed")
    }
}
