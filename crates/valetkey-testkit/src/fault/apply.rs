//! The one place where faults happen: between an endpoint and the wire.

use std::{collections::VecDeque, iter::repeat_n, time::SystemTime};

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION},
};

use super::{
    Body, Effect, Fault, Param,
    edit::{as_form, as_json, edit_callback, edit_form, edit_location, edit_members, edit_posted, query_of},
    jwt::{Beside, edit_jwt},
    keys::edit_keys,
};
use crate::{
    endpoint::page::form_post,
    message::{Answer, Post},
    script::{End, Fate, Script},
    state::State,
    transcript::Place,
};

/// The faults that are set, and what they need to remember.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    set: Vec<Fault>,
    /// The query of the callback before this one.
    earlier: Option<String>,
    /// How many times one has happened.
    pub(crate) happened: usize,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.set.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.set.clear();
    }

    /// Lets the endpoint act, and the fault that is set at this place happen.
    pub(crate) fn play(
        &mut self,
        place: Place,
        now: SystemTime,
        state: &mut State,
        act: impl FnOnce(&mut State) -> Answer,
    ) -> Script {
        let Some(effect) = self.next(place) else {
            let answer = act(state);
            self.remember(place, &answer);
            return answer.into();
        };
        match effect {
            Effect::Refuse => return Script { fate: Fate::Refused, ..Answer::empty(StatusCode::OK).into() },
            Effect::Answer { status, headers, body } => return answer_of(status, headers, body).into(),
            Effect::RotateKeys => state.openid.keyring.rotate(),
            _ => {}
        }
        let mut answer = act(state);
        let forged = match effect {
            Effect::Forged(params) => self.edited(&answer, params),
            _ => None,
        };
        let callback = match effect {
            Effect::Callback(params) => self.edited(&answer, params),
            _ => None,
        };
        self.remember(place, &answer);
        match effect {
            Effect::Callback(params) => {
                if let Some(post) = answer.post.take() {
                    let params = edit_posted(post.params, params);
                    answer = form_post(Post { uri: post.uri, params });
                }
            }
            Effect::Jwt(edits) => {
                answer = with_jwt(answer, |jwt, beside| edit_jwt(state, now, jwt, beside, edits))
            }
            Effect::AccessToken(edits) => {
                let edit = |jwt: &str, _: Beside<'_>| edit_jwt(state, now, jwt, Beside::default(), edits);
                answer.body = with_member(&answer.body, &["access_token"], edit);
            }
            _ => {}
        }
        if let Some(callback) = callback.and_then(|callback| HeaderValue::try_from(callback).ok()) {
            answer.headers.insert(LOCATION, callback);
        }
        let mut script = Script::from(changed(answer, &effect));
        script.forged.extend(forged);
        on_the_way(&mut script, &effect);
        script
    }

    /// Lets the fault that is set at this place happen to a JWT that goes out by itself.
    pub(crate) fn play_jwt(&mut self, place: Place, state: &State, now: SystemTime, jwt: String) -> String {
        match self.next(place) {
            Some(Effect::Jwt(edits)) => edit_jwt(state, now, &jwt, Beside::default(), edits),
            Some(_) | None => jwt,
        }
    }

    /// The effect of the first fault that is due here.
    fn next(&mut self, place: Place) -> Option<Effect> {
        let due = |fault: &mut Fault| {
            let is_here = fault.at == place && fault.times != Some(0);
            let comes_later = is_here && fault.after > 0;
            fault.after -= u32::from(comes_later);
            is_here && !comes_later
        };
        let at = self.set.iter_mut().position(due)?;
        let fault = &mut self.set[at];
        fault.times = fault.times.map(|times| times - 1);
        self.happened += 1;
        Some(fault.effect)
    }

    fn edited(&self, answer: &Answer, params: &[Param]) -> Option<String> {
        let location = answer.headers.get(LOCATION)?.to_str().ok()?;
        Some(edit_callback(location, params, self.earlier.as_deref()))
    }

    fn remember(&mut self, place: Place, answer: &Answer) {
        if matches!(place, Place::Authorize | Place::OwnerAuthorization)
            && let Some(location) = answer.headers.get(LOCATION).and_then(|to| to.to_str().ok())
        {
            self.earlier = Some(query_of(location).to_owned());
        }
    }
}

