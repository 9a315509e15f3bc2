//! Values that must not be seen: wiped when dropped, redacted when printed, compared in constant time.

use std::{
    fmt, mem,
    ops::{Deref, DerefMut},
};

use bytes::Bytes;
use http::HeaderValue;
use serde::{Deserialize, Deserializer};
use subtle::ConstantTimeEq;
use zeroize::optimization_barrier;

/// Text that must not be seen.
///
/// It is wiped when it is dropped, its `Debug` shows nothing of it, and two are compared in constant time
/// (their lengths are not hidden). It has no `Display` and no `Serialize`; the one way to the text is
/// [`expose`](Secret::expose).
///
/// ```
/// use valetkey_proto::secret::Secret;
///
/// let secret = Secret::new("p4ssw0rd");
/// assert_eq!(format!("{secret:?}"), "Secret([redacted])");
/// assert_eq!(secret.expose(), "p4ssw0rd");
/// ```
#[derive(Clone)]
pub struct Secret(Box<str>);

impl Secret {
    /// Takes a text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into().into_boxed_str())
    }

    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        mem::take(&mut self.0).into_string().wipe();
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        same(self.0.as_bytes(), other.0.as_bytes())
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

/// Whether two texts are the same, in a time that depends only on their lengths.
pub(crate) fn same(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

/// Declares a newtype over [`Secret`].
macro_rules! secret {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name(Secret);

        impl $name {
            /// Takes the text.
            #[must_use]
            pub fn new(text: impl Into<String>) -> Self {
                Self(Secret::new(text))
            }

            /// The text itself.
            #[must_use]
            pub fn expose(&self) -> &str {
                self.0.expose()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "([redacted])"))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Secret::deserialize(deserializer).map(Self)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self::new(text)
            }
        }
    )*};
}

secret! {
    /// An authorization code (RFC 6749 §4.1.2): one sign-in, to be used once.
    AuthorizationCode;
    /// What a confidential client shares with the server (RFC 6749 §2.3.1).
    ClientSecret;
    /// A refresh token (RFC 6749 §1.5).
    RefreshToken;
}

/// An access token (RFC 6749 §1.4), held once, as the header value that is sent: wiped when the last
/// clone is dropped, cloned without a copy, marked sensitive.
///
/// ```
/// use valetkey_proto::secret::AccessToken;
///
/// let token = AccessToken::bearer("mF_9.B5f-4.1JqM").expect("visible ASCII");
/// assert_eq!(token.header(), "Bearer mF_9.B5f-4.1JqM");
/// assert_eq!(token.expose(), "mF_9.B5f-4.1JqM");
/// assert_eq!(format!("{token:?}"), "AccessToken([redacted])");
/// ```
#[derive(Clone)]
pub struct AccessToken {
    /// The scheme, a blank, and the token.
    header: HeaderValue,
}

const BEARER: &str = "Bearer ";
const DPOP: &str = "DPoP ";

impl AccessToken {
    /// A bearer token (RFC 6750 §2.1); `None` unless it is visible ASCII and not empty.
    ///
    /// RFC 6750 allows fewer characters still, and providers use more, so that all of visible ASCII is
    /// taken: nothing in it can break a header.
    #[must_use]
    pub fn bearer(token: &str) -> Option<Self> {
        Self::with_scheme(BEARER, token)
    }

    /// A token that is bound to a key (RFC 9449 §7.1), and goes nowhere without a proof; `None` as
    /// [`bearer`](Self::bearer).
    #[must_use]
    pub fn dpop(token: &str) -> Option<Self> {
        Self::with_scheme(DPOP, token)
    }

    fn with_scheme(scheme: &'static str, token: &str) -> Option<Self> {
        // Folded, not cut short at the first misfit: an early exit would keep the loop from vectorising.
        let misfit = token.bytes().fold(false, |misfit, byte| misfit | !matches!(byte, 0x21..=0x7e));
        if misfit || token.is_empty() {
            return None;
        }
        let mut header = Vec::with_capacity(scheme.len() + token.len());
        header.extend_from_slice(scheme.as_bytes());
        header.extend_from_slice(token.as_bytes());
        let mut header = HeaderValue::from_maybe_shared(wiped(header)).ok()?;
        header.set_sensitive(true);
        Some(Self { header })
    }

