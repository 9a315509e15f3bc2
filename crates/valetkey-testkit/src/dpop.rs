//! Proofs of possession and the nonces in them (RFC 9449), as the provider demands them.

use std::time::Duration;

use http::{HeaderName, Uri};

use crate::{
    jose::{ASYMMETRIC, Jwt, Key, sha256, thumbprint},
    message::{Answer, Asked},
    provider::origin,
    state::State,
};

/// Where a nonce comes (RFC 9449 §8).
pub(crate) const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// How far the time of a proof may be from the provider's (RFC 9449 §11.1).
const WINDOW: Duration = Duration::from_secs(60);

/// What the provider makes of DPoP (RFC 9449).
///
/// ```
/// use bytes::Bytes;
/// use http::Request;
/// use valetkey_http::{Backend, Limits};
/// use valetkey_testkit::{Dpop, Provider, block_on, keys};
///
/// let provider = Provider::builder().dpop(Dpop::Demanded).build();
/// let key = keys::es256();
/// let header = format!(r#"{{"typ":"dpop+jwt","alg":"ES256","jwk":{}}}"#, key.public_jwk());
/// let claims = r#"{"htm":"POST","htu":"https://issuer.test/token","iat":1893456000,"jti":"1"}"#;
/// let request = Request::post("https://issuer.test/token")
///     .header("dpop", key.jwt(&header, claims))
///     .header("content-type", "application/x-www-form-urlencoded")
///     .body(Bytes::from(
///         "grant_type=client_credentials&client_id=service&client_secret=service-secret",
///     ))?;
/// let answer = block_on(provider.send(request, Limits::default()))?;
/// let tokens: serde_json::Value = serde_json::from_slice(answer.body())?;
/// assert_eq!(tokens["token_type"], "DPoP");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dpop {
    /// It does not know of it: proofs are overlooked, and tokens are bearer tokens.
    Off,
    /// Tokens are bound to the key of whoever brings a proof.
    Offered,
    /// Without a proof there is no token.
    Demanded,
}

/// Where proofs must have a nonce of the provider's (RFC 9449 §8 and §9).
///
/// The token endpoint and the API take each their own. But for [`Rotating`](Self::Rotating), a nonce comes with
/// the challenge alone and is good until [`Provider::renew_dpop_nonces`](crate::Provider::renew_dpop_nonces).
///
/// ```
/// use valetkey_testkit::{Dpop, DpopNonces, Provider};
///
/// let provider = Provider::builder().dpop(Dpop::Offered).dpop_nonces(DpopNonces::Both).build();
/// // … a client signs in, and meets a challenge again after:
/// provider.renew_dpop_nonces();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DpopNonces {
    /// Nowhere.
    Off,
    /// At the token endpoint.
    Token,
    /// At the API.
    Api,
    /// At both.
    Both,
    /// At both, each good for one proof, and a new one with every answer. Of requests that are under way
    /// together, all but one are then challenged.
    Rotating,
}

/// Who demands a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Token,
    Api,
}

impl DpopNonces {
    fn holds_at(self, side: Side) -> bool {
        match self {
            Self::Off => false,
            Self::Token => side == Side::Token,
            Self::Api => side == Side::Api,
            Self::Both | Self::Rotating => true,
        }
    }
}

/// The nonces that are good.
#[derive(Debug, Default)]
pub(crate) struct Nonces(Vec<(Side, String)>);

impl Nonces {
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    fn find(&self, side: Side, nonce: &str) -> Option<usize> {
        self.0.iter().position(|(known, text)| (*known, text.as_str()) == (side, nonce))
    }
}

