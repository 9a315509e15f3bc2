//! As much of DER (X.690) as keys need: to see what a private key is, and to write it as PKCS#8, or its public half.

use crate::secret::Wiped;

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const NULL: u8 = 0x05;
const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const CONTEXT_0: u8 = 0xa0;
const CONTEXT_1: u8 = 0xa1;

/// Object identifiers, in their encoding.
pub(super) mod oid {
    pub(crate) const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    pub(crate) const RSA_PSS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];
    pub(crate) const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    pub(crate) const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    pub(crate) const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
    pub(crate) const P521: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];
    pub(crate) const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
    pub(crate) const X25519: &[u8] = &[0x2b, 0x65, 0x6e];
}

/// A value and what follows it.
struct Element<'a> {
    tag: u8,
    value: &'a [u8],
    rest: &'a [u8],
}

/// The first value; `None` unless it is whole and its length is written as DER has it.
fn element(bytes: &[u8]) -> Option<Element<'_>> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        // Keys are shorter than 64 KiB.
        let size = usize::from(first & 0x7f);
        let (digits, rest) = rest.split_at_checked(size).filter(|_| matches!(size, 1 | 2))?;
        let length = digits.iter().fold(0, |length, &digit| length << 8 | usize::from(digit));
        let is_shortest = length >= if size == 1 { 0x80 } else { 0x100 };
        (is_shortest.then_some(length)?, rest)
    };
    let (value, rest) = rest.split_at_checked(length)?;
    Some(Element { tag, value, rest })
}

/// The first value, which is of this tag, and what follows it.
fn expect(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    element(bytes).filter(|element| element.tag == tag).map(|element| (element.value, element.rest))
}

/// What DER may hold, as far as people hand it in as a private key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// PKCS#8 (RFC 5958 §2): the algorithm and its parameter, both as object identifiers.
    Pkcs8 { algorithm: &'a [u8], parameter: &'a [u8] },
    /// PKCS#8, encrypted (RFC 5958 §3).
    EncryptedPkcs8,
    /// PKCS#1 (RFC 8017 A.1.2).
    Pkcs1,
    /// SEC1 (RFC 5915 §3), and its curve if it is said.
    Sec1 { curve: Option<&'a [u8]> },
    /// A public key (RFC 5280 §4.1.2.7, RFC 8017 A.1.1) or a certificate.
    Public,
    /// Something else.
    Other,
}

/// Says what DER holds.
pub(super) fn look(der: &[u8]) -> Found<'_> {
    whole(der).or_else(|| others(der)).unwrap_or(Found::Other)
}

/// The private keys in clear text: a sequence that begins with its version.
fn whole(der: &[u8]) -> Option<Found<'_>> {
    let (key, &[]) = expect(der, SEQUENCE)? else { return None };
    let (version, rest) = expect(key, INTEGER)?;
    let next = element(rest)?;
    Some(match (version, next.tag) {
        ([0 | 1], SEQUENCE) => {
            let (algorithm, parameters) = expect(next.value, OBJECT_IDENTIFIER)?;
            let (_, _) = expect(next.rest, OCTET_STRING)?;
            let parameter = expect(parameters, OBJECT_IDENTIFIER).map_or(&[][..], |(oid, _)| oid);
            Found::Pkcs8 { algorithm, parameter }
        }
        ([1], OCTET_STRING) => {
            let curve = expect(next.rest, CONTEXT_0).and_then(|(inner, _)| expect(inner, OBJECT_IDENTIFIER));
            Found::Sec1 { curve: curve.map(|(oid, _)| oid) }
        }
        ([0 | 1], INTEGER) if element(next.rest).is_some_and(|third| third.tag == INTEGER) => Found::Pkcs1,
        // RFC 8017 A.1.1: a modulus and an exponent.
        (_, INTEGER) => Found::Public,
        _ => return None,
    })
}

/// What begins with a sequence: an encrypted key, a public one, a certificate.
fn others(der: &[u8]) -> Option<Found<'_>> {
    let (outer, _) = expect(der, SEQUENCE)?;
    let (_, rest) = expect(outer, SEQUENCE)?;
    Some(match element(rest)?.tag {
        OCTET_STRING => Found::EncryptedPkcs8,
        BIT_STRING | SEQUENCE => Found::Public,
        _ => return None,
    })
}

/// Writes one value.
fn write(out: &mut Vec<u8>, tag: u8, value: &[u8]) {
    out.push(tag);
    let length = value.len();
    // Keys are shorter than 64 KiB.
    let [high, low] = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
    match length {
        0..0x80 => out.push(low),
        0x80..0x100 => out.extend_from_slice(&[0x81, low]),
        _ => out.extend_from_slice(&[0x82, high, low]),
    }
    out.extend_from_slice(value);
}

