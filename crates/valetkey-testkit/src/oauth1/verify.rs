//! The verification of a signed request (RFC 5849 §3.2): every check on the provider's side.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::{
    digest, hmac,
    signature::{
        RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY, RsaParameters, UnparsedPublicKey,
    },
};

use super::{
    base_string::{base_string, encoded},
    params::{Pair, gather, is_form},
    refusal::Refusal,
    rules::{RegisteredClient, SignatureMethod, is_loopback},
    state::Used,
};
use crate::{message::Asked, state::State};

/// How far a timestamp may be from the provider's clock.
pub(super) const WINDOW: Duration = Duration::from_secs(300);

/// What a request is for, and so which secrets may sign it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Temporary credentials: the client alone.
    Temporary,
    /// Token credentials: temporary ones sign, or a token that is to be renewed.
    Token,
    /// The protected resource: a token.
    Resource,
}

/// Who signed a request.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) client: String,
    pub(crate) token: Option<String>,
    params: Vec<(String, String)>,
}

impl Caller {
    /// The value of a parameter, of the protocol or not; an empty one counts as left out.
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        value(&self.params, name)
    }
}

/// The protocol parameters that are known (RFC 5849 §3.1 and the extensions that the provider has).
const KNOWN: [&str; 11] = [
    "oauth_body_hash",
    "oauth_callback",
    "oauth_consumer_key",
    "oauth_nonce",
    "oauth_session_handle",
    "oauth_signature",
    "oauth_signature_method",
    "oauth_timestamp",
    "oauth_token",
    "oauth_verifier",
    "oauth_version",
];

/// Checks everything; a nonce counts as used once the signature was good, so that nobody else can use it up.
pub(crate) fn verify(state: &mut State, asked: Asked<'_>, purpose: Purpose) -> Result<Caller, Refusal> {
    let found = gather(asked.headers, asked.query, asked.body)?;
    let is_protocol = |name: &[u8]| name.starts_with(b"oauth_");
    let mut sources = found.iter().filter(|(_, (name, _))| is_protocol(name)).map(|(source, _)| *source);
    if let Some(first) = sources.next()
        && sources.any(|source| source != first)
    {
        return Err(Refusal::rejected("protocol parameters in two places"));
    }
    let pairs: Vec<Pair> = found.into_iter().map(|(_, pair)| pair).collect();
    let params = readable(&pairs)?;
    let method = method(state, asked, &params)?;
    let client = need(&params, "oauth_consumer_key")?;
    let client = state.settings.oauth1.find(client).cloned();
    let client =
        client.ok_or_else(|| Refusal::unauthorized("consumer_key_unknown", "the client is unknown"))?;
    let token = value(&params, "oauth_token");
    let token_secret = token_secret(state, &client.key, &params, purpose, asked.now)?;
    let signature = need(&params, "oauth_signature")?;
    let used = fresh(method, &params, &client.key, asked.now)?;
    let signed: Vec<Pair> = pairs.iter().filter(|(name, _)| name != b"oauth_signature").cloned().collect();
    let base_string = base_string(asked.method.as_str(), asked.origin, asked.path, &signed);
    if !is_signed(method, &client, &token_secret, &base_string, signature) {
        return Err(Refusal::unauthorized("signature_invalid", "the signature is wrong"));
    }
    if let Some(hash) = value(&params, "oauth_body_hash") {
        check_body(asked, hash)?;
    }
    if used.is_some_and(|used| !state.oauth1.use_nonce(used)) {
        return Err(Refusal::unauthorized("nonce_used", "the nonce was used before"));
    }
    Ok(Caller { client: client.key, token: token.map(str::to_owned), params })
}

/// The parameters as text, if those of the protocol are known and occur once (RFC 5849 §3.1, §3.2).
fn readable(pairs: &[Pair]) -> Result<Vec<(String, String)>, Refusal> {
    let mut names = BTreeSet::new();
    let mut params = Vec::new();
    for (name, value) in pairs {
        if name.starts_with(b"oauth_") {
            if !KNOWN.iter().any(|known| known.as_bytes() == name) {
                return Err(Refusal::rejected("a protocol parameter is unknown"));
            }
            if !names.insert(name) {
                return Err(Refusal::rejected("a protocol parameter occurs twice"));
            }
            if std::str::from_utf8(value).is_err() {
                return Err(Refusal::rejected("a protocol parameter is not UTF-8"));
            }
        }
        params.push([name, value].map(|text| String::from_utf8_lossy(text).into_owned()).into());
    }
    Ok(params)
}

fn value<'a>(params: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = params.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
}

fn need<'a>(params: &'a [(String, String)], name: &'static str) -> Result<&'a str, Refusal> {
    value(params, name).ok_or_else(|| Refusal::absent(name))
}

/// The signature method, and the version, which may be left out (RFC 5849 §3.1).
fn method(state: &State, asked: Asked<'_>, params: &[(String, String)]) -> Result<SignatureMethod, Refusal> {
    // An empty one is no version either.
    if params.iter().any(|(name, value)| name == "oauth_version" && value != "1.0") {
        let refusal = Refusal::request("version_rejected", "the version is not 1.0");
        return Err(refusal.with("oauth_acceptable_versions", String::from("1.0-1.0")));
    }
    let name = need(params, "oauth_signature_method")?;
    let method = state.settings.oauth1.methods.iter().find(|method| method.name() == name).copied();
    let secure = asked.origin.starts_with("https://") || is_loopback(asked.origin);
    let method = method.filter(|method| *method != SignatureMethod::Plaintext || secure);
    method
        .ok_or_else(|| Refusal::request("signature_method_rejected", "the signature method is not supported"))
}

