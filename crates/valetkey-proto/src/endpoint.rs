//! URLs: where requests go, where tokens may go, and where the browser comes back to.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use http::Uri;
use valetkey_http::{Addresses, is_public_host};

use crate::{
    error::{Error, ErrorKind, Reason, Result},
    form::is_unreserved,
    oauth2::server::Issuer,
};

/// The longest URL that is taken, in bytes.
const MAX_URL: usize = 8 << 10;

/// A URL that requests are sent to: `https`, or `http` on loopback (`127.0.0.0/8`, `[::1]`, `localhost`).
///
/// Its bytes are kept as they were given.
///
/// ```
/// use valetkey_proto::endpoint::Endpoint;
///
/// let endpoint = Endpoint::parse("https://as.example/token?tenant=1")?;
/// assert_eq!(endpoint.as_str(), "https://as.example/token?tenant=1");
/// assert!(Endpoint::parse("http://127.0.0.1:8080/token").is_ok());
/// assert!(Endpoint::parse("http://as.example/token").is_err());
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    text: Arc<str>,
    uri: Uri,
    addresses: Addresses,
}

impl Endpoint {
    /// Takes an absolute URL.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidUrl`] if it is not an absolute `http` or `https` URL, is too long, or has
    /// a fragment, user information, a backslash, a quotation mark, an angle bracket, or a host or port that
    /// RFC 3986 §3.2 does not have (a host's escapes are refused, too); [`Reason::InsecureUrl`] if it is `http` and
    /// not on loopback.
    ///
    /// # Security
    ///
    /// OAuth 2.1 §1.5 demands TLS; loopback never leaves the machine.
    pub fn parse(text: &str) -> Result<Self> {
        let invalid = || Error::new(ErrorKind::Config, Reason::InvalidUrl);
        // `http::Uri` drops fragments and keeps user information: both are looked for in the text. It also takes
        // marks that RFC 3986 has in no URL, and that end an attribute of HTML.
        let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.len() > MAX_URL || text.contains(['#', '\\', '"', '<', '>']) || !is_visible {
            return Err(invalid());
        }
        let uri: Uri = text.parse().map_err(|_| invalid())?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(invalid());
        };
        if !is_host_and_port(authority.as_str()) {
            return Err(invalid());
        }
        match scheme {
            "https" => {}
            "http" if uri.host().is_some_and(is_loopback) => {}
            "http" => return Err(Error::new(ErrorKind::Config, Reason::InsecureUrl)),
            _ => return Err(invalid()),
        }
        Ok(Self { text: text.into(), uri, addresses: Addresses::Any })
    }

    /// Takes an absolute URL that this issuer has named, in a document or in an answer.
    ///
    /// On the issuer's own host it is as good as the issuer. On another one, requests demand
    /// [addresses](Self::addresses) that are public: what a name leads to is seen when it is looked up.
    ///
    /// ```
    /// use valetkey_proto::{Reason, endpoint::Endpoint, oauth2::server::Issuer};
    ///
    /// let issuer = Issuer::parse("https://as.example")?;
    /// assert!(Endpoint::learned(&issuer, "https://keys.example/jwks").is_ok());
    /// for internal in ["https://169.254.169.254/", "https://127.1/", "https://localhost/", "http://[::1]/"] {
    ///     let error = Endpoint::learned(&issuer, internal).unwrap_err();
    ///     assert_eq!(error.reason(), Reason::AddressNotAllowed, "{internal}");
    /// }
    /// # Ok::<(), valetkey_proto::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `Protocol`: as [`parse`](Self::parse). `Untrusted`: [`Reason::AddressNotAllowed`] if the host is `localhost` or an
    /// address that is not public ([`is_public_host`]), unless the issuer's is, too.
    ///
    /// # Security
    ///
    /// A server on the Internet that names an address inside of a network would have its clients make requests there
    /// (RFC 9728 §7.7). An issuer that is on this machine or at a private address is inside already.
    pub fn learned(issuer: &Issuer, url: &str) -> Result<Self> {
        Self::told_by(&issuer.endpoint()?, url)
    }

    /// As [`learned`](Self::learned), from whoever answers at `teller`.
    pub(crate) fn told_by(teller: &Self, url: &str) -> Result<Self> {
        let told = Self::parse(url).map_err(|error| error.restated_by(ErrorKind::Protocol))?;
        if !is_public_host(teller.host()) {
            return Ok(told.with_addresses(teller.addresses));
        }
        if !is_public_host(told.host()) {
            return Err(Error::new(ErrorKind::Untrusted, Reason::AddressNotAllowed));
        }
        let is_own = told.host().eq_ignore_ascii_case(teller.host());
        Ok(told.with_addresses(if is_own { teller.addresses } else { Addresses::Public }))
    }

    /// Says which addresses requests to this URL may go to: [`Addresses::Public`] if it was not the program that chose
    /// it.
    #[must_use]
    pub fn with_addresses(mut self, addresses: Addresses) -> Self {
        self.addresses = addresses;
        self
    }

    /// The addresses that requests to this URL may go to.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// The URL as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host, of which there is one since it was parsed.
    pub(crate) fn host(&self) -> &str {
        self.uri.host().unwrap_or_default()
    }

    /// The URL as `http` has it.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The origin of the URL.
    #[must_use]
    pub fn origin(&self) -> Origin {
        // Checked when it was parsed: it has a scheme and a host.
        Origin::of(&self.uri).unwrap_or_else(|| Origin { secure: true, host: "".into(), port: 0 })
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Endpoint").field(&self.text).finish()
    }
}

