//! The token endpoint (RFC 6749 §3.2): codes, refresh tokens and clients that act for themselves.

use std::time::SystemTime;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{
    HeaderValue, StatusCode,
    header::{AUTHORIZATION, CACHE_CONTROL, PRAGMA},
};
use ring::digest::{SHA256, digest};
use serde_json::json;

use super::client_auth::authenticate;
use crate::{
    assertion::check,
    jose::Jwt,
    message::{Answer, Asked, Params, Refusal},
    state::{GrantId, State},
};

/// RFC 7523 §2.1.
pub(super) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

pub(super) fn answer(state: &mut State, asked: Asked<'_>) -> Result<Answer, Refusal> {
    let form = asked.form()?;
    if form.duplicate().is_some() {
        return Err(Refusal::request("a parameter occurs twice"));
    }
    if form.get("grant_type") == Some(JWT_BEARER) {
        return jwt_bearer(state, asked, &form);
    }
    let client = authenticate(state, asked, &form)?;
    match form.need("grant_type")? {
        "authorization_code" => authorization_code(state, &client, &form, asked.now),
        "refresh_token" => refresh_token(state, &client, &form, asked.now),
        "client_credentials" => client_credentials(state, &client, &form, asked.now),
        _ => Err(Refusal::new("unsupported_grant_type", "the grant type is not supported")),
    }
}

/// RFC 6749 §4.1.3, RFC 7636 §4.6.
fn authorization_code(
    state: &mut State,
    client: &str,
    form: &Params,
    now: SystemTime,
) -> Result<Answer, Refusal> {
    let text = form.need("code")?;
    // Presenting a code spends it, whatever comes of it.
    let code = state.spend_code(text, client).ok_or_else(|| Refusal::grant("the code is unknown"))?;
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
    let scope = state.grant(code.grant).scope.clone();
    let refresh = state.settings.issues_refresh_tokens.then(|| state.add_refresh(code.grant, now));
    Ok(tokens(state, code.grant, &scope, refresh, now))
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
fn refresh_token(state: &mut State, client: &str, form: &Params, now: SystemTime) -> Result<Answer, Refusal> {
    let text = form.need("refresh_token")?;
    let known = state.refresh(text).filter(|known| state.grant(known.grant).client == client).cloned();
    let known = known.ok_or_else(|| Refusal::grant("the refresh token is unknown"))?;
    let grace = state.settings.grace;
    if known.spent.is_some_and(|spent| now >= spent + grace) {
        state.revoke_grant(known.grant);
        return Err(Refusal::grant("the refresh token was used before"));
    }
    if now >= known.expires || state.grant(known.grant).revoked {
        return Err(Refusal::grant("the refresh token has expired or was revoked"));
    }
    let granted = state.grant(known.grant).scope.clone();
    let scope = match form.get("scope") {
        None => granted,
        Some(asked) if narrows(asked, &granted) => asked.to_owned(),
        Some(_) => return Err(Refusal::new("invalid_scope", "more than was granted")),
    };
    let next = state.settings.rotates.then(|| {
        state.spend_refresh(text, now);
        state.add_refresh(known.grant, now)
    });
    Ok(tokens(state, known.grant, &scope, next, now))
}

fn narrows(asked: &str, granted: &str) -> bool {
    asked.split(' ').all(|scope| granted.split(' ').any(|known| known == scope))
}

/// RFC 6749 §4.4: for confidential clients, and without a refresh token.
fn client_credentials(
    state: &mut State,
    client: &str,
    form: &Params,
    now: SystemTime,
) -> Result<Answer, Refusal> {
    if state.settings.client(client).is_none_or(|client| !client.is_confidential()) {
        return Err(Refusal::new("unauthorized_client", "a public client cannot act for itself"));
    }
    let scope = form.get("scope").unwrap_or("");
    if !valid_scope(scope) {
        return Err(Refusal::new("invalid_scope", "the scope is malformed"));
    }
    let grant = state.add_grant(client, None, scope);
    Ok(tokens(state, grant, scope, None, now))
}

/// RFC 7523 §2.1: without a refresh token, because the account can make another JWT at any time.
fn jwt_bearer(state: &mut State, asked: Asked<'_>, form: &Params) -> Result<Answer, Refusal> {
    // Whoever has a JWT need be no client, but must be who it says that it is (RFC 7523 §3.1).
    let says_who = ["client_id", "client_secret", "client_assertion", "client_assertion_type"];
    if asked.headers.contains_key(AUTHORIZATION) || says_who.iter().any(|name| form.get(name).is_some()) {
        authenticate(state, asked, form)?;
    }
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
    Ok(tokens(state, grant, scope, None, asked.now))
}

/// RFC 6749 §3.3.
pub(super) fn valid_scope(scope: &str) -> bool {
    let valid = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    scope.is_empty() || scope.split(' ').all(|token| !token.is_empty() && token.bytes().all(valid))
}

/// RFC 6749 §5.1.
fn tokens(
    state: &mut State,
    grant: GrantId,
    scope: &str,
    refresh: Option<String>,
    now: SystemTime,
) -> Answer {
    let mut body = json!({
        "access_token": state.add_access(grant, scope, now),
        "token_type": "Bearer",
        "expires_in": state.settings.access_lifetime.as_secs(),
    });
    if !scope.is_empty() {
        body["scope"] = scope.into();
    }
    if let Some(refresh) = refresh {
        body["refresh_token"] = refresh.into();
    }
    Answer::json(StatusCode::OK, &body)
        .with(CACHE_CONTROL, HeaderValue::from_static("no-store"))
        .with(PRAGMA, HeaderValue::from_static("no-cache"))
}
