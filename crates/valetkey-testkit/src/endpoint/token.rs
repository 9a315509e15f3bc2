//! The token endpoint (RFC 6749 §3.2): codes, refresh tokens and clients that act for themselves.

use std::time::SystemTime;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{
    HeaderValue, StatusCode,
    header::{AUTHORIZATION, CACHE_CONTROL, PRAGMA},
};
use ring::digest::{SHA256, digest};
use serde_json::json;

use super::{
    client_auth::authenticate,
    device,
    grant::{self, Granted, Issued},
};
use crate::{
    assertion::check,
    dpop::{Dpop, Refused, Side, prove},
    jose::Jwt,
    message::{Answer, Asked, Params, Refusal},
    openid::{Bound, Wish, id_token},
    state::{GrantId, State},
    targets::Targets,
};

/// RFC 7523 §2.1.
pub(super) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

pub(super) fn answer(state: &mut State, asked: Asked<'_>) -> Result<Answer, Refusal> {
    let form = asked.form()?;
    if form.duplicate_but_for(grant::may_repeat(&form)).is_some() {
        return Err(Refusal::request("a parameter occurs twice"));
    }
    if form.get("grant_type") == Some(JWT_BEARER) {
        return jwt_bearer(state, asked, &form);
    }
    let client = authenticate(state, asked, &form)?;
    let targets = Targets::read(&state.settings, &form)?;
    let caller = Caller { client, key: key(state, asked)?, targets, now: asked.now };
    match form.need("grant_type")? {
        "authorization_code" => authorization_code(state, &caller, &form),
        "refresh_token" => refresh_token(state, &caller, &form),
        "client_credentials" => client_credentials(state, &caller, &form),
        device::DEVICE_CODE => device_code(state, &caller, &form),
        _ => registered(state, &caller, &form),
    }
}

/// A grant that is registered for this client.
fn registered(state: &mut State, caller: &Caller, form: &Params) -> Result<Answer, Refusal> {
    if !valid_scope(form.get("scope").unwrap_or("")) {
        return Err(Refusal::new("invalid_scope", "the scope is malformed"));
    }
    let granted = grant::granted(state, &caller.client, form, caller.now)?;
    let Granted { grant, scope, has_refresh_token, issued } = granted;
    if state.settings.openid.is_some() && scope.split(' ').any(|scope| scope == "openid") {
        state.sign_in(grant, &Wish::default(), caller.now);
    }
    let has_refresh_token = has_refresh_token && state.settings.issues_refresh_tokens;
    let refresh = has_refresh_token.then(|| state.add_refresh(grant, caller.key.as_deref(), caller.now));
    Ok(tokens(state, Issue { grant, scope: &scope, refresh, is_refreshed: false, issued }, caller))
}

/// Who asks for tokens.
struct Caller {
    client: String,
    /// The thumbprint of the key that was proved, which the token is bound to.
    key: Option<String>,
    targets: Targets,
    now: SystemTime,
}

/// The key that the tokens are for (RFC 9449 §5). Nothing is used up by a proof that is not taken.
fn key(state: &mut State, asked: Asked<'_>) -> Result<Option<String>, Refusal> {
    let dpop = state.settings.dpop;
    if dpop == Dpop::Off {
        return Ok(None);
    }
    let invalid = |why| Refusal::new("invalid_dpop_proof", why);
    match prove(state, asked, Side::Token, None) {
        Ok(None) if dpop == Dpop::Demanded => Err(invalid("the proof is missing")),
        Ok(key) => Ok(key),
        Err(Refused::Invalid(why)) => Err(invalid(why)),
        Err(Refused::Nonce(nonce)) => Err(Refusal {
            nonce: Some(nonce),
            ..Refusal::new("use_dpop_nonce", "the proof must have the nonce")
        }),
    }
}

