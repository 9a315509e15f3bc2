//! The authorization endpoint (RFC 6749 §4.1.1), and what the user makes of it.

use std::time::SystemTime;

use http::StatusCode;

use super::{page, token::valid_scope};
use crate::{
    dpop::Dpop,
    message::{Answer, Asked, Params, Refusal},
    settings::Settings,
    state::{Login, State},
    user::Mind,
};

pub(super) fn answer(state: &mut State, asked: Asked<'_>) -> Answer {
    let params = Params::parse(asked.query.as_bytes());
    let login = match check(&state.settings, &params) {
        Ok(login) => login,
        Err(Refused::Page(why)) => return page::error(StatusCode::BAD_REQUEST, why),
        Err(Refused::Callback(redirect_uri, refusal)) => {
            return error(&state.settings, redirect_uri, params.get("state"), refusal);
        }
    };
    match state.settings.user.0.clone() {
        Mind::Approves(user) => approve(state, &login, &user, asked.now),
        Mind::Refuses => refuse(&state.settings, &login),
        Mind::Interactive => {
            let ticket = state.random.text();
            let shown = {
                let action = "/authorize/decision";
                let question = page::Question { client: &login.client, scope: &login.scope, action };
                page::consent(&state.settings, question, &ticket)
            };
            state.waiting.insert(ticket, login);
            shown
        }
    }
}

/// What a human answered on the consent page. A ticket is good for one answer.
pub(super) fn decide(state: &mut State, asked: Asked<'_>) -> Answer {
    let Ok(form) = asked.form() else {
        return page::error(StatusCode::BAD_REQUEST, "the decision was not posted as a form");
    };
    let Some(login) = form.get("ticket").and_then(|ticket| state.waiting.remove(ticket)) else {
        return page::error(StatusCode::BAD_REQUEST, "this page was answered before");
    };
    match (form.get("decision"), form.get("user")) {
        (Some("approve"), Some(user)) => approve(state, &login, user, asked.now),
        _ => refuse(&state.settings, &login),
    }
}

fn approve(state: &mut State, login: &Login, user: &str, now: SystemTime) -> Answer {
    if !state.settings.users.iter().any(|known| known == user) {
        return page::error(StatusCode::BAD_REQUEST, "no such user");
    }
    let code = state.add_code(user, login, now);
    callback(&state.settings, &login.redirect_uri, login.state.as_deref(), &[("code", &code)])
}

fn refuse(settings: &Settings, login: &Login) -> Answer {
    let refusal = Refusal::new("access_denied", "the user refused");
    error(settings, &login.redirect_uri, login.state.as_deref(), refusal)
}

/// RFC 6749 §4.1.2.1.
fn error(settings: &Settings, redirect_uri: &str, state: Option<&str>, refusal: Refusal) -> Answer {
    let params = [("error", refusal.code), ("error_description", refusal.why)];
    callback(settings, redirect_uri, state, &params)
}

/// Sends the browser back; errors name the issuer too (RFC 9207 §2).
fn callback(settings: &Settings, uri: &str, state: Option<&str>, params: &[(&str, &str)]) -> Answer {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(params);
    if let Some(state) = state {
        query.append_pair("state", state);
    }
    if settings.sends_iss {
        query.append_pair("iss", &settings.issuer.text);
    }
    let joint = if uri.contains('?') { '&' } else { '?' };
    Answer::see_other(&format!("{uri}{joint}{}", query.finish()))
}

/// Why a request is not shown to the user.
enum Refused<'a> {
    /// There is no redirect URI that could be trusted with an answer.
    Page(&'static str),
    Callback(&'a str, Refusal),
}

fn check<'a>(settings: &Settings, params: &'a Params) -> Result<Login, Refused<'a>> {
    if params.duplicate().is_some() {
        return Err(Refused::Page("a parameter occurs twice"));
    }
    let client = params.get("client_id").and_then(|id| settings.client(id));
    let client = client.ok_or(Refused::Page("the client is unknown"))?;
    let uri = params.get("redirect_uri").filter(|uri| client.allows_redirect(uri));
    let uri = uri.ok_or(Refused::Page("redirect_uri is not registered for this client"))?;
    let refuse = |code, why| Err(Refused::Callback(uri, Refusal::new(code, why)));
    match params.get("response_type") {
        Some("code") => {}
        None => return refuse("invalid_request", "response_type is missing"),
        Some(_) => return refuse("unsupported_response_type", "response_type must be code"),
    }
    if params.get("response_mode").is_some_and(|mode| mode != "query") {
        return refuse("invalid_request", "response_mode must be query");
    }
    let scope = params.get("scope").unwrap_or("");
    if !valid_scope(scope) {
        return refuse("invalid_scope", "the scope is malformed");
    }
    // `plain` is what a missing method means, and it is not supported (RFC 7636 §4.3, RFC 9700 §2.1.1).
    let challenge = match (params.get("code_challenge"), params.get("code_challenge_method")) {
        (None, None) if client.is_confidential() => None,
        (Some(challenge), Some("S256")) if is_sha256(challenge) => Some(challenge.to_owned()),
        (None, _) => return refuse("invalid_request", "code_challenge is missing"),
        (Some(_), _) => return refuse("invalid_request", "code_challenge_method must be S256"),
    };
    let key = params.get("dpop_jkt").filter(|_| settings.dpop != Dpop::Off).map(str::to_owned);
    if key.as_deref().is_some_and(|key| !is_sha256(key)) {
        return refuse("invalid_request", "dpop_jkt is no thumbprint");
    }
    Ok(Login {
        client: client.id.clone(),
        redirect_uri: uri.to_owned(),
        state: params.get("state").map(str::to_owned),
        scope: scope.to_owned(),
        challenge,
        key,
    })
}

/// Whether this can be a digest of 32 bytes in base64url.
fn is_sha256(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}
