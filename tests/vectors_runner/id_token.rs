//! OpenID Connect Core §3.1.3.7: an ID token and what its client expects in, its subject out.

use std::time::Duration;

use serde_json::Value;
use valetkey_proto::{
    Exchange,
    crypto::CryptoProvider,
    jose::{
        Jwks,
        jwt::{Expected, Kind, Validator},
    },
    oauth2::{
        client::ClientId,
        server::{Issuer, ServerMetadata},
    },
    oidc::{IdTokenVerifier, UserInfoRequest},
};

use super::{
    case::Case,
    check::{Answer, Checks},
    jws::algorithms,
    world::World,
};

pub(crate) fn run(case: &Case, crypto: CryptoProvider) -> Answer {
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
    let server = ServerMetadata::new(Issuer::parse(text("issuer"))?)
        .with_endpoint("userinfo_endpoint", "https://server.example.com/userinfo")?;
    let verifier = IdTokenVerifier::new(&server, &ClientId::parse(text("client_id"))?).with_leeway(leeway);
    let mut expected = expected(case).acr(&acr);
    // What a refresh and UserInfo are compared with stands in the first token: both say who it was about.
    let subject = case.input.get("original_claims").and_then(|claims| claims["sub"].as_str());
    let issuer = case.input.get("original_claims").and_then(|claims| claims["iss"].as_str());
    if let Some(subject) = subject {
        expected = expected.subject(subject);
    }
    let validator = match issuer {
        Some(issuer) => Validator::new(Kind::IdToken, issuer, text("client_id")).with_leeway(leeway),
        None => validator,
    };
    let jwt = validator.validate(text("id_token"), &keys, &expected, &world.env())?;
    if let Some(user_info) = case.input.get("userinfo") {
        let user = verifier.verify(text("id_token"), &keys, &expected, &world.env())?;
        let request = UserInfoRequest::new(&server, &user)?;
        let mut body = http::Response::new(user_info.to_string().into());
        body.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
        let info = request.response(body, world.env().now, &world.env())?;
        checks.same("sub", info.claims().sub());
        return checks.done();
    }
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
