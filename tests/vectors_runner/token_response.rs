//! RFC 6749 §5: the answers of the token endpoint, read by a client credentials call, so that the caps on
//! size and the retries are those of real calls.

use std::sync::Arc;

use serde_json::{Map, Value};
use valetkey_http::Response;
use valetkey_proto::{
    Call, Error, Party,
    oauth2::{
        Scope,
        client::{ClientAuth, ClientMetadata},
        grant::ClientCredentialsGrant,
        server::{Issuer, ServerMetadata},
        token::{GrantedScope, TokenResponse, TokenSet},
    },
};

use super::{
    case::Case,
    check::{Answer, Checks, Stop},
    world::{World, response},
};

pub(crate) fn run(case: &Case) -> Answer {
    let media_type = case.text("content_type").map(|media_type| ("content-type", media_type));
    let headers = case.input.get("headers").and_then(Value::as_object);
    let headers = headers.into_iter().flatten();
    let headers = headers.map(|(name, value)| (name.as_str(), value.as_str().expect("a field value")));
    compare(case, &response(status(case), headers.chain(media_type), body(&case.input)))
}

/// Has this answer read, and compares what it means.
fn compare(case: &Case, answer: &Response) -> Answer {
    let checks = Checks::of(case);
    let scope = requested_scope(case);
    let outcome = World::new().play(call(&scope)?, answer);
    // An error of the server's is what some cases expect.
    match (outcome, checks.expected("error_result"), checks.expected("error")) {
        (Err(error), Some(expected), _) => compare_error(&checks, expected, &error),
        (Err(error), None, Some(expected)) => compare_code(&checks, expected, &error),
        (Err(error), None, None) => return Err(error.into()),
        (Ok(_), Some(_), _) | (Ok(_), _, Some(_)) => checks.wrong("it is taken for a success"),
        (Ok(token), None, None) => compare_token(&checks, &token, &scope),
    }
    checks.done()
}

fn compare_token(checks: &Checks<'_>, token: &TokenResponse, requested: &str) {
    let text = |text: Option<&str>| text.map_or(Value::Null, Value::from);
    checks.same("access_token", token.access_token().expose());
    checks.same("access_token_length", token.access_token().expose().len());
    // RFC 6749 §5.1: the type has no case.
    for name in ["token_type", "token_type_matches"] {
        let actual = token.token_type().as_str();
        checks
            .holds(name, |expected| expected.as_str().is_some_and(|text| text.eq_ignore_ascii_case(actual)));
    }
    checks.same("expires_in", token.lifetime().map_or(Value::Null, |time| Value::from(time.as_secs())));
    checks.same("refresh_token", text(token.refresh_token().map(|token| token.expose())));
    let scope = token.scope().map(|scope| scope.iter().map(Value::from).collect::<Vec<_>>());
    checks.same("scope", scope.map_or(Value::Null, Value::from));
    checks.same("id_token_present", token.has_id_token());
    for name in ["authorization_details", "issued_token_type"] {
        checks.same(name, token.extra::<Value>(name).unwrap_or_default());
    }
    checks.holds("effective_scope", |expected| {
        let requested = Scope::parse(requested).ok();
        let set = TokenSet::of(token, requested.as_ref());
        expected == "as requested"
            && set.is_ok_and(|set| *set.scope() == GrantedScope::Requested(requested.clone()))
    });
}

fn compare_error(checks: &Checks<'_>, expected: &Value, error: &Error) {
    for (name, expected) in expected.as_object().expect("an error") {
        match name.as_str() {
            "error" => compare_code(checks, expected, error),
            "error_description" => {
                let description = error.response().and_then(|response| response.description());
                if description != expected.as_str() {
                    checks.wrong("the description is another one");
                }
            }
            "http_status" => {
                let status = error.status().map(|status| u64::from(status.as_u16()));
                if status != expected.as_u64() {
                    checks.wrong(format!("the status is {status:?}"));
                }
            }
            // What a poll does then, and remarks for people.
            "effect" | "note" => {}
            other => checks.wrong(format!("what is {other}?")),
        }
    }
}

fn compare_code(checks: &Checks<'_>, expected: &Value, error: &Error) {
    let code = error.response().map(|response| response.code().as_str());
    if code != expected.as_str() {
        checks.wrong(format!("the error is {code:?}, not {expected} ({error})"));
    }
}

/// A call that asks for this scope.
fn call(scope: &str) -> Result<Call<ClientCredentialsGrant>, Stop> {
    let issuer = Issuer::parse("https://as.example")?;
    let server = ServerMetadata::new(issuer.clone()).with_token_endpoint("https://as.example/token")?;
    let client = ClientMetadata::new("client")?.with_auth(ClientAuth::secret_basic("secret"));
    let grant = ClientCredentialsGrant::new(&server, &client)?.with_scope(scope)?;
    Ok(Call::new(grant, Arc::new(Party::client(issuer, client.id(), client.auth())?)))
}

fn requested_scope(case: &Case) -> String {
    match case.input.get("request_scope") {
        Some(Value::String(scope)) => scope.clone(),
        Some(Value::Array(scope)) => scope.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        _ => "read write".to_owned(),
    }
}

fn status(case: &Case) -> u16 {
    let status = case.input.get("status").and_then(Value::as_u64).unwrap_or(200);
    u16::try_from(status).expect("a status")
}

/// The body, which is built here if it is too large for a file.
fn body(input: &Map<String, Value>) -> String {
    let text = |name: &str| input.get(name).and_then(Value::as_str).unwrap_or_default();
    let Some(repeat) = input.get("body_repeat") else { return text("body").to_owned() };
    let piece = repeat[0].as_str().expect("a text to repeat");
    let times = repeat[1].as_u64().and_then(|times| usize::try_from(times).ok()).expect("how often");
    [text("body_prefix"), &piece.repeat(times), text("body_suffix")].concat()
}
