//! RSA public keys as they are registered: PKCS#1 or SPKI, as DER or PEM.

use base64::{Engine, engine::general_purpose::STANDARD};

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;

/// The PKCS#1 `RSAPublicKey` in it, which is what *ring* verifies with; `None` if there is none.
pub(super) fn rsa_public_key(key: &[u8]) -> Option<Vec<u8>> {
    let der = match std::str::from_utf8(key) {
        Ok(text) if text.trim_start().starts_with("-----BEGIN") => pem(text)?,
        _ => key.to_vec(),
    };
    let (SEQUENCE, outer, _) = element(&der)? else { return None };
    match element(outer)? {
        // RFC 8017 §A.1.1: the modulus comes first.
        (INTEGER, ..) => Some(der),
        // RFC 5280 §4.1: an algorithm comes first, then the key in a bit string without unused bits.
        (SEQUENCE, _, rest) => match element(rest)? {
            (BIT_STRING, [0, key @ ..], _) => Some(key.to_vec()),
            _ => None,
        },
        _ => None,
    }
}

/// What is between the first two lines of dashes.
fn pem(text: &str) -> Option<Vec<u8>> {
    let body = text.split("-----").nth(2)?;
    let body: String = body.split_ascii_whitespace().collect();
    STANDARD.decode(body).ok()
}

/// A DER element: its tag, its content, and what comes after it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (length, rest) =
            rest.split_at_checked(usize::from(first & 0x7f)).filter(|(l, _)| l.len() <= 4)?;
        (length.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key of no use: modulus 15, exponent 3.
    const PKCS1: &[u8] = &[0x30, 6, 2, 1, 15, 2, 1, 3];

    #[test]
    fn keys_are_read_whatever_they_are_wrapped_in() {
        let algorithm = [0x30, 13, 6, 9, 42, 134, 72, 134, 247, 13, 1, 1, 1, 5, 0];
        let spki = [&[0x30, 26][..], &algorithm, &[3, 9, 0], PKCS1].concat();
        let pem =
            format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(&spki));
        for key in [PKCS1, &spki, pem.as_bytes()] {
            assert_eq!(rsa_public_key(key).as_deref(), Some(PKCS1));
        }
        for junk in [&b""[..], b"x", b"-----BEGIN", &spki[..20], &[0x30, 0x85, 1, 1, 1, 1, 1, 0]] {
            assert_eq!(rsa_public_key(junk), None, "{junk:?}");
        }
    }
}
