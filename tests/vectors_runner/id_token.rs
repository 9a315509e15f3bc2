//! OpenID Connect Core §3.1.3.7: an ID token and what its client expects in, its subject out.

use std::time::Duration;

use serde_json::Value;
use valetkey_proto::{
    crypto::CryptoProvider,
    jose::{
        Jwks,
        jwt::{Expected, Kind, Validator},
    },
};

use super::{
    case::Case,
    check::{Answer, Checks, Stop},
    jws::algorithms,
    world::World,
};

pub(crate) fn run(case: &Case, crypto: CryptoProvider) -> Answer {
    for later in ["original_claims", "userinfo"] {
        if case.has(later) {
            return Err(Stop::unanswered(later));
        }
    }
    let checks = Checks::of(case);
    let world = World::at(case.input["now"].as_i64().expect("a time")).with(crypto);
    let jwks = Jwks::parse(&case.input.get("jwks").unwrap_or_else(|| &case.shared["jwks"]).to_string())?;
    let keys = jwks.verifying_keys(&algorithms(case), &world.crypto)?;
    let text = |name| case.text(name).expect("a text");
    let leeway = Duration::from_secs(case.input["max_skew"].as_u64().expect("seconds"));
    let validator = Validator::new(Kind::IdToken, text("issuer"), text("client_id")).with_leeway(leeway);
    let acr: Vec<_> = case
        .input
        .get("required_acr")
        .and_then(Value::as_array)
        .map_or_else(Vec::new, |acr| acr.iter().filter_map(Value::as_str).collect());
    let jwt = validator.validate(text("id_token"), &keys, &expected(case).acr(&acr), &world.env())?;
    checks.same("sub", jwt.subject());
    checks.done()
}

fn expected(case: &Case) -> Expected<'_> {
    let mut expected = Expected::new();
    if let Some(nonce) = case.text("nonce") {
        expected = expected.nonce(nonce);
    }
    if let Some(token) = case.text("access_token") {
        expected = expected.access_token(token);
    }
    if let Some(code) = case.text("code") {
        expected = expected.code(code);
    }
    if let Some(seconds) = case.input.get("max_age").and_then(Value::as_u64) {
        expected = expected.max_age(Duration::from_secs(seconds));
    }
    if case.text("flow").is_some_and(|flow| flow.contains("id_token")) {
        expected = expected.through_browser();
    }
    expected
}
