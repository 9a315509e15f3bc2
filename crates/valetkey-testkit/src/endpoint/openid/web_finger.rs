//! Where a user's provider is looked up (RFC 7033, OpenID Connect Discovery §2).

use http::{StatusCode, header::CONTENT_TYPE};
use serde_json::json;

use crate::{
    message::{Answer, Asked, Params},
    settings::Settings,
};

/// The relation that leads to a provider (Discovery §2).
const ISSUER: &str = "http://openid.net/specs/connect/1.0/issuer";

/// Knows the accounts as `acct:NAME@HOST` and as URLs of this origin.
pub(crate) fn answer(settings: &Settings, asked: Asked<'_>) -> Answer {
    let params = Params::parse(asked.query.as_bytes());
    let Some(resource) = params.get("resource") else { return Answer::empty(StatusCode::BAD_REQUEST) };
    let host = settings.issuer.origin.split_once("://").map_or("", |(_, host)| host);
    let name = match resource.strip_prefix("acct:") {
        Some(account) => account.strip_suffix(host).and_then(|name| name.strip_suffix('@')),
        None => resource.strip_prefix(&settings.issuer.origin).and_then(|path| path.strip_prefix('/')),
    };
    if !name.is_some_and(|name| settings.users.iter().any(|user| user == name)) {
        return Answer::empty(StatusCode::NOT_FOUND);
    }
    let asked = params.0.iter().filter(|(name, _)| name == "rel").map(|(_, rel)| rel.as_str());
    let asked: Vec<_> = asked.collect();
    let links = if asked.is_empty() || asked.contains(&ISSUER) {
        json!([{ "rel": ISSUER, "href": settings.issuer.text }])
    } else {
        json!([])
    };
    let answer = Answer::json(StatusCode::OK, &json!({ "subject": resource, "links": links }));
    let mut answer = answer;
    answer.headers.insert(CONTENT_TYPE, http::HeaderValue::from_static("application/jrd+json"));
    answer
}
