//! What an authentication request asks for (OpenID Connect Core §3.1.2.1, §5.5, §6).

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

use crate::{
    jose::{Jwt, Key, sha256},
    message::{Params, Refusal},
    state::State,
};

/// The part of a login that is OpenID's alone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    pub(crate) nonce: Option<String>,
    /// By preference.
    pub(crate) acr: Vec<String>,
    /// The claims that were asked for one by one.
    pub(crate) in_id_token: Vec<String>,
    pub(crate) in_user_info: Vec<String>,
    /// Who must be signed in, by the `sub` of an earlier ID token.
    pub(crate) hint: Option<String>,
    max_age: Option<Duration>,
    prompt: Vec<String>,
}

impl Wish {
    /// Reads the parameters; `Err` says which is wrong.
    pub(crate) fn read(params: &Params) -> Result<Self, &'static str> {
        let words = |name| -> Vec<String> {
            params.get(name).map_or_else(Vec::new, |text| text.split(' ').map(str::to_owned).collect())
        };
        let prompt = words("prompt");
        if prompt.len() > 1 && prompt.iter().any(|word| word == "none") {
            return Err("prompt is none and something else");
        }
        let max_age = params.get("max_age").map(|text| text.parse().map(Duration::from_secs));
        let max_age = max_age.transpose().map_err(|_| "max_age is not a number of seconds")?;
        let claims: Map<String, Value> = match params.get("claims") {
            Some(text) => serde_json::from_str(text).map_err(|_| "claims is no JSON object")?,
            None => Map::new(),
        };
        let part = |name| claims.get(name).and_then(Value::as_object);
        let names = |name| part(name).map_or_else(Vec::new, |asked| asked.keys().cloned().collect());
        let mut acr = words("acr_values");
        if let Some(asked) = part("id_token").and_then(|asked| asked.get("acr")) {
            let values = asked.get("values").and_then(Value::as_array).map(Vec::as_slice);
            let values = values.unwrap_or_default().iter().chain(asked.get("value"));
            acr.splice(0..0, values.filter_map(|value| value.as_str().map(str::to_owned)));
        }
        let hint = params.get("id_token_hint").and_then(Jwt::parse);
        Ok(Self {
            nonce: params.get("nonce").map(str::to_owned),
            acr,
            in_id_token: names("id_token"),
            in_user_info: names("userinfo"),
            hint: hint.and_then(|hint| hint.text("sub").map(str::to_owned)),
            max_age,
            prompt,
        })
    }

    pub(crate) fn asks_for(&self, prompt: &str) -> bool {
        self.prompt.iter().any(|word| word == prompt)
    }

    /// Whether a sign-in at this time was too long ago. Zero seconds are always over.
    pub(crate) fn is_too_old(&self, auth_time: SystemTime, now: SystemTime) -> bool {
        self.max_age.is_some_and(|age| age.is_zero() || auth_time + age < now)
    }
}

/// The parameters of a request with those of its request object, by value or by reference (Core §6).
pub(crate) fn resolve(state: &State, params: &Params) -> Result<Params, Refusal> {
    let object = match (params.get("request"), params.get("request_uri")) {
        (None, None) => return Ok(params.clone()),
        (Some(object), None) => object.to_owned(),
        (None, Some(uri)) => fetched(state, params, uri)?,
        (Some(_), Some(_)) => return Err(Refusal::request("request and request_uri")),
    };
    let invalid = |why| Refusal::new("invalid_request_object", why);
    let jwt = Jwt::parse(&object).ok_or_else(|| invalid("the request object is no JWT"))?;
    check(state, params, &jwt).map_err(invalid)?;
    let claims = jwt.claims();
    if ["request", "request_uri"].iter().any(|name| claims.contains_key(*name)) {
        return Err(invalid("a request object within a request object"));
    }
    for name in ["client_id", "response_type"] {
        if claims.get(name).is_some_and(|inner| inner.as_str() != params.get(name)) {
            return Err(invalid("the request object is of another client or response type"));
        }
    }
    // What stands in the object counts (Core §6.1).
    let mut merged: Vec<(String, String)> = params.0.clone();
    merged.retain(|(name, _)| !claims.contains_key(name) && !name.starts_with("request"));
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    merged.extend(claims.iter().map(|(name, value)| (name.clone(), text(value))));
    Ok(Params(merged))
}

/// What lies at the URL (Core §6.2).
fn fetched(state: &State, params: &Params, uri: &str) -> Result<String, Refusal> {
    let invalid = |why| Refusal::new("invalid_request_uri", why);
    let client = params.get("client_id").and_then(|id| state.settings.client(id));
    let registered = client.map_or(&[][..], |client| &client.openid.request_uris);
    if !registered.is_empty() && !registered.iter().any(|known| known == uri) {
        return Err(invalid("request_uri is not registered"));
    }
    let (url, digest) = uri.split_once('#').map_or((uri, None), |(url, digest)| (url, Some(digest)));
    let body = state.openid.hosted.get(url).ok_or_else(|| invalid("there is nothing at request_uri"))?;
    if digest.is_some_and(|digest| digest != sha256(body.as_bytes())) {
        return Err(invalid("what lies at request_uri has another hash"));
    }
    Ok(body.clone())
}

fn check(state: &State, params: &Params, jwt: &Jwt) -> Result<(), &'static str> {
    let client = params.get("client_id").and_then(|id| state.settings.client(id));
    let client = client.ok_or("the client is unknown")?;
    let algorithm = jwt.algorithm();
    if client.openid.request_object_alg.as_deref().is_some_and(|registered| registered != algorithm) {
        return Err("the request object is signed by another algorithm than was registered");
    }
    if algorithm == "none" {
        return if jwt.is_unsigned() { Ok(()) } else { Err("an unsigned request object has a signature") };
    }
    let secret = client.secret.iter().map(|secret| Key::Secret(secret.as_bytes().to_vec()));
    if !client.keys.iter().cloned().chain(secret).any(|key| jwt.is_signed_by(&key)) {
        return Err("the request object is not signed by its client");
    }
    // Core §6.1.
    if jwt.text("iss").is_some_and(|issuer| issuer != client.id) {
        return Err("iss is not the client");
    }
    if jwt.text("aud").is_some_and(|audience| audience != state.settings.issuer.text) {
        return Err("aud is not this server");
    }
    Ok(())
}
