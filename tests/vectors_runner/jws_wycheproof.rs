//! Project Wycheproof: a compact JWS and a key, or a set of keys, in; whether it is valid out.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use valetkey_proto::{
    crypto::CryptoProvider,
    jose::{Jwk, Jwks, VerifyingKeys, jws::Unverified},
};

use super::{
    case::Case,
    check::{Answer, Checks, Stop},
};

pub(crate) fn run(case: &Case, crypto: CryptoProvider) -> Answer {
    let checks = Checks::of(case);
    let jws = Unverified::parse(case.text("compact").expect("a JWS"))?.verify(&keys(case, &crypto)?)?;
    checks.same("valid", true);
    checks.same("payload_b64u", URL_SAFE_NO_PAD.encode(jws.payload()));
    checks.done()
}

/// The keys, each for the algorithm that it names.
fn keys(case: &Case, crypto: &CryptoProvider) -> Result<VerifyingKeys, Stop> {
    if let Some(jwk) = case.input.get("jwk") {
        let jwk = Jwk::parse(&jwk.to_string())?;
        let algorithm = jwk.algorithm().ok_or_else(|| Stop::refused("a key for no known algorithm"))?;
        return Ok(jwk.verifying_key(algorithm, crypto)?.into());
    }
    let jwks = Jwks::parse(&case.input["jwks"].to_string())?;
    let algorithms: Vec<_> = jwks.keys().iter().filter_map(Jwk::algorithm).collect();
    Ok(jwks.verifying_keys(&algorithms, crypto)?)
}