/// A buffer that never grows, so that it leaves no copy of a key behind.
fn buffer(size: usize) -> Wiped<Vec<u8>> {
    Wiped::new(Vec::with_capacity(size + 128))
}

/// A sequence of what is already written.
fn sequence(content: &[u8]) -> Wiped<Vec<u8>> {
    let mut out = buffer(content.len());
    write(&mut out, SEQUENCE, content);
    out
}

/// PKCS#8 (RFC 5958 §2) of a key in its own format.
pub(super) fn pkcs8(algorithm: &[u8], parameter: Parameter<'_>, key: &[u8]) -> Wiped<Vec<u8>> {
    let mut identifier = Vec::new();
    write(&mut identifier, OBJECT_IDENTIFIER, algorithm);
    match parameter {
        Parameter::Null => write(&mut identifier, NULL, &[]),
        Parameter::None => {}
        Parameter::Curve(oid) => write(&mut identifier, OBJECT_IDENTIFIER, oid),
    }
    let mut content = buffer(key.len());
    write(&mut content, INTEGER, &[0]);
    write(&mut content, SEQUENCE, &identifier);
    write(&mut content, OCTET_STRING, key);
    sequence(&content)
}

/// The parameter of an algorithm in PKCS#8.
pub(super) enum Parameter<'a> {
    Null,
    None,
    Curve(&'a [u8]),
}

/// PKCS#1 (RFC 8017 A.1.2) of n, e, d, p, q, dP, dQ, qInv, each big-endian.
pub(super) fn pkcs1(numbers: &[&[u8]; 8]) -> Wiped<Vec<u8>> {
    let mut content = buffer(numbers.iter().map(|number| number.len() + 8).sum());
    write(&mut content, INTEGER, &[0]);
    for number in numbers {
        integer(&mut content, number);
    }
    sequence(&content)
}

/// Writes a positive number, big-endian.
fn integer(out: &mut Vec<u8>, number: &[u8]) {
    let significant = number.iter().position(|&byte| byte != 0).unwrap_or(number.len());
    let number = number.get(significant..).unwrap_or_default();
    // A number that begins with a set bit would read as negative.
    let mut positive = buffer(number.len());
    if number.first().is_none_or(|&byte| byte >= 0x80) {
        positive.push(0);
    }
    positive.extend_from_slice(number);
    write(out, INTEGER, &positive);
}

/// SubjectPublicKeyInfo (RFC 5280 §4.1.2.7) of an RSA key (RFC 8017 A.1.1).
pub(crate) fn rsa_spki(n: &[u8], e: &[u8]) -> Vec<u8> {
    let (mut identifier, mut key, mut content) = (Vec::new(), Vec::new(), Vec::new());
    write(&mut identifier, OBJECT_IDENTIFIER, oid::RSA);
    write(&mut identifier, NULL, &[]);
    integer(&mut key, n);
    integer(&mut key, e);
    write(&mut content, SEQUENCE, &identifier);
    write(&mut content, BIT_STRING, &[&[0], &**sequence(&key)].concat());
    sequence(&content).to_vec()
}

/// SEC1 (RFC 5915 §3) of a private number and its point.
pub(super) fn sec1(private: &[u8], x: &[u8], y: &[u8]) -> Wiped<Vec<u8>> {
    let point = [&[0, 4], x, y].concat();
    let mut public = Vec::new();
    write(&mut public, BIT_STRING, &point);
    let mut content = buffer(private.len() + public.len());
    write(&mut content, INTEGER, &[1]);
    write(&mut content, OCTET_STRING, private);
    write(&mut content, CONTEXT_1, &public);
    sequence(&content)
}

/// The private key of RFC 8410 §7: an octet string.
pub(super) fn octets(private: &[u8]) -> Wiped<Vec<u8>> {
    let mut out = buffer(private.len());
    write(&mut out, OCTET_STRING, private);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_key_is_told_apart_and_nothing_panics() {
        let key = pkcs8(oid::EC, Parameter::Curve(oid::P256), &sec1(&[7; 32], &[1; 32], &[2; 32]));
        assert_eq!(look(&key), Found::Pkcs8 { algorithm: oid::EC, parameter: oid::P256 });
        assert_eq!(look(&sec1(&[7; 32], &[1; 32], &[2; 32])), Found::Sec1 { curve: None });
        assert_eq!(look(&pkcs1(&[&[0xff; 256]; 8])), Found::Pkcs1);
        for end in 0..key.len() {
            assert_eq!(look(&key[..end]), Found::Other, "{end} bytes");
        }
        for byte in 0..=u8::MAX {
            for at in 0..key.len() {
                let mut broken = key.to_vec();
                broken[at] = byte;
                let _ = look(&broken);
            }
        }
        assert_eq!(look(&[SEQUENCE, 0x84, 0xff, 0xff, 0xff, 0xff]), Found::Other);
    }
}
