//! Looking at a request: method, URL, fields, form.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::header::AUTHORIZATION;
use serde_json::Value;
use valetkey_http::Request;
use valetkey_proto::{
    Party,
    oauth2::{
        client::{ClientAuth, ClientId},
        server::Issuer,
    },
};

use super::check::{Checks, Stop};

/// Decoded names and values.
pub(crate) type Pairs = Vec<(String, String)>;

/// Compares all members that are said about a request. Parameters named in `own` are added by the flow
/// itself, and are left aside where the whole form is given.
pub(crate) fn compare(checks: &Checks<'_>, request: &Request, own: &[&str]) {
    let body = std::str::from_utf8(request.body()).unwrap_or("(no text)");
    let form = decode(body);
    checks.same("method", request.method().as_str());
    checks.same("url", request.uri().to_string());
    checks.same("path", request.uri().path());
    compare_fields(checks, request);
    if let Some(expected) = checks.expected("form") {
        let rest = form.iter().filter(|(name, _)| !own.contains(&name.as_str())).cloned().collect();
        same_pairs(checks, "form", rest, pairs(expected));
    }
    if let Some(expected) = checks.expected("body_decodes_to") {
        same_pairs(checks, "body", form.clone(), pairs(expected));
    }
    for name in ["form_has", "form_include"] {
        for pair in checks.expected(name).map(pairs).unwrap_or_default() {
            if !form.contains(&pair) {
                checks.wrong(format!("the form lacks {}={}", pair.0, pair.1));
            }
        }
    }
    for name in checks.expected("form_must_not_have").and_then(Value::as_array).into_iter().flatten() {
        if form.iter().any(|(known, _)| name == known) {
            checks.wrong(format!("the form has {name}"));
        }
    }
    checks.holds("raw_body_contains", |expected| body.contains(expected.as_str().expect("a text")));
}

fn compare_fields(checks: &Checks<'_>, request: &Request) {
    let field = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    for (name, expected) in checks.expected("headers").and_then(Value::as_object).into_iter().flatten() {
        if field(name) != expected.as_str() {
            checks.wrong(format!("{name} is {:?}, not {expected}", field(name)));
        }
    }
    let authorization = field(AUTHORIZATION.as_str());
    checks.same("authorization", authorization.unwrap_or_default());
    checks.same("no_authorization", authorization.is_none());
    let scheme = authorization.and_then(|value| value.split(' ').next());
    checks.same("authorization_scheme", scheme.unwrap_or_default());
}

/// Compares pairs in any order.
pub(crate) fn same_pairs(checks: &Checks<'_>, what: &str, mut actual: Pairs, mut expected: Pairs) {
    actual.sort();
    expected.sort();
    if actual != expected {
        let names = |pairs: &Pairs| pairs.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(" ");
        let differs = expected.iter().find(|pair| !actual.contains(pair)).map(|(name, _)| name.as_str());
        checks.wrong(format!(
            "{what} has {}, not {}; the first to differ: {}",
            names(&actual),
            names(&expected),
            differs.unwrap_or("one too many")
        ));
    }
}

/// Decodes a form by a decoder that is not the project's.
pub(crate) fn decode(form: &str) -> Pairs {
    form_urlencoded::parse(form.as_bytes()).into_owned().collect()
}

/// A list of pairs.
pub(crate) fn pairs(list: &Value) -> Pairs {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let list = list.as_array().expect("a list of pairs");
    list.iter().map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
}

/// The two halves of `Basic` credentials, as they are in the header.
pub(crate) fn basic_halves(request: &Request) -> Option<(String, String)> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let text = String::from_utf8(STANDARD.decode(value.strip_prefix("Basic ")?).ok()?).ok()?;
    text.split_once(':').map(|(id, secret)| (id.to_owned(), secret.to_owned()))
}

/// The client of this id, by the registered name of the method.
pub(crate) fn party(method: &str, id: &str, secret: &str) -> Result<Arc<Party>, Stop> {
    let auth = match method {
        "none" => ClientAuth::none(),
        "client_secret_basic" => ClientAuth::secret_basic(secret),
        "client_secret_basic (raw)" => ClientAuth::secret_basic_raw(secret),
        "client_secret_post" => ClientAuth::secret_post(secret),
        other => return Err(Stop::unanswered(format!("client authentication by {other}"))),
    };
    let issuer = Issuer::parse("https://as.example")?;
    Ok(Arc::new(Party::client(issuer, &ClientId::parse(id)?, &auth)?))
}