/// The secret of whatever the token is; empty without one.
fn token_secret(
    state: &State,
    client: &str,
    params: &[(String, String)],
    purpose: Purpose,
    now: SystemTime,
) -> Result<String, Refusal> {
    let rules = &state.settings.oauth1;
    let refuse = |why| Refusal::unauthorized("token_rejected", why);
    let Some(token) = value(params, "oauth_token") else {
        return match purpose {
            Purpose::Temporary => Ok(String::new()),
            Purpose::Token if value(params, "x_auth_mode").is_some() => Ok(String::new()),
            Purpose::Resource if rules.two_legged => Ok(String::new()),
            Purpose::Token | Purpose::Resource => Err(Refusal::absent("oauth_token")),
        };
    };
    let renewal = purpose == Purpose::Token && value(params, "oauth_session_handle").is_some();
    let (owner, secret) = match purpose {
        Purpose::Temporary => {
            return Err(Refusal::rejected("temporary credentials are asked for without a token"));
        }
        Purpose::Token if !renewal => {
            let temporary = state.oauth1.temporary(token, now);
            let temporary =
                temporary.ok_or_else(|| refuse("the temporary token is unknown, spent or expired"))?;
            (&temporary.client, &temporary.secret)
        }
        Purpose::Token | Purpose::Resource => {
            let token = state.oauth1.token(token).ok_or_else(|| refuse("the token is unknown or revoked"))?;
            if !renewal && token.expires.is_some_and(|expires| now >= expires) {
                return Err(Refusal::unauthorized("token_expired", "the token has expired"));
            }
            (&token.client, &token.secret)
        }
    };
    if owner == client { Ok(secret.clone()) } else { Err(refuse("the token is another client's")) }
}

/// The nonce and the timestamp, which only PLAINTEXT may leave out (RFC 5849 §3.1, §3.3).
fn fresh(
    method: SignatureMethod,
    params: &[(String, String)],
    client: &str,
    now: SystemTime,
) -> Result<Option<Used>, Refusal> {
    let (nonce, timestamp) = (value(params, "oauth_nonce"), value(params, "oauth_timestamp"));
    if method == SignatureMethod::Plaintext && (nonce.is_none() || timestamp.is_none()) {
        return Ok(None);
    }
    let (nonce, timestamp) = (need(params, "oauth_nonce")?, need(params, "oauth_timestamp")?);
    let digits = timestamp.bytes().all(|byte| byte.is_ascii_digit());
    let timestamp = timestamp.parse().ok().filter(|&seconds: &u64| digits && seconds > 0);
    let timestamp = timestamp.ok_or_else(|| Refusal::rejected("the timestamp is no positive number"))?;
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let window = now.saturating_sub(WINDOW.as_secs())..=now + WINDOW.as_secs();
    if !window.contains(&timestamp) {
        let refusal = Refusal::unauthorized("timestamp_refused", "the timestamp is too far from the clock");
        let acceptable = format!("{}-{}", window.start(), window.end());
        return Err(refusal.with("oauth_acceptable_timestamps", acceptable));
    }
    let token = value(params, "oauth_token").unwrap_or("").to_owned();
    Ok(Some(Used { client: client.to_owned(), token, timestamp, nonce: nonce.to_owned() }))
}

/// RFC 5849 §3.4.2 to §3.4.4.
fn is_signed(
    method: SignatureMethod,
    client: &RegisteredClient,
    token_secret: &str,
    base_string: &str,
    signature: &str,
) -> bool {
    let secrets = [&*client.secret, token_secret].map(|secret| encoded(secret.as_bytes())).join("&");
    let by_hmac = |algorithm| {
        let key = hmac::Key::new(algorithm, secrets.as_bytes());
        let signature = STANDARD.decode(signature);
        signature.is_ok_and(|signature| hmac::verify(&key, base_string.as_bytes(), &signature).is_ok())
    };
    let by_rsa = |parameters: &'static RsaParameters| {
        let Some((key, signature)) = client.rsa_key.as_ref().zip(STANDARD.decode(signature).ok()) else {
            return false;
        };
        UnparsedPublicKey::new(parameters, key).verify(base_string.as_bytes(), &signature).is_ok()
    };
    match method {
        SignatureMethod::HmacSha1 => by_hmac(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
        SignatureMethod::HmacSha256 => by_hmac(hmac::HMAC_SHA256),
        SignatureMethod::HmacSha512 => by_hmac(hmac::HMAC_SHA512),
        SignatureMethod::RsaSha1 => by_rsa(&RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY),
        SignatureMethod::RsaSha256 => by_rsa(&RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY),
        SignatureMethod::RsaSha512 => by_rsa(&RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY),
        SignatureMethod::Plaintext => is_same(&secrets, signature),
    }
}

/// Compares in constant time, by way of a MAC of both.
fn is_same(secret: &str, guess: &str) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, secret.as_bytes());
    hmac::verify(&key, guess.as_bytes(), tag.as_ref()).is_ok()
}

/// The Body Hash extension: a hash of any body but a form, whose algorithm its length tells.
fn check_body(asked: Asked<'_>, hash: &str) -> Result<(), Refusal> {
    if is_form(asked.headers) {
        return Err(Refusal::rejected("a form is signed itself and has no body hash"));
    }
    let hash = STANDARD.decode(hash).unwrap_or_default();
    let algorithms = [&digest::SHA1_FOR_LEGACY_USE_ONLY, &digest::SHA256, &digest::SHA512];
    let algorithm = algorithms.into_iter().find(|algorithm| algorithm.output_len() == hash.len());
    let algorithm = algorithm.ok_or_else(|| Refusal::rejected("the body hash has no known length"))?;
    if digest::digest(algorithm, asked.body).as_ref() == hash {
        return Ok(());
    }
    Err(Refusal::unauthorized("body_hash_invalid", "the body is not the one that was signed"))
}
