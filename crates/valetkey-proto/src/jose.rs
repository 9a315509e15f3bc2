//! Keys, signatures, encryption and tokens in JSON (JOSE): JWK, JWS, JWE, JWT.
//!
//! A key signs or verifies by one algorithm ([`VerifyingKey`](crate::crypto::VerifyingKey)); what a token says of its
//! algorithm is compared with that and chooses nothing. A token that is not verified is
//! [`Unverified`](jws::Unverified), and has no claims. All kinds of JWT are told apart by one table
//! ([`jwt::Kind`]), by which one writer writes them and one validator reads them.
//!
//! Only the compact serializations are read, and strictly: base64url without padding, at most 64 KiB, headers of at
//! most 8 KiB, JSON of at most 16 levels, no member twice, no `crit`. Keys and URLs in a header are never used.

mod header;
pub mod jwe;
mod jwk;
pub mod jws;
pub mod jwt;
mod set;
mod span;
mod thumbprint;

use base64::{Engine, decoded_len_estimate, engine::general_purpose::URL_SAFE_NO_PAD};

pub(crate) use self::jwk::{PrivateJwk, Purpose};
pub use self::{
    jwk::Jwk,
    set::{Jwks, VerifyingKeys},
    thumbprint::certificate_thumbprint,
};

use crate::error::{Error, ErrorKind, Reason, Result};

/// The longest token that is read.
const MAX_TOKEN: usize = 64 << 10;
/// The longest header that is read, decoded.
const MAX_HEADER: usize = 8 << 10;
/// The longest name of a key (`kid`).
const MAX_KID: usize = 256;
/// The most levels of JSON in a token.
const MAX_DEPTH: usize = 16;
/// The most members and elements of JSON in a token.
const MAX_ITEMS: usize = 1024;

/// Encodes base64url (RFC 7515 §2).
fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes base64url as RFC 7515 §2 has it: no padding, no other characters, no bits left over.
fn decode(text: &str) -> Result<Vec<u8>> {
    // Room that is not asked for as zeros, which is slower to get.
    let mut bytes = Vec::with_capacity(decoded_len_estimate(text.len()));
    URL_SAFE_NO_PAD.decode_vec(text, &mut bytes).map_err(|_| malformed("base64url"))?;
    Ok(bytes)
}

/// Parts of a compact serialization. It looks for one dot more than there may be, and no further (RFC 8725 §3.11).
fn parts<const N: usize>(text: &str) -> Result<[&str; N]> {
    if text.len() > MAX_TOKEN {
        return Err(too_large("token"));
    }
    let mut found = [""; N];
    let mut parts = text.splitn(N + 1, '.');
    for part in &mut found {
        *part = parts.next().ok_or_else(|| malformed("number of parts"))?;
    }
    if parts.next().is_some() {
        return Err(malformed("number of parts"));
    }
    Ok(found)
}

/// Refuses JSON that is nested deeper, or has more in it, than tokens have.
pub(crate) fn check_shape(json: &str) -> Result<()> {
    // Nearly every token has so few commas and brackets that no order of them is too much; counting is quick.
    let has_few_items = json.len() < MAX_ITEMS || count(json, |byte| byte == b',') < MAX_ITEMS;
    if has_few_items && count(json, |byte| byte | 0x20 == b'{') <= MAX_DEPTH {
        return Ok(());
    }
    let (mut depth, mut items, mut in_text, mut is_escaped) = (0_usize, 0_usize, false, false);
    for byte in json.bytes() {
        if in_text {
            in_text = is_escaped || byte != b'"';
            is_escaped = !is_escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' => items += 1,
            _ => {}
        }
        if depth > MAX_DEPTH || items >= MAX_ITEMS {
            return Err(too_large("JSON"));
        }
    }
    Ok(())
}

/// How many bytes are such, in pieces whose count a byte holds: many are counted at once.
fn count(text: &str, is: impl Fn(u8) -> bool) -> usize {
    let of = |bytes: &[u8]| bytes.iter().map(|&byte| u8::from(is(byte))).sum::<u8>();
    text.as_bytes().chunks(128).map(|bytes| usize::from(of(bytes))).sum()
}

fn malformed(what: &'static str) -> Error {
    Error::new(ErrorKind::Protocol, Reason::Malformed).with_detail(what)
}

fn too_large(what: &'static str) -> Error {
    Error::new(ErrorKind::Protocol, Reason::TooLarge).with_detail(what)
}

fn missing(what: &'static str) -> Error {
    Error::new(ErrorKind::Protocol, Reason::MissingParameter).with_detail(what)
}

fn untrusted(reason: Reason) -> Error {
    Error::new(ErrorKind::Untrusted, reason)
}

fn invalid_key(detail: &'static str) -> Error {
    Error::new(ErrorKind::Config, Reason::InvalidKey).with_detail(detail)
}
