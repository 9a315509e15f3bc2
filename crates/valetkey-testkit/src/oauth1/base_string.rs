//! The signature base string (RFC 5849 §3.4.1), from a request as it came.

use super::params::Pair;

/// RFC 5849 §3.4.1.1. `origin` is in lower case and without the default port.
pub(super) fn base_string(method: &str, origin: &str, path: &str, pairs: &[Pair]) -> String {
    let method = method.to_ascii_uppercase();
    let uri = format!("{origin}{path}");
    [method.as_bytes(), uri.as_bytes(), normalized(pairs).as_bytes()].map(encoded).join("&")
}

/// RFC 5849 §3.4.1.3.2: encoded first, then sorted.
pub(super) fn normalized(pairs: &[Pair]) -> String {
    let mut encoded: Vec<_> = pairs.iter().map(|(name, value)| (encoded(name), encoded(value))).collect();
    encoded.sort_unstable();
    let joined = encoded.iter().map(|(name, value)| format!("{name}={value}"));
    joined.collect::<Vec<_>>().join("&")
}

/// RFC 5849 §3.6.
pub(super) fn encoded(text: &[u8]) -> String {
    let mut encoded = String::with_capacity(text.len());
    for &byte in text {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