/// Scheme and authority of an absolute URL, and what comes behind them.
pub(crate) fn origin_and_rest(url: &str) -> (&str, &str) {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url.get(start..).and_then(|rest| rest.find(['/', '?']));
    url.split_at(end.map_or(url.len(), |at| start + at))
}

/// `host [":" port]` (RFC 3986 §3.2). `http::Uri` takes more, such as text behind a bracket or a port beyond
/// 65535, passes over it, and so names a host and a port that other readers would not find there.
pub(crate) fn is_host_and_port(authority: &str) -> bool {
    let (is_host, rest) = match authority.strip_prefix('[').and_then(|inside| inside.split_once(']')) {
        Some((address, rest)) => (address.parse::<Ipv6Addr>().is_ok(), rest),
        None => {
            let (name, rest) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
            (!name.is_empty() && name.bytes().all(is_unreserved), rest)
        }
    };
    let is_port = |port: &str| {
        port.is_empty() || (port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok())
    };
    is_host && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port))
}

/// `127.0.0.0/8`, `[::1]` or exactly `localhost` (RFC 8252 §7.3). Written otherwise (decimal, octal,
/// IPv4-mapped), an address is not taken for loopback.
pub(crate) fn is_loopback(host: &str) -> bool {
    host == "[::1]"
        || host == "localhost"
        || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

/// A scheme, a host and a port (RFC 6454 §4): a token goes only to the origins that it is for.
///
/// ```
/// use valetkey_proto::endpoint::Origin;
///
/// let origin = Origin::parse("https://API.example/v1/")?;
/// assert_eq!(origin, Origin::parse("https://api.example:443")?);
/// assert_ne!(origin, Origin::parse("https://api.example:8443")?);
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    secure: bool,
    host: Box<str>,
    port: u16,
}

impl Origin {
    /// The origin of a URL, of which the path and the query are left aside.
    ///
    /// # Errors
    ///
    /// As [`Endpoint::parse`].
    pub fn parse(url: &str) -> Result<Self> {
        Endpoint::parse(url).map(|endpoint| endpoint.origin())
    }

    /// The origin that a request goes to; `None` if its URI is not absolute `http` or `https`, or if there is
    /// more to its authority than a host and a port.
    #[must_use]
    pub fn of(uri: &Uri) -> Option<Self> {
        let (secure, port) = parts(uri)?;
        Some(Self { secure, host: uri.host()?.to_ascii_lowercase().into(), port })
    }

    /// Whether a request to this URI goes to this origin; without allocating.
    #[must_use]
    pub fn is_of(&self, uri: &Uri) -> bool {
        parts(uri) == Some((self.secure, self.port))
            && uri.host().is_some_and(|host| host.eq_ignore_ascii_case(&self.host))
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", if self.secure { "https" } else { "http" }, self.host, self.port)
    }
}

