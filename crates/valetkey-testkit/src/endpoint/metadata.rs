//! Authorization server metadata (RFC 8414 §2), the same at every well-known address.

use http::StatusCode;
use serde_json::json;

use crate::{message::Answer, settings::Settings};

pub(super) fn answer(settings: &Settings) -> Answer {
    let issuer = &settings.issuer;
    let methods: Vec<_> = settings.methods.iter().map(|method| method.name()).collect();
    let mut document = json!({
        "issuer": issuer.text,
        "authorization_endpoint": issuer.url("/authorize"),
        "token_endpoint": issuer.url("/token"),
        "revocation_endpoint": issuer.url("/revoke"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "scopes_supported": ["openid", "profile", "email", "read", "write", "admin"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
    });
    if settings.sends_iss {
        // RFC 9207 §3.
        document["authorization_response_iss_parameter_supported"] = true.into();
    }
    Answer::json(StatusCode::OK, &document)
}
