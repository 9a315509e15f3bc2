//! The examples of the standards: what is sent, and what the answers mean.

use std::sync::Arc;

use http::Method;
use serde_json::Value;
use valetkey_http::Request;
use valetkey_proto::{
    Call, Party,
    crypto::{RemoteKey, SignatureAlgorithm, SigningKey},
    endpoint::Origin,
    oauth2::{
        ResourceIndicator,
        authorization::AuthorizationRequest,
        binding::Dpop,
        client::{ClientAuth, ClientMetadata},
        grant::{AuthorizationCodeGrant, ClientCredentialsGrant, RefreshTokenGrant},
        resource::{Placement, ResourceRequest},
        server::{Issuer, ServerMetadata},
    },
    secret::AccessToken,
};

mod device;
mod grants;
mod introspection;
mod openid;
mod revocation;

use super::{
    authorization_response::{parameter, sign_in},
    case::Case,
    check::{Answer, Checks, Stop},
    request::{Pairs, compare, decode, pairs, party, same_pairs},
    token_response,
    world::World,
};

const REDIRECT_URI: &str = "https://client.example/cb";

pub(crate) fn run(case: &Case) -> Answer {
    match (case.text("dir"), case.text("kind")) {
        (Some("authorization_url"), None) => authorization_url(case),
        (Some("request"), Some("authorization_code")) => code_request(case),
        (Some("request"), Some("refresh_token")) => refresh_request(case),
        (Some("request"), Some("client_credentials")) => client_credentials_request(case),
        (Some("request"), Some("password")) => grants::password(case),
        (Some("request"), Some("token_exchange")) => grants::exchange_request(case),
        (Some("response"), Some("token_exchange")) => grants::exchange_response(case),
        (Some("request"), Some("resource")) => resource_request(case),
        (Some("request"), Some("registration")) => openid::registration_request(case),
        (Some("response"), Some("registration")) => openid::registration_response(case),
        (Some("request"), Some("device_authorization")) => device::begin(case),
        (Some("request"), Some("device_code")) => device::poll(case),
        (Some("response"), Some("device_authorization")) => device::begun(case),
        (Some("sequence"), Some("device_poll")) => device::polled(case),
        (Some("request"), Some("revocation")) => revocation::request(case),
        (Some("response"), Some("revocation")) => revocation::response(case),
        (Some("response"), Some("introspection")) => introspection::response(case),
        (Some("response"), Some("userinfo")) => openid::user_info(case),
        (Some("response"), Some("webfinger")) => openid::webfinger(case),
        (Some("jar_verify"), None) => openid::request_object(case),
        (Some("authorization_url"), Some("end_session")) => openid::end_session(case),
        (Some("response"), Some("token" | "authorization_code" | "refresh_token" | "client_credentials")) => {
            token_response::run(case)
        }
        (dir, kind) => Err(Stop::unanswered(format!(
            "dir={} kind={}",
            dir.unwrap_or_default(),
            kind.unwrap_or_default()
        ))),
    }
}

/// What a flow adds to every authorization URL, asked or not.
const OWN: [&str; 5] = ["code_challenge", "code_challenge_method", "nonce", "redirect_uri", "state"];

fn authorization_url(case: &Case) -> Answer {
    let checks = Checks::of(case);
    let url = authorization_request(case)?.start(&World::new().env())?.0;
    let (base, query) = url.as_str().split_once('?').unwrap_or((url.as_str(), ""));
    let actual = decode(query);
    // State, nonce and challenge are made by the flow: those of the case stand for the real ones.
    let real = |(name, value): (String, String)| match name.as_str() {
        "state" | "nonce" | "code_challenge" if case.text(&name) == Some(&value) => {
            let value = parameter(url.as_str(), &name);
            (name, value)
        }
        _ => (name, value),
    };
    checks.same("url_base", base);
    if let Some(expected) = checks.expected("params") {
        let expected: Pairs = pairs(expected).into_iter().map(real).collect();
        let is_own = |name: &str| OWN.contains(&name) && !expected.iter().any(|(known, _)| known == name);
        let asked = actual.iter().filter(|(name, _)| !is_own(name)).cloned().collect();
        same_pairs(&checks, "the query", asked, expected);
    }
    for pair in checks.expected("params_include").map(pairs).unwrap_or_default().into_iter().map(real) {
        if !actual.contains(&pair) {
            checks.wrong(format!("the query lacks {}={}", pair.0, pair.1));
        }
    }
    checks.done()
}

fn authorization_request(case: &Case) -> Result<AuthorizationRequest, Stop> {
    let server = ServerMetadata::new(Issuer::parse("https://as.example")?)
        .with_authorization_endpoint(case.text("endpoint").expect("an endpoint"))?;
    let client = ClientMetadata::new(case.text("client_id").expect("a client id"))?
        .with_redirect_uri(case.text("redirect_uri").unwrap_or(REDIRECT_URI))?;
    let mut request = AuthorizationRequest::new(&server, &client)?;
    for (name, value) in &case.input {
        let values = texts(value);
        request = match name.as_str() {
            "dir" | "endpoint" | "client_id" | "redirect_uri" | "state" | "nonce" | "code_challenge" => {
                request
            }
            "response_type" if value == "code" => request,
            "code_challenge_method" if value == "S256" => request,
            "scope" => request.with_scope(&values.join(" "))?,
            "response_type" | "response_mode" | "code_challenge_method" | "request" | "request_uri" => {
                return Err(Stop::unanswered(name));
            }
            "dpop_jwk" => {
                // The public key is all that is needed; nothing is signed with it.
                let key = RemoteKey::new("elsewhere", SignatureAlgorithm::Rs256);
                let key = SigningKey::Remote(key.with_public_jwk(&value.to_string()));
                request.with_dpop(&Dpop::new(key, &World::new().crypto)?)?
            }
            // RFC 8707 §2: one parameter for each.
            "resource" => values.iter().try_fold(request, |request, value| {
                request.with_resource(ResourceIndicator::parse(value)?)
            })?,
            _ => request.with_parameter(name, &values.join(" "))?,
        };
    }
    Ok(request)
}