/// RFC 6749 §4.1.3, RFC 7636 §4.6.
fn authorization_code(state: &mut State, caller: &Caller, form: &Params) -> Result<Answer, Refusal> {
    let (text, now) = (form.need("code")?, caller.now);
    // Presenting a code spends it, whatever comes of it.
    let code = state.spend_code(text, &caller.client).ok_or_else(|| Refusal::grant("the code is unknown"))?;
    if code.spent {
        // Somebody has it a second time: nobody keeps what came of it (RFC 6749 §4.1.2).
        state.revoke_grant(code.grant);
        return Err(Refusal::grant("the code was used before"));
    }
    if now >= code.expires || state.grant(code.grant).revoked {
        return Err(Refusal::grant("the code has expired"));
    }
    if form.get("redirect_uri") != Some(&code.redirect_uri) {
        return Err(Refusal::grant("redirect_uri is not that of the authorization request"));
    }
    if !proves(form.get("code_verifier"), code.challenge.as_deref()) {
        return Err(Refusal::grant("code_verifier does not match"));
    }
    if code.key.is_some() && code.key != caller.key {
        return Err(Refusal::grant("the code is bound to another key"));
    }
    let scope = state.grant(code.grant).scope.clone();
    let key = caller.key.as_deref();
    let refresh = state.settings.issues_refresh_tokens.then(|| state.add_refresh(code.grant, key, now));
    Ok(tokens(
        state,
        Issue { grant: code.grant, scope: &scope, refresh, is_refreshed: false, issued: None },
        caller,
    ))
}

/// RFC 8628 §3.4.
fn device_code(state: &mut State, caller: &Caller, form: &Params) -> Result<Answer, Refusal> {
    let grant = device::decided(state, &caller.client, form.need("device_code")?, caller.now)?;
    let scope = state.grant(grant).scope.clone();
    let key = caller.key.as_deref();
    let refresh = state.settings.issues_refresh_tokens.then(|| state.add_refresh(grant, key, caller.now));
    Ok(tokens(state, Issue { grant, scope: &scope, refresh, is_refreshed: false, issued: None }, caller))
}

/// A verifier without a challenge is refused too, against a downgrade (RFC 9700 §4.8.2).
fn proves(verifier: Option<&str>, challenge: Option<&str>) -> bool {
    match (verifier, challenge) {
        (None, None) => true,
        (Some(verifier), Some(challenge)) => {
            let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            (43..=128).contains(&verifier.len())
                && verifier.bytes().all(unreserved)
                && URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes())) == challenge
        }
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// RFC 6749 §6; rotation and reuse detection as in RFC 9700 §4.14.2.
fn refresh_token(state: &mut State, caller: &Caller, form: &Params) -> Result<Answer, Refusal> {
    let (text, now) = (form.need("refresh_token")?, caller.now);
    let known = state.refresh(text).filter(|known| state.grant(known.grant).client == caller.client).cloned();
    let known = known.ok_or_else(|| Refusal::grant("the refresh token is unknown"))?;
    let grace = state.settings.grace;
    if known.spent.is_some_and(|spent| now >= spent + grace) {
        state.revoke_grant(known.grant);
        return Err(Refusal::grant("the refresh token was used before"));
    }
    if now >= known.expires || state.grant(known.grant).revoked {
        return Err(Refusal::grant("the refresh token has expired or was revoked"));
    }
    if known.key.is_some() && known.key != caller.key {
        return Err(Refusal::grant("the refresh token is bound to another key"));
    }
    let granted = state.grant(known.grant).scope.clone();
    let scope = match form.get("scope") {
        None => granted,
        Some(asked) if narrows(asked, &granted) => asked.to_owned(),
        Some(_) => return Err(Refusal::new("invalid_scope", "more than was granted")),
    };
    // What is not granted uses nothing up.
    state.targets_of(known.grant, &caller.targets)?;
    let next = state.settings.rotates.then(|| {
        state.spend_refresh(text, now);
        state.add_refresh(known.grant, caller.key.as_deref(), now)
    });
    Ok(tokens(
        state,
        Issue { grant: known.grant, scope: &scope, refresh: next, is_refreshed: true, issued: None },
        caller,
    ))
}

fn narrows(asked: &str, granted: &str) -> bool {
    asked.split(' ').all(|scope| granted.split(' ').any(|known| known == scope))
}

/// RFC 6749 §4.4: for confidential clients, and without a refresh token.
fn client_credentials(state: &mut State, caller: &Caller, form: &Params) -> Result<Answer, Refusal> {
    if state.settings.client(&caller.client).is_none_or(|client| !client.is_confidential()) {
        return Err(Refusal::new("unauthorized_client", "a public client cannot act for itself"));
    }
    let scope = form.get("scope").unwrap_or("");
    if !valid_scope(scope) {
        return Err(Refusal::new("invalid_scope", "the scope is malformed"));
    }
    let grant = state.add_grant(&caller.client, None, scope);
    Ok(tokens(state, Issue::alone(grant, scope), caller))
}

