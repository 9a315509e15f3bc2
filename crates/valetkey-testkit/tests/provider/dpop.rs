//! Proofs of possession made by hand (RFC 9449).

use std::time::{Duration, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, StatusCode};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use valetkey_http::{Backend, Limits, Response};
use valetkey_testkit::{
    Dpop, DpopNonces, Feature, Place, Provider, block_on, fault, faults,
    keys::{self, TestKey},
};

use crate::common::*;

const TOKEN: &str = "https://issuer.test/token";
const ME: &str = "https://issuer.test/api/me";

fn offered() -> Provider {
    Provider::builder().dpop(Dpop::Offered).build()
}

/// A proof with these members in place of the right ones; `null` takes one away.
fn proof(provider: &Provider, key: TestKey, htm: &str, htu: &str, changes: &Value) -> String {
    let now = provider.now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let jwk: Value = serde_json::from_str(&key.public_jwk()).unwrap();
    let mut header = json!({ "typ": "dpop+jwt", "alg": key.algorithm(), "jwk": jwk });
    let mut random = [0; 16];
    provider.random().fill(&mut random).unwrap();
    let jti = URL_SAFE_NO_PAD.encode(random);
    let mut claims = json!({ "htm": htm, "htu": htu, "iat": now, "jti": jti });
    for (name, value) in changes.as_object().unwrap() {
        let part = if ["typ", "alg", "jwk"].contains(&name.as_str()) { &mut header } else { &mut claims };
        part[name] = value.clone();
    }
    for part in [&mut header, &mut claims] {
        part.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    }
    key.jwt(&header.to_string(), &claims.to_string())
}

fn ath(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, token.as_bytes()))
}

/// A request for tokens, with proofs.
fn ask(provider: &Provider, client: Option<String>, form: &[(&str, &str)], proofs: &[&str]) -> Response {
    let mut request = Request::post(TOKEN).header("content-type", "application/x-www-form-urlencoded");
    if let Some(client) = client {
        request = request.header("authorization", client);
    }
    request = proofs.iter().fold(request, |request, proof| request.header("dpop", *proof));
    let request = request.body(Bytes::from(encode(form))).unwrap();
    block_on(provider.send(request, Limits::default())).unwrap()
}

/// The same, of the client that acts for itself.
fn service(provider: &Provider, changes: &Value) -> Response {
    let proof = proof(provider, keys::es256(), "POST", TOKEN, changes);
    let form = [("grant_type", "client_credentials"), ("scope", "read")];
    ask(provider, basic("service", "service-secret"), &form, &[&proof])
}

fn token(provider: &Provider) -> String {
    text(&json(&service(provider, &json!({}))), "access_token")
}

fn call(provider: &Provider, scheme: &str, token: &str, proof: Option<&str>) -> Response {
    let mut request = Request::get(ME).header("authorization", format!("{scheme} {token}"));
    if let Some(proof) = proof {
        request = request.header("dpop", proof);
    }
    block_on(provider.send(request.body(Bytes::new()).unwrap(), Limits::default())).unwrap()
}

/// A call with the token and a proof that is right but for these members.
fn prove(provider: &Provider, token: &str, changes: &Value) -> Response {
    let mut with = json!({ "ath": ath(token) });
    with.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    call(provider, "DPoP", token, Some(&proof(provider, keys::es256(), "GET", ME, &with)))
}

fn challenges(response: &Response) -> Vec<&str> {
    let all = response.headers().get_all("www-authenticate").iter();
    all.map(|challenge| challenge.to_str().unwrap()).collect()
}

fn nonce(response: &Response) -> Option<String> {
    response.headers().get("dpop-nonce").map(|nonce| nonce.to_str().unwrap().to_owned())
}

fn refusal(response: &Response) -> String {
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    error(response).1
}

#[test]
fn s_dp_01_tokens_are_bound_to_keys_of_every_kind() {
    let provider = offered();
    for key in [keys::rs256(), keys::ps256(), keys::es256(), keys::ed_dsa()] {
        let first = proof(&provider, key, "POST", TOKEN, &json!({}));
        let form = [("grant_type", "client_credentials")];
        let tokens = json(&ask(&provider, basic("service", "service-secret"), &form, &[&first]));
        assert_eq!(tokens["token_type"], "DPoP");
        let token = text(&tokens, "access_token");
        let second = proof(&provider, key, "GET", ME, &json!({ "ath": ath(&token) }));
        assert_eq!(call(&provider, "dpop", &token, Some(&second)).status(), StatusCode::OK, "{key:?}");
    }
    let document = json(&get(&provider, "https://issuer.test/.well-known/openid-configuration", None));
    assert_eq!(
        document["dpop_signing_alg_values_supported"],
        json!(["RS256", "PS256", "ES256", "EdDSA", "Ed25519"])
    );
}

