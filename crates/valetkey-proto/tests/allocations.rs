//! What readers of tokens allocate: little for a token as it should be, and in proportion to one that is hostile.
//!
//! Allocations are counted rather than time, so that it does not matter what else the machine does. One test at a time
//! may count, and this is one.

use std::alloc::System;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use valetkey_proto::{
    Env, Timestamp,
    crypto::{CryptoProvider, PrivateKey, SignatureAlgorithm, SigningKey, SystemRandom},
    jose::{
        Jwk, Jwks, VerifyingKeys,
        jws::{Head, Unverified},
        jwt::{Expected, Kind, Validator, Writer},
    },
};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// How often something is done to see what it costs: the harness has a thread of its own, which may allocate meanwhile.
const TIMES: usize = 5;

/// Allocations and bytes of what is done, reallocations included.
fn cost<T>(work: impl Fn() -> T) -> (usize, usize) {
    let once = || {
        let region = Region::new(ALLOCATOR);
        let result = work();
        let change = region.change();
        drop(result);
        (change.allocations + change.reallocations, change.bytes_allocated)
    };
    (0..TIMES).map(|_| once()).min().expect("it was done")
}

#[test]
fn s_jw_05_and_06_tokens_cost_what_they_must() {
    an_id_token_costs_at_most_eight_allocations();
    a_proof_costs_at_most_four_allocations();
    hostile_texts_cost_in_proportion();
}

/// ID tokens of 420 bytes, the keys ready.
fn an_id_token_costs_at_most_eight_allocations() {
    let crypto = CryptoProvider::ring();
    let env = Env { now: Timestamp::from_secs(1_700_000_000), random: &SystemRandom::new(), crypto: &crypto };
    let claims = r#"{"iss":"https://op.example","sub":"248289761001","aud":"s6BhdRkqt3","exp":1700000600,"iat":1700000000,"auth_time":1699999990,"nonce":"n-0S6_WzA2Mj","name":"Jane Doe","email":"jane@example.com","at_hash":"77QmUPtjPfzWtF2AnpK9RQ"}"#;
    for (algorithm, pem) in [
        (SignatureAlgorithm::Rs256, &include_bytes!("jose/keys/rsa.pkcs8.pem")[..]),
        (SignatureAlgorithm::Es256, include_bytes!("jose/keys/p256.pkcs8.pem")),
        (SignatureAlgorithm::EdDsa, include_bytes!("jose/keys/ed25519.pkcs8.pem")),
    ] {
        let (signing, keys) = pair(algorithm, pem);
        let token =
            Head::new(&signing).unwrap().with_kid("2026-01").sign(&signing, claims.as_bytes()).unwrap();
        let validator = Validator::new(Kind::IdToken, "https://op.example", "s6BhdRkqt3");
        let expected = Expected::new().nonce("n-0S6_WzA2Mj");
        let (allocations, _) = cost(|| validator.validate(&token, &keys, &expected, &env).unwrap());
        let limit = if algorithm == SignatureAlgorithm::Rs256 { 8 } else { 3 };
        assert!(allocations <= limit, "{algorithm}: {allocations}");
    }
}

fn a_proof_costs_at_most_four_allocations() {
    let crypto = CryptoProvider::ring();
    let env = Env { now: Timestamp::from_secs(1_700_000_000), random: &SystemRandom::new(), crypto: &crypto };
    let (signing, _) = pair(SignatureAlgorithm::Es256, include_bytes!("jose/keys/p256.pkcs8.pem"));
    let writer = Writer::new(Kind::DpopProof, signing).unwrap();
    let (method, uri) = (http::Method::GET, http::Uri::from_static("https://api.example/me"));
    let (allocations, _) = cost(|| {
        let claims = writer.dpop_proof(&method, &uri, Some("token"), Some("nonce"), &env).unwrap();
        writer.sign(&claims).unwrap()
    });
    assert!(allocations <= 4, "{allocations}");
}

fn hostile_texts_cost_in_proportion() {
    let encode = |text: String| URL_SAFE_NO_PAD.encode(text);
    let key = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},"#;
    let jwt = |text: &str| drop(Unverified::parse(text));
    let set = |text: &str| drop(Jwks::parse(text));
    let private = |text: &str| drop(PrivateKey::parse(text.as_bytes()));
    type Make<'a> = &'a dyn Fn(usize) -> String;
    type Read<'a> = &'a dyn Fn(&str);
    let cases: [(&str, Make<'_>, Read<'_>); 9] = [
        ("dots", &|n| ".".repeat(n), &jwt),
        ("a long payload", &|n| format!("eyJhbGciOiJFUzI1NiJ9.{}.AAAA", "A".repeat(n)), &jwt),
        (
            "a long header",
            &|n| encode(format!(r#"{{"alg":"ES256","x":"{}"}}"#, "x".repeat(n / 8))) + "..",
            &jwt,
        ),
        (
            "many members",
            &|n| {
                let members: String = (0..n / 256).map(|at| format!(",\"m{at}\":0")).collect();
                encode(format!(r#"{{"alg":"ES256"{members}}}"#)) + ".."
            },
            &jwt,
        ),
        (
            "escapes",
            &|n| encode(format!(r#"{{"alg":"ES256","kid":"{}"}}"#, "\\u0041".repeat(n / 256))) + "..",
            &jwt,
        ),
        ("brackets", &|n| encode(format!(r#"{{"alg":{}"#, "[".repeat(n / 8))) + "..", &jwt),
        ("a million dots and more", &|n| ".".repeat(n * 64), &jwt),
        ("keys", &|n| format!(r#"{{"keys":[{}{{}}]}}"#, key.repeat(n / 512)), &set),
        ("PEM", &|n| "-----BEGIN A-----\n-----END A-----\n".repeat(n / 32), &private),
    ];
    for (what, make, read) in cases {
        let [(_, once), (_, twice)] = [16 << 10, 32 << 10].map(|size| {
            let text = make(size);
            let cost = cost(|| read(&text));
            assert!(cost.1 <= 4 * text.len() + 4096, "{what}: {} bytes for {}", cost.1, text.len());
            cost
        });
        assert!(twice * 2 <= once * 5 + 4096, "{what}: {once} bytes, and {twice} for twice as much");
    }
}

/// A private key and its public one.
fn pair(algorithm: SignatureAlgorithm, pem: &[u8]) -> (SigningKey, VerifyingKeys) {
    let crypto = CryptoProvider::ring();
    let signing = PrivateKey::parse(pem).unwrap().signing_key(algorithm, &crypto).unwrap();
    let jwk = Jwk::parse(signing.public_jwk().unwrap()).unwrap();
    let verifying = jwk.verifying_key(algorithm, &crypto).unwrap().with_kid("2026-01");
    (signing, verifying.into())
}
