//! Assertions made by hand (RFC 7523): those of clients, and those of service accounts.

use std::time::{Duration, UNIX_EPOCH};

use crate::common::*;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::StatusCode;
use ring::hmac;
use serde_json::{Value, json};
use valetkey_http::{Backend, Response};
use valetkey_testkit::{
    Audience, AuthMethod, HMAC_SECRET, Provider, RegisteredClient, SERVICE_ACCOUNT, ServiceAccount,
    keys::{self, TestKey},
};

const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const KEYS: [TestKey; 4] = [keys::rs256(), keys::ps256(), keys::es256(), keys::ed_dsa()];

fn now(provider: &Provider) -> u64 {
    provider.now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// What is right, with these members in place of others; `null` takes one away.
fn claims(provider: &Provider, client: &str, jti: &str, changes: &Value) -> String {
    let now = now(provider);
    let mut claims = json!({
        "iss": client, "sub": client, "aud": provider.issuer(), "iat": now, "exp": now + 60, "jti": jti,
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims.to_string()
}

fn signed(key: TestKey, claims: &str) -> String {
    key.jwt(&json!({ "alg": key.algorithm() }).to_string(), claims)
}

/// A signature by the secret.
fn authenticated(name: &str, algorithm: hmac::Algorithm, secret: &str, claims: &str) -> String {
    let header = json!({ "alg": name }).to_string();
    let signed = [header.as_str(), claims].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    let tag = hmac::sign(&hmac::Key::new(algorithm, secret.as_bytes()), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

fn send(provider: &Provider, assertion: &str) -> Response {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", TYPE),
        ("client_assertion", assertion),
    ];
    post(provider, "/token", None, &form)
}

const INVALID_CLIENT: (StatusCode, &str) = (StatusCode::BAD_REQUEST, "invalid_client");

fn assert_error(response: &Response, expected: (StatusCode, &str), what: &str) {
    assert_eq!(error(response), (expected.0, expected.1.to_owned()), "{what}");
}

#[test]
fn s_tk_05_clients_authenticate_with_every_algorithm() {
    let provider = Provider::new();
    for key in KEYS {
        let claims = claims(&provider, "signed", key.algorithm(), &json!({}));
        assert_eq!(send(&provider, &signed(key, &claims)).status(), StatusCode::OK, "{key:?}");
    }
    for (name, algorithm) in
        [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)]
    {
        let claims = claims(&provider, "hmac", name, &json!({}));
        let assertion = authenticated(name, algorithm, HMAC_SECRET, &claims);
        assert_eq!(send(&provider, &assertion).status(), StatusCode::OK, "{name}");
    }
    let document = get(&provider, "https://issuer.test/.well-known/openid-configuration", None);
    let document = json(&document);
    for way in ["private_key_jwt", "client_secret_jwt"] {
        assert!(document["token_endpoint_auth_methods_supported"].as_array().unwrap().contains(&way.into()));
    }
    let algorithms = json!(["RS256", "PS256", "ES256", "EdDSA", "Ed25519", "HS256", "HS384", "HS512"]);
    assert_eq!(document["token_endpoint_auth_signing_alg_values_supported"], algorithms);
}

#[test]
fn s_tk_05_every_claim_is_checked() {
    let provider = Provider::new();
    let now = now(&provider);
    for (what, changes) in [
        ("issuer", json!({ "iss": "app" })),
        ("no issuer", json!({ "iss": null })),
        ("another subject", json!({ "sub": "app" })),
        ("an unknown client", json!({ "iss": "who", "sub": "who" })),
        ("the token endpoint", json!({ "aud": "https://issuer.test/token" })),
        ("a slash more", json!({ "aud": "https://issuer.test/" })),
        ("others, too", json!({ "aud": ["https://issuer.test", "https://evil.test"] })),
        ("a list of one", json!({ "aud": ["https://issuer.test"] })),
        ("no audience", json!({ "aud": null })),
        ("expired", json!({ "exp": now })),
        ("good for ever", json!({ "exp": now + 1_000_000_000 })),
        ("no end", json!({ "exp": null })),
        ("an end in words", json!({ "exp": (now + 60).to_string() })),
        ("tomorrow's", json!({ "iat": now + 11, "exp": now + 60 })),
        ("no time", json!({ "iat": null })),
        ("not yet", json!({ "nbf": now + 11 })),
        ("no jti", json!({ "jti": null })),
        ("an empty jti", json!({ "jti": "" })),
    ] {
        let assertion = signed(keys::es256(), &claims(&provider, "signed", what, &changes));
        assert_error(&send(&provider, &assertion), INVALID_CLIENT, what);
    }
}

#[test]
fn s_tk_05_an_assertion_is_good_once_and_only_once_it_was_good() {
    let provider = Provider::new();
    let claims = claims(&provider, "signed", "j1", &json!({}));
    // A forged one does not use up the number of the real one.
    assert_error(&send(&provider, &signed(keys::other_es256(), &claims)), INVALID_CLIENT, "forged");
    assert_eq!(send(&provider, &signed(keys::es256(), &claims)).status(), StatusCode::OK);
    assert_error(&send(&provider, &signed(keys::es256(), &claims)), INVALID_CLIENT, "again");
    assert_error(&send(&provider, &signed(keys::rs256(), &claims)), INVALID_CLIENT, "with another key");
}

#[test]
fn s_jw_01_an_algorithm_is_for_keys_of_its_kind() {
    let provider = Provider::new();
    let claims = claims(&provider, "signed", "j1", &json!({}));
    let public = keys::es256().public_jwk();
    for (what, assertion) in [
        (
            "none",
            format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), URL_SAFE_NO_PAD.encode(&claims)),
        ),
        ("a public key as a secret", authenticated("HS256", hmac::HMAC_SHA256, &public, &claims)),
        ("a secret without one", authenticated("HS256", hmac::HMAC_SHA256, "", &claims)),
        ("another name", keys::rs256().jwt(r#"{"alg":"PS256"}"#, &claims)),
        ("no name", keys::es256().jwt("{}", &claims)),
        ("a proof", keys::es256().jwt(r#"{"alg":"ES256","typ":"dpop+jwt"}"#, &claims)),
        ("a critical header", keys::es256().jwt(r#"{"alg":"ES256","crit":["x"],"x":1}"#, &claims)),
    ] {
        assert_error(&send(&provider, &assertion), INVALID_CLIENT, what);
    }
    for kind in ["JWT", "client-authentication+jwt"] {
        let header = json!({ "alg": "ES256", "typ": kind }).to_string();
        let claims = plain_claims(&provider, kind);
        assert_eq!(send(&provider, &keys::es256().jwt(&header, &claims)).status(), StatusCode::OK, "{kind}");
    }
}

fn plain_claims(provider: &Provider, jti: &str) -> String {
    claims(provider, "signed", jti, &json!({}))
}

#[test]
fn s_tk_02_one_way_of_authentication_at_a_time() {
    let provider = Provider::new();
    let assertion = signed(keys::es256(), &plain_claims(&provider, "j1"));
    let form = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", TYPE),
        ("client_assertion", assertion.as_str()),
    ];
    let with = |more: &[(&str, &str)], authorization| {
        let form = [&form[..], more].concat();
        error(&post(&provider, "/token", authorization, &form)).1
    };
    assert_eq!(with(&[], app()), "invalid_request");
    assert_eq!(with(&[("client_secret", "x")], None), "invalid_request");
    assert_eq!(with(&[("client_id", "app")], None), "invalid_request");
    assert_eq!(error(&post(&provider, "/token", None, &form[..2])).1, "invalid_request");
    assert_eq!(error(&post(&provider, "/token", None, &[form[0], form[2]])).1, "invalid_request");
    // Nothing of this was the client's fault in the end: the assertion is as good as new.
    let named = [&form[..], &[("client_id", "signed")]].concat();
    assert_eq!(post(&provider, "/token", None, &named).status(), StatusCode::OK);
    // Who has keys is no public client.
    let bare = [("grant_type", "client_credentials"), ("client_id", "signed")];
    assert_error(&post(&provider, "/token", None, &bare), INVALID_CLIENT, "no proof");
}

#[test]
fn s_tk_06_older_audiences_and_fewer_methods_are_settings() {
    let provider = Provider::builder()
        .audience(Audience::TokenEndpoint)
        .client(RegisteredClient::with_keys("one", keys::ed_dsa().public_jwk()))
        .build();
    let old = json!({ "aud": "https://issuer.test/token" });
    let assertion = signed(keys::ed_dsa(), &claims(&provider, "one", "j1", &old));
    assert_eq!(send(&provider, &assertion).status(), StatusCode::OK);
    let assertion = signed(keys::ed_dsa(), &claims(&provider, "one", "j2", &json!({})));
    assert_error(&send(&provider, &assertion), INVALID_CLIENT, "the issuer");
    let assertion = signed(keys::es256(), &claims(&provider, "one", "j3", &old));
    assert_error(&send(&provider, &assertion), INVALID_CLIENT, "a key that it has not");

    let provider = Provider::builder().auth_methods([AuthMethod::Basic]).build();
    let assertion = signed(keys::es256(), &plain_claims(&provider, "j1"));
    assert_error(&send(&provider, &assertion), INVALID_CLIENT, "not offered");
    let document = get(&provider, "https://issuer.test/.well-known/openid-configuration", None);
    assert!(json(&document).get("token_endpoint_auth_signing_alg_values_supported").is_none());
}

#[test]
fn an_assertion_redeems_a_code_and_revokes() {
    let provider = Provider::new();
    let callback = provider.visit(authorize_url(&provider, "signed", CB, &[])).unwrap();
    let code = param(&callback, "code").unwrap();
    let first = signed(keys::ps256(), &plain_claims(&provider, "j1"));
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", CB),
        ("code_verifier", VERIFIER),
        ("client_assertion_type", TYPE),
        ("client_assertion", first.as_str()),
    ];
    let tokens = json(&post(&provider, "/token", None, &form));
    let token = text(&tokens, "access_token");
    assert_eq!(me(&provider, &token), StatusCode::OK);
    provider.advance(Duration::from_secs(30));
    let second = signed(keys::ps256(), &plain_claims(&provider, "j2"));
    let form = [("token", token.as_str()), ("client_assertion_type", TYPE), ("client_assertion", &second)];
    assert_eq!(post(&provider, "/revoke", None, &form).status(), StatusCode::OK);
    assert_eq!(me(&provider, &token), StatusCode::UNAUTHORIZED);
}

fn exchange(provider: &Provider, assertion: &str, more: &[(&str, &str)]) -> Response {
    let grant_type = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    let form = [&[("grant_type", grant_type), ("assertion", assertion)], more].concat();
    post(provider, "/token", None, &form)
}

#[test]
fn a_service_account_gets_a_token_for_a_jwt_once() {
    let provider = Provider::new();
    let claims = claims(&provider, SERVICE_ACCOUNT, "j1", &json!({ "scope": "read" }));
    let assertion = signed(keys::rs256(), &claims);
    let tokens = json(&exchange(&provider, &assertion, &[]));
    assert_eq!((&tokens["scope"], tokens.get("refresh_token")), (&json!("read"), None));
    let subject = get(&provider, &provider.api("me"), Some(&text(&tokens, "access_token")));
    assert_eq!(json(&subject)["sub"], SERVICE_ACCOUNT);
    assert_error(&exchange(&provider, &assertion, &[]), (StatusCode::BAD_REQUEST, "invalid_grant"), "again");
}

#[test]
fn a_service_account_acts_for_users_and_says_its_scope_in_the_form() {
    let account = ServiceAccount::new("nightly", keys::es256().public_jwk());
    let provider = Provider::builder().service_account(account).build();
    let with = |jti: &str, changes: Value, more: &[(&str, &str)]| {
        let claims = claims(&provider, "nightly", jti, &changes);
        exchange(&provider, &signed(keys::es256(), &claims), more)
    };
    let tokens = json(&with("j1", json!({ "sub": "bob", "scope": "read" }), &[("scope", "write")]));
    assert_eq!(tokens["scope"], "write");
    let subject = get(&provider, &provider.api("me"), Some(&text(&tokens, "access_token")));
    assert_eq!(json(&subject)["sub"], "bob");
    for (jti, changes, more, expected) in [
        ("j2", json!({ "sub": "who" }), ("scope", "read"), "invalid_grant"),
        ("j3", json!({ "sub": null }), ("scope", "read"), "invalid_grant"),
        ("j4", json!({ "iss": "who" }), ("scope", "read"), "invalid_grant"),
        ("j5", json!({ "aud": "https://evil.test" }), ("scope", "read"), "invalid_grant"),
        ("j6", json!({}), ("scope", "a\"b"), "invalid_scope"),
        ("j7", json!({}), ("client_id", "who"), "invalid_client"),
        ("j8", json!({}), ("client_id", "app"), "invalid_client"),
    ] {
        assert_error(&with(jti, changes, &[more]), (StatusCode::BAD_REQUEST, expected), jti);
    }
    assert_eq!(with("j9", json!({}), &[("client_id", "native")]).status(), StatusCode::OK);
    assert_error(&exchange(&provider, "junk", &[]), (StatusCode::BAD_REQUEST, "invalid_grant"), "junk");
}
