//! The authorization endpoint (RFC 6749 §4.1.1, OpenID Connect Core §3), and what the user makes of it.

use std::time::SystemTime;

use http::{Method, StatusCode};

use super::{page, token::valid_scope};
use crate::{
    dpop::Dpop,
    grant::Grant,
    message::{Answer, Asked, Params, Post, Refusal},
    openid::{Bound, ResponseMode, ResponseType, Wish, id_token, resolve, subject},
    settings::{RegisteredClient, Settings},
    state::{Login, State},
    targets::Targets,
    user::Mind,
};

pub(super) fn answer(state: &mut State, asked: Asked<'_>) -> Answer {
    let posted = (asked.method == Method::POST).then(|| asked.form());
    let params = match posted {
        Some(Ok(form)) => form,
        Some(Err(_)) => return page::error(StatusCode::BAD_REQUEST, "the request was not posted as a form"),
        None => Params::parse(asked.query.as_bytes()),
    };
    let login = match resolved(state, &params).and_then(|params| check(&state.settings, &params)) {
        Ok(login) => login,
        Err(Refused::Page(why)) => return page::error(StatusCode::BAD_REQUEST, why),
        Err(Refused::Callback(back)) => return error(&state.settings, &back.0, back.1),
    };
    if login.openid.as_ref().is_some_and(|wish| wish.asks_for("none")) {
        return silently(state, &login, asked.now);
    }
    match state.settings.user.0.clone() {
        Mind::Approves(user) => approve(state, &login, &user, asked.now),
        Mind::Refuses => refuse(&state.settings, &login, "access_denied", "the user refused"),
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

/// No page may be shown: what is not settled is refused (Core §3.1.2.6).
fn silently(state: &mut State, login: &Login, now: SystemTime) -> Answer {
    let user = match &state.settings.user.0 {
        Mind::Approves(user) => Some(user.as_str()),
        Mind::Interactive => None,
        Mind::Refuses => {
            return refuse(&state.settings, login, "consent_required", "the user would have to be asked");
        }
    };
    let is_here = login.openid.as_ref().is_some_and(|wish| state.has_session(user, wish, now));
    let session = state.openid.session.as_ref().filter(|_| is_here);
    match session.map(|session| session.user.clone()) {
        Some(user) if is_hinted(&state.settings, login, &user) => approve(state, login, &user, now),
        Some(_) | None => refuse(&state.settings, login, "login_required", "the user would have to sign in"),
    }
}

/// Whether the user is the one of the ID token that the client had before.
fn is_hinted(settings: &Settings, login: &Login, user: &str) -> bool {
    let hint = login.openid.as_ref().and_then(|wish| wish.hint.as_deref());
    hint.is_none_or(|hint| hint == subject(settings, &login.client, user))
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
        _ => refuse(&state.settings, &login, "access_denied", "the user refused"),
    }
}

/// Issues what was asked for: by code, by the browser, or by both (Core §3.3.2.5).
fn approve(state: &mut State, login: &Login, user: &str, now: SystemTime) -> Answer {
    if !state.settings.users.iter().any(|known| known == user) {
        return page::error(StatusCode::BAD_REQUEST, "no such user");
    }
    let grant = state.add_grant(&login.client, Some(user), &login.scope);
    state.target_grant(grant, login.targets.clone());
    if let Some(wish) = &login.openid {
        state.sign_in(grant, wish, now);
    }
    let asked = login.response;
    let code = asked.has_code().then(|| state.add_code(grant, login, now));
    let token = asked.has_token().then(|| state.add_access(grant, &login.scope, None, now));
    let bound = Bound {
        code: code.as_deref(),
        access_token: token.as_deref(),
        is_alone: asked == ResponseType::IdToken,
        is_refreshed: false,
    };
    let id_token = asked.has_id_token().then(|| id_token(state, grant, bound, now)).flatten();
    let lifetime = state.settings.access_lifetime.as_secs().to_string();
    let mut params: Vec<(&str, &str)> = Vec::new();
    params.extend(code.as_deref().map(|code| ("code", code)));
    if let Some(token) = &token {
        params.extend([
            ("access_token", token.as_str()),
            ("token_type", "Bearer"),
            ("expires_in", &lifetime),
        ]);
    }
    params.extend(id_token.as_deref().map(|token| ("id_token", token)));
    callback(&state.settings, &Way::of(login), &params)
}

fn refuse(settings: &Settings, login: &Login, code: &'static str, why: &'static str) -> Answer {
    error(settings, &Way::of(login), Refusal::new(code, why))
}

/// RFC 6749 §4.1.2.1.
fn error(settings: &Settings, way: &Way, refusal: Refusal) -> Answer {
    callback(settings, way, &[("error", refusal.code), ("error_description", refusal.why)])
}

/// Sends the browser back; errors name the issuer too (RFC 9207 §2).
fn callback(settings: &Settings, way: &Way, params: &[(&str, &str)]) -> Answer {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let mut params: Vec<(String, String)> = params.iter().map(own).collect();
    params.extend(way.state.iter().map(|state| ("state".to_owned(), state.clone())));
    if settings.sends_iss {
        params.push(("iss".to_owned(), settings.issuer.text.clone()));
    }
    let joint = match way.mode {
        ResponseMode::FormPost => return page::form_post(Post { uri: way.uri.clone(), params }),
        ResponseMode::Fragment => '#',
        ResponseMode::Query if way.uri.contains('?') => '&',
        ResponseMode::Query => '?',
    };
    let params = form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
    Answer::see_other(&format!("{}{joint}{params}", way.uri))
}

/// How an answer gets to the client.
struct Way {
    uri: String,
    mode: ResponseMode,
    state: Option<String>,
}

impl Way {
    fn of(login: &Login) -> Self {
        Self { uri: login.redirect_uri.clone(), mode: login.mode, state: login.state.clone() }
    }
}

/// Why a request is not shown to the user.
enum Refused {
    /// There is no redirect URI that could be trusted with an answer.
    Page(&'static str),
    Callback(Box<(Way, Refusal)>),
}

/// The parameters, with those of a request object if there is one (Core §6).
fn resolved(state: &State, params: &Params) -> Result<Params, Refused> {
    if params.duplicate().is_some() {
        return Err(Refused::Page("a parameter occurs twice"));
    }
    if state.settings.openid.is_none() {
        return Ok(params.clone());
    }
    resolve(state, params).map_err(|refusal| match addressed(&state.settings, params) {
        Ok((_, way)) => Refused::Callback(Box::new((way, refusal))),
        Err(why) => Refused::Page(why),
    })
}

/// The client, and where it gets its answer.
fn addressed<'a>(
    settings: &'a Settings,
    params: &Params,
) -> Result<(&'a RegisteredClient, Way), &'static str> {
    let client = params.get("client_id").and_then(|id| settings.client(id));
    let client = client.ok_or("the client is unknown")?;
    let uri = params.get("redirect_uri").filter(|uri| client.allows_redirect(uri));
    let uri = uri.ok_or("redirect_uri is not registered for this client")?;
    let response = response_type(client, params).filter(|response| is_served(settings, *response));
    let asked = params.get("response_mode").filter(|_| settings.openid.is_some());
    let asked = asked.and_then(ResponseMode::parse);
    let mode = response.map_or(ResponseMode::Query, |response| {
        // Tokens do not go into a query (Multiple Response Types §5).
        match (response.default_mode(), asked) {
            (ResponseMode::Fragment, Some(ResponseMode::Query)) => ResponseMode::Fragment,
            (default, asked) => asked.unwrap_or(default),
        }
    });
    Ok((client, Way { uri: uri.to_owned(), mode, state: params.get("state").map(str::to_owned) }))
}

/// What is asked for; `token` only by a client that may (RFC 6749 §4.2).
fn response_type(client: &RegisteredClient, params: &Params) -> Option<ResponseType> {
    let text = params.get("response_type")?;
    let is_implicit = text == ResponseType::Token.name() && client.grants.contains(&Grant::Implicit);
    if is_implicit { Some(ResponseType::Token) } else { ResponseType::parse(text) }
}

fn is_served(settings: &Settings, response: ResponseType) -> bool {
    settings.openid.is_some() || matches!(response, ResponseType::Code | ResponseType::Token)
}

fn check(settings: &Settings, params: &Params) -> Result<Login, Refused> {
    let (client, way) = addressed(settings, params).map_err(Refused::Page)?;
    match wanted(settings, client, params) {
        Ok(login) => Ok(Login { mode: way.mode, ..login }),
        Err(refusal) => Err(Refused::Callback(Box::new((way, refusal)))),
    }
}

fn wanted(settings: &Settings, client: &RegisteredClient, params: &Params) -> Result<Login, Refusal> {
    let refuse = |code, why| Err(Refusal::new(code, why));
    let with_openid = settings.openid.is_some();
    let response = match params.get("response_type") {
        None => return refuse("invalid_request", "response_type is missing"),
        Some(_) => response_type(client, params).filter(|asked| is_served(settings, *asked)),
    };
    let Some(response) = response else {
        return refuse("unsupported_response_type", "the response type is not supported");
    };
    check_mode(with_openid, response, params.get("response_mode"))?;
    let scope = params.get("scope").unwrap_or("");
    if !valid_scope(scope) {
        return refuse("invalid_scope", "the scope is malformed");
    }
    let openid = with_openid && scope.split(' ').any(|scope| scope == "openid");
    let openid = openid.then(|| Wish::read(params).map_err(Refusal::request)).transpose()?;
    if response.has_id_token() && openid.as_ref().is_none_or(|wish| wish.nonce.is_none()) {
        // Core §3.2.2.1 and §3.3.2.11.
        return refuse("invalid_request", "an ID token needs the scope openid and a nonce");
    }
    // `plain` is what a missing method means, and it is not supported (RFC 7636 §4.3, RFC 9700 §2.1.1).
    let challenge = match (params.get("code_challenge"), params.get("code_challenge_method")) {
        (None, None) if client.is_confidential() || !response.has_code() => None,
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
        redirect_uri: params.get("redirect_uri").unwrap_or("").to_owned(),
        state: params.get("state").map(str::to_owned),
        scope: scope.to_owned(),
        challenge,
        key,
        response,
        mode: response.default_mode(),
        openid,
        targets: Targets::read(settings, params)?,
    })
}

fn check_mode(with_openid: bool, response: ResponseType, mode: Option<&str>) -> Result<(), Refusal> {
    let Some(name) = mode else { return Ok(()) };
    let why = match ResponseMode::parse(name) {
        Some(ResponseMode::Query) if response == ResponseType::Code => return Ok(()),
        Some(ResponseMode::Query) => "tokens do not go into a query",
        Some(_) if with_openid => return Ok(()),
        Some(_) => "response_mode must be query",
        None => "response_mode is not known",
    };
    Err(Refusal::request(why))
}

/// Whether this can be a digest of 32 bytes in base64url.
fn is_sha256(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}
