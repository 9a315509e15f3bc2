//! Issuers, and where their metadata lies (RFC 8414 §2, §3.1; OpenID Connect Discovery §4.1).

use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use valetkey_http::Addresses;

use crate::{
    endpoint::{Endpoint, origin_and_rest},
    error::{Error, ErrorKind, Reason, Result},
};

/// The identifier of a server: a URL, compared byte for byte and never normalised (RFC 8414 §3.3).
///
/// Where requests to it may go ([`with_addresses`](Self::with_addresses)) is no part of that.
///
/// ```
/// use valetkey_proto::oauth2::server::{Issuer, WellKnown};
///
/// let issuer = Issuer::parse("https://as.example/tenant")?;
/// let url = issuer.metadata_url(&WellKnown::AuthorizationServer)?;
/// assert_eq!(url.as_str(), "https://as.example/.well-known/oauth-authorization-server/tenant");
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone)]
pub struct Issuer {
    text: Arc<str>,
    addresses: Addresses,
}

impl Issuer {
    /// Takes an `https` URL (or `http` on loopback) without query, fragment and user information.
    ///
    /// # Errors
    ///
    /// `Config`: as [`Endpoint::parse`], and [`Reason::InvalidUrl`] if there is a query (RFC 8414 §2).
    pub fn parse(text: &str) -> Result<Self> {
        if text.contains('?') {
            return Err(Error::new(ErrorKind::Config, Reason::InvalidUrl).with_detail("issuer"));
        }
        Endpoint::parse(text).map_err(|error| error.with_detail("issuer"))?;
        Ok(Self { text: text.into(), addresses: Addresses::Any })
    }

    /// An issuer that whoever answers at `teller` has named.
    pub(crate) fn told_by(teller: &Endpoint, text: &str) -> Result<Self> {
        let issuer = Self::parse(text).map_err(|error| error.restated_by(ErrorKind::Protocol))?;
        Ok(issuer.with_addresses(Endpoint::told_by(teller, text)?.addresses()))
    }

    /// Says which addresses requests to its host may go to: [`Addresses::Public`] for an issuer that was learned from
    /// somebody, as [WebFinger](crate::oidc::webfinger) does it, or typed by a user.
    ///
    /// ```
    /// use valetkey_http::Addresses;
    /// use valetkey_proto::oauth2::server::{Issuer, WellKnown};
    ///
    /// let issuer = Issuer::parse("https://of-a-user.example")?.with_addresses(Addresses::Public);
    /// assert_eq!(issuer.metadata_url(&WellKnown::OpenId)?.addresses(), Addresses::Public);
    /// # Ok::<(), valetkey_proto::Error>(())
    /// ```
    #[must_use]
    pub fn with_addresses(mut self, addresses: Addresses) -> Self {
        self.addresses = addresses;
        self
    }

    /// The identifier as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The identifier as a URL. It was one when it was parsed.
    pub(crate) fn endpoint(&self) -> Result<Endpoint> {
        Ok(Endpoint::parse(&self.text)?.with_addresses(self.addresses))
    }

    /// Where a document about this issuer lies.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidUrl`] if the name of a [`WellKnown::Application`] does not make a URL.
    pub fn metadata_url(&self, document: &WellKnown) -> Result<Endpoint> {
        let (origin, path) = origin_and_rest(&self.text);
        let origin = origin.to_ascii_lowercase();
        // Both documents say: remove a terminating slash first.
        let path = path.strip_suffix('/').unwrap_or(path);
        let url = Endpoint::parse(&match document {
            WellKnown::OpenId => format!("{origin}{path}/.well-known/openid-configuration"),
            WellKnown::AuthorizationServer => {
                format!("{origin}/.well-known/oauth-authorization-server{path}")
            }
            WellKnown::Application(name) => format!("{origin}/.well-known/{name}{path}"),
        })?;
        Ok(url.with_addresses(self.addresses))
    }
}

impl PartialEq for Issuer {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Issuer {}

impl Hash for Issuer {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl PartialOrd for Issuer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Issuer {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Issuer").field(&self.text).finish()
    }
}

/// Which document about an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WellKnown {
    /// `openid-configuration`, appended to the issuer (OpenID Connect Discovery §4.1).
    OpenId,
    /// `oauth-authorization-server`, inserted before the issuer's path (RFC 8414 §3.1).
    AuthorizationServer,
    /// Another registered name, inserted before the issuer's path (RFC 8414 §3).
    Application(Box<str>),
}
