//! Edits of JWTs, which are signed anew: ID tokens, `UserInfo`, logout tokens.

use std::time::{Duration, SystemTime};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;
use serde_json::{Map, Value, json};

use super::{Member, edit::edit_members};
use crate::{
    keys,
    openid::{by_secret, hash, seconds, sign_by, unsigned},
    state::State,
};

/// A change to a JWT. Whatever is changed, the result is signed again by the provider's own key for its `alg`,
/// unless the change is about that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JwtEdit {
    /// A change to the header.
    Header(Member),
    /// A change to the claims.
    Claim(Member),
    /// A time claim so many seconds from now, or before.
    Time(&'static str, i64),
    /// Another audience beside the one there is, in a list.
    AudienceToo(&'static str),
    /// The audience there is, in a list.
    AudienceAsList,
    /// The hash of the access token (`at_hash`) or code (`c_hash`) that came along, by the hash function of this
    /// other algorithm.
    HashBy(&'static str, &'static str),
    /// Signed by this other algorithm, properly, with `alg` and `kid` to match.
    Alg(&'static str),
    /// No signature, and this as `alg`.
    Unsigned(&'static str),
    /// A signature of which one bit is another.
    BrokenSignature,
    /// Signed by a key that nobody published, under the name of the provider's.
    Stranger,
    /// Signed by a key that nobody published, which stands in the header as `jwk`.
    StrangerInHeader,
    /// HS256, with the text of the provider's public key as the secret.
    PublicKeyAsSecret,
}

/// What came with a JWT.
#[derive(Clone, Copy, Default)]
pub(super) struct Beside<'a> {
    pub(super) access_token: Option<&'a str>,
    pub(super) code: Option<&'a str>,
}

/// The JWT with these changes. What is none is left alone.
pub(super) fn edit_jwt(
    state: &State,
    now: SystemTime,
    jwt: &str,
    beside: Beside<'_>,
    edits: &[JwtEdit],
) -> String {
    let parts: Vec<_> = jwt.split('.').collect();
    let object = |part: &str| -> Option<Map<String, Value>> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
    };
    let [header, claims, _] = parts[..] else { return jwt.to_owned() };
    let (Some(mut header), Some(mut claims)) = (object(header), object(claims)) else {
        return jwt.to_owned();
    };
    // Whose token it is, is known before anything is changed.
    let client = claims.get("aud").and_then(Value::as_str).unwrap_or("").to_owned();
    for edit in edits {
        edit_claim(&mut claims, now, beside, *edit);
        if let JwtEdit::Alg(algorithm) = edit {
            rename(state, &mut header, algorithm);
        }
    }
    let algorithm = header.get("alg").and_then(Value::as_str).unwrap_or("").to_owned();
    for edit in edits {
        edit_header(&mut header, *edit);
    }
    let text = |object: &Map<String, Value>, members: Vec<Member>| {
        let text = Value::from(object.clone()).to_string();
        String::from_utf8_lossy(&edit_members(text.as_bytes(), &members)).into_owned()
    };
    let of_header =
        edits.iter().filter_map(|edit| if let JwtEdit::Header(edit) = edit { Some(*edit) } else { None });
    let of_claims =
        edits.iter().filter_map(|edit| if let JwtEdit::Claim(edit) = edit { Some(*edit) } else { None });
    let (header, claims) = (text(&header, of_header.collect()), text(&claims, of_claims.collect()));
    signed(state, &algorithm, &client, [&header, &claims], edits)
}

/// Makes the header one for this algorithm.
fn rename(state: &State, header: &mut Map<String, Value>, algorithm: &str) {
    header.insert("alg".into(), algorithm.into());
    match state.openid.keyring.jwk(algorithm).and_then(|jwk| jwk.get("kid").cloned()) {
        Some(kid) => header.insert("kid".into(), kid),
        None => header.remove("kid"),
    };
}

fn edit_claim(claims: &mut Map<String, Value>, now: SystemTime, beside: Beside<'_>, edit: JwtEdit) {
    match edit {
        JwtEdit::Time(name, offset) => {
            let distance = Duration::from_secs(offset.unsigned_abs());
            let time = if offset < 0 { now - distance } else { now + distance };
            claims.insert(name.into(), seconds(time));
        }
        JwtEdit::AudienceToo(other) => {
            let own = claims.get("aud").cloned().unwrap_or_default();
            claims.insert("aud".into(), json!([own, other]));
        }
        JwtEdit::AudienceAsList => {
            let own = claims.get("aud").cloned().unwrap_or_default();
            claims.insert("aud".into(), json!([own]));
        }
        JwtEdit::HashBy(name, algorithm) => {
            let value = if name == "c_hash" { beside.code } else { beside.access_token };
            claims.insert(name.into(), hash(algorithm, value.unwrap_or("")).into());
        }
        _ => {}
    }
}

fn edit_header(header: &mut Map<String, Value>, edit: JwtEdit) {
    match edit {
        JwtEdit::Unsigned(name) => {
            header.remove("kid");
            header.insert("alg".into(), name.into());
        }
        JwtEdit::StrangerInHeader => {
            let algorithm = header.get("alg").and_then(Value::as_str).unwrap_or("");
            header.insert("jwk".into(), stranger(algorithm).public());
            header.remove("kid");
        }
        JwtEdit::PublicKeyAsSecret => {
            header.insert("alg".into(), "HS256".into());
        }
        _ => {}
    }
}

/// A key that the provider never publishes.
fn stranger(algorithm: &str) -> keys::TestKey {
    match algorithm {
        "RS256" => keys::rs256(),
        "PS256" => keys::ps256(),
        "EdDSA" => keys::ed_dsa(),
        _ => keys::other_es256(),
    }
}

fn signed(state: &State, algorithm: &str, client: &str, parts: [&str; 2], edits: &[JwtEdit]) -> String {
    let [header, claims] = parts;
    let own = || sign_by(&state.settings, &state.openid.keyring, algorithm, client, parts);
    for edit in edits {
        match edit {
            JwtEdit::Unsigned(_) => return unsigned(header, claims),
            JwtEdit::BrokenSignature => return broken(&own()),
            JwtEdit::Stranger if algorithm.starts_with("HS") => {
                return by_secret(hmac::HMAC_SHA256, b"another secret than the client's own", header, claims);
            }
            JwtEdit::Stranger | JwtEdit::StrangerInHeader => return stranger(algorithm).jwt(header, claims),
            JwtEdit::PublicKeyAsSecret => {
                let jwk = state.openid.keyring.jwk(algorithm).unwrap_or_default().to_string();
                return by_secret(hmac::HMAC_SHA256, jwk.as_bytes(), header, claims);
            }
            _ => {}
        }
    }
    own()
}

/// The first byte of the signature is changed, so that no padding hides it.
fn broken(jwt: &str) -> String {
    let Some((signed, signature)) = jwt.rsplit_once('.') else { return jwt.to_owned() };
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
    if let Some(first) = bytes.first_mut() {
        *first ^= 1;
    }
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(bytes))
}
