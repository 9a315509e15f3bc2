//! Authorization server metadata (RFC 8414 §2), the same at every well-known address.

use http::StatusCode;
use serde_json::json;

use super::token::JWT_BEARER;
use crate::{
    dpop::Dpop,
    jose::{ASYMMETRIC, SYMMETRIC},
    message::Answer,
    settings::{AuthMethod, Settings},
};

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
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials", JWT_BEARER],
        "scopes_supported": ["openid", "profile", "email", "read", "write", "admin"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
    });
    let kinds = [(AuthMethod::PrivateKeyJwt, &ASYMMETRIC[..]), (AuthMethod::SecretJwt, &SYMMETRIC)];
    let kinds = kinds.into_iter().filter(|(method, _)| settings.methods.contains(method));
    let algorithms: Vec<_> = kinds.flat_map(|(_, algorithms)| algorithms).collect();
    if !algorithms.is_empty() {
        // Demanded where assertions are taken (RFC 8414 §2).
        for endpoint in ["token", "revocation"] {
            document[format!("{endpoint}_endpoint_auth_signing_alg_values_supported")] = json!(algorithms);
        }
    }
    if settings.dpop != Dpop::Off {
        // RFC 9449 §5.1.
        document["dpop_signing_alg_values_supported"] = json!(ASYMMETRIC);
    }
    if settings.sends_iss {
        // RFC 9207 §3.
        document["authorization_response_iss_parameter_supported"] = true.into();
    }
    Answer::json(StatusCode::OK, &document)
}
