//! `UserInfo` (OpenID Connect Core §5.3): JSON, or a JWT if the client registered so.

use http::{Method, StatusCode, header::AUTHORIZATION};
use serde_json::{Value, json};

use super::{
    super::resource::{Challenge, Scheme, access, access_by},
    credit, jwt,
};
use crate::{
    message::{Answer, Asked},
    openid::{ClaimSource, TokenPlacement, chosen_claims, scope_claims, sign, subject},
    state::{Access, State},
};

pub(crate) fn answer(state: &mut State, asked: Asked<'_>) -> Answer {
    let token = presented(state, asked);
    match token.and_then(|access| claims(state, &access)) {
        Ok((client, claims)) => {
            let settings = &state.settings;
            let algorithm = settings.client(&client).and_then(|client| client.openid.user_info_alg.clone());
            let Some(algorithm) = algorithm else { return Answer::json(StatusCode::OK, &claims) };
            let mut claims = claims;
            claims["iss"] = settings.issuer.text.clone().into();
            claims["aud"] = client.clone().into();
            jwt(sign(state, &algorithm, &client, None, &claims))
        }
        Err(challenge) => challenge.into(),
    }
}

/// The token, from wherever it may stand (RFC 6750 §2.1 and §2.2).
fn presented(state: &mut State, asked: Asked<'_>) -> Result<Access, Challenge> {
    let placement = state.settings.openid.as_ref().map_or(TokenPlacement::Any, |openid| openid.placement);
    let form = asked.form().ok().filter(|_| asked.method == Method::POST);
    let posted = form.as_ref().and_then(|form| form.get("access_token"));
    let in_header = asked.headers.contains_key(AUTHORIZATION);
    match (placement, posted) {
        (TokenPlacement::Any, Some(_)) if in_header => {
            Err(Challenge::new(StatusCode::BAD_REQUEST, &[Scheme::Bearer], "error=\"invalid_request\""))
        }
        (TokenPlacement::Any | TokenPlacement::Form, Some(token)) => {
            access_by(state, asked, Scheme::Bearer, token)
        }
        (TokenPlacement::Form, None) => Err(Challenge::new(StatusCode::UNAUTHORIZED, &[Scheme::Bearer], "")),
        (TokenPlacement::Any, None) | (TokenPlacement::Header, _) => access(state, asked),
    }
}

fn claims(state: &mut State, access: &Access) -> Result<(String, Value), Challenge> {
    let grant = state.grant(access.grant).clone();
    let is_openid = access.scope.split(' ').any(|scope| scope == "openid");
    let sign_in = state.openid.sign_ins.get(&access.grant).filter(|_| is_openid);
    let (Some(sign_in), Some(user)) = (sign_in, &grant.user) else {
        let why = "error=\"insufficient_scope\", scope=\"openid\"";
        return Err(Challenge::new(StatusCode::FORBIDDEN, &[Scheme::of(access)], why));
    };
    let mut claims = scope_claims(user, &access.scope);
    claims.extend(chosen_claims(user, sign_in.in_user_info.iter().map(String::as_str)));
    claims.insert("sub".into(), subject(&state.settings, &grant.client, user).into());
    let source = match state.settings.openid.as_ref().and_then(|openid| openid.sources) {
        None => None,
        Some(ClaimSource::Aggregated) => Some(json!({ "JWT": credit(state, user) })),
        Some(ClaimSource::Distributed) => {
            let token = format!("ct-{}", state.random.text());
            state.openid.claim_tokens.insert(token.clone(), user.clone());
            Some(json!({ "endpoint": state.settings.issuer.url("/claims"), "access_token": token }))
        }
    };
    if let Some(source) = source {
        claims.insert("_claim_names".into(), json!({ "credit_score": "bank" }));
        claims.insert("_claim_sources".into(), json!({ "bank": source }));
    }
    Ok((grant.client, claims.into()))
}