#[test]
fn s_dp_01_every_part_of_a_proof_is_checked() {
    let provider = offered();
    let now = provider.now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let other: Value = serde_json::from_str(&keys::other_es256().public_jwk()).unwrap();
    let private: Value = serde_json::from_str(keys::es256().private_jwk()).unwrap();
    for changes in [
        json!({ "typ": "JWT" }),
        json!({ "typ": null }),
        json!({ "alg": "none" }),
        json!({ "alg": "HS256" }),
        json!({ "alg": "RS256" }),
        json!({ "jwk": null }),
        json!({ "jwk": other }),
        json!({ "jwk": private }),
        json!({ "htm": "GET" }),
        json!({ "htm": "post" }),
        json!({ "htu": "https://issuer.test/token?a=1" }),
        json!({ "htu": "https://issuer.test/token#a" }),
        json!({ "htu": "https://evil.test/token" }),
        json!({ "htu": "http://issuer.test/token" }),
        json!({ "htu": "/token" }),
        json!({ "iat": now - 61 }),
        json!({ "iat": now + 61 }),
        json!({ "iat": null }),
        json!({ "iat": "now" }),
        json!({ "jti": null }),
        json!({ "jti": "" }),
    ] {
        assert_eq!(refusal(&service(&provider, &changes)), "invalid_dpop_proof", "{changes}");
    }
    for changes in [json!({ "htu": "HTTPS://ISSUER.test:443/token" }), json!({ "iat": now - 60 })] {
        assert_eq!(service(&provider, &changes).status(), StatusCode::OK, "{changes}");
    }
    let token = token(&provider);
    for changes in [json!({ "ath": null }), json!({ "ath": ath("other") }), json!({ "htm": "POST" })] {
        let response = prove(&provider, &token, &changes);
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(challenges(&response)[0].starts_with("DPoP algs=\""), "{changes}");
        assert!(challenges(&response)[0].contains("error=\"invalid_dpop_proof\""), "{changes}");
    }
}

#[test]
fn s_dp_01_a_proof_is_good_once_and_alone() {
    let provider = offered();
    let one = proof(&provider, keys::es256(), "POST", TOKEN, &json!({}));
    let two = proof(&provider, keys::es256(), "POST", TOKEN, &json!({}));
    let form = [("grant_type", "client_credentials")];
    let ask = |proofs: &[&str]| ask(&provider, basic("service", "service-secret"), &form, proofs);
    assert_eq!(refusal(&ask(&[&one, &two])), "invalid_dpop_proof");
    assert_eq!(ask(&[&one]).status(), StatusCode::OK);
    assert_eq!(refusal(&ask(&[&one])), "invalid_dpop_proof");
    assert_eq!(refusal(&ask(&["junk"])), "invalid_dpop_proof");
}

#[test]
fn a_bound_token_is_no_bearer_token_and_no_other_keys() {
    let provider = offered();
    let token = token(&provider);
    let other = proof(&provider, keys::other_es256(), "GET", ME, &json!({ "ath": ath(&token) }));
    for response in [call(&provider, "Bearer", &token, None), call(&provider, "DPoP", &token, Some(&other))] {
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        let challenges = challenges(&response);
        assert_eq!(challenges.len(), 1);
        assert!(challenges[0].starts_with("DPoP ") && challenges[0].contains("error=\"invalid_token\""));
    }
    assert!(challenges(&call(&provider, "DPoP", &token, None))[0].contains("invalid_dpop_proof"));
    // Nor is a bearer token good with a proof.
    let bearer = text(&log_in(&provider), "access_token");
    assert!(challenges(&prove(&provider, &bearer, &json!({})))[0].contains("invalid_token"));
    assert_eq!(me(&provider, &bearer), StatusCode::OK);
    let bare = block_on(provider.send(Request::get(ME).body(Bytes::new()).unwrap(), Limits::default()));
    let bare = bare.unwrap();
    assert_eq!(challenges(&bare), ["Bearer realm=\"api\"", "DPoP algs=\"RS256 PS256 ES256 EdDSA Ed25519\""]);
}

#[test]
fn what_is_off_is_overlooked_and_what_is_demanded_is_not() {
    let provider = Provider::new();
    let tokens = json(&service(&provider, &json!({ "typ": "junk" })));
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(me(&provider, &text(&tokens, "access_token")), StatusCode::OK);
    let provider = Provider::builder().dpop(Dpop::Demanded).build();
    let form = [("grant_type", "client_credentials")];
    let bare = ask(&provider, basic("service", "service-secret"), &form, &[]);
    assert_eq!(refusal(&bare), "invalid_dpop_proof");
    let token = token(&provider);
    assert_eq!(prove(&provider, &token, &json!({})).status(), StatusCode::OK);
    assert_eq!(challenges(&get(&provider, ME, None)), ["DPoP algs=\"RS256 PS256 ES256 EdDSA Ed25519\""]);
}

