//! Protected resources: they want a bearer token, in the header alone (RFC 6750 §2.1).

use http::{
    HeaderValue, StatusCode,
    header::{AUTHORIZATION, WWW_AUTHENTICATE},
};
use serde_json::json;

use crate::{
    message::{Answer, Asked, Params},
    state::{Access, State},
};

/// Says whose token it is.
pub(super) fn me(state: &State, asked: Asked<'_>) -> Answer {
    guarded(state, asked, |access| {
        let grant = state.grant(access.grant);
        let subject = grant.user.as_deref().unwrap_or(&grant.client);
        let body = json!({ "sub": subject, "client_id": grant.client, "scope": access.scope });
        Answer::json(StatusCode::OK, &body)
    })
}

/// Wants the scope `admin`.
pub(super) fn admin(state: &State, asked: Asked<'_>) -> Answer {
    guarded(state, asked, |access| {
        if access.scope.split(' ').any(|scope| scope == "admin") {
            return Answer::json(StatusCode::OK, &json!({ "admin": true }));
        }
        let why = "Bearer realm=\"api\", error=\"insufficient_scope\", scope=\"admin\"";
        Challenge(StatusCode::FORBIDDEN, why).into()
    })
}

/// Repeats the request's method, query and body, so that a test sees what arrived.
pub(super) fn echo(state: &State, asked: Asked<'_>) -> Answer {
    guarded(state, asked, |_| {
        let body = String::from_utf8_lossy(asked.body);
        let body = json!({ "method": asked.method.as_str(), "query": asked.query, "body": body });
        Answer::json(StatusCode::OK, &body)
    })
}

fn guarded(state: &State, asked: Asked<'_>, act: impl FnOnce(&Access) -> Answer) -> Answer {
    bearer(state, asked).map_or_else(Answer::from, act)
}

/// The token that came with the request, or why there is none.
fn bearer<'a>(state: &'a State, asked: Asked<'_>) -> Result<&'a Access, Challenge> {
    let mut headers = asked.headers.get_all(AUTHORIZATION).iter();
    let Some(header) = headers.next() else { return Err(NO_TOKEN) };
    let in_query = Params::parse(asked.query.as_bytes()).get("access_token").is_some();
    if headers.next().is_some() || in_query {
        return Err(TWO_WAYS);
    }
    match header.to_str().ok().and_then(|text| text.split_once(' ')) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("Bearer") => {
            state.access(token, asked.now).ok_or(INVALID_TOKEN)
        }
        Some(_) | None => Err(NO_TOKEN),
    }
}

/// A status and the value of its `WWW-Authenticate` (RFC 6750 §3).
struct Challenge(StatusCode, &'static str);

/// No token at all, and so no error code (RFC 6750 §3.1).
const NO_TOKEN: Challenge = Challenge(StatusCode::UNAUTHORIZED, "Bearer realm=\"api\"");
const TWO_WAYS: Challenge =
    Challenge(StatusCode::BAD_REQUEST, "Bearer realm=\"api\", error=\"invalid_request\"");
const INVALID_TOKEN: Challenge = Challenge(
    StatusCode::UNAUTHORIZED,
    "Bearer realm=\"api\", error=\"invalid_token\", error_description=\"expired, revoked or unknown\"",
);

impl From<Challenge> for Answer {
    fn from(Challenge(status, text): Challenge) -> Self {
        Self::empty(status).with(WWW_AUTHENTICATE, HeaderValue::from_static(text))
    }
}
