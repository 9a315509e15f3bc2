//! Issuers of many tenants, which one document stands for.

use std::{fmt, sync::Arc};

use super::Issuer;
use crate::error::{Error, ErrorKind, Reason, Result};

/// Where the tenant stands.
const PLACE: &str = "{tenantid}";
/// The longest name of a tenant.
const MAX_TENANT: usize = 64;

/// The issuers of one server with many tenants: a URL with `{tenantid}` in it, as Microsoft's document for all of them has
/// it. An ID token is of the tenant that it names (`tid`), and of no other.
///
/// ```
/// use valetkey_proto::oauth2::server::IssuerTemplate;
///
/// let template = IssuerTemplate::parse("https://login.example/{tenantid}/v2.0")?;
/// assert!(template.fits("https://login.example/9188040d-6c67/v2.0", "9188040d-6c67"));
/// assert!(!template.fits("https://login.example/9188040d-6c67/v2.0", "another"));
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
///
/// # Security
///
/// Users of all tenants can sign in, and whoever can make a tenant is its administrator: tell users apart by
/// [`IdToken::key`](crate::oidc::IdToken::key), which has the tenant in it, and compare the tenant if not all may come.
#[derive(Clone, PartialEq, Eq)]
pub struct IssuerTemplate(Arc<str>);

impl IssuerTemplate {
    /// Takes a URL with one `{tenantid}` in its path.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidUrl`] and as [`Issuer::parse`].
    pub fn parse(text: &str) -> Result<Self> {
        let invalid = || Error::new(ErrorKind::Config, Reason::InvalidUrl).with_detail("issuer template");
        let (before, after) = text.split_once(PLACE).ok_or_else(invalid)?;
        let path = before.split_once("://").and_then(|(_, rest)| rest.split_once('/'));
        if path.is_none() || after.contains(['{', '}']) {
            return Err(invalid());
        }
        Issuer::parse(&[before, "x", after].concat())?;
        Ok(Self(text.into()))
    }

    /// The template as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the issuer of this tenant, byte for byte.
    #[must_use]
    pub fn fits(&self, issuer: &str, tenant: &str) -> bool {
        self.tenant(issuer) == Some(tenant)
    }

    /// The tenant of an issuer that fits.
    pub(crate) fn tenant<'a>(&self, issuer: &'a str) -> Option<&'a str> {
        let (before, after) = self.0.split_once(PLACE)?;
        let tenant = issuer.strip_prefix(before)?.strip_suffix(after)?;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let is_tenant = !tenant.is_empty() && tenant.len() <= MAX_TENANT && tenant.bytes().all(is_plain);
        is_tenant.then_some(tenant)
    }
}

impl fmt::Debug for IssuerTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("IssuerTemplate").field(&self.0).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s_md_01_a_template_stands_for_issuers_of_its_form_alone() {
        let template = IssuerTemplate::parse("https://login.example/{tenantid}/v2.0").unwrap();
        assert_eq!(template.tenant("https://login.example/a-1/v2.0"), Some("a-1"));
        for issuer in [
            "https://login.example//v2.0",
            "https://login.example/a/b/v2.0",
            "https://login.example/a%2fb/v2.0",
            "https://login.example/a/v2.0/",
            "https://login.example/{tenantid}/v2.0",
            "https://evil.example/a/v2.0",
            "https://login.example/a?/v2.0",
        ] {
            assert_eq!(template.tenant(issuer), None, "{issuer}");
        }
        assert!(template.tenant(&format!("https://login.example/{}/v2.0", "a".repeat(65))).is_none());
        for text in [
            "https://login.example/v2.0",
            "https://{tenantid}.example/",
            "https://login.example/{tenantid}/{tenantid}",
            "http://login.example/{tenantid}",
            "{tenantid}",
        ] {
            assert!(IssuerTemplate::parse(text).is_err(), "{text}");
        }
    }
}
