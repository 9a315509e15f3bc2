//! ID tokens (OpenID Connect Core §2).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::digest::{SHA256, SHA384, SHA512, digest};
use serde_json::{Value, json};

use super::{chosen_claims, scope_claims, sign, subject};
use crate::state::{GrantId, State};

/// How long an ID token is good.
const LIFETIME: Duration = Duration::from_secs(600);

/// What an ID token comes with.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bound<'a> {
    /// By the browser, so that it must name what comes with it (Core §3.2.2.10, §3.3.2.11).
    pub(crate) code: Option<&'a str>,
    pub(crate) access_token: Option<&'a str>,
    /// There is no access token to get claims with, and so they are in here (Core §5.4).
    pub(crate) is_alone: bool,
    /// Nothing was asked anew (Core §12.2).
    pub(crate) is_refreshed: bool,
}

/// The ID token of a grant; `None` if it is not of OpenID Connect.
pub(crate) fn id_token(state: &State, grant: GrantId, bound: Bound<'_>, now: SystemTime) -> Option<String> {
    let sign_in = state.openid.sign_ins.get(&grant)?;
    let grant = state.grant(grant);
    let user = grant.user.as_deref()?;
    let algorithm = &state.settings.client(&grant.client)?.openid.id_token_alg;
    let mut claims = json!({
        "iss": state.settings.issuer.text,
        "sub": subject(&state.settings, &grant.client, user),
        "aud": grant.client,
        "iat": seconds(now),
        "exp": seconds(now + LIFETIME),
        "auth_time": seconds(sign_in.auth_time),
        "acr": sign_in.acr,
        "amr": ["pwd"],
        "sid": sign_in.sid,
    });
    if let Some(nonce) = sign_in.nonce.as_deref().filter(|_| !bound.is_refreshed) {
        claims["nonce"] = nonce.into();
    }
    for (name, value) in [("c_hash", bound.code), ("at_hash", bound.access_token)] {
        if let Some(value) = value {
            claims[name] = hash(algorithm, value).into();
        }
    }
    let mut about = chosen_claims(user, sign_in.in_id_token.iter().map(String::as_str));
    if bound.is_alone {
        about.extend(scope_claims(user, &grant.scope));
    }
    for (name, value) in about {
        claims[name] = value;
    }
    Some(sign(state, algorithm, &grant.client, None, &claims))
}

/// A `NumericDate` (RFC 7519 §2).
pub(crate) fn seconds(time: SystemTime) -> Value {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()).into()
}

/// The left half of the hash that goes with a signature algorithm (Core §3.1.3.6); Ed25519 has SHA-512
/// (RFC 8032 §5.1).
pub(crate) fn hash(algorithm: &str, value: &str) -> String {
    let by = match algorithm {
        "EdDSA" | "Ed25519" => &SHA512,
        name if name.ends_with("512") => &SHA512,
        name if name.ends_with("384") => &SHA384,
        _ => &SHA256,
    };
    let whole = digest(by, value.as_bytes());
    let whole = whole.as_ref();
    URL_SAFE_NO_PAD.encode(&whole[..whole.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s_oi_09_the_hash_is_that_of_the_specification() {
        // OpenID Connect Core §A.4 and §A.6.
        let hash_of_code = hash("RS256", "Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk");
        assert_eq!(hash_of_code, "LDktKdoQak3Pk0cnXxCltA");
        let hash_of_token = hash("RS256", "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y");
        assert_eq!(hash_of_token, "77QmUPtjPfzWtF2AnpK9RQ");
        assert_eq!(hash("EdDSA", "a").len(), 43);
    }
}
