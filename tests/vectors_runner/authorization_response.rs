//! RFC 6749 §4.1.2, RFC 9207: a callback in, a code or an error out.
//!
//! A sign-in makes its own state, always. The one in the case's URL is therefore exchanged for the real
//! one wherever it occurs in a `state` parameter, also as a part of it, and likewise with its case changed.

use serde_json::Value;
use valetkey_proto::{
    Call, Error,
    oauth2::{
        authorization::{AuthorizationRequest, PendingAuthorization, ResponseMode, ResponseType},
        client::ClientMetadata,
        grant::AuthorizationCodeGrant,
        profile::ProviderProfile,
        server::{Issuer, ServerMetadata},
    },
};

use super::{
    case::Case,
    check::{Answer, Checks, Stop},
    request::{Pairs, decode},
    world::World,
};

pub(crate) fn run(case: &Case) -> Answer {
    let expected_state = case.text("expected_state");
    let checks = Checks::of(case);
    let world = World::new();
    let mut server = server(case)?;
    if expected_state.is_none() {
        let without = r#"{ "name": "without a state", "authorize": { "state": "off" } }"#;
        server = server.with_profile(&ProviderProfile::from_json(without)?)?;
    }
    let redirect_uri = case.text("redirect_uri").expect("a redirect URI");
    let client = ClientMetadata::new("client")?.with_redirect_uri(redirect_uri)?;
    let mut request = AuthorizationRequest::new(&server, &client)?;
    match case.text("response_mode") {
        None | Some("query") => {}
        Some("fragment") if case.expected.contains_key("id_token") => {
            request = request.with_response_type(ResponseType::CodeIdToken)?;
        }
        Some("fragment") => request = request.with_response_mode(ResponseMode::Fragment)?,
        Some(other) => panic!("{other} is no known response mode"),
    }
    let (url, pending) = request.start(&world.env())?;
    let callback = case.text("url").expect("a URL");
    let callback = match expected_state {
        Some(expected) => exchange_state(callback, expected, &parameter(url.as_str(), "state")),
        None => callback.to_owned(),
    };

    let expects_error = case.expected.contains_key("error");
    match pending.receive(callback.as_str()) {
        Ok(received) => {
            // It is exposed to nobody before it is verified.
            checks.holds("id_token", |_| received.response_type().has_id_token());
            let grant = AuthorizationCodeGrant::new(&server, received)?;
            let request = world.first_request(Call::anonymous(grant))?;
            checks.same("code", value(&decode(&String::from_utf8_lossy(request.body())), "code"));
        }
        Err(error) if expects_error => compare_error(&checks, &error),
        Err(error) => return Err(error.into()),
    }
    checks.done()
}

fn compare_error(checks: &Checks<'_>, error: &Error) {
    let response = error.response();
    checks.same("error", response.map(|response| response.code().as_str()));
    checks.same("error_description", response.and_then(|response| response.description()));
    checks.same("error_uri", response.and_then(|response| response.uri()));
}

fn server(case: &Case) -> Result<ServerMetadata, Stop> {
    let server = ServerMetadata::new(Issuer::parse(case.text("issuer").expect("an issuer"))?)
        .with_authorization_endpoint("https://as.example/authorize")?
        .with_token_endpoint("https://as.example/token")?;
    let names_itself = case.input.get("iss_supported") == Some(&Value::Bool(true));
    Ok(if names_itself { server.with_issuer_in_responses() } else { server })
}

/// Begins a sign-in and receives this code, as a browser would bring it back.
pub(crate) fn sign_in(
    world: &World,
    request: &AuthorizationRequest,
    redirect_uri: &str,
    code: &str,
) -> Result<valetkey_proto::oauth2::authorization::AuthorizationResponse, Stop> {
    let (url, pending): (_, PendingAuthorization) = request.start(&world.env())?;
    let state = parameter(url.as_str(), "state");
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let query = format!("code={}&state={}", encode(code), encode(&state));
    let joint = if redirect_uri.contains('?') { '&' } else { '?' };
    Ok(pending.receive(format!("{redirect_uri}{joint}{query}"))?)
}

/// A parameter of the query of a URL.
pub(crate) fn parameter(url: &str, name: &str) -> String {
    value(&decode(url.split_once('?').map_or("", |(_, query)| query)), name)
}

fn value(pairs: &Pairs, name: &str) -> String {
    pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()).unwrap_or_default()
}

/// Puts the real state in place of the expected one in every `state` parameter of query and fragment.
fn exchange_state(url: &str, expected: &str, real: &str) -> String {
    url.split_inclusive(['?', '&', '#'])
        .map(|piece| {
            let end = piece.trim_end_matches(['?', '&', '#']).len();
            let (assignment, joint) = piece.split_at(end);
            match assignment.split_once('=') {
                Some((name, _)) if decode(assignment).first().is_some_and(|(name, _)| name == "state") => {
                    let value = exchange_text(&decode(assignment).remove(0).1, expected, real);
                    let value: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
                    format!("{name}={value}{joint}")
                }
                _ => piece.to_owned(),
            }
        })
        .collect()
}

fn exchange_text(value: &str, expected: &str, real: &str) -> String {
    let variants: [fn(&str) -> String; 3] = [str::to_owned, str::to_uppercase, str::to_lowercase];
    let variant = variants.iter().find(|variant| value.contains(&variant(expected)));
    match variant {
        Some(variant) if !expected.is_empty() => value.replace(&variant(expected), &variant(real)),
        _ => value.to_owned(),
    }
}
