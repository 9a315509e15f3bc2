//! Clients that register themselves (RFC 7591), and change it (RFC 7592).

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use valetkey_http::{Backend, Limits, Response};
use valetkey_testkit::{OpenId, Place, Provider, block_on, keys};

use crate::{common::*, login::*};

fn send(provider: &Provider, method: Method, url: &str, token: Option<&str>, body: &Value) -> Response {
    let mut request = Request::builder().method(method).uri(url).header("content-type", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    block_on(provider.send(request.body(body).unwrap(), Limits::default())).unwrap()
}

fn register(provider: &Provider, metadata: &Value) -> Response {
    send(provider, Method::POST, "https://issuer.test/register", None, metadata)
}

#[test]
fn a_client_registers_and_signs_in() {
    let provider = provider();
    let metadata = json!({
        "redirect_uris": [CB], "client_name": "Shop", "id_token_signed_response_alg": "ES256",
        "userinfo_signed_response_alg": "RS256", "token_endpoint_auth_method": "client_secret_post",
    });
    let response = register(&provider, &metadata);
    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(response.headers()["cache-control"], "no-store");
    let client = json(&response);
    assert_eq!((&client["client_name"], &client["client_secret_expires_at"]), (&"Shop".into(), &0.into()));
    assert_eq!(client["response_types"], json!(["code"]), "defaults are told");
    let (id, secret) = (text(&client, "client_id"), text(&client, "client_secret"));
    let callback = provider.visit(url(&provider, &id, &[])).unwrap();
    let code = answered(&callback, "code").unwrap();
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", CB),
        ("code_verifier", VERIFIER),
        ("client_id", &id),
        ("client_secret", &secret),
    ];
    let tokens = json(&post(&provider, "/token", None, &form));
    assert_eq!(part(&text(&tokens, "id_token"), 0)["alg"], "ES256");
    assert_eq!(verified(&provider, &text(&tokens, "id_token")).unwrap()["aud"], id);
}

#[test]
fn a_client_without_a_secret_gets_none() {
    let provider = provider();
    let jwks: Value = serde_json::from_str(&keys::jwks()).unwrap();
    for metadata in [
        json!({ "redirect_uris": ["com.example:/cb"], "token_endpoint_auth_method": "none" }),
        json!({ "redirect_uris": [CB], "token_endpoint_auth_method": "private_key_jwt", "jwks": jwks }),
    ] {
        assert!(json(&register(&provider, &metadata)).get("client_secret").is_none());
    }
}

#[test]
fn what_cannot_be_registered_is_refused() {
    let provider = provider();
    let refused = |metadata: Value| error(&register(&provider, &metadata)).1;
    assert_eq!(refused(json!({})), "invalid_redirect_uri");
    assert_eq!(refused(json!({ "redirect_uris": ["https://a.test/#f"] })), "invalid_redirect_uri");
    for (name, value) in [
        ("redirect_uris", json!(CB)),
        ("id_token_signed_response_alg", json!("ES999")),
        ("token_endpoint_auth_method", json!("magic")),
        ("response_types", json!(["code", "magic"])),
        ("subject_type", json!("magic")),
        ("jwks", json!({ "keys": [{ "kty": "magic" }] })),
    ] {
        let mut metadata = json!({ "redirect_uris": [CB] });
        metadata[name] = value;
        assert_eq!(refused(metadata), "invalid_client_metadata", "{name}");
    }
    assert_eq!(refused(json!([])), "invalid_client_metadata");
}

#[test]
fn a_client_reads_changes_and_ends_its_registration() {
    let provider = provider();
    let client = json(&register(&provider, &json!({ "redirect_uris": [CB] })));
    let (url, first) = (text(&client, "registration_client_uri"), text(&client, "registration_access_token"));
    let id = text(&client, "client_id");
    assert_eq!(get(&provider, &url, None).status(), StatusCode::UNAUTHORIZED);
    let read = json(&get(&provider, &url, Some(&first)));
    assert_eq!((&read["client_id"], &read["redirect_uris"]), (&client["client_id"], &json!([CB])));
    let second = text(&read, "registration_access_token");
    assert_ne!(first, second);
    assert_eq!(get(&provider, &url, Some(&first)).status(), StatusCode::UNAUTHORIZED, "it was replaced");

    let change = json!({ "client_id": id, "redirect_uris": ["https://new.test/cb"], "client_name": "New" });
    let changed = send(&provider, Method::PUT, &url, Some(&second), &change);
    assert_eq!(changed.status(), StatusCode::OK);
    let changed = json(&changed);
    assert_eq!(
        (&changed["client_name"], &changed["client_secret"]),
        (&"New".into(), &client["client_secret"])
    );
    assert!(provider.visit(authorize_url(&provider, &id, CB, &[])).is_err(), "it is another URI now");
    assert!(provider.visit(authorize_url(&provider, &id, "https://new.test/cb", &[])).is_ok());

    let third = text(&changed, "registration_access_token");
    for bad in [
        json!({ "redirect_uris": [CB] }),
        json!({ "client_id": "app", "redirect_uris": [CB] }),
        json!({ "client_id": id, "client_secret": "mine", "redirect_uris": [CB] }),
        json!({ "client_id": id, "registration_access_token": third, "redirect_uris": [CB] }),
    ] {
        let response = send(&provider, Method::PUT, &url, Some(&third), &bad);
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{bad}");
    }
    assert_eq!(
        send(&provider, Method::DELETE, &url, Some(&third), &Value::Null).status(),
        StatusCode::NO_CONTENT
    );
    assert_eq!(get(&provider, &url, Some(&third)).status(), StatusCode::UNAUTHORIZED);
    assert!(provider.visit(authorize_url(&provider, &id, "https://new.test/cb", &[])).is_err());
    assert!(provider.count(Place::Registration) > 5);
}

#[test]
fn registration_can_be_guarded_or_closed() {
    let metadata = json!({ "redirect_uris": [CB] });
    let guarded = Provider::builder().openid(OpenId::new().initial_access_token("let-me-in")).build();
    assert_eq!(register(&guarded, &metadata).status(), StatusCode::UNAUTHORIZED);
    let url = "https://issuer.test/register";
    let response = send(&guarded, Method::POST, url, Some("let-me-in"), &metadata);
    assert_eq!(response.status(), StatusCode::CREATED);
    let closed = Provider::builder().openid(OpenId::new().registration(false)).build();
    assert_eq!(register(&closed, &metadata).status(), StatusCode::NOT_FOUND);
}
