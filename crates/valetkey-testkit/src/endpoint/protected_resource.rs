//! What the APIs say about themselves (RFC 9728).

use http::StatusCode;
use serde_json::json;

use super::metadata::signed;
use crate::{
    dpop::Dpop,
    jose::ASYMMETRIC,
    message::{Answer, Asked},
    settings::Settings,
    state::State,
};

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The path of the API whose metadata is at this path.
pub(super) fn described<'a>(settings: &Settings, path: &'a str) -> Option<&'a str> {
    let api = path.strip_prefix(WELL_KNOWN)?;
    let name = api.strip_prefix(&*settings.issuer.path)?.strip_prefix("/api/")?;
    (settings.describes_apis && ["me", "admin", "echo"].contains(&name)).then_some(api)
}

/// Where the API at this path describes itself, if it does.
pub(super) fn url(settings: &Settings, path: &str) -> Option<String> {
    settings.describes_apis.then(|| format!("{}{WELL_KNOWN}{path}", settings.issuer.origin))
}

pub(super) fn answer(state: &State, asked: Asked<'_>) -> Answer {
    let settings = &state.settings;
    let path = described(settings, asked.path).unwrap_or_default();
    let mut document = json!({
        "resource": format!("{}{path}", settings.issuer.origin),
        "authorization_servers": [settings.issuer.text],
        "scopes_supported": ["read", "write", "admin"],
        "bearer_methods_supported": ["header"],
        "resource_name": "An API of the test kit",
        "resource_documentation": format!("{}/docs", settings.issuer.origin),
    });
    if settings.dpop != Dpop::Off {
        document["dpop_signing_alg_values_supported"] = json!(ASYMMETRIC);
    }
    if settings.dpop == Dpop::Demanded {
        document["dpop_bound_access_tokens_required"] = true.into();
    }
    Answer::json(StatusCode::OK, &signed(state, document, asked.now))
}
