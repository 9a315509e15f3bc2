//! Percent-encoding as OAuth 1.0 has it (RFC 5849 §3.6), once and twice in one pass.

use crate::form::{hex, is_unreserved};

/// Encodes octets: the unreserved characters of RFC 3986 §2.3 stay as they are, and every other octet becomes `%XX`
/// (RFC 5849 §3.6). A space is `%20`.
///
/// ```
/// use valetkey_proto::oauth1::percent_encode;
///
/// assert_eq!(percent_encode("Ladies + Gentlemen~"), "Ladies%20%2B%20Gentlemen~");
/// assert_eq!(percent_encode("☃"), "%E2%98%83");
/// ```
#[must_use]
pub fn percent_encode(octets: impl AsRef<[u8]>) -> String {
    let octets = octets.as_ref();
    let mut out = Vec::with_capacity(octets.len());
    encode(&mut out, octets, Depth::Once);
    // It is ASCII.
    String::from_utf8(out).unwrap_or_default()
}

/// How often something is encoded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// As in a header, a query or a form.
    Once,
    /// As within the base string, where all parameters together are encoded once more (RFC 5849 §3.4.1.1).
    Twice,
}

/// Appends octets, encoded.
pub(super) fn encode(out: &mut Vec<u8>, octets: &[u8], depth: Depth) {
    let mut rest = octets;
    while let Some(at) = rest.iter().position(|&octet| !is_unreserved(octet)) {
        let (plain, tail) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((&octet, after)) = tail.split_first() else { return };
        escape(out, octet, depth);
        rest = after;
    }
    out.extend_from_slice(rest);
}

/// Appends one octet, encoded.
pub(super) fn push(out: &mut Vec<u8>, octet: u8, depth: Depth) {
    if is_unreserved(octet) {
        out.push(octet);
    } else {
        escape(out, octet, depth);
    }
}

/// A name or a value of a query or form, decoded.
pub(super) fn decode(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((octet, after)) = first_octet(rest) {
        out.push(octet);
        rest = after;
    }
    out
}

/// Decodes the first octet. A `%` that begins no escape stands for itself.
pub(super) fn first_octet(raw: &[u8]) -> Option<(u8, &[u8])> {
    let (&first, rest) = raw.split_first()?;
    Some(match (first, rest) {
        (b'+', _) => (b' ', rest),
        (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
            (Some(high), Some(low)) => (high << 4 | low, after),
            _ => (first, rest),
        },
        _ => (first, rest),
    })
}

/// The value of a hexadecimal digit.
fn digit(character: u8) -> Option<u8> {
    char::from(character).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn escape(out: &mut Vec<u8>, octet: u8, depth: Depth) {
    let (high, low) = (hex(octet >> 4), hex(octet & 15));
    match depth {
        Depth::Once => out.extend_from_slice(&[b'%', high, low]),
        Depth::Twice => out.extend_from_slice(&[b'%', b'2', b'5', high, low]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_5849_3_6_octets_are_encoded_once() {
        assert_eq!(percent_encode("abcABC123-._~"), "abcABC123-._~");
        assert_eq!(percent_encode(" %+&=*\u{0}\u{80}"), "%20%25%2B%26%3D%2A%00%C2%80");
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        for raw in ["a b", "a+b", "a%20b", "%61%20%62"] {
            assert_eq!(decode(raw.as_bytes()), b"a b", "{raw}");
        }
        assert_eq!(decode(b"%zz%4%"), b"%zz%4%");
    }
}
