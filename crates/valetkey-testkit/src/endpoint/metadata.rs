//! Authorization server metadata (RFC 8414 §2), the same at every well-known address.

use std::time::SystemTime;

use http::StatusCode;
use serde_json::{Value, json};

use super::{device::DEVICE_CODE, token::JWT_BEARER};
use crate::{
    dpop::Dpop,
    grant::Grant,
    jose::{ASYMMETRIC, SYMMETRIC},
    message::Answer,
    openid::{ACR, OpenId, ResponseType, seconds, sign},
    settings::{AuthMethod, Settings},
    state::State,
};

pub(super) fn answer(state: &State, now: SystemTime) -> Answer {
    let settings = &state.settings;
    let issuer = &settings.issuer;
    let methods: Vec<_> = settings.methods.iter().map(|method| method.name()).collect();
    let mut document = json!({
        "issuer": issuer.text,
        "authorization_endpoint": issuer.url("/authorize"),
        "token_endpoint": issuer.url("/token"),
        "revocation_endpoint": issuer.url("/revoke"),
        "introspection_endpoint": issuer.url("/introspect"),
        "device_authorization_endpoint": issuer.url("/device_authorization"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials", JWT_BEARER, DEVICE_CODE],
        "scopes_supported": ["openid", "profile", "email", "read", "write", "admin"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
        "introspection_endpoint_auth_methods_supported": methods,
    });
    let kinds = [(AuthMethod::PrivateKeyJwt, &ASYMMETRIC[..]), (AuthMethod::SecretJwt, &SYMMETRIC)];
    let kinds = kinds.into_iter().filter(|(method, _)| settings.methods.contains(method));
    let algorithms: Vec<_> = kinds.flat_map(|(_, algorithms)| algorithms).collect();
    if !algorithms.is_empty() {
        // Demanded where assertions are taken (RFC 8414 §2).
        for endpoint in ["token", "revocation", "introspection"] {
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
    if let Some(openid) = &settings.openid {
        add_openid(&mut document, settings, openid);
    }
    add_grants(&mut document, settings);
    Answer::json(StatusCode::OK, &signed(state, document, now))
}

/// The document with all of its members signed beside it, if the provider does that (RFC 8414 §2.1, RFC 9728 §2.2).
pub(super) fn signed(state: &State, mut document: Value, now: SystemTime) -> Value {
    if state.settings.signs_metadata {
        let mut claims = document.clone();
        claims["iss"] = state.settings.issuer.text.clone().into();
        claims["iat"] = seconds(now);
        document["signed_metadata"] = sign(state, state.settings.algorithm(), "", None, &claims).into();
    }
    document
}

/// Grants that some client may use, and the response type that is one.
fn add_grants(document: &mut Value, settings: &Settings) {
    let add = |list: &mut Value, name: &str| match list {
        Value::Array(list) if !list.iter().any(|known| known == name) => list.push(name.into()),
        _ => {}
    };
    for grant in settings.clients.iter().flat_map(|client| &client.grants) {
        add(&mut document["grant_types_supported"], grant.name());
        if *grant == Grant::Implicit {
            add(&mut document["response_types_supported"], ResponseType::Token.name());
        }
    }
}

/// By what ID tokens can be signed; `none` only if a client asks for it, which the code flow allows (OpenID Connect
/// Registration §2).
pub(super) const SIGNED_BY: [&str; 6] = ["RS256", "PS256", "ES256", "EdDSA", "HS256", "none"];

/// OpenID Connect Discovery §3, and the metadata of the logout specifications.
fn add_openid(document: &mut Value, settings: &Settings, openid: &OpenId) {
    let issuer = &settings.issuer;
    let asymmetric = SIGNED_BY.into_iter().filter(|name| openid.algorithms.contains(name));
    let signed_by: Vec<_> = asymmetric.chain(["HS256", "none"]).collect();
    let objects: Vec<_> = ASYMMETRIC.into_iter().chain(SYMMETRIC).chain(["none"]).collect();
    let members = json!({
        "jwks_uri": issuer.url("/jwks"),
        "userinfo_endpoint": issuer.url("/userinfo"),
        "end_session_endpoint": issuer.url("/logout"),
        "response_types_supported": ResponseType::ALL.map(ResponseType::name),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "grant_types_supported":
            ["authorization_code", "implicit", "refresh_token", "client_credentials", JWT_BEARER, DEVICE_CODE],
        "scopes_supported":
            ["openid", "profile", "email", "address", "phone", "offline_access", "read", "write", "admin"],
        "subject_types_supported": ["public", "pairwise"],
        "id_token_signing_alg_values_supported": signed_by,
        "userinfo_signing_alg_values_supported": signed_by,
        "introspection_signing_alg_values_supported": openid.algorithms,
        "request_object_signing_alg_values_supported": objects,
        "acr_values_supported": ACR,
        "claim_types_supported": ["normal", "aggregated", "distributed"],
        "claims_supported": [
            "iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "name", "given_name",
            "family_name", "email", "email_verified", "address", "phone_number", "phone_number_verified",
        ],
        "claims_parameter_supported": true,
        "request_parameter_supported": true,
        "request_uri_parameter_supported": true,
        "require_request_uri_registration": false,
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
        "frontchannel_logout_supported": true,
        "frontchannel_logout_session_supported": true,
    });
    if let Value::Object(members) = members {
        members.into_iter().for_each(|(name, value)| document[name] = value);
    }
    if openid.registration {
        document["registration_endpoint"] = issuer.url("/register").into();
    }
}
