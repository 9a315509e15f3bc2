//! Protected resources: they want a token in the header alone (RFC 6750 §2.1), and the key that it is bound to
//! (RFC 9449 §7).

use std::time::Duration;

use http::{
    StatusCode,
    header::{AUTHORIZATION, WWW_AUTHENTICATE},
};
use serde_json::json;

use super::protected_resource;
use crate::{
    dpop::{DPOP_NONCE, Dpop, Refused, Side, prove},
    jose::ASYMMETRIC,
    message::{Answer, Asked, Params},
    state::{Access, State},
};

/// Says whose token it is.
pub(super) fn me(state: &mut State, asked: Asked<'_>) -> Answer {
    guarded(state, asked, |state, access| {
        let grant = state.grant(access.grant);
        let subject = grant.user.as_deref().unwrap_or(&grant.client);
        let mut body = json!({ "sub": subject, "client_id": grant.client, "scope": access.scope });
        if let Some(actor) = &grant.actor {
            // RFC 8693 §4.1.
            body["act"] = json!({ "sub": actor });
        }
        Ok(Answer::json(StatusCode::OK, &body))
    })
}

/// Wants the scope `admin`.
pub(super) fn admin(state: &mut State, asked: Asked<'_>) -> Answer {
    guarded(state, asked, |_, access| {
        if access.scope.split(' ').any(|scope| scope == "admin") {
            return Ok(Answer::json(StatusCode::OK, &json!({ "admin": true })));
        }
        let why = "error=\"insufficient_scope\", scope=\"admin\"";
        Err(Challenge::new(StatusCode::FORBIDDEN, &[Scheme::of(access)], why))
    })
}

/// Wants what its query says: a `scope`, one of the classes `acr_values` of authentication, and one that is no older than
/// `max_age` seconds (RFC 9470 §3). With `always` it wants it whatever the token has.
pub(super) fn demanding(state: &mut State, asked: Asked<'_>) -> Answer {
    guarded(state, asked, |state, access| {
        let wanted = Params::parse(asked.query.as_bytes());
        let user = state.openid.sign_ins.get(&access.grant);
        let is_always = wanted.get("always").is_some();
        let has_acr = |values: &str| user.is_some_and(|user| values.split(' ').any(|acr| acr == user.acr));
        let is_recent = |seconds: &str| {
            let age = seconds.parse().map(Duration::from_secs).unwrap_or_default();
            user.is_some_and(|user| asked.now <= user.auth_time + age)
        };
        let has_scope =
            |scope: &str| scope.split(' ').all(|one| access.scope.split(' ').any(|had| had == one));
        let challenge = |status, error: &str| {
            let parts = ["scope", "acr_values", "max_age"].map(|name| {
                wanted.get(name).map_or_else(String::new, |value| format!(", {name}=\"{value}\""))
            });
            let why = format!("error=\"{error}\"{}", parts.concat());
            Err(Challenge::new(status, &[Scheme::of(access)], &why))
        };
        let is_weak = wanted.get("acr_values").is_some_and(|values| is_always || !has_acr(values))
            || wanted.get("max_age").is_some_and(|seconds| is_always || !is_recent(seconds));
        if is_weak {
            return challenge(StatusCode::UNAUTHORIZED, "insufficient_user_authentication");
        }
        if wanted.get("scope").is_some_and(|scope| is_always || !has_scope(scope)) {
            return challenge(StatusCode::FORBIDDEN, "insufficient_scope");
        }
        Ok(Answer::json(StatusCode::OK, &json!({ "scope": access.scope })))
    })
}

/// Repeats the request's method, query and body, so that a test sees what arrived.
pub(super) fn echo(state: &mut State, asked: Asked<'_>) -> Answer {
    guarded(state, asked, |_, _| {
        let body = String::from_utf8_lossy(asked.body);
        let body = json!({ "method": asked.method.as_str(), "query": asked.query, "body": body });
        Ok(Answer::json(StatusCode::OK, &body))
    })
}

fn guarded(
    state: &mut State,
    asked: Asked<'_>,
    act: impl FnOnce(&State, &Access) -> Result<Answer, Challenge>,
) -> Answer {
    let outcome = access(state, asked).and_then(|access| act(state, &access));
    let metadata = || protected_resource::url(&state.settings, asked.path);
    outcome.unwrap_or_else(|challenge| challenge.with_metadata(metadata()).into())
}