/// Writes a URI without its query, normalized (RFC 3986 §6.2): scheme and host in lower case, no default port, a path;
/// `None` for what [`Origin::of`] finds no origin of.
pub(crate) fn normalized(uri: &Uri) -> Option<String> {
    let (secure, port) = parts(uri)?;
    let host = uri.host()?;
    let (scheme, default) = if secure { ("https://", 443) } else { ("http://", 80) };
    let mut out = String::with_capacity(scheme.len() + host.len() + uri.path().len() + ":65535/".len());
    out.push_str(scheme);
    out.push_str(host);
    out.make_ascii_lowercase();
    if port != default {
        out.extend([":", &port.to_string()]);
    }
    out.push_str(uri.path());
    Some(out)
}

/// Whether a URI is `https`, and its port; none of `https://api.example@evil.example` and the like.
fn parts(uri: &Uri) -> Option<(bool, u16)> {
    let secure = match uri.scheme_str()? {
        "https" => true,
        "http" => false,
        _ => return None,
    };
    if !is_host_and_port(uri.authority()?.as_str()) {
        return None;
    }
    Some((secure, uri.port_u16().unwrap_or(if secure { 443 } else { 80 })))
}

/// The scheme of an absolute URI without a fragment (RFC 3986 §4.3), and what is behind it; `None` for what is none or is
/// too long, and for one with marks that RFC 3986 does not have and that end an attribute of HTML.
pub(crate) fn absolute(text: &str) -> Option<(&str, &str)> {
    let printable = text.bytes().all(|byte| byte.is_ascii_graphic());
    if text.len() > MAX_URL || !printable || text.contains(['#', '\\', '"', '<', '>']) {
        return None;
    }
    let (scheme, rest) = text.split_once(':')?;
    let in_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let is_scheme =
        scheme.starts_with(|first: char| first.is_ascii_alphabetic()) && scheme.bytes().all(in_scheme);
    (is_scheme && !rest.is_empty()).then_some((scheme, rest))
}

/// Where the browser comes back to (RFC 6749 §3.1.2), byte for byte as it was registered.
///
/// It may be of any scheme (`com.example.app:/cb`), which is why it is no [`Endpoint`]: nothing is sent there.
///
/// ```
/// use valetkey_proto::endpoint::RedirectUri;
///
/// assert!(RedirectUri::parse("https://client.example/cb?x=").is_ok());
/// assert!(RedirectUri::parse("com.example.app:/cb").is_ok());
/// assert!(RedirectUri::parse("https://client.example/cb#top").is_err());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct RedirectUri(Arc<str>);

impl RedirectUri {
    /// Takes an absolute URI without a fragment.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidUrl`] if it has no scheme, or one of its own without a dot, has a fragment, a blank or a control character,
    /// is not ASCII, or is too long; [`Reason::InsecureUrl`] if it is `http` and not on loopback, or of a
    /// scheme that browsers run (`javascript:`, `data:`, `vbscript:`).
    pub fn parse(text: &str) -> Result<Self> {
        let error = |reason| Error::new(ErrorKind::Config, reason).with_detail("redirect URI");
        let (scheme, _) = absolute(text).ok_or_else(|| error(Reason::InvalidUrl))?;
        match scheme.to_ascii_lowercase().as_str() {
            "https" | "http" => {
                drop(Endpoint::parse(text).map_err(|error| error.with_detail("redirect URI"))?)
            }
            "javascript" | "data" | "vbscript" => return Err(error(Reason::InsecureUrl)),
            // RFC 8252 §7.1: a name that belongs to the program, reversed. Out-of-band URNs are older than that.
            "urn" => {}
            scheme if !scheme.contains('.') => return Err(error(Reason::InvalidUrl)),
            _ => {}
        }
        Ok(Self(text.into()))
    }

