//! As much of JWS, JWK and JWT as a provider needs, read strictly (RFC 7515, 7517, 7519).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    digest::{SHA256, digest},
    hmac,
    signature::{
        ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
        RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
    },
};
use serde_json::{Map, Value};

/// The algorithms of private keys; the last two are one (RFC 9864 §2.2).
pub(crate) const ASYMMETRIC: [&str; 5] = ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"];

/// The algorithms of shared secrets.
pub(crate) const SYMMETRIC: [&str; 3] = ["HS256", "HS384", "HS512"];

/// A JWT that was read, and that nobody has verified yet.
#[derive(Clone, Debug)]
pub(crate) struct Jwt {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    signed: String,
    signature: Vec<u8>,
}

impl Jwt {
    /// Reads the compact form. Headers that change its meaning are not known here (RFC 7515 §4.1.11).
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let header = object(header)?;
        if ["crit", "b64", "zip"].iter().any(|name| header.contains_key(*name)) {
            return None;
        }
        let (claims, signature) = (object(claims)?, URL_SAFE_NO_PAD.decode(signature).ok()?);
        Some(Self { header, claims, signed: signed.to_owned(), signature })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&Value> {
        self.header.get(name)
    }

    pub(crate) fn algorithm(&self) -> &str {
        self.header("alg").and_then(Value::as_str).unwrap_or("")
    }

    /// The `typ`, without the prefix that may be left out (RFC 7515 §4.1.9).
    pub(crate) fn kind(&self) -> Option<String> {
        let kind = self.header("typ")?.as_str()?.to_ascii_lowercase();
        Some(kind.strip_prefix("application/").unwrap_or(&kind).to_owned())
    }

    pub(crate) fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// Whether there is no signature at all.
    pub(crate) fn is_unsigned(&self) -> bool {
        self.signature.is_empty()
    }

    fn claim(&self, name: &str) -> Option<&Value> {
        self.claims.get(name)
    }

    /// A claim that is a text, and not an empty one.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.claim(name)?.as_str().filter(|text| !text.is_empty())
    }

    /// A claim that is a `NumericDate` (RFC 7519 §2).
    pub(crate) fn time(&self, name: &str) -> Option<Result<SystemTime, &'static str>> {
        let seconds = self.claim(name)?.as_f64();
        let since = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        Some(since.and_then(|since| UNIX_EPOCH.checked_add(since)).ok_or("a time is not a number"))
    }

    pub(crate) fn is_signed_by(&self, key: &Key) -> bool {
        key.verifies(self.algorithm(), self.signed.as_bytes(), &self.signature)
    }
}

