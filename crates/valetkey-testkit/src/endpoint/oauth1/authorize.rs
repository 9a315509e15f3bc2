//! Where the user says yes or no (RFC 5849 §2.2).

use http::StatusCode;

use super::super::page;
use crate::{
    message::{Answer, Asked, Params},
    oauth1::{Decision, Denial, OUT_OF_BAND},
    state::State,
    user::Mind,
};

/// A user who waits to be sent back.
struct Visit {
    /// The temporary token.
    token: String,
    callback: String,
}

pub(in super::super) fn answer(state: &mut State, asked: Asked<'_>) -> Answer {
    let params = Params::parse(asked.query.as_bytes());
    let (visit, client) = match check(state, &params, asked) {
        Ok(checked) => checked,
        Err(why) => return page::error(StatusCode::BAD_REQUEST, why),
    };
    match state.settings.user.0.clone() {
        Mind::Approves(user) => approve(state, &visit, &user),
        Mind::Refuses => refuse(state, &visit),
        Mind::Interactive => {
            let ticket = state.random.text();
            let question =
                page::Question { client: &client, scope: "", action: "/oauth1/authorize/decision" };
            let shown = page::consent(&state.settings, question, &ticket);
            state.oauth1.waiting.insert(ticket, (visit.token, visit.callback));
            shown
        }
    }
}

/// What a human answered on the consent page. A ticket is good for one answer.
pub(in super::super) fn decide(state: &mut State, asked: Asked<'_>) -> Answer {
    let Ok(form) = asked.form() else {
        return page::error(StatusCode::BAD_REQUEST, "the decision was not posted as a form");
    };
    let waiting = form.get("ticket").and_then(|ticket| state.oauth1.waiting.remove(ticket));
    let Some((token, callback)) = waiting else {
        return page::error(StatusCode::BAD_REQUEST, "this page was answered before");
    };
    let visit = Visit { token, callback };
    match (form.get("decision"), form.get("user")) {
        (Some("approve"), Some(user)) => approve(state, &visit, user),
        _ => refuse(state, &visit),
    }
}

/// The visit, and the client that sent the user.
fn check(state: &State, params: &Params, asked: Asked<'_>) -> Result<(Visit, String), &'static str> {
    let protocol = params.0.iter().filter(|(name, _)| name.starts_with("oauth_")).cloned();
    if Params(protocol.collect()).duplicate().is_some() {
        return Err("a parameter occurs twice");
    }
    let token = params.get("oauth_token").ok_or("oauth_token is missing")?;
    let temporary = state.oauth1.temporary(token, asked.now);
    let temporary = temporary.ok_or("the temporary token is unknown, spent or expired")?;
    if temporary.decision != Decision::Open {
        return Err("this page was answered before");
    }
    let rules = &state.settings.oauth1;
    let client = rules.find(&temporary.client).ok_or("the client is unknown")?;
    let callback = match (&temporary.callback, params.get("oauth_callback")) {
        (Some(callback), _) => callback.as_str(),
        // Only before revision A.
        (None, Some(callback)) if client.allows_callback(callback) => callback,
        (None, Some(_)) => return Err("oauth_callback is not registered for this client"),
        (None, None) => client.callbacks.first().map_or(OUT_OF_BAND, String::as_str),
    };
    Ok((Visit { token: token.to_owned(), callback: callback.to_owned() }, temporary.client.clone()))
}

fn approve(state: &mut State, visit: &Visit, user: &str) -> Answer {
    if !state.settings.users.iter().any(|known| known == user) {
        return page::error(StatusCode::BAD_REQUEST, "no such user");
    }
    let by_hand = visit.callback == OUT_OF_BAND;
    let verifier = if by_hand { state.random.pin() } else { state.random.text() };
    let verifier = state.settings.oauth1.verifier.then_some(verifier);
    let decision = Decision::Approved { user: user.to_owned(), verifier: verifier.clone() };
    state.oauth1.decide(&visit.token, decision);
    if by_hand {
        return page::pin(verifier.as_deref());
    }
    let verifier = verifier.as_deref().map(|verifier| ("oauth_verifier", verifier));
    let params: Vec<_> = [("oauth_token", &*visit.token)].into_iter().chain(verifier).collect();
    callback(&visit.callback, &params)
}

fn refuse(state: &mut State, visit: &Visit) -> Answer {
    state.oauth1.decide(&visit.token, Decision::Refused);
    if visit.callback == OUT_OF_BAND {
        return page::error(StatusCode::FORBIDDEN, "you refused");
    }
    match state.settings.oauth1.denial {
        Denial::Problem => {
            let params = [("oauth_token", &*visit.token), ("oauth_problem", "user_refused")];
            callback(&visit.callback, &params)
        }
        Denial::Denied => callback(&visit.callback, &[("denied", &visit.token)]),
    }
}

fn callback(uri: &str, params: &[(&str, &str)]) -> Answer {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
    let joint = if uri.contains('?') { '&' } else { '?' };
    Answer::see_other(&format!("{uri}{joint}{query}"))
}
