//! RFC 7515: a compact JWS, a key and the algorithms that were agreed on in, the payload out.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;
use valetkey_proto::{
    crypto::{CryptoProvider, SignatureAlgorithm},
    jose::{Jwk, VerifyingKeys, jws::Unverified},
};

use super::{
    case::Case,
    check::{Answer, Checks},
};

pub(crate) fn run(case: &Case, crypto: CryptoProvider) -> Answer {
    let checks = Checks::of(case);
    let text = match case.input.get("json") {
        // The JSON serialization, where the compact one alone is read.
        Some(json) => json.to_string(),
        None => case.text("compact").expect("a JWS").to_owned(),
    };
    let keys = keys(case, &crypto);
    let unverified = Unverified::parse(&text)?;
    if let Some(payload) = case.text("detached_payload") {
        unverified.verify_detached(payload.as_bytes(), &keys)?;
        checks.same("valid", true);
        checks.same("payload_b64u", URL_SAFE_NO_PAD.encode(payload));
        return checks.done();
    }
    let jws = unverified.verify(&keys)?;
    checks.same("payload_b64u", URL_SAFE_NO_PAD.encode(jws.payload()));
    checks.same("header", serde_json::from_str::<Value>(jws.header()).expect("JSON"));
    checks.same("valid", true);
    checks.done()
}

/// The key, for each of the algorithms that it can be used by.
fn keys(case: &Case, crypto: &CryptoProvider) -> VerifyingKeys {
    let jwk = case.input.get("jwk").filter(|jwk| !jwk.is_null()).map(ToString::to_string);
    let jwk = jwk.and_then(|jwk| Jwk::parse(&jwk).ok());
    let key = |algorithm| jwk.as_ref()?.verifying_key(algorithm, crypto).ok();
    algorithms(case).into_iter().filter_map(key).collect()
}

/// The algorithms that were agreed on.
pub(crate) fn algorithms(case: &Case) -> Vec<SignatureAlgorithm> {
    let names = case.input.get("allowed_algs").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    names.iter().filter_map(|name| SignatureAlgorithm::parse(name.as_str()?)).collect()
}