/// A JSON object in base64url.
fn object(text: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

/// What a signature is verified with.
#[derive(Clone)]
pub(crate) enum Key {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256([u8; 65]),
    Ed25519(Vec<u8>),
    Secret(Vec<u8>),
}

impl Key {
    /// A public key; `None` if it is of another kind, or has private parts.
    pub(crate) fn of_jwk(jwk: &Value) -> Option<Self> {
        const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
        if PRIVATE.iter().any(|name| jwk.get(name).is_some()) {
            return None;
        }
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(jwk.get(name)?.as_str()?).ok();
        match (text(jwk, "kty")?, text(jwk, "crv")) {
            ("RSA", _) => Some(Self::Rsa { n: bytes("n")?, e: bytes("e")? }),
            ("EC", Some("P-256")) => {
                let mut point = [4; 65];
                point[1..33].copy_from_slice(bytes("x")?.get(..).filter(|x| x.len() == 32)?);
                point[33..].copy_from_slice(bytes("y")?.get(..).filter(|y| y.len() == 32)?);
                Some(Self::P256(point))
            }
            ("OKP", Some("Ed25519")) => Some(Self::Ed25519(bytes("x")?)),
            _ => None,
        }
    }

    /// The keys of a JWK or a JWK set; `None` if there is one that cannot be read.
    pub(crate) fn of_jwks(text: &str) -> Option<Vec<Self>> {
        let value: Value = serde_json::from_str(text).ok()?;
        match value.get("keys").and_then(Value::as_array) {
            Some(keys) => keys.iter().map(Self::of_jwk).collect(),
            None => Some(vec![Self::of_jwk(&value)?]),
        }
    }

    /// The same, for keys that a test registers.
    #[track_caller]
    pub(crate) fn registered(jwks: &str) -> Vec<Self> {
        match Self::of_jwks(jwks) {
            Some(keys) => keys,
            None => panic!("these are not public keys as JWKs"),
        }
    }

    /// Whether this is the key's signature by this algorithm, which must be one for keys of its kind.
    fn verifies(&self, algorithm: &str, signed: &[u8], signature: &[u8]) -> bool {
        let by = |algorithm: &'static dyn VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(algorithm, key).verify(signed, signature).is_ok()
        };
        let by_rsa = |parameters: &RsaParameters, n: &[u8], e: &[u8]| {
            RsaPublicKeyComponents { n, e }.verify(parameters, signed, signature).is_ok()
        };
        let by_secret = |algorithm, secret: &[u8]| {
            hmac::verify(&hmac::Key::new(algorithm, secret), signed, signature).is_ok()
        };
        match (self, algorithm) {
            (Self::Rsa { n, e }, "RS256") => by_rsa(&RSA_PKCS1_2048_8192_SHA256, n, e),
            (Self::Rsa { n, e }, "PS256") => by_rsa(&RSA_PSS_2048_8192_SHA256, n, e),
            (Self::P256(point), "ES256") => by(&ECDSA_P256_SHA256_FIXED, point),
            (Self::Ed25519(x), "EdDSA" | "Ed25519") => by(&ED25519, x),
            (Self::Secret(secret), "HS256") => by_secret(hmac::HMAC_SHA256, secret),
            (Self::Secret(secret), "HS384") => by_secret(hmac::HMAC_SHA384, secret),
            (Self::Secret(secret), "HS512") => by_secret(hmac::HMAC_SHA512, secret),
            _ => false,
        }
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Rsa { .. } => "Rsa(..)",
            Self::P256(_) => "P256(..)",
            Self::Ed25519(_) => "Ed25519(..)",
            Self::Secret(_) => "Secret(***)",
        })
    }
}

fn text<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object.get(name)?.as_str()
}

/// The name of a public key that is made of itself (RFC 7638 §3).
pub(crate) fn thumbprint(jwk: &Value) -> Option<String> {
    let member = |name| Some(format!("\"{name}\":{}", Value::from(text(jwk, name)?)));
    // In the order of their names (RFC 7638 §3.2, RFC 8037 §2).
    let names: &[&str] = match text(jwk, "kty")? {
        "RSA" => &["e", "kty", "n"],
        "EC" => &["crv", "kty", "x", "y"],
        "OKP" => &["crv", "kty", "x"],
        _ => return None,
    };
    let members = names.iter().map(|name| member(name)).collect::<Option<Vec<_>>>()?;
    Some(sha256(format!("{{{}}}", members.join(",")).as_bytes()))
}

/// A SHA-256 digest in base64url.
pub(crate) fn sha256(input: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, input))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thumbprint_is_that_of_rfc_7638() {
        // RFC 8037 §A.3.
        let jwk = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        let jwk: Value = serde_json::from_str(jwk).unwrap();
        assert_eq!(thumbprint(&jwk).unwrap(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn s_dp_02_a_key_with_private_parts_is_no_public_key() {
        let mut jwk: Value = serde_json::from_str(&crate::keys::es256().public_jwk()).unwrap();
        assert!(Key::of_jwk(&jwk).is_some());
        jwk["d"] = "AA".into();
        assert!(Key::of_jwk(&jwk).is_none());
    }

    #[test]
    fn junk_is_no_jwt() {
        for junk in ["", ".", "..", "e30.e30", "e30.e30.!", "W10.e30.", "eyJjcml0IjpbXX0.e30."] {
            assert!(Jwt::parse(junk).is_none(), "{junk}");
        }
        assert!(Jwt::parse("e30.e30.").is_some());
    }
}
