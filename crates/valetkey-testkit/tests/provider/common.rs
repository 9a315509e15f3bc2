//! A client made by hand: what it sends is written out, so that the provider is judged and nothing else.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use http::{Request, StatusCode};
use serde_json::Value;
use valetkey_http::{Backend, Limits, Response};
use valetkey_testkit::{Provider, block_on};

pub(crate) const VERIFIER: &str = "a-verifier-that-is-long-enough-for-rfc-7636";
pub(crate) const CB: &str = "https://client.test/cb";

pub(crate) fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(ring::digest::digest(&ring::digest::SHA256, VERIFIER.as_bytes()))
}

pub(crate) fn encode(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

pub(crate) fn authorize_url(
    provider: &Provider,
    client: &str,
    redirect_uri: &str,
    more: &[(&str, &str)],
) -> String {
    let challenge = challenge();
    let mut pairs = vec![
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", redirect_uri),
        ("state", "state-1"),
        ("scope", "read write"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    pairs.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
    pairs.extend(more.iter().filter(|(_, value)| !value.is_empty()));
    format!("{}/authorize?{}", provider.issuer(), encode(&pairs))
}

/// The parameter of a callback.
pub(crate) fn param(callback: &str, name: &str) -> Option<String> {
    let (_, query) = callback.split_once('?')?;
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

pub(crate) fn post(
    provider: &Provider,
    path: &str,
    authorization: Option<String>,
    form: &[(&str, &str)],
) -> Response {
    let mut request = Request::post(format!("{}{path}", provider.issuer()))
        .header("content-type", "application/x-www-form-urlencoded");
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    let request = request.body(Bytes::from(encode(form))).unwrap();
    block_on(provider.send(request, Limits::default())).unwrap()
}

pub(crate) fn get(provider: &Provider, url: &str, token: Option<&str>) -> Response {
    let mut request = Request::get(url);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    block_on(provider.send(request.body(Bytes::new()).unwrap(), Limits::default())).unwrap()
}

pub(crate) fn basic(id: &str, secret: &str) -> Option<String> {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    Some(format!("Basic {}", STANDARD.encode(format!("{}:{}", encode(id), encode(secret)))))
}

pub(crate) fn app() -> Option<String> {
    basic("app", "app-secret")
}

pub(crate) fn json(response: &Response) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}

pub(crate) fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("no {name}")).to_owned()
}

/// The status and the `error` of an answer.
pub(crate) fn error(response: &Response) -> (StatusCode, String) {
    (response.status(), text(&json(response), "error"))
}

pub(crate) fn redeem(provider: &Provider, code: &str) -> Response {
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CB),
        ("code_verifier", VERIFIER),
    ];
    post(provider, "/token", app(), &form)
}

pub(crate) fn log_in(provider: &Provider) -> Value {
    let callback = provider.visit(authorize_url(provider, "app", CB, &[])).unwrap();
    let response = redeem(provider, &param(&callback, "code").unwrap());
    assert_eq!(response.status(), StatusCode::OK);
    json(&response)
}

pub(crate) fn refresh(provider: &Provider, token: &str) -> Response {
    post(provider, "/token", app(), &[("grant_type", "refresh_token"), ("refresh_token", token)])
}

pub(crate) fn me(provider: &Provider, token: &str) -> StatusCode {
    get(provider, &provider.api("me"), Some(token)).status()
}
