//! The endpoints that OpenID Connect adds.

mod logout;
mod registration;
mod user_info;
mod web_finger;

use http::{
    StatusCode,
    header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE},
};
use serde_json::json;

pub(super) use logout::answer as end_session;
pub(super) use registration::{manage, register};
pub(super) use user_info::answer as user_info;
pub(super) use web_finger::answer as web_finger;

use crate::{
    message::{Answer, Asked},
    openid::sign,
    state::State,
};

/// The keys of now (OpenID Connect Core §10.1.1).
pub(super) fn keys(state: &State) -> Answer {
    let algorithms = state.settings.openid.as_ref().map_or(&[][..], |openid| &openid.algorithms);
    Answer::json(StatusCode::OK, &state.openid.keyring.jwks(algorithms))
}

/// Distributed claims (Core §5.6.2.2): a JWT, for whoever has the token that `UserInfo` named.
pub(super) fn claims(state: &State, asked: Asked<'_>) -> Answer {
    let header = asked.headers.get(AUTHORIZATION).and_then(|header| header.to_str().ok());
    let token = header.and_then(|header| header.strip_prefix("Bearer "));
    match token.and_then(|token| state.openid.claim_tokens.get(token)) {
        Some(user) => jwt(credit(state, user)),
        None => Answer::empty(StatusCode::UNAUTHORIZED),
    }
}

/// What somebody else says of a user, signed.
fn credit(state: &State, user: &str) -> String {
    let claims = json!({ "iss": state.settings.issuer.text, "sub": user, "credit_score": 650 });
    sign(state, "RS256", "", None, &claims)
}

fn jwt(text: String) -> Answer {
    let answer = Answer { body: text.into(), ..Answer::empty(StatusCode::OK) };
    answer.with(CONTENT_TYPE, "application/jwt").with(CACHE_CONTROL, "no-store")
}

/// The bearer token in the header.
fn bearer<'a>(asked: &Asked<'a>) -> Option<&'a str> {
    asked.headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}
