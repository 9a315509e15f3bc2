//! What an API is called, and where it describes itself (RFC 9728 §1.2, §3.1).

use std::fmt;

use valetkey_http::Addresses;

use crate::{
    endpoint::{Endpoint, Origin, origin_and_rest},
    error::Result,
};

/// What an API is called: a URL, compared byte for byte and never normalised (RFC 9728 §1.2, RFC 8707 §2).
///
/// ```
/// use valetkey_proto::oauth2::protected_resource::ResourceIdentifier;
///
/// let resource = ResourceIdentifier::parse("https://api.example/v1?tenant=7")?;
/// let url = resource.metadata_url()?;
/// assert_eq!(url.as_str(), "https://api.example/.well-known/oauth-protected-resource/v1?tenant=7");
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct ResourceIdentifier(Endpoint);

impl ResourceIdentifier {
    /// Takes an `https` URL (or `http` on loopback) without fragment and user information.
    ///
    /// # Errors
    ///
    /// `Config`: as [`Endpoint::parse`].
    pub fn parse(text: &str) -> Result<Self> {
        Endpoint::parse(text).map(Self).map_err(|error| error.with_detail("resource"))
    }

    /// Says which addresses requests to its host may go to: [`Addresses::Public`] for an API that was learned from
    /// somebody, or typed by a user.
    #[must_use]
    pub fn with_addresses(self, addresses: Addresses) -> Self {
        Self(self.0.with_addresses(addresses))
    }

    /// The identifier as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The origin of the API.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.0.origin()
    }

    /// Where the API's metadata lies (RFC 9728 §3.1): its path and query stay, but for a slash that is all of the path.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidUrl`](crate::Reason::InvalidUrl) if it gets too long.
    pub fn metadata_url(&self) -> Result<Endpoint> {
        let (origin, rest) = origin_and_rest(self.as_str());
        let rest = match rest.strip_prefix('/') {
            Some(query) if query.is_empty() || query.starts_with('?') => query,
            Some(_) | None => rest,
        };
        let origin = origin.to_ascii_lowercase();
        let url = Endpoint::parse(&format!("{origin}/.well-known/oauth-protected-resource{rest}"))?;
        Ok(url.with_addresses(self.0.addresses()))
    }

    /// The identifier as a URL.
    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.0
    }
}

impl fmt::Display for ResourceIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ResourceIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ResourceIdentifier").field(&self.as_str()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s_md_07_the_metadata_lies_before_the_path_and_the_query_stays() {
        for (resource, url) in [
            ("https://api.example", "https://api.example/.well-known/oauth-protected-resource"),
            ("https://api.example/", "https://api.example/.well-known/oauth-protected-resource"),
            ("https://API.example/V1", "https://api.example/.well-known/oauth-protected-resource/V1"),
            ("https://api.example/v1/", "https://api.example/.well-known/oauth-protected-resource/v1/"),
            ("https://api.example?a=/b", "https://api.example/.well-known/oauth-protected-resource?a=/b"),
            ("https://api.example/?a=b", "https://api.example/.well-known/oauth-protected-resource?a=b"),
            ("https://api.example//", "https://api.example/.well-known/oauth-protected-resource//"),
            (
                "https://api.example:8443/v1",
                "https://api.example:8443/.well-known/oauth-protected-resource/v1",
            ),
            ("http://127.0.0.1:1/a/..", "http://127.0.0.1:1/.well-known/oauth-protected-resource/a/.."),
        ] {
            let resource = ResourceIdentifier::parse(resource).unwrap();
            assert_eq!(resource.metadata_url().unwrap().as_str(), url);
        }
        for bad in ["https://api.example/x#f", "http://api.example/", "api.example", "https://u@api.example/"]
        {
            assert!(ResourceIdentifier::parse(bad).is_err(), "{bad}");
        }
        let public =
            ResourceIdentifier::parse("https://api.example").unwrap().with_addresses(Addresses::Public);
        assert_eq!(public.metadata_url().unwrap().addresses(), Addresses::Public);
    }
}
