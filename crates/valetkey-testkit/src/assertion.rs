//! JWTs by which clients and service accounts say who they are (RFC 7523).

use std::time::{Duration, SystemTime};

use crate::{
    jose::{Jwt, Key},
    settings::{Audience, Settings},
    state::State,
};

/// How far the signer's clock may be ahead.
const LEEWAY: Duration = Duration::from_secs(10);

/// How long an assertion may be good. One that is good for long is worth stealing.
const LONGEST: Duration = Duration::from_secs(3600);

/// An account that gets access tokens by a JWT of its own, without a user and without being a client
/// (RFC 7523 §2.1).
///
/// ```
/// use valetkey_testkit::{Provider, ServiceAccount, keys};
///
/// let account = ServiceAccount::new("nightly@service.test", keys::rs256().public_jwk());
/// let provider = Provider::builder().service_account(account).build();
/// # drop(provider);
/// ```
#[derive(Clone, Debug)]
pub struct ServiceAccount {
    pub(crate) name: String,
    pub(crate) keys: Vec<Key>,
}

impl ServiceAccount {
    /// An account of this name, which is the `iss` of its JWTs, with these public keys: a JWK or a JWK set.
    ///
    /// # Panics
    ///
    /// If there is a key that cannot be read, or that is private.
    #[must_use]
    #[track_caller]
    pub fn new(name: impl Into<String>, jwks: impl AsRef<str>) -> Self {
        Self { name: name.into(), keys: Key::registered(jwks.as_ref()) }
    }
}

/// Checks all that RFC 7523 §3 demands; the `jti` counts as used once the signature was good. `Err` says why not.
pub(crate) fn check(
    state: &mut State,
    jwt: &Jwt,
    issuer: &str,
    keys: &[Key],
    now: SystemTime,
) -> Result<(), &'static str> {
    // Kinds that are made for something else (RFC 8725 §3.11).
    if !matches!(
        jwt.kind().as_deref(),
        None | Some("jwt" | "client-authentication+jwt" | "authorization-grant+jwt")
    ) {
        return Err("the JWT is of another kind");
    }
    if !keys.iter().any(|key| jwt.is_signed_by(key)) {
        return Err("the JWT is not signed by a key of its issuer");
    }
    if jwt.text("iss") != Some(issuer) {
        return Err("iss is not who signed");
    }
    if jwt.text("aud") != Some(&audience(&state.settings)) {
        return Err("aud is not this server alone");
    }
    let expires = jwt.time("exp").ok_or("exp is missing")??;
    if now >= expires || now + LONGEST < expires {
        return Err("the JWT has expired or never will");
    }
    let issued = jwt.time("iat").ok_or("iat is missing")??;
    let begins = jwt.time("nbf").transpose()?.unwrap_or(issued);
    if now + LEEWAY < issued.max(begins) {
        return Err("the JWT is of the future");
    }
    let jti = jwt.text("jti").ok_or("jti is missing")?;
    if state.use_jti(issuer, jti) { Ok(()) } else { Err("the JWT was used before") }
}

fn audience(settings: &Settings) -> String {
    match settings.audience {
        Audience::Issuer => settings.issuer.text.clone(),
        Audience::TokenEndpoint => settings.issuer.url("/token"),
    }
}
