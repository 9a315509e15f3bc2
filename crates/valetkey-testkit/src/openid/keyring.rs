//! The keys that the provider signs with.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;
use serde_json::{Value, json};

use crate::{
    jose::Key,
    keys::{self, TestKey},
    settings::Settings,
    state::State,
};

/// The algorithms that a key can be published for.
pub(crate) const PUBLISHED: [&str; 4] = ["RS256", "PS256", "ES256", "EdDSA"];

/// The keys of now. Of each kind there are two, which take turns, each time by another name.
#[derive(Debug, Default)]
pub(crate) struct Keyring {
    generation: usize,
}

impl Keyring {
    pub(crate) fn rotate(&mut self) {
        self.generation += 1;
    }

    /// The name of the key for this algorithm.
    fn kid(&self, algorithm: &str) -> String {
        format!("{}-{}", algorithm.to_ascii_lowercase(), self.generation + 1)
    }

    fn key(&self, algorithm: &str) -> Option<TestKey> {
        keys::provider(algorithm, self.generation)
    }

    /// The JWK of the key for this algorithm.
    pub(crate) fn jwk(&self, algorithm: &str) -> Option<Value> {
        let mut jwk = self.key(algorithm)?.public();
        jwk["kid"] = self.kid(algorithm).into();
        jwk["alg"] = algorithm.into();
        jwk["use"] = "sig".into();
        Some(jwk)
    }

    /// The JWK set (RFC 7517 §5).
    pub(crate) fn jwks(&self, algorithms: &[&str]) -> Value {
        json!({ "keys": algorithms.iter().filter_map(|name| self.jwk(name)).collect::<Vec<_>>() })
    }

    /// Whatever the provider has ever signed with.
    pub(crate) fn ever() -> Vec<Key> {
        let both = |algorithm| [0, 1].map(|generation| keys::provider(algorithm, generation));
        let all = PUBLISHED.into_iter().flat_map(both).flatten();
        all.filter_map(|key| Key::of_jwk(&key.public())).collect()
    }
}

/// Signs claims by this algorithm, for this client, whose secret is the key of an HMAC.
pub(crate) fn sign(
    state: &State,
    algorithm: &str,
    client: &str,
    typ: Option<&str>,
    claims: &Value,
) -> String {
    let mut header = json!({ "alg": algorithm });
    if state.openid.keyring.key(algorithm).is_some() {
        header["kid"] = state.openid.keyring.kid(algorithm).into();
    }
    if let Some(typ) = typ {
        header["typ"] = typ.into();
    }
    sign_by(
        &state.settings,
        &state.openid.keyring,
        algorithm,
        client,
        [&header.to_string(), &claims.to_string()],
    )
}

/// Signs a header and claims as they are; whatever has no key is not signed.
pub(crate) fn sign_by(
    settings: &Settings,
    keyring: &Keyring,
    algorithm: &str,
    client: &str,
    [header, claims]: [&str; 2],
) -> String {
    if let Some(key) = keyring.key(algorithm) {
        return key.jwt(header, claims);
    }
    let hash = match algorithm {
        "HS256" => hmac::HMAC_SHA256,
        "HS384" => hmac::HMAC_SHA384,
        "HS512" => hmac::HMAC_SHA512,
        _ => return unsigned(header, claims),
    };
    let secret = settings.client(client).and_then(|client| client.secret.as_deref()).unwrap_or("");
    by_secret(hash, secret.as_bytes(), header, claims)
}

/// A JWT by a shared secret.
pub(crate) fn by_secret(hash: hmac::Algorithm, secret: &[u8], header: &str, claims: &str) -> String {
    let signed = joined(header, claims);
    let tag = hmac::sign(&hmac::Key::new(hash, secret), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// A JWT without a signature.
pub(crate) fn unsigned(header: &str, claims: &str) -> String {
    format!("{}.", joined(header, claims))
}

fn joined(header: &str, claims: &str) -> String {
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
    format!("{header}.{claims}")
}