/// A code of the public client, bound to a key if that has a name.
fn native_code(provider: &Provider, key: Option<TestKey>) -> String {
    let jkt = key.map(|key| key.thumbprint()).unwrap_or_default();
    let url = authorize_url(provider, "native", "http://127.0.0.1:1/cb", &[("dpop_jkt", &jkt)]);
    param(&provider.visit(url).unwrap(), "code").unwrap()
}

fn redeem_native(provider: &Provider, code: &str, key: Option<TestKey>) -> Response {
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", "native"),
        ("code", code),
        ("redirect_uri", "http://127.0.0.1:1/cb"),
        ("code_verifier", VERIFIER),
    ];
    let proof = key.map(|key| proof(provider, key, "POST", TOKEN, &json!({})));
    ask(provider, None, &form, proof.as_deref().as_slice())
}

#[test]
fn s_dp_04_codes_are_bound_by_dpop_jkt() {
    let provider = offered();
    let bound = || native_code(&provider, Some(keys::es256()));
    assert_eq!(redeem_native(&provider, &bound(), Some(keys::es256())).status(), StatusCode::OK);
    assert_eq!(refusal(&redeem_native(&provider, &bound(), Some(keys::ed_dsa()))), "invalid_grant");
    assert_eq!(refusal(&redeem_native(&provider, &bound(), None)), "invalid_grant");
    let free = native_code(&provider, None);
    assert_eq!(redeem_native(&provider, &free, Some(keys::ed_dsa())).status(), StatusCode::OK);
    let url = authorize_url(&provider, "app", CB, &[("dpop_jkt", "short")]);
    assert_eq!(param(&provider.visit(url).unwrap(), "error").as_deref(), Some("invalid_request"));
}

#[test]
fn s_dp_04_refresh_tokens_of_public_clients_are_bound_and_others_are_not() {
    let provider = offered();
    let code = native_code(&provider, None);
    let tokens = json(&redeem_native(&provider, &code, Some(keys::es256())));
    let refresh = |client: Option<String>, token: &str, key: Option<TestKey>| {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", "native")];
        let form = if client.is_some() { &form[..2] } else { &form };
        let proof = key.map(|key| proof(&provider, key, "POST", TOKEN, &json!({})));
        ask(&provider, client, form, proof.as_deref().as_slice())
    };
    let first = text(&tokens, "refresh_token");
    assert_eq!(refusal(&refresh(None, &first, Some(keys::ed_dsa()))), "invalid_grant");
    assert_eq!(refusal(&refresh(None, &first, None)), "invalid_grant");
    let tokens = json(&refresh(None, &first, Some(keys::es256())));
    assert_eq!(tokens["token_type"], "DPoP");
    let second = text(&tokens, "refresh_token");
    assert_eq!(refusal(&refresh(None, &second, Some(keys::ed_dsa()))), "invalid_grant");

    let tokens = log_in(&provider);
    let tokens = json(&refresh(app(), &text(&tokens, "refresh_token"), Some(keys::es256())));
    let tokens = json(&refresh(app(), &text(&tokens, "refresh_token"), Some(keys::ed_dsa())));
    assert_eq!(tokens["token_type"], "DPoP");
}

#[test]
fn s_dp_03_nonces_are_demanded_where_they_should_be() {
    for (nonces, at_token, at_api) in [
        (DpopNonces::Off, false, false),
        (DpopNonces::Token, true, false),
        (DpopNonces::Api, false, true),
        (DpopNonces::Both, true, true),
    ] {
        let provider = Provider::builder().dpop(Dpop::Offered).dpop_nonces(nonces).build();
        let mut changes = json!({});
        if at_token {
            let challenge = service(&provider, &json!({}));
            assert_eq!(refusal(&challenge), "use_dpop_nonce");
            changes["nonce"] = nonce(&challenge).unwrap().into();
        }
        let answer = service(&provider, &changes);
        assert_eq!((answer.status(), nonce(&answer)), (StatusCode::OK, None));
        let token = text(&json(&answer), "access_token");
        // The token endpoint's nonce is none for the API.
        let challenge = prove(&provider, &token, &changes);
        assert_eq!(challenge.status() == StatusCode::UNAUTHORIZED, at_api, "{nonces:?}");
        if at_api {
            assert!(challenges(&challenge)[0].contains("error=\"use_dpop_nonce\""));
            let changes = json!({ "nonce": nonce(&challenge).unwrap() });
            assert_eq!(prove(&provider, &token, &changes).status(), StatusCode::OK);
            assert_eq!(prove(&provider, &token, &changes).status(), StatusCode::OK);
            provider.renew_dpop_nonces();
            assert_eq!(prove(&provider, &token, &changes).status(), StatusCode::UNAUTHORIZED);
        }
    }
}