    /// The URI as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedirectUri").field(&self.0).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s_net_01_https_or_loopback_only() {
        for good in [
            "https://a.example",
            "https://a.example:8443/x?y=%2f",
            "HTTPS://A.example/",
            "http://127.0.0.1/",
            "http://127.1.2.3:80",
            "http://[::1]:8080/cb",
            "http://localhost:3000",
        ] {
            assert_eq!(Endpoint::parse(good).expect(good).as_str(), good);
        }
        for (bad, reason) in [
            ("http://a.example/", Reason::InsecureUrl),
            ("http://127.0.0.1.evil.example/", Reason::InsecureUrl),
            ("http://localhost.evil.example/", Reason::InsecureUrl),
            ("http://localhost:80@evil.example/", Reason::InvalidUrl),
            ("https://user:pw@a.example/", Reason::InvalidUrl),
            ("http://[::ffff:127.0.0.1]/", Reason::InsecureUrl),
            ("http://[::ffff:1.2.3.4]/", Reason::InsecureUrl),
            ("http://2130706433/", Reason::InsecureUrl),
            ("http://0177.0.0.1/", Reason::InsecureUrl),
            ("http://10.0.0.1/", Reason::InsecureUrl),
            ("ftp://a.example/", Reason::InvalidUrl),
            ("file:///etc/passwd", Reason::InvalidUrl),
            ("javascript:alert(1)", Reason::InvalidUrl),
            ("https://a.example/#x", Reason::InvalidUrl),
            ("https:\\\\a.example", Reason::InvalidUrl),
            ("https://ä.example", Reason::InvalidUrl),
            ("https://a.example/\r\nx", Reason::InvalidUrl),
            ("/token", Reason::InvalidUrl),
            ("a.example", Reason::InvalidUrl),
            ("https://", Reason::InvalidUrl),
            ("https://:443/", Reason::InvalidUrl),
            ("", Reason::InvalidUrl),
        ] {
            assert_eq!(Endpoint::parse(bad).expect_err(bad).reason(), reason, "{bad}");
        }
        assert!(Endpoint::parse(&format!("https://a.example/{}", "x".repeat(MAX_URL))).is_err());
    }

    #[test]
    fn what_a_host_and_a_port_are_was_left_to_http_which_passed_over_the_rest() {
        for bad in [
            "http://[::1]evil.example/",
            "http://[::1]evil.example:80/",
            "https://[]/",
            "https://[x]/",
            "https://[::1/",
            "https://a.example:65536/",
            "https://a.example:+80/",
            "https://a.example:x/",
            "https://a.example:80:80/",
            "https://a%2eexample/",
            "https://a.example%00/",
            "https://a.example/\u{7f}",
        ] {
            assert_eq!(Endpoint::parse(bad).expect_err(bad).reason(), Reason::InvalidUrl, "{bad}");
        }
        for good in ["https://a.example:/", "https://[2001:db8::1]:65535/", "https://a_b.example."] {
            assert_eq!(Endpoint::parse(good).expect(good).as_str(), good);
        }
    }

    #[test]
    fn s_tk_21_origins_are_scheme_host_and_port() {
        let api = Origin::parse("https://api.example/v1").unwrap();
        for (url, same) in [
            ("https://api.example/", true),
            ("https://API.EXAMPLE:443/x", true),
            ("http://api.example/", false),
            ("https://api.example:444/", false),
            ("https://api.example.evil/", false),
            ("https://api.example@evil/", false),
            ("https://evil@api.example/", false),
            ("https://api.example:/", true),
            ("https://api.example:65979/", false),
            ("https://api.example:x/", false),
            ("/relative", false),
        ] {
            let uri = url.parse().unwrap();
            assert_eq!((api.is_of(&uri), Origin::of(&uri) == Some(api.clone())), (same, same), "{url}");
        }
    }

    #[test]
    fn s_na_04_a_scheme_of_ones_own_has_a_dot() {
        assert!(RedirectUri::parse("com.example.app:/cb").is_ok());
        for bad in ["myapp:/cb", "myapp://cb", "file:/x"] {
            assert_eq!(RedirectUri::parse(bad).expect_err(bad).reason(), Reason::InvalidUrl);
        }
    }

    #[test]
    fn s_az_14_redirect_uris_keep_their_bytes() {
        for good in [
            "https://Client.Example/%7ecb?x=&y=%2F",
            "http://127.0.0.1:0/cb",
            "http://[::1]/cb",
            "com.example.app:/cb",
            "urn:ietf:wg:oauth:2.0:oob",
        ] {
            assert_eq!(RedirectUri::parse(good).expect(good).as_str(), good);
        }
        for bad in [
            "",
            "/cb",
            "client.example",
            "https://c.example/#",
            "1a:/cb",
            "a b:/",
            "a:/\n",
            "http://c.example/cb",
            "javascript:alert(1)",
            "DATA:text/html,x",
            "https://c.example/ü",
            ":/x",
            "x:",
        ] {
            assert!(RedirectUri::parse(bad).is_err(), "{bad}");
        }
    }
}
