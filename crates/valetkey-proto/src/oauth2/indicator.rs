//! Resource indicators: which API a token is to be for (RFC 8707).

use std::{fmt, sync::Arc};

use http::Uri;

use crate::{
    endpoint::{Origin, absolute, is_host_and_port},
    error::{Error, ErrorKind, Reason, Result},
};

/// The longest that is taken, in bytes.
const MAX: usize = 2048;

/// The name of an API that a token is to be for (`resource`, RFC 8707 §2): an absolute URI, often the API's own address.
///
/// Its bytes are kept as they were given: servers compare them.
///
/// ```
/// use valetkey_proto::oauth2::ResourceIndicator;
///
/// assert_eq!(ResourceIndicator::parse("https://api.example/v1")?.as_str(), "https://api.example/v1");
/// assert!(ResourceIndicator::parse("urn:example:api").is_ok());
/// for wrong in ["https://api.example/#v1", "/v1", "https://user@api.example/"] {
///     assert!(ResourceIndicator::parse(wrong).is_err(), "{wrong}");
/// }
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
///
/// # Security
///
/// A token for one API should be for no other: who gets it there could use it here (RFC 8707 §3). It is a name, to which
/// nothing is sent by itself.
#[doc(alias = "RFC 8707")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ResourceIndicator(Arc<str>);

impl ResourceIndicator {
    /// Takes an absolute URI. It may have a query, which RFC 8707 §2 advises against.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidUrl`] if it has no scheme, a fragment, user information, or for `https` and `http` no host;
    /// if it is not printable ASCII, or longer than 2 KiB.
    pub fn parse(text: &str) -> Result<Self> {
        let invalid = || Error::new(ErrorKind::Config, Reason::InvalidUrl).with_detail("resource");
        let (scheme, rest) = absolute(text).filter(|_| text.len() <= MAX).ok_or_else(invalid)?;
        let authority = rest.strip_prefix("//").map(|rest| rest.split(['/', '?']).next().unwrap_or_default());
        let is_web = ["https", "http"].iter().any(|web| scheme.eq_ignore_ascii_case(web));
        let is_fine = match authority {
            Some(authority) if is_web => is_host_and_port(authority),
            Some(authority) => !authority.contains('@'),
            None => !is_web,
        };
        if is_fine { Ok(Self(text.into())) } else { Err(invalid()) }
    }

    /// The URI as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The origin that it names; `None` if it is no address on the web.
    #[must_use]
    pub fn origin(&self) -> Option<Origin> {
        Origin::of(&self.0.parse::<Uri>().ok()?)
    }
}

impl fmt::Debug for ResourceIndicator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ResourceIndicator").field(&self.0).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s_ri_01_a_resource_is_an_absolute_uri_without_a_fragment() {
        for good in [
            "https://api.example",
            "HTTPS://API.example:8443/v1/%2e?a=b",
            "http://api.example/",
            "https://[::1]:8080/x",
            "urn:example:api",
            "com.example.app:/api",
            "spiffe://example/api",
        ] {
            assert_eq!(ResourceIndicator::parse(good).expect(good).as_str(), good);
        }
        let long = format!("https://api.example/{}", "x".repeat(MAX));
        for bad in [
            "",
            "#frag",
            "https://api.example/#frag",
            "https://api.example/#",
            "urn:example#",
            "api.example",
            "/v1",
            "//api.example/v1",
            "?a=b",
            "https:",
            "https://",
            "https:/api.example",
            "https:api.example",
            "https:///v1",
            "https://user@api.example/",
            "https://user:password@api.example/",
            "https://api.example@evil.example/",
            "ldap://user@directory.example/",
            "https://api.example:port/",
            "https://api.example\\@evil.example/",
            "https://api.example/a b",
            "https://api.example/\r\nx",
            "https://api.example/\u{e9}",
            "1https://api.example/",
            ":x",
            &long,
        ] {
            let error = ResourceIndicator::parse(bad).expect_err(bad);
            assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::InvalidUrl), "{bad}");
        }
    }

    #[test]
    fn s_ri_02_addresses_have_an_origin_and_names_have_none() {
        let origin = |text: &str| ResourceIndicator::parse(text).expect(text).origin();
        assert_eq!(origin("https://API.example/v1?x"), Origin::parse("https://api.example:443").ok());
        assert_eq!((origin("urn:example:api"), origin("ldap://api.example/")), (None, None));
    }
}