/// The token that came with the request, or why there is none.
pub(super) fn access(state: &mut State, asked: Asked<'_>) -> Result<Access, Challenge> {
    let schemes: &[Scheme] = match state.settings.dpop {
        Dpop::Off => &[Scheme::Bearer],
        Dpop::Offered => &[Scheme::Bearer, Scheme::Dpop],
        Dpop::Demanded => &[Scheme::Dpop],
    };
    // No token at all, and so no error code (RFC 6750 §3.1).
    let no_token = || Challenge::new(StatusCode::UNAUTHORIZED, schemes, "");
    let mut headers = asked.headers.get_all(AUTHORIZATION).iter();
    let header = headers.next().ok_or_else(no_token)?;
    let in_query = Params::parse(asked.query.as_bytes()).get("access_token").is_some();
    if headers.next().is_some() || in_query {
        return Err(Challenge::new(StatusCode::BAD_REQUEST, schemes, "error=\"invalid_request\""));
    }
    let (scheme, token) = header.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(no_token)?;
    let scheme =
        schemes.iter().find(|known| known.name().eq_ignore_ascii_case(scheme)).ok_or_else(no_token)?;
    access_by(state, asked, *scheme, token)
}

/// The token, once it is known to be good and to be presented as it must be.
pub(super) fn access_by(
    state: &mut State,
    asked: Asked<'_>,
    scheme: Scheme,
    token: &str,
) -> Result<Access, Challenge> {
    let access = state.access(token, asked.now).cloned();
    let access = access.ok_or_else(|| scheme.refusal(INVALID_TOKEN))?;
    let key = match scheme {
        Scheme::Bearer => None,
        Scheme::Dpop => Some(proved(state, asked, token)?),
    };
    // Nor is a token that is bound to a key a bearer token (RFC 9449 §7.2).
    if access.key == key { Ok(access) } else { Err(Scheme::Dpop.refusal(OF_ANOTHER_KEY)) }
}

/// The thumbprint of the key that was proved with a token (RFC 9449 §7.1).
fn proved(state: &mut State, asked: Asked<'_>, token: &str) -> Result<String, Challenge> {
    match prove(state, asked, Side::Api, Some(token)) {
        Ok(Some(key)) => Ok(key),
        Ok(None) => Err(Scheme::Dpop.refusal("error=\"invalid_dpop_proof\"")),
        Err(Refused::Invalid(why)) => {
            Err(Scheme::Dpop.refusal(&format!("error=\"invalid_dpop_proof\", error_description=\"{why}\"")))
        }
        Err(Refused::Nonce(nonce)) => {
            Err(Challenge { nonce: Some(nonce), ..Scheme::Dpop.refusal("error=\"use_dpop_nonce\"") })
        }
    }
}

#[derive(Clone, Copy)]
pub(super) enum Scheme {
    Bearer,
    Dpop,
}

impl Scheme {
    pub(super) fn of(access: &Access) -> Self {
        if access.key.is_some() { Self::Dpop } else { Self::Bearer }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::Dpop => "DPoP",
        }
    }

    fn refusal(self, error: &str) -> Challenge {
        Challenge::new(StatusCode::UNAUTHORIZED, &[self], error)
    }
}

const INVALID_TOKEN: &str = "error=\"invalid_token\", error_description=\"expired, revoked or unknown\"";
const OF_ANOTHER_KEY: &str = "error=\"invalid_token\", error_description=\"bound to another key\"";

/// A status, a `WWW-Authenticate` for each scheme (RFC 6750 §3, RFC 9449 §7.1), and maybe a nonce.
pub(super) struct Challenge {
    status: StatusCode,
    schemes: Vec<String>,
    nonce: Option<String>,
}

impl Challenge {
    pub(super) fn new(status: StatusCode, schemes: &[Scheme], error: &str) -> Self {
        let comma = if error.is_empty() { "" } else { ", " };
        let text = |scheme: &Scheme| match scheme {
            Scheme::Bearer => format!("Bearer realm=\"api\"{comma}{error}"),
            Scheme::Dpop => format!("DPoP algs=\"{}\"{comma}{error}", ASYMMETRIC.join(" ")),
        };
        Self { status, schemes: schemes.iter().map(text).collect(), nonce: None }
    }

    /// Says where the API describes itself (RFC 9728 §5.1).
    fn with_metadata(mut self, url: Option<String>) -> Self {
        if let Some(url) = url {
            let parameter = format!(", resource_metadata=\"{url}\"");
            self.schemes.iter_mut().for_each(|scheme| scheme.push_str(&parameter));
        }
        self
    }
}

impl From<Challenge> for Answer {
    fn from(challenge: Challenge) -> Self {
        let answer = Self::empty(challenge.status);
        let answer = match challenge.nonce {
            Some(nonce) => answer.with(DPOP_NONCE, nonce),
            None => answer,
        };
        challenge.schemes.into_iter().fold(answer, |answer, scheme| answer.with(WWW_AUTHENTICATE, scheme))
    }
}