#[test]
fn s_dp_03_a_nonce_that_rotates_is_good_once_and_comes_with_every_answer() {
    let provider = Provider::builder().dpop(Dpop::Offered).dpop_nonces(DpopNonces::Rotating).build();
    let first = nonce(&service(&provider, &json!({}))).unwrap();
    let answer = service(&provider, &json!({ "nonce": first }));
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(refusal(&service(&provider, &json!({ "nonce": first }))), "use_dpop_nonce");
    let second = json!({ "nonce": nonce(&answer).unwrap() });
    let token = text(&json(&service(&provider, &second)), "access_token");
    let mut next = nonce(&prove(&provider, &token, &json!({}))).unwrap();
    for _ in 0..3 {
        let answer = prove(&provider, &token, &json!({ "nonce": next }));
        assert_eq!(answer.status(), StatusCode::OK);
        next = nonce(&answer).unwrap();
    }
}

#[test]
fn t18_a_challenge_for_a_nonce_uses_up_the_proof_and_not_the_code() {
    let provider = Provider::builder().dpop(Dpop::Demanded).dpop_nonces(DpopNonces::Token).build();
    let callback = provider.visit(authorize_url(&provider, "signed", CB, &[])).unwrap();
    let code = param(&callback, "code").unwrap();
    let now = provider.now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let assertion = |jti: &str| {
        let claims = json!({
            "iss": "signed", "sub": "signed", "aud": "https://issuer.test", "iat": now, "exp": now + 60, "jti": jti,
        });
        keys::es256().jwt(r#"{"alg":"ES256"}"#, &claims.to_string())
    };
    let redeem = |assertion: &str, changes: &Value| {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", CB),
            ("code_verifier", VERIFIER),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion),
        ];
        ask(&provider, None, &form, &[&proof(&provider, keys::es256(), "POST", TOKEN, changes)])
    };
    let challenge = redeem(&assertion("j1"), &json!({ "jti": "p1" }));
    assert_eq!(refusal(&challenge), "use_dpop_nonce");
    let nonce = nonce(&challenge).unwrap();
    let with = |jti: &str| json!({ "nonce": nonce, "jti": jti });
    // Whoever repeats the assertion, or the proof's number, is refused for it.
    assert_eq!(refusal(&redeem(&assertion("j1"), &with("p2"))), "invalid_client");
    assert_eq!(refusal(&redeem(&assertion("j2"), &with("p1"))), "invalid_dpop_proof");
    provider.advance(Duration::from_secs(1));
    assert_eq!(redeem(&assertion("j3"), &with("p3")).status(), StatusCode::OK);
}

#[test]
fn every_fault_for_clients_with_keys_happens() {
    let rows: Vec<_> =
        faults().filter(|fault| matches!(fault.feature, Some(Feature::Dpop | Feature::Assertion))).collect();
    assert!(rows.len() > 30, "{}", rows.len());
    for fault in rows {
        let provider = offered();
        let token = token(&provider);
        let body = Bytes::from_static(b"");
        let request = match fault.at {
            Place::Token => Request::post(TOKEN),
            place => {
                assert_eq!(place, Place::Resource, "{}", fault.name);
                Request::get(ME).header("authorization", format!("DPoP {token}"))
            }
        };
        provider.set_fault(*fault);
        // What comes of it differs: an answer, one that is too large, or none.
        let _ = block_on(provider.send(request.body(body).unwrap(), Limits::default()));
        assert_eq!(provider.faults_happened(), 1, "{}", fault.name);
    }
}

#[test]
fn what_faults_make_of_tokens_and_challenges() {
    let provider = offered();
    provider.set_fault(fault("dpop-downgrade"));
    assert_eq!(json(&service(&provider, &json!({})))["token_type"], "Bearer");
    provider.set_fault(fault("dpop-nonce-twice"));
    let answer = service(&provider, &json!({}));
    assert_eq!(refusal(&answer), "use_dpop_nonce");
    assert_eq!(answer.headers().get_all("dpop-nonce").iter().count(), 2);
    provider.set_fault(fault("dpop-nonce-long"));
    assert_eq!(nonce(&service(&provider, &json!({}))).unwrap().len(), 4096);
    provider.set_fault(fault("dpop-resource-nonce-beside"));
    let token = token(&provider);
    let answer = prove(&provider, &token, &json!({}));
    assert!(challenges(&answer)[0].starts_with("Bearer realm=\"api\", DPoP "));
    assert_eq!(prove(&provider, &token, &json!({})).status(), StatusCode::OK, "it happens once");
}