fn answer_of(status: u16, headers: &[(&'static str, &'static str)], body: &'static [u8]) -> Answer {
    let empty = Answer::empty(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    let answer = Answer { body: Bytes::from_static(body), ..empty };
    headers.iter().fold(answer, |answer, (name, value)| answer.with(HeaderName::from_static(name), *value))
}

/// What changes in the answer itself.
fn changed(mut answer: Answer, effect: &Effect) -> Answer {
    match effect {
        Effect::Status(status) => {
            answer.status = StatusCode::from_u16(*status).unwrap_or(answer.status);
        }
        Effect::Header(name, value) => {
            let value = HeaderValue::from_static(value);
            answer.headers.insert(HeaderName::from_static(name), value);
        }
        Effect::Json(members) => answer.body = edit_members(&answer.body, members),
        Effect::AsForm => {
            answer.body = as_form(&answer.body);
            let form = HeaderValue::from_static("application/x-www-form-urlencoded");
            answer.headers.insert(CONTENT_TYPE, form);
        }
        Effect::Keys(edits) => answer.body = edit_keys(&answer.body, edits),
        Effect::Form(edits) => answer.body = edit_form(&answer.body, edits),
        Effect::AsJson => {
            answer.body = as_json(&answer.body);
            answer.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        Effect::Around(before, after) => answer.body = [before, &*answer.body, after].concat().into(),
        Effect::LongHead(length) => {
            answer = answer.with(HeaderName::from_static("x-filler"), "x".repeat(*length));
        }
        _ => {}
    }
    answer
}

/// The answer with another JWT, wherever it has one: as the body, as a member of it, or in the callback.
fn with_jwt(mut answer: Answer, edit: impl Fn(&str, Beside<'_>) -> String) -> Answer {
    if answer.headers.get(CONTENT_TYPE).is_some_and(|kind| kind == "application/jwt") {
        answer.body = edit(&String::from_utf8_lossy(&answer.body), Beside::default()).into();
        return answer;
    }
    let in_params = |params: &mut Vec<(String, String)>| {
        let get = |name: &str| params.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        let (access_token, code, id_token) = (get("access_token"), get("code"), get("id_token"));
        let beside = Beside { access_token: access_token.as_deref(), code: code.as_deref() };
        if let Some(id_token) = id_token {
            let new = edit(&id_token, beside);
            params.iter_mut().filter(|(name, _)| name == "id_token").for_each(|pair| pair.1.clone_from(&new));
        }
    };
    if let Some(mut post) = answer.post.take() {
        in_params(&mut post.params);
        return form_post(post);
    }
    let location = answer.headers.get(LOCATION).and_then(|to| to.to_str().ok()).map(str::to_owned);
    if let Some(location) = location {
        let location = edit_location(&location, in_params);
        answer
            .headers
            .insert(LOCATION, HeaderValue::try_from(location).unwrap_or(HeaderValue::from_static("")));
    } else {
        answer.body = with_member(&answer.body, &["id_token", "signed_metadata"], edit);
    }
    answer
}

/// A JSON object with another JWT as the first of these members that it has.
fn with_member(body: &Bytes, names: &[&str], edit: impl Fn(&str, Beside<'_>) -> String) -> Bytes {
    let Ok(mut object) = serde_json::from_slice::<serde_json::Value>(body) else { return body.clone() };
    let Some(name) = names.iter().find(|name| object[**name].is_string()) else { return body.clone() };
    let beside = Beside { access_token: object["access_token"].as_str(), code: None };
    object[*name] = edit(object[*name].as_str().unwrap_or(""), beside).into();
    object.to_string().into()
}

/// What happens to the answer on its way.
fn on_the_way(script: &mut Script, effect: &Effect) {
    match effect {
        Effect::SlowHead(time) => script.delay = *time,
        Effect::Drop => script.fate = Fate::Dropped,
        Effect::Body(body) => body_on_the_way(script, *body),
        _ => {}
    }
}

/// Bytes of white space in one piece.
const BLOCK: usize = 64 << 10;

fn body_on_the_way(script: &mut Script, body: Body) {
    static SPACES: [u8; BLOCK] = [b' '; BLOCK];
    let whole = script.body.pieces.pop_front().unwrap_or_default();
    let half = whole.slice(..whole.len() / 2);
    script.body.pieces = VecDeque::from([whole.clone()]);
    match body {
        Body::Padded(bytes) => {
            script.headers.insert(CONTENT_LENGTH, HeaderValue::from(whole.len() + bytes));
            script.body.pieces.extend(repeat_n(Bytes::from_static(&SPACES), bytes / BLOCK));
            script.body.pieces.push_back(Bytes::from_static(&SPACES[..bytes % BLOCK]));
        }
        Body::Endless => {
            script.headers.remove(CONTENT_LENGTH);
            script.body.end = End::Endless(Bytes::from_static(&SPACES));
        }
        Body::Truncated => script.body.pieces = VecDeque::from([half]),
        Body::Cut => {
            script.headers.remove(CONTENT_LENGTH);
            script.body.pieces = VecDeque::from([half]);
            script.body.end = End::Cut;
        }
        Body::Stalling => {
            script.body.pieces = VecDeque::from([half]);
            script.body.end = End::Stall;
        }
        Body::Trickling(gap) => {
            script.body.gap = gap;
            script.body.pieces = (0..whole.len()).map(|at| whole.slice(at..=at)).collect();
        }
        Body::Unframed => unframed(script),
        Body::HalfUnframed => {
            script.body.pieces = VecDeque::from([half]);
            unframed(script);
        }
    }
}

fn unframed(script: &mut Script) {
    script.headers.remove(CONTENT_LENGTH);
    script.unframed = true;
}
