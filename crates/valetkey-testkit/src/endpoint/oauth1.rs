//! The endpoints of OAuth 1.0a (RFC 5849 §2) and its protected resource.

mod authorize;

use std::time::SystemTime;

use http::{
    HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use serde_json::json;

pub(super) use authorize::{answer as authorize, decide};

use crate::{
    message::{Answer, Asked, Params},
    oauth1::{Caller, Confirmation, Decision, Purpose, Refusal, Token, verify},
    state::State,
};

/// An answer, or the refusal in the dialect that is set.
pub(super) fn answered(
    state: &mut State,
    asked: Asked<'_>,
    act: impl FnOnce(&mut State, Asked<'_>) -> Result<Answer, Refusal>,
) -> Answer {
    act(state, asked).unwrap_or_else(|refusal| refusal.answer(&state.settings))
}

/// Temporary credentials (RFC 5849 §2.1).
pub(super) fn temporary(state: &mut State, asked: Asked<'_>) -> Result<Answer, Refusal> {
    let caller = verify(state, asked, Purpose::Temporary)?;
    let rules = &state.settings.oauth1;
    let callback = match caller.param("oauth_callback") {
        // Before revision A, the callback came with the user.
        None if !rules.verifier => None,
        None => return Err(Refusal::absent("oauth_callback")),
        Some(callback) => {
            let client = rules.find(&caller.client);
            if client.is_none_or(|client| !client.allows_callback(callback)) {
                return Err(Refusal::rejected("oauth_callback is not registered for this client"));
            }
            Some(callback.to_owned())
        }
    };
    let confirmation = rules.confirmation;
    let (token, secret) = state.oauth1.add_temporary(&state.random, &caller.client, callback, asked.now);
    let mut pairs = vec![("oauth_token", token), ("oauth_token_secret", secret)];
    match confirmation {
        Confirmation::True => pairs.push(("oauth_callback_confirmed", String::from("true"))),
        Confirmation::Capitalised => pairs.push(("oauth_callback_confirmed", String::from("True"))),
        Confirmation::LeftOut => {}
    }
    Ok(credentials(state, &pairs))
}

/// Token credentials (RFC 5849 §2.3): for a verifier, a session handle or a password.
pub(super) fn token(state: &mut State, asked: Asked<'_>) -> Result<Answer, Refusal> {
    let caller = verify(state, asked, Purpose::Token)?;
    let user = match (caller.token.as_deref(), caller.param("oauth_session_handle")) {
        (Some(token), Some(handle)) => renewed(state, token, handle)?,
        (Some(token), None) => approved(state, token, caller.param("oauth_verifier"))?,
        (None, _) => by_password(state, &caller)?,
    };
    Ok(issue(state, caller.client, user, asked.now))
}

/// The user who approved. Temporary credentials are good for one attempt.
fn approved(state: &mut State, token: &str, verifier: Option<&str>) -> Result<String, Refusal> {
    let decision = state.oauth1.spend_temporary(token).map(|temporary| temporary.decision);
    match decision {
        Some(Decision::Approved { user, verifier: None }) => Ok(user),
        Some(Decision::Approved { verifier: Some(_), .. }) if verifier.is_none() => {
            Err(Refusal::absent("oauth_verifier"))
        }
        Some(Decision::Approved { user, verifier: known }) if known.as_deref() == verifier => Ok(user),
        Some(Decision::Approved { .. }) => {
            Err(Refusal::unauthorized("verifier_invalid", "the verifier is wrong"))
        }
        Some(Decision::Refused) => Err(Refusal::unauthorized("permission_denied", "the user refused")),
        Some(Decision::Open) | None => {
            Err(Refusal::unauthorized("permission_unknown", "the user was not asked"))
        }
    }
}

/// The user of a session; its token ends with the renewal.
fn renewed(state: &mut State, text: &str, handle: &str) -> Result<String, Refusal> {
    let token = state.oauth1.token(text).filter(|token| token.session.as_deref() == Some(handle));
    let user = token.map(|token| token.user.clone());
    let user =
        user.ok_or_else(|| Refusal::unauthorized("token_rejected", "the session handle is another token's"))?;
    state.oauth1.revoke_token(text);
    Ok(user)
}

/// The user of a name and password (xAuth).
fn by_password(state: &State, caller: &Caller) -> Result<String, Refusal> {
    let [mode, user, password] =
        ["x_auth_mode", "x_auth_username", "x_auth_password"].map(|name| caller.param(name));
    if mode != Some("client_auth") {
        return Err(Refusal::rejected("x_auth_mode is not client_auth"));
    }
    let mut known = state.settings.oauth1.passwords.iter();
    let known = known.find(|(name, secret)| user == Some(name) && password == Some(secret));
    let refuse = || Refusal::unauthorized("permission_denied", "the name or the password is wrong");
    known.map(|(user, _)| user.clone()).ok_or_else(refuse)
}

fn issue(state: &mut State, client: String, user: String, now: SystemTime) -> Answer {
    let (secret, lifetime) = (state.random.text(), state.settings.oauth1.session);
    let session = lifetime.map(|_| format!("ses-{}", state.random.text()));
    let expires = lifetime.map(|lifetime| now + lifetime);
    let token =
        Token { client, secret: secret.clone(), user, expires, session: session.clone(), revoked: false };
    let token = state.oauth1.add_token(&state.random, token);
    let mut pairs = vec![("oauth_token", token), ("oauth_token_secret", secret)];
    if let Some((lifetime, session)) = lifetime.zip(session) {
        pairs.push(("oauth_expires_in", lifetime.as_secs().to_string()));
        pairs.push(("oauth_session_handle", session));
    }
    credentials(state, &pairs)
}

/// Credentials as a form (RFC 5849 §2.1, §2.3).
fn credentials(state: &State, pairs: &[(&str, String)]) -> Answer {
    let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    Answer { body: form.into(), ..Answer::empty(StatusCode::OK) }
        .with(CONTENT_TYPE, state.settings.oauth1.media_type.as_str())
        .with(CACHE_CONTROL, HeaderValue::from_static("no-store"))
}

/// The protected resource: it says what it saw.
pub(super) fn api(state: &mut State, asked: Asked<'_>) -> Result<Answer, Refusal> {
    let caller = verify(state, asked, Purpose::Resource)?;
    let token = caller.token.as_deref().and_then(|token| state.oauth1.token(token));
    let (_, path) = asked.path.rsplit_once("/oauth1/api").unwrap_or_default();
    let form = asked.form().unwrap_or_default();
    let body = json!({
        "user": token.map(|token| token.user.as_str()),
        "method": asked.method.as_str(),
        "path": path.trim_start_matches('/'),
        "args": Params::parse(asked.query.as_bytes()).0,
        "form": form.0,
        "raw": asked.body.len(),
    });
    Ok(Answer::json(StatusCode::OK, &body))
}
