//! Keys that everybody knows, for the clients of tests.
//!
//! They are the same in every version, so that what is written in a test stays true. The provider knows the
//! public halves: the client `signed` and the account [`SERVICE_ACCOUNT`](crate::SERVICE_ACCOUNT) sign with any
//! of them but [`other_es256`].
//!
//! # Security
//!
//! The private halves are published with this crate: nobody must ever trust them outside a test.
//!
//! ```
//! use valetkey_testkit::keys;
//!
//! let key = keys::es256();
//! assert!(key.pem().starts_with("-----BEGIN PRIVATE KEY-----"));
//! assert!(!key.public_jwk().contains("\"d\""));
//! let jwt = key.jwt(r#"{"alg":"ES256"}"#, r#"{"sub":"alice"}"#);
//! assert_eq!(jwt.split('.').count(), 3);
//! ```

use std::fmt;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
        RsaEncoding, RsaKeyPair,
    },
};
use serde_json::{Value, json};

use crate::jose;

/// A private key for one algorithm, and what it looks like to others.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TestKey {
    algorithm: &'static str,
    pem: &'static str,
    jwk: &'static str,
}

macro_rules! key {
    ($algorithm:literal, $file:literal) => {
        TestKey {
            algorithm: $algorithm,
            pem: include_str!(concat!("keys/", $file, ".pem")),
            jwk: include_str!(concat!("keys/", $file, ".jwk.json")),
        }
    };
}

/// RSA with 2048 bits, for RS256.
#[must_use]
pub const fn rs256() -> TestKey {
    key!("RS256", "rsa")
}

/// The same key, for PS256.
#[must_use]
pub const fn ps256() -> TestKey {
    key!("PS256", "rsa")
}

/// On P-256, for ES256.
#[must_use]
pub const fn es256() -> TestKey {
    key!("ES256", "p256")
}

/// Ed25519, for `EdDSA`.
#[must_use]
pub const fn ed_dsa() -> TestKey {
    key!("EdDSA", "ed25519")
}

/// On P-256, for ES256; the provider knows nobody who has it.
#[must_use]
pub const fn other_es256() -> TestKey {
    key!("ES256", "p256-other")
}

/// What the provider itself signs with: two keys for each algorithm take turns.
pub(crate) fn provider(algorithm: &str, generation: usize) -> Option<TestKey> {
    let [first, second] = match algorithm {
        "RS256" => [key!("RS256", "provider-rsa-1"), key!("RS256", "provider-rsa-2")],
        "PS256" => [key!("PS256", "provider-rsa-1"), key!("PS256", "provider-rsa-2")],
        "ES256" => [key!("ES256", "provider-p256-1"), key!("ES256", "provider-p256-2")],
        "EdDSA" => [key!("EdDSA", "provider-ed25519-1"), key!("EdDSA", "provider-ed25519-2")],
        _ => return None,
    };
    Some(if generation.is_multiple_of(2) { first } else { second })
}

/// The public halves of all keys that the provider knows, as a JWK set (RFC 7517 §5).
#[must_use]
pub fn jwks() -> String {
    let keys = [rs256(), es256(), ed_dsa()];
    json!({ "keys": keys.map(|key| key.public()) }).to_string()
}

impl TestKey {
    /// The algorithm by its name in JOSE, such as `ES256` (RFC 7518 §3.1).
    #[must_use]
    pub fn algorithm(&self) -> &'static str {
        self.algorithm
    }

    /// The private key: PKCS#8 in PEM (RFC 7468 §10).
    #[must_use]
    pub fn pem(&self) -> &'static str {
        self.pem
    }

    /// The private key as a JWK (RFC 7517), with a `kid`.
    #[must_use]
    pub fn private_jwk(&self) -> &'static str {
        self.jwk
    }

    /// The public key as a JWK, with the same `kid`.
    #[must_use]
    pub fn public_jwk(&self) -> String {
        self.public().to_string()
    }

    /// The SHA-256 thumbprint of the public key (RFC 7638), as in `cnf.jkt` (RFC 9449 §6).
    #[must_use]
    pub fn thumbprint(&self) -> String {
        jose::thumbprint(&self.public()).unwrap_or_default()
    }

    /// A JWT of this header and these claims, which may be any text, signed by the key's algorithm whatever the
    /// header says.
    ///
    /// The signature is a different one each time, but for RS256 and `EdDSA`.
    ///
    /// # Panics
    ///
    /// If the system has no randomness.
    #[must_use]
    pub fn jwt(&self, header: &str, claims: &str) -> String {
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
        let signed = format!("{header}.{claims}");
        let signature = URL_SAFE_NO_PAD.encode(self.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    pub(crate) fn public(&self) -> Value {
        let mut jwk: Value = serde_json::from_str(self.jwk).unwrap_or_default();
        if let Some(members) = jwk.as_object_mut() {
            members.retain(|name, _| ["kid", "kty", "crv", "n", "e", "x", "y"].contains(&name.as_str()));
        }
        jwk
    }

    fn sign(&self, input: &[u8]) -> Vec<u8> {
        let body: String = self.pem.lines().filter(|line| !line.starts_with('-')).collect();
        let der = STANDARD.decode(body).unwrap_or_default();
        let random = system();
        let rsa = |encoding: &'static dyn RsaEncoding| {
            let key = RsaKeyPair::from_pkcs8(&der).ok()?;
            let mut signature = vec![0; key.public().modulus_len()];
            key.sign(encoding, &random, input, &mut signature).ok()?;
            Some(signature)
        };
        let signature = match self.algorithm {
            "RS256" => rsa(&RSA_PKCS1_SHA256),
            "PS256" => rsa(&RSA_PSS_SHA256),
            "ES256" => EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der, &random)
                .ok()
                .and_then(|key| key.sign(&random, input).ok())
                .map(|signature| signature.as_ref().to_vec()),
            _ => Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der)
                .map(|key| key.sign(input).as_ref().to_vec())
                .ok(),
        };
        signature.expect("a fixed key signs anything, if the system has randomness")
    }
}

#[expect(clippy::disallowed_methods, reason = "ring signs with its own randomness alone")]
fn system() -> SystemRandom {
    SystemRandom::new()
}

impl fmt::Debug for TestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::{Jwt, Key};

    #[test]
    fn each_key_is_the_same_in_all_its_formats() {
        for key in [rs256(), ps256(), es256(), ed_dsa(), other_es256()] {
            let header = json!({ "alg": key.algorithm() }).to_string();
            let jwt = Jwt::parse(&key.jwt(&header, "{}")).unwrap();
            let public = |key: TestKey| Key::of_jwk(&key.public()).unwrap();
            assert!(jwt.is_signed_by(&public(key)), "{key:?}");
            let another = if key == other_es256() { es256() } else { other_es256() };
            assert!(!jwt.is_signed_by(&public(another)), "{key:?}");
            let private: Value = serde_json::from_str(key.private_jwk()).unwrap();
            assert!(private.get("d").is_some() && private["kid"] == key.public()["kid"]);
        }
    }
}