/// A value as the texts that it is made of.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(list) => list.iter().flat_map(texts).collect(),
        Value::Number(number) => vec![number.to_string()],
        other => vec![other.to_string()],
    }
}

fn code_request(case: &Case) -> Answer {
    let world = World::new();
    let server = server(case)?.with_authorization_endpoint("https://as.example/authorize")?;
    let redirect_uri = case.text("redirect_uri").unwrap_or(REDIRECT_URI);
    let client = ClientMetadata::new("client")?.with_redirect_uri(redirect_uri)?;
    let request = AuthorizationRequest::new(&server, &client)?;
    let received = sign_in(&world, &request, redirect_uri, case.text("code").expect("a code"))?;
    let mut grant = AuthorizationCodeGrant::new(&server, received)?;
    for (name, value) in more(case, &["code", "redirect_uri", "code_verifier"]) {
        grant = grant.with_parameter(&name, &value)?;
    }
    let request = world.first_request(Call::new(grant, client_of(case)?))?;
    // RFC 7636: a flow always sends a verifier, of its own making.
    check_request(case, &request, &["code_verifier"])
}

fn refresh_request(case: &Case) -> Answer {
    let refresh_token = case.text("refresh_token").expect("a refresh token");
    let mut grant = RefreshTokenGrant::new(&server(case)?, refresh_token.into())?;
    if let Some(scope) = case.input.get("scope") {
        grant = grant.with_scope(&texts(scope).join(" "))?;
    }
    for (name, value) in more(case, &["refresh_token", "scope"]) {
        grant = grant.with_parameter(&name, &value)?;
    }
    check_request(case, &World::new().first_request(Call::new(grant, client_of(case)?))?, &[])
}

fn client_credentials_request(case: &Case) -> Answer {
    // Whether there is a secret is all that the grant asks of the client.
    let client = ClientMetadata::new("client")?;
    let is_public = case.input.get("auth").and_then(|auth| auth[0].as_str()) == Some("none");
    let client = if is_public { client } else { client.with_auth(ClientAuth::secret_basic("secret")) };
    let mut grant = ClientCredentialsGrant::new(&server(case)?, &client)?;
    if let Some(scope) = case.input.get("scope") {
        grant = grant.with_scope(&texts(scope).join(" "))?;
    }
    for (name, value) in more(case, &["scope"]) {
        grant = grant.with_parameter(&name, &value)?;
    }
    check_request(case, &World::new().first_request(Call::new(grant, client_of(case)?))?, &[])
}

fn resource_request(case: &Case) -> Answer {
    if !matches!(case.text("token_type"), None | Some("Bearer")) {
        return Err(Stop::unanswered("tokens other than Bearer"));
    }
    let url = case.text("url").expect("a URL");
    let token = AccessToken::bearer(case.text("access_token").expect("a token"));
    let token = token.ok_or_else(|| Stop::refused("this token cannot be sent"))?;
    let method = Method::from_bytes(case.text("method").unwrap_or("GET").as_bytes()).expect("a method");
    let mut request = Request::default();
    *request.method_mut() = method;
    *request.uri_mut() = url.parse().map_err(Stop::refused)?;
    let party = Party::bearer(Issuer::parse("https://as.example")?, token, [Origin::parse(url)?].into());
    let party = match case.text("via") {
        None => party,
        Some("query") => party.with_placement(Arc::new(Placement::query("access_token")?)),
        Some(other) => return Err(Stop::unanswered(format!("a token in the {other}"))),
    };
    let call = Call::new(ResourceRequest::new(request), Arc::new(party));
    check_request(case, &World::new().first_request(call)?, &[])
}

fn check_request(case: &Case, request: &Request, own: &[&str]) -> Answer {
    let checks = Checks::of(case);
    compare(&checks, request, own);
    checks.done()
}

fn server(case: &Case) -> Result<ServerMetadata, Stop> {
    let endpoint = case.text("token_endpoint").or_else(|| case.text("endpoint"));
    let server = ServerMetadata::new(Issuer::parse("https://as.example")?);
    Ok(server.with_token_endpoint(endpoint.unwrap_or("https://as.example/token"))?)
}

/// The client that asks; nobody in particular if the case does not say.
fn client_of(case: &Case) -> Result<Arc<Party>, Stop> {
    match case.input.get("auth").map(texts).unwrap_or_default().as_slice() {
        [] => Ok(Arc::new(Party::anonymous())),
        [method, id] => party(method, id, ""),
        [method, id, secret, ..] => party(method, id, secret),
        [method] => Err(Stop::unanswered(format!("client authentication by {method}"))),
    }
}

/// The parameters beyond those that the grant itself knows.
fn more(case: &Case, known: &[&str]) -> Pairs {
    let envelope = ["dir", "kind", "auth", "endpoint", "token_endpoint", "client_id"];
    let others = case
        .input
        .iter()
        .filter(|(name, _)| !envelope.contains(&name.as_str()) && !known.contains(&name.as_str()));
    others.flat_map(|(name, value)| texts(value).into_iter().map(|text| (name.clone(), text))).collect()
}
