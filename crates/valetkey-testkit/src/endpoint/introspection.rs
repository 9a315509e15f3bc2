//! The introspection endpoint (RFC 7662), which signs its answer for who asks so (RFC 9701).

use std::time::SystemTime;

use http::{
    StatusCode,
    header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE},
};
use serde_json::{Value, json};

use super::client_auth::authenticate;
use crate::{
    message::{Answer, Asked, Refusal},
    openid::{seconds, sign},
    state::State,
};

const JWT: &str = "application/token-introspection+jwt";

pub(super) fn answer(state: &mut State, asked: Asked<'_>) -> Result<Answer, Refusal> {
    let form = asked.form()?;
    if form.duplicate().is_some() {
        return Err(Refusal::request("a parameter occurs twice"));
    }
    let client = authenticate(state, asked, &form)?;
    if state.settings.client(&client).is_none_or(|client| !client.is_confidential()) {
        // Whoever has found tokens must not learn which are good (RFC 7662 §4).
        return Err(Refusal::new("invalid_client", "a public client may not ask"));
    }
    let said = say(state, form.need("token")?, asked.now);
    let wants_jwt = asked.headers.get(ACCEPT).is_some_and(|accept| accept == JWT);
    if !wants_jwt || state.settings.openid.is_none() {
        return Ok(Answer::json(StatusCode::OK, &said).with(CACHE_CONTROL, "no-store"));
    }
    let claims = json!({
        "iss": state.settings.issuer.text,
        "aud": client,
        "iat": seconds(asked.now),
        "token_introspection": said,
    });
    let jwt = sign(state, state.settings.algorithm(), &client, Some("token-introspection+jwt"), &claims);
    let answer = Answer { body: jwt.into(), ..Answer::empty(StatusCode::OK) };
    Ok(answer.with(CONTENT_TYPE, JWT).with(CACHE_CONTROL, "no-store"))
}

/// What there is to say of a token; of one that is not good it is that alone (RFC 7662 §2.2).
fn say(state: &State, token: &str, now: SystemTime) -> Value {
    let access = state.access(token, now).map(|known| (known.grant, &known.scope, known.expires, &known.key));
    let refresh = state.refresh(token).filter(|known| known.spent.is_none() && now < known.expires);
    let refresh = refresh.filter(|known| !state.grant(known.grant).revoked);
    let refresh =
        refresh.map(|known| (known.grant, &state.grant(known.grant).scope, known.expires, &known.key));
    let Some((grant, scope, expires, key)) = access.or(refresh) else { return json!({ "active": false }) };
    let grant = state.grant(grant);
    let mut said = json!({
        "active": true,
        "client_id": grant.client,
        "scope": scope,
        "exp": seconds(expires),
        "iss": state.settings.issuer.text,
        "sub": grant.user.as_deref().unwrap_or(&grant.client),
    });
    if access.is_some() {
        said["token_type"] = if key.is_some() { "DPoP" } else { "Bearer" }.into();
    }
    if let Some(targets) = state.targets_of_access(token) {
        targets.introspected(&mut said);
    }
    if let Some(user) = &grant.user {
        said["username"] = user.clone().into();
    }
    if let Some(key) = key {
        // RFC 9449 §6.2.
        said["cnf"] = json!({ "jkt": key });
    }
    said
}
