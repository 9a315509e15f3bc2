//! RFC 9449: what a proof says, and whether one is taken.

use http::{Method, Uri};
use serde_json::Value;
use valetkey_proto::{
    Result,
    crypto::{CryptoProvider, PrivateKey, SignatureAlgorithm},
    jose::jwt::{Kind, ProofOf, Validator, Writer},
};

use super::{
    case::Case,
    check::{Answer, Checks, Stop},
    world::World,
};

pub(crate) fn run(case: &Case, crypto: CryptoProvider) -> Answer {
    let checks = Checks::of(case);
    match case.text("op") {
        Some("ath") => checks.same("ath", written(case, "ath", crypto)?),
        Some("htu") => checks.same("htu", written(case, "htu", crypto)?),
        Some("verify_proof") => checks.same("jkt", verify(case, crypto)?),
        other => return Err(Stop::unanswered(format!("op={}", other.unwrap_or_default()))),
    }
    checks.done()
}

fn uri(case: &Case) -> Result<Uri, Stop> {
    case.text("url").unwrap_or("https://rs.example/").parse().map_err(Stop::refused)
}

/// A claim of the proof that is written for this request.
fn written(case: &Case, claim: &str, crypto: CryptoProvider) -> Result<String, Stop> {
    let world = World::new().with(crypto);
    let jwk = case.shared["test_private_jwk"].to_string();
    let key = PrivateKey::parse(jwk.as_bytes())?.signing_key(SignatureAlgorithm::Es256, &world.crypto)?;
    let writer = Writer::new(Kind::DpopProof, key)?;
    let token = case.text("access_token");
    let claims = writer.dpop_proof(&Method::GET, &uri(case)?, token, None, &world.env())?;
    let claims: Value = serde_json::from_str(claims.expose()).expect("JSON");
    Ok(claims[claim].as_str().expect("a text").to_owned())
}

/// The thumbprint of the key of a proof that is taken.
fn verify(case: &Case, crypto: CryptoProvider) -> Result<String, Stop> {
    let world = World::at(case.input["now"].as_i64().expect("a time")).with(crypto);
    let method = Method::from_bytes(case.text("method").expect("a method").as_bytes()).expect("a method");
    let uri = uri(case)?;
    let mut request = ProofOf::new(&method, &uri);
    if let Some(token) = case.text("access_token") {
        request = request.access_token(token);
    }
    if let Some(nonce) = case.text("nonce") {
        request = request.nonce(nonce);
    }
    if let Some(jkt) = case.text("expected_jkt") {
        request = request.thumbprint(jkt);
    }
    let proof = case.text("proof").expect("a proof");
    let (_, jwk) = Validator::dpop_proof().validate_proof(proof, &request, &world.env())?;
    Ok(jwk.thumbprint(&world.crypto))
}
