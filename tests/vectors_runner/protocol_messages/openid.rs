//! Registration, logout, and finding the server of a user.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use valetkey_http::Response;
use valetkey_proto::{
    Call,
    crypto::SignatureAlgorithm,
    jose::{Jwk, jws::Unverified},
    oauth2::{
        client::ClientId,
        endpoint::registration::{RegistrationMetadata, RegistrationRequest},
        server::{Issuer, ServerMetadata},
        token::TokenRecord,
    },
    oidc::{
        IdToken, UserInfoRequest,
        logout::LogoutRequest,
        webfinger::{Identifier, WebFingerRequest},
    },
    secret::AccessToken,
};

use super::super::{
    authorization_response::parameter,
    case::Case,
    check::{Answer, Checks, Stop},
    request::{Pairs, compare, decode, pairs, same_pairs},
    world::{World, response},
};

/// A server with this endpoint.
pub(super) fn server_with(name: &str, endpoint: &str) -> Result<ServerMetadata, Stop> {
    let issuer = Issuer::parse("https://as.example")?;
    let document = json!({ "issuer": issuer.as_str(), name: endpoint }).to_string();
    Ok(ServerMetadata::parse(&issuer, &document.into())?)
}

fn registration(case: &Case) -> Result<RegistrationRequest, Stop> {
    let endpoint = case.text("endpoint").unwrap_or("https://as.example/register");
    let mut metadata = RegistrationMetadata::new();
    for (name, value) in case.input.get("metadata").and_then(Value::as_object).into_iter().flatten() {
        metadata = metadata.with_json(name, &value.to_string())?;
    }
    let request = RegistrationRequest::new(&server_with("registration_endpoint", endpoint)?, metadata)?;
    let Some(token) = case.text("initial_access_token") else { return Ok(request) };
    let token = AccessToken::bearer(token).ok_or_else(|| Stop::refused("this token cannot be sent"))?;
    Ok(request.with_initial_access_token(token))
}

/// A user who signed in, as a record has one.
fn user() -> Result<IdToken, Stop> {
    let encode = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let claims = json!({ "iss": "https://as.example", "sub": "1", "aud": "client", "iat": 1, "exp": 2 });
    let id_token = format!("{}.{}.c2ln", encode(json!({ "alg": "RS256" })), encode(claims));
    let record = json!({ "v": "1", "issuer": "https://as.example", "client_id": "client", "generation": 0,
        "access_token": "at", "issued_at": 0, "id_token": id_token });
    let record = TokenRecord::parse(&record.to_string())?;
    Ok(record.tokens().id_token().expect("a user").clone())
}

pub(super) fn user_info(case: &Case) -> Answer {
    let server = server_with("userinfo_endpoint", "https://as.example/me")?;
    let call = Call::anonymous(UserInfoRequest::new(&server, &user()?)?);
    let said = World::new().play(call, &answer(case))?;
    let checks = Checks::of(case);
    checks.same("sub", said.claims().get::<String>("sub"));
    checks.done()
}

pub(super) fn registration_request(case: &Case) -> Answer {
    let checks = Checks::of(case);
    let request = World::new().first_request(Call::anonymous(registration(case)?))?;
    compare(&checks, &request, &[]);
    checks.holds("json", |expected| {
        let mut sent: Value = serde_json::from_slice(request.body()).expect("JSON");
        // The flow says what it is, asked or not.
        if expected.get("application_type").is_none() {
            sent.as_object_mut().expect("an object").remove("application_type");
        }
        sent == *expected
    });
    checks.done()
}

pub(super) fn registration_response(case: &Case) -> Answer {
    let checks = Checks::of(case);
    let outcome = World::new().play(Call::anonymous(registration(case)?), &answer(case));
    match (outcome, checks.expected("error")) {
        (Err(error), Some(expected)) => {
            let code = error.response().map(|response| response.code().as_str().to_owned());
            if code.as_deref() != expected.as_str() {
                checks.wrong(format!("the error is {code:?}, not {expected}"));
            }
        }
        (Err(error), None) => return Err(error.into()),
        (Ok(_), Some(_)) => checks.wrong("it is taken for a success"),
        (Ok(registration), None) => {
            checks.same("client_id", registration.id().as_str());
            checks.holds("client_secret_expires", |expected| {
                (*expected == "never") == registration.secret_expires_at().is_none()
            });
        }
    }
    checks.done()
}

pub(super) fn webfinger(case: &Case) -> Answer {
    let checks = Checks::of(case);
    let document: Value = serde_json::from_str(case.text("body").expect("a body")).unwrap_or_default();
    let identifier = Identifier::parse(document["subject"].as_str().unwrap_or("acct:joe@example.com"))?;
    let call = Call::anonymous(WebFingerRequest::new(&identifier, Identifier::has_public_name)?);
    let issuer = World::new().play(call, &answer(case))?;
    checks.same("issuer", issuer.as_str());
    checks.done()
}

pub(super) fn end_session(case: &Case) -> Answer {
    let checks = Checks::of(case);
    let endpoint = case.text("endpoint").expect("an endpoint");
    let client = ClientId::parse(case.text("client_id").expect("a client"))?;
    let mut request = LogoutRequest::new(&server_with("end_session_endpoint", endpoint)?, &client)?;
    if let Some(hint) = case.text("id_token_hint") {
        request = request.with_id_token_hint(hint);
    }
    if let Some(uri) = case.text("post_logout_redirect_uri") {
        request = request.with_redirect_uri(uri)?;
    }
    let (url, _) = request.start(&World::new().env())?;
    // The state is made by the flow: that of the case stands for the real one.
    let real = |(name, value): (String, String)| match name.as_str() {
        "state" => (name, parameter(url.as_str(), "state")),
        _ => (name, value),
    };
    let expected: Pairs = checks.expected("params").map(pairs).unwrap_or_default();
    let (base, query) = url.as_str().split_once('?').unwrap_or_default();
    if base != endpoint {
        checks.wrong("the URL is another endpoint's");
    }
    same_pairs(&checks, "the query", decode(query), expected.into_iter().map(real).collect());
    checks.done()
}

/// A request object of old, without a type: its signature, and what it says.
pub(super) fn request_object(case: &Case) -> Answer {
    let checks = Checks::of(case);
    let jwk = Jwk::parse(&case.input["jwk"].to_string())?;
    let key = jwk.verifying_key(SignatureAlgorithm::Rs256, &World::new().crypto)?;
    let jws = Unverified::parse(case.text("request").expect("an object"))?.verify(&key.into())?;
    let claims: Value = serde_json::from_slice(jws.payload()).expect("claims");
    checks.same("claims", claims);
    checks.done()
}

pub(super) fn answer(case: &Case) -> Response {
    let status = case.input["status"].as_u64().and_then(|status| u16::try_from(status).ok());
    let headers = case.input.get("headers").and_then(Value::as_object).into_iter().flatten();
    let headers = headers.map(|(name, value)| (name.as_str(), value.as_str().expect("a field value")));
    response(status.expect("a status"), headers, case.text("body").unwrap_or_default().to_owned())
}