    /// The value of the `Authorization` field.
    #[must_use]
    pub fn header(&self) -> &HeaderValue {
        &self.header
    }

    /// Whether it is bound to a key, so that every request that shows it needs a proof.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        self.header.as_bytes().starts_with(DPOP.as_bytes())
    }

    /// The token itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        // Made of a `&str` of visible ASCII behind the scheme.
        let scheme = if self.is_bound() { DPOP } else { BEARER };
        self.header.to_str().ok().and_then(|text| text.get(scheme.len()..)).unwrap_or_default()
    }
}

impl PartialEq for AccessToken {
    fn eq(&self, other: &Self) -> bool {
        same(self.header.as_bytes(), other.header.as_bytes())
    }
}

impl Eq for AccessToken {}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken([redacted])")
    }
}

/// Bytes that are wiped when the last clone of them is dropped.
pub(crate) fn wiped(bytes: Vec<u8>) -> Bytes {
    Bytes::from_owner(Wiped::new(bytes))
}

/// What can be overwritten with zeros.
///
/// `zeroize` writes byte by byte, which for a request takes longer than writing the request. Here a whole buffer
/// is filled at once, and its barrier keeps the compiler from leaving that out.
pub(crate) trait Wipe {
    /// Overwrites all of it, spare room included.
    fn wipe(&mut self);
}

impl Wipe for [u8] {
    fn wipe(&mut self) {
        self.fill(0);
        optimization_barrier(self);
    }
}

impl<const N: usize> Wipe for [u8; N] {
    fn wipe(&mut self) {
        self.as_mut_slice().wipe();
    }
}

impl Wipe for Vec<u8> {
    fn wipe(&mut self) {
        self.clear();
        self.resize(self.capacity(), 0);
        optimization_barrier(self.as_slice());
    }
}

impl Wipe for String {
    fn wipe(&mut self) {
        mem::take(self).into_bytes().wipe();
    }
}

/// A buffer that is wiped when it is dropped.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Wiped<T: Wipe>(T);

impl<T: Wipe> Wiped<T> {
    pub(crate) fn new(buffer: T) -> Self {
        Self(buffer)
    }
}

impl<T: Wipe> Drop for Wiped<T> {
    fn drop(&mut self) {
        self.0.wipe();
    }
}

impl<T: Wipe> Deref for Wiped<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Wipe> DerefMut for Wiped<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl AsRef<[u8]> for Wiped<Vec<u8>> {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s_tk_10_access_tokens_are_opaque_but_cannot_break_a_header() {
        for token in ["", "a b", "a\r\nx: y", "é", "\u{7f}", "a\0"] {
            assert!(AccessToken::bearer(token).is_none(), "{token:?}");
        }
        for token in ["a", "5fb8|c3d4", "~!*'(\"", "a==", &"x".repeat(16384)] {
            assert_eq!(AccessToken::bearer(token).expect("visible ASCII").expose(), token);
        }
    }

    #[test]
    fn all_of_a_buffer_is_wiped() {
        let mut bytes = Vec::with_capacity(64);
        bytes.extend_from_slice(b"canary");
        bytes.wipe();
        assert!(bytes.len() >= 64 && bytes.iter().all(|&byte| byte == 0));
        let mut array = *b"canary";
        array.wipe();
        assert_eq!(array, [0; 6]);
    }

    #[test]
    fn nothing_is_shown() {
        let token = AccessToken::bearer("canary").unwrap();
        let shown = format!(
            "{:?} {:?} {:?} {:?}",
            Secret::new("canary"),
            ClientSecret::new("canary"),
            token,
            token.header()
        );
        assert!(!shown.contains("canary"), "{shown}");
        assert!(Secret::new("a") == Secret::new("a") && Secret::new("a") != Secret::new("b"));
        assert!(Secret::new("a") != Secret::new("ab"));
    }
}
