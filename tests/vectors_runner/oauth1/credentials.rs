//! RFC 5849 §2: answers and callbacks in, credentials and verifiers out.

use std::sync::Arc;

use serde_json::{Map, Value};
use valetkey_http::Response;
use valetkey_proto::{
    Call, Error, Party,
    endpoint::{Endpoint, RedirectUri},
    oauth1::{
        AuthorizationRequest, AuthorizationResponse, Problem, Signer, TemporaryCredentials,
        TemporaryCredentialsRequest, TokenCredentials, TokenCredentialsRequest, Verifier,
    },
};

use super::{
    super::{
        case::Case,
        check::{Answer, Checks, Stop},
        request::decode,
        world::{World, response},
    },
    plain_signer,
};

pub(crate) fn credentials_response(case: &Case) -> Answer {
    let checks = Checks::of(case);
    match case.text("step") {
        Some("temporary") => {
            let credentials = temporary(&answer(case), "https://client.example/cb")?;
            checks.same("oauth_token", credentials.identifier().expose());
            checks.same("oauth_token_secret", credentials.shared_secret().expose());
            // There are none that were not confirmed.
            checks.same("callback_confirmed", true);
        }
        Some("token") => match token(&answer(case)) {
            Ok(credentials) => compare(&checks, &credentials),
            Err(error) if case.text("op") == Some("error") => compare_problem(&checks, &error, &answer(case)),
            Err(error) => return Err(error.into()),
        },
        Some("callback") => {
            // Callbacks are `https` here; what they say does not depend on it.
            let url = case.text("url").expect("a URL").replacen("http:", "https:", 1);
            let token = case.text("temporary_token").expect("a token");
            let answer =
                form(&format!("oauth_token={token}&oauth_token_secret=s&oauth_callback_confirmed=true"));
            let pending = temporary(&answer, url.split('?').next().expect("a page"))?;
            let (_, pending) = AuthorizationRequest::new(endpoint()?).start(pending);
            let received = pending.receive(url)?;
            let sent = World::new().first_request(Call::new(request(received)?, party()?))?;
            let header = sent.headers()["authorization"].to_str().expect("ASCII");
            let header = valetkey_proto::oauth1::Authorization::parse(header)?;
            for name in ["oauth_token", "oauth_verifier"] {
                checks.same(name, header.get(name));
            }
        }
        other => return Err(Stop::unanswered(other.unwrap_or_default())),
    }
    checks.done()
}

fn compare(checks: &Checks<'_>, credentials: &TokenCredentials) {
    checks.same("oauth_token", credentials.identifier().expose());
    checks.same("oauth_token_secret", credentials.shared_secret().expose());
    for (name, expected) in checks.expected("extra").and_then(Value::as_object).into_iter().flatten() {
        if credentials.extra(name).map(|value| value.expose()) != expected.as_str() {
            checks.wrong(format!("{name} is not {expected}"));
        }
    }
}

fn compare_problem(checks: &Checks<'_>, error: &Error, answer: &Response) {
    checks.same("problem", error.response().map(|response| response.code().as_str()));
    let problem = Problem::of(answer).expect("a problem");
    checks.holds("params", |expected| {
        let expected: &Map<String, Value> = expected.as_object().expect("parameters");
        let body = String::from_utf8_lossy(answer.body()).into_owned();
        decode(&body).len() == expected.len() + 1
            && expected.iter().all(|(name, value)| problem.parameter(name) == value.as_str())
    });
}

fn temporary(answer: &Response, redirect_uri: &str) -> Result<TemporaryCredentials, Stop> {
    let request = TemporaryCredentialsRequest::new(endpoint()?, RedirectUri::parse(redirect_uri)?);
    Ok(World::new().play(Call::new(request, party()?), answer)?)
}

fn token(answer: &Response) -> Result<TokenCredentials, Error> {
    let asked = form("oauth_token=t&oauth_token_secret=s&oauth_callback_confirmed=true");
    let signer = plain_signer().map_err(|_| ()).expect("a client");
    let party = Arc::new(Party::oauth1(signer));
    let endpoint = Endpoint::parse("https://server.example/")?;
    let initiate = TemporaryCredentialsRequest::out_of_band(endpoint.clone());
    let temporary = World::new().play(Call::new(initiate, party.clone()), &asked)?;
    let (_, pending) = AuthorizationRequest::new(endpoint.clone()).start(temporary);
    let received = pending.receive_pin(Verifier::parse("473f82d3")?)?;
    World::new().play(Call::new(TokenCredentialsRequest::new(endpoint, received), party), answer)
}

fn request(received: AuthorizationResponse) -> Result<TokenCredentialsRequest, Stop> {
    Ok(TokenCredentialsRequest::new(endpoint()?, received))
}

fn endpoint() -> Result<Endpoint, Stop> {
    Ok(Endpoint::parse("https://server.example/")?)
}

fn party() -> Result<Arc<Party>, Stop> {
    let signer: Signer = plain_signer()?;
    Ok(Arc::new(Party::oauth1(signer)))
}

fn form(body: &str) -> Response {
    response(200, [("content-type", super::FORM)], body.to_owned())
}

fn answer(case: &Case) -> Response {
    let status = case.input["status"].as_u64().and_then(|status| u16::try_from(status).ok());
    let media_type = case.text("content_type").map(|media_type| ("content-type", media_type));
    response(status.expect("a status"), media_type, case.text("body").expect("a body").to_owned())
}
