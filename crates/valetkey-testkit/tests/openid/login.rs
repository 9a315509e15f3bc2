//! What all tests here need: a provider, logins by every response type, and ID tokens read.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    hmac,
    signature::{
        ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
        UnparsedPublicKey,
    },
};
use serde_json::Value;
use valetkey_testkit::{OpenId, Provider, ProviderBuilder, RegisteredClient};

use crate::common::*;

/// A client for each algorithm of ID tokens, beside `app`, which has RS256.
pub(crate) const SECRET: &str = "a-secret-that-is-long-enough-for-hs256-and-more";

pub(crate) fn builder() -> ProviderBuilder {
    let client = |id: &str| RegisteredClient::confidential(id, SECRET).redirect_uri(CB);
    Provider::builder()
        .openid(OpenId::new())
        .client(client("es256").id_token_signed_by("ES256").user_info_signed_by("ES256"))
        .client(client("eddsa").id_token_signed_by("EdDSA"))
        .client(client("hs256").id_token_signed_by("HS256"))
        .client(client("none").id_token_signed_by("none"))
}

pub(crate) fn provider() -> Provider {
    builder().build()
}

/// The URL of a login with a nonce.
pub(crate) fn url(provider: &Provider, client: &str, more: &[(&str, &str)]) -> String {
    let mut pairs = vec![("scope", "openid profile email"), ("nonce", "nonce-1")];
    pairs.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
    pairs.extend(more);
    authorize_url(provider, client, CB, &pairs)
}

/// The parameter of a callback, in its query or its fragment.
pub(crate) fn answered(callback: &str, name: &str) -> Option<String> {
    param(&callback.replacen('#', "?", 1), name)
}

/// Redeems a code by the secret of the client.
pub(crate) fn redeemed(provider: &Provider, client: &str, secret: &str, code: &str) -> Value {
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CB),
        ("code_verifier", VERIFIER),
    ];
    let response = post(provider, "/token", basic(client, secret), &form);
    assert_eq!(response.status(), 200, "{:?}", response.body());
    json(&response)
}

/// Tokens by the code flow.
pub(crate) fn signed_in(provider: &Provider, client: &str, more: &[(&str, &str)]) -> Value {
    let callback = provider.visit(url(provider, client, more)).unwrap();
    let secret = if client == "app" { "app-secret" } else { SECRET };
    redeemed(provider, client, secret, &answered(&callback, "code").unwrap())
}

pub(crate) fn jwks(provider: &Provider) -> Vec<Value> {
    let response = get(provider, &format!("{}/jwks", provider.issuer()), None);
    json(&response)["keys"].as_array().unwrap().clone()
}

pub(crate) fn part(jwt: &str, at: usize) -> Value {
    let part = URL_SAFE_NO_PAD.decode(jwt.split('.').nth(at).unwrap()).unwrap();
    serde_json::from_slice(&part).unwrap()
}

/// The claims of a JWT whose signature is good, by the published key of its name or by the secret.
pub(crate) fn verified(provider: &Provider, jwt: &str) -> Option<Value> {
    let header = part(jwt, 0);
    let (signed, signature) = jwt.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let is_good = if header["alg"] == "HS256" {
        hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), signed.as_bytes(), &signature)
            .is_ok()
    } else {
        let key = jwks(provider).into_iter().find(|key| key["kid"] == header["kid"])?;
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
        match header["alg"].as_str().unwrap() {
            "RS256" => RsaPublicKeyComponents { n: bytes("n"), e: bytes("e") }
                .verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature)
                .is_ok(),
            "ES256" => {
                let point = [vec![4], bytes("x"), bytes("y")].concat();
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                    .verify(signed.as_bytes(), &signature)
                    .is_ok()
            }
            "EdDSA" => {
                UnparsedPublicKey::new(&ED25519, bytes("x")).verify(signed.as_bytes(), &signature).is_ok()
            }
            _ => false,
        }
    };
    is_good.then(|| part(jwt, 1))
}

/// The left half of a hash, as `at_hash` and `c_hash` are made for RS256.
pub(crate) fn half(value: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, value.as_bytes());
    URL_SAFE_NO_PAD.encode(&digest.as_ref()[..16])
}
