//! Access tokens that an API can read by itself (RFC 9068).

use std::time::SystemTime;

use serde_json::json;

use crate::{
    openid::{seconds, sign},
    state::{GrantId, State},
};

/// What an access token gives, and to whom.
pub(crate) struct Access<'a> {
    pub(crate) grant: GrantId,
    pub(crate) scope: &'a str,
    /// The thumbprint of the key that it is bound to.
    pub(crate) key: Option<&'a str>,
    pub(crate) id: &'a str,
    pub(crate) now: SystemTime,
}

/// The token as a JWT, if the provider makes such.
pub(crate) fn jwt(state: &State, access: &Access<'_>) -> Option<String> {
    let audience = state.settings.jwt_access_tokens.as_deref()?;
    let grant = state.grant(access.grant);
    let mut claims = json!({
        "iss": state.settings.issuer.text,
        "sub": grant.user.as_deref().unwrap_or(&grant.client),
        "aud": audience,
        "client_id": grant.client,
        "jti": access.id,
        "iat": seconds(access.now),
        "exp": seconds(access.now + state.settings.access_lifetime),
    });
    if !access.scope.is_empty() {
        claims["scope"] = access.scope.into();
    }
    if let Some(key) = access.key {
        // RFC 9449 §6.1.
        claims["cnf"] = json!({ "jkt": key });
    }
    Some(sign(state, state.settings.algorithm(), &grant.client, Some("at+jwt"), &claims))
}