/// Why a proof is not taken.
pub(crate) enum Refused {
    Invalid(&'static str),
    /// It must have this nonce.
    Nonce(String),
}

/// The thumbprint of the key whose proof came with the request; `None` if there was no proof.
///
/// All of RFC 9449 §4.3 is checked, and `ath` if there is a token. The `jti` counts as used before the nonce is
/// looked at: who is challenged makes a new proof.
pub(crate) fn prove(
    state: &mut State,
    asked: Asked<'_>,
    side: Side,
    token: Option<&str>,
) -> Result<Option<String>, Refused> {
    let mut headers = asked.headers.get_all("dpop").iter();
    let Some(header) = headers.next() else { return Ok(None) };
    if headers.next().is_some() {
        return Err(Refused::Invalid("two proofs"));
    }
    let jwt = header.to_str().ok().and_then(Jwt::parse).ok_or(Refused::Invalid("the proof is no JWT"))?;
    let key = signer(&jwt).map_err(Refused::Invalid)?;
    check_claims(&jwt, asked, token).map_err(Refused::Invalid)?;
    let jti = jwt.text("jti").ok_or(Refused::Invalid("jti is missing"))?;
    if !state.use_jti(&format!("key {key}"), jti) {
        return Err(Refused::Invalid("the proof was used before"));
    }
    if state.settings.dpop_nonces.holds_at(side) && !use_nonce(state, side, jwt.text("nonce")) {
        return Err(Refused::Nonce(nonce(state, side)));
    }
    Ok(Some(key))
}

/// The thumbprint of the key in the proof, once it is known to have signed it.
fn signer(jwt: &Jwt) -> Result<String, &'static str> {
    if jwt.header("typ").and_then(|kind| kind.as_str()) != Some("dpop+jwt") {
        return Err("typ is not dpop+jwt");
    }
    if !ASYMMETRIC.contains(&jwt.algorithm()) {
        return Err("alg is not one of the metadata's");
    }
    let jwk = jwt.header("jwk").ok_or("jwk is missing")?;
    let key = Key::of_jwk(jwk).ok_or("jwk is no public key")?;
    if !jwt.is_signed_by(&key) {
        return Err("the proof is not signed by its key");
    }
    thumbprint(jwk).ok_or("jwk is no public key")
}

fn check_claims(jwt: &Jwt, asked: Asked<'_>, token: Option<&str>) -> Result<(), &'static str> {
    if jwt.text("htm") != Some(asked.method.as_str()) {
        return Err("htm is not the request's method");
    }
    if !jwt.text("htu").is_some_and(|uri| is_of(uri, asked)) {
        return Err("htu is not the request's URI without query and fragment");
    }
    let issued = jwt.time("iat").ok_or("iat is missing")??;
    if asked.now + WINDOW < issued || issued + WINDOW < asked.now {
        return Err("iat is too far from the time");
    }
    match token {
        Some(token) if jwt.text("ath") != Some(&sha256(token.as_bytes())) => {
            Err("ath is not the hash of the token")
        }
        Some(_) | None => Ok(()),
    }
}

fn is_of(uri: &str, asked: Asked<'_>) -> bool {
    let parsed = uri.parse::<Uri>().ok().filter(|_| !uri.contains(['?', '#']));
    parsed.is_some_and(|uri| origin(&uri) == asked.origin && uri.path() == asked.path)
}

fn use_nonce(state: &mut State, side: Side, nonce: Option<&str>) -> bool {
    let Some(at) = nonce.and_then(|nonce| state.nonces.find(side, nonce)) else { return false };
    if state.settings.dpop_nonces == DpopNonces::Rotating {
        state.nonces.0.swap_remove(at);
    }
    true
}

/// A nonce that is good: the one that there is, or a new one.
fn nonce(state: &mut State, side: Side) -> String {
    let rotates = state.settings.dpop_nonces == DpopNonces::Rotating;
    let known = state.nonces.0.iter().find(|(known, _)| *known == side && !rotates);
    if let Some((_, known)) = known {
        return known.clone();
    }
    let new = state.random.text();
    state.nonces.0.push((side, new.clone()));
    new
}

/// The answer, with the nonce for the next request if they rotate (RFC 9449 §8.2).
pub(crate) fn with_next_nonce(state: &mut State, side: Side, answer: Answer) -> Answer {
    if state.settings.dpop_nonces != DpopNonces::Rotating || answer.headers.contains_key(DPOP_NONCE) {
        return answer;
    }
    let nonce = nonce(state, side);
    answer.with(DPOP_NONCE, nonce)
}
