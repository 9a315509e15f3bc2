//! Request objects, by value and by reference (OpenID Connect Core §6).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{common::*, login::*};
use valetkey_testkit::{Provider, RegisteredClient, keys};

const HOSTED: &str = "https://client.test/request.jwt";

fn object(provider: &Provider, algorithm: &str, more: Value) -> String {
    let mut claims = json!({
        "iss": "signed",
        "aud": provider.issuer(),
        "client_id": "signed",
        "response_type": "code",
        "redirect_uri": CB,
        "scope": "openid email",
        "nonce": "nonce-of-the-object",
        "max_age": 600,
    });
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    let header = json!({ "alg": algorithm }).to_string();
    match algorithm {
        "RS256" => keys::rs256().jwt(&header, &claims.to_string()),
        "ES256" => keys::other_es256().jwt(&header, &claims.to_string()),
        _ => {
            let [header, claims] = [header, claims.to_string()].map(|part| URL_SAFE_NO_PAD.encode(part));
            format!("{header}.{claims}.")
        }
    }
}

fn ask(provider: &Provider, more: &[(&str, &str)]) -> String {
    provider.visit(authorize_url(provider, "signed", CB, more)).unwrap()
}

fn error(callback: &str) -> Option<String> {
    answered(callback, "error")
}

#[test]
fn s_oi_16_a_request_object_is_taken_by_value_and_by_reference() {
    let provider = provider();
    let form = |code: &str| {
        let header = json!({ "alg": "RS256" }).to_string();
        let claims = json!({
            "iss": "signed", "sub": "signed", "aud": "https://issuer.test", "iat": 1_893_456_000,
            "exp": 1_893_456_060, "jti": code,
        });
        let assertion = keys::rs256().jwt(&header, &claims.to_string());
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CB),
            ("code_verifier", VERIFIER),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &assertion),
        ];
        json(&post(&provider, "/token", None, &form))
    };
    for algorithm in ["RS256", "none"] {
        let object = object(&provider, algorithm, json!({}));
        provider.host(HOSTED, object.as_str());
        let digest = URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, object.as_bytes()));
        let hashed = format!("{HOSTED}#{digest}");
        for way in [("request", object.as_str()), ("request_uri", HOSTED), ("request_uri", &hashed)] {
            let callback = ask(&provider, &[("scope", ""), way]);
            let tokens = form(&answered(&callback, "code").expect("a code"));
            assert_eq!(part(&text(&tokens, "id_token"), 1)["nonce"], "nonce-of-the-object");
        }
    }
}

#[test]
fn a_request_object_that_is_not_the_clients_is_refused() {
    let provider = provider();
    let refused = |object: &str| error(&ask(&provider, &[("request", object)]));
    let invalid = Some("invalid_request_object".to_owned());
    assert_eq!(refused("nonsense"), invalid);
    assert_eq!(refused(&object(&provider, "ES256", json!({}))), invalid, "another key");
    for more in [
        json!({ "client_id": "app" }),
        json!({ "response_type": "id_token" }),
        json!({ "request": "e30.e30." }),
        json!({ "iss": "app" }),
        json!({ "aud": "https://other.test" }),
    ] {
        assert_eq!(refused(&object(&provider, "RS256", more.clone())), invalid, "{more}");
    }
    let both = [("request", "a.b.c"), ("request_uri", HOSTED)];
    assert_eq!(error(&ask(&provider, &both)), Some("invalid_request".into()));
    let not_there = error(&ask(&provider, &[("request_uri", HOSTED)]));
    assert_eq!(not_there, Some("invalid_request_uri".into()));
    provider.host(HOSTED, object(&provider, "RS256", json!({})));
    let other_hash = error(&ask(&provider, &[("request_uri", &format!("{HOSTED}#AAAA"))]));
    assert_eq!(other_hash, Some("invalid_request_uri".into()));
}

#[test]
fn what_is_registered_of_request_objects_counts() {
    let client = RegisteredClient::with_keys("signed", keys::jwks())
        .redirect_uri(CB)
        .request_object_signed_by("RS256")
        .request_uri(HOSTED);
    let provider = builder().client(client).build();
    let signed = object(&provider, "RS256", json!({}));
    let unsigned = object(&provider, "none", json!({}));
    assert_eq!(error(&ask(&provider, &[("request", &signed)])), None);
    assert_eq!(error(&ask(&provider, &[("request", &unsigned)])), Some("invalid_request_object".into()));
    provider.host(HOSTED, signed.as_str());
    provider.host("https://client.test/other", signed);
    assert_eq!(error(&ask(&provider, &[("request_uri", HOSTED)])), None);
    let other = error(&ask(&provider, &[("request_uri", "https://client.test/other")]));
    assert_eq!(other, Some("invalid_request_uri".into()));
}