/// RFC 7523 §2.1: without a refresh token, because the account can make another JWT at any time.
fn jwt_bearer(state: &mut State, asked: Asked<'_>, form: &Params) -> Result<Answer, Refusal> {
    // Whoever has a JWT need be no client, but must be who it says that it is (RFC 7523 §3.1).
    let says_who = ["client_id", "client_secret", "client_assertion", "client_assertion_type"];
    if asked.headers.contains_key(AUTHORIZATION) || says_who.iter().any(|name| form.get(name).is_some()) {
        authenticate(state, asked, form)?;
    }
    let key = key(state, asked)?;
    let jwt = Jwt::parse(form.need("assertion")?).ok_or_else(|| Refusal::grant("the assertion is no JWT"))?;
    let accounts = &state.settings.service_accounts;
    let account = jwt.text("iss").and_then(|name| accounts.iter().find(|account| account.name == name));
    let account = account.cloned().ok_or_else(|| Refusal::grant("the account is unknown"))?;
    check(state, &jwt, &account.name, &account.keys, asked.now).map_err(Refusal::grant)?;
    // It acts for itself, or for a user of this server.
    let user = match jwt.text("sub") {
        Some(subject) if subject == account.name => None,
        Some(subject) if state.settings.users.iter().any(|user| user == subject) => Some(subject),
        Some(_) | None => return Err(Refusal::grant("the subject is unknown")),
    };
    let scope = form.get("scope").or_else(|| jwt.text("scope")).unwrap_or("");
    if !valid_scope(scope) {
        return Err(Refusal::new("invalid_scope", "the scope is malformed"));
    }
    let grant = state.add_grant(&account.name, user, scope);
    let targets = Targets::read(&state.settings, form)?;
    let caller = Caller { client: account.name, key, targets, now: asked.now };
    Ok(tokens(state, Issue::alone(grant, scope), &caller))
}

/// RFC 6749 §3.3.
pub(super) fn valid_scope(scope: &str) -> bool {
    let valid = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    scope.is_empty() || scope.split(' ').all(|token| !token.is_empty() && token.bytes().all(valid))
}

/// What is to be issued.
struct Issue<'a> {
    grant: GrantId,
    scope: &'a str,
    refresh: Option<String>,
    is_refreshed: bool,
    /// What an exchange was asked for.
    issued: Option<Issued>,
}

impl<'a> Issue<'a> {
    /// An access token and nothing else.
    fn alone(grant: GrantId, scope: &'a str) -> Self {
        Self { grant, scope, refresh: None, is_refreshed: false, issued: None }
    }
}

/// RFC 6749 §5.1, OpenID Connect Core §3.1.3.3 and §12.2.
fn tokens(state: &mut State, issue: Issue<'_>, caller: &Caller) -> Answer {
    let Issue { grant, scope, refresh, is_refreshed, issued } = issue;
    let key = caller.key.as_deref();
    let targets = match state.targets_of(grant, &caller.targets) {
        Ok(targets) => targets,
        Err(refusal) => return refusal.into(),
    };
    let token = match issued {
        Some(Issued { is_access_token: false, .. }) => state.add_outside(grant),
        Some(_) | None => state.add_access(grant, scope, key, caller.now),
    };
    let bound = Bound { access_token: Some(&token), is_refreshed, ..Bound::default() };
    let is_openid = scope.split(' ').any(|scope| scope == "openid");
    let id_token = is_openid.then(|| id_token(state, grant, bound, caller.now)).flatten();
    let mut body = json!({
        "access_token": token,
        "token_type": if key.is_some() { "DPoP" } else { "Bearer" },
        "expires_in": state.settings.access_lifetime.as_secs(),
    });
    if !scope.is_empty() {
        body["scope"] = scope.into();
    }
    targets.say_in(&mut body);
    state.target_access(&token, targets);
    if let Some(issued) = issued {
        grant::say(&mut body, issued);
    }
    if let Some(refresh) = refresh {
        body["refresh_token"] = refresh.into();
    }
    if let Some(id_token) = id_token {
        body["id_token"] = id_token.into();
    }
    Answer::json(StatusCode::OK, &body)
        .with(CACHE_CONTROL, HeaderValue::from_static("no-store"))
        .with(PRAGMA, HeaderValue::from_static("no-cache"))
}
