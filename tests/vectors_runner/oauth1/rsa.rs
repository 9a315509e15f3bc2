//! RSA keys of cases. *ring* signs neither by RSA-SHA1 nor with keys of 1024 bits, but verifies both: there, the
//! signer verifies the expected signature of what it is to sign, and hands that out.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::signature::{
    RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY, RsaParameters, RsaPublicKeyComponents,
};
use valetkey_proto::{
    Error, ErrorKind, Reason, Result,
    crypto::{CryptoProvider, Signature, SignatureAlgorithm, Signer, SigningKey},
    oauth1::SignatureMethod,
};

use super::super::{case::Case, check::Stop};

pub(super) fn method(case: &Case, algorithm: SignatureAlgorithm) -> Result<SignatureMethod, Stop> {
    let key = &case.shared["keys"][case.text("rsa_key").expect("a key")];
    let pkcs8 = STANDARD.decode(key["pkcs8_der_b64"].as_str().expect("a key")).expect("base64");
    match SignatureMethod::rsa_pkcs8(algorithm, &pkcs8, &CryptoProvider::ring()) {
        Err(error) if matches!(error.reason(), Reason::UnsupportedAlgorithm | Reason::InvalidKey) => {
            let expected = case.expected["signature"].as_str().expect("a signature");
            let expected = STANDARD.decode(expected).expect("base64");
            let (n, e) = public_key(&pkcs8);
            let signer = Verifier { algorithm, n, e, expected };
            Ok(SignatureMethod::rsa(SigningKey::Local(Arc::new(signer)))?)
        }
        method => Ok(method?),
    }
}

#[derive(Debug)]
struct Verifier {
    algorithm: SignatureAlgorithm,
    n: Vec<u8>,
    e: Vec<u8>,
    expected: Vec<u8>,
}

impl Signer for Verifier {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    fn sign(&self, message: &[u8], signature: &mut Signature) -> Result<()> {
        let parameters: &RsaParameters = match self.algorithm {
            SignatureAlgorithm::RsaSha1 => &RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
            SignatureAlgorithm::Rs256 => &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
            _ => &RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        };
        let key = RsaPublicKeyComponents { n: &self.n, e: &self.e };
        let wrong = |_| Error::new(ErrorKind::Config, Reason::SigningFailed);
        key.verify(parameters, message, &self.expected).map_err(wrong)?;
        signature.set(&self.expected)
    }
}

/// Modulus and exponent out of PKCS#8 (RFC 5208 §5, RFC 8017 Appendix A.1.2).
fn public_key(pkcs8: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (outer, _) = element(pkcs8);
    let (_version, rest) = element(outer);
    let (_algorithm, rest) = element(rest);
    let (octets, _) = element(rest);
    let (key, _) = element(octets);
    let (_version, rest) = element(key);
    let (n, rest) = element(rest);
    let (e, _) = element(rest);
    let positive = |number: &[u8]| number.iter().copied().skip_while(|&byte| byte == 0).collect();
    (positive(n), positive(e))
}

/// The content of the first DER element, and what follows it.
fn element(der: &[u8]) -> (&[u8], &[u8]) {
    let (length, start) = match usize::from(der[1]) {
        short @ 0..0x80 => (short, 2),
        long => {
            let bytes = &der[2..2 + (long & 0x7f)];
            (bytes.iter().fold(0, |length, &byte| length << 8 | usize::from(byte)), 2 + bytes.len())
        }
    };
    (&der[start..start + length], &der[start + length..])
}
