//! Which proxy leads to a host: chosen by the environment's variables or by hand.

use std::{fmt, net::IpAddr};

use http::{HeaderValue, Uri, uri::Scheme};

use crate::{BuildError, no_proxy::Exception};

/// The proxies in use, and the hosts that are reached without.
#[derive(Debug, Default)]
pub(crate) struct Proxies {
    http: Option<Proxy>,
    https: Option<Proxy>,
    direct: Vec<Exception>,
}

/// One proxy that makes tunnels.
#[derive(Clone)]
pub(crate) struct Proxy {
    /// Without user and password.
    pub(crate) uri: Uri,
    /// The value of `Proxy-Authorization`.
    pub(crate) credentials: Option<HeaderValue>,
}

impl Proxies {
    /// One proxy for everything but this machine.
    pub(crate) fn only(url: &str) -> Result<Self, BuildError> {
        let proxy = Proxy::parse(url).ok_or(BuildError::Proxy("the builder's proxy"))?;
        Ok(Self { http: Some(proxy.clone()), https: Some(proxy), direct: Vec::new() })
    }

    /// What the variables say, the upper-case ones first.
    pub(crate) fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, BuildError> {
        let one = |names: &[&'static str]| {
            for &name in names {
                if let Some(value) = variable(name).filter(|value| !value.trim().is_empty()) {
                    return Proxy::parse(value.trim()).map(Some).ok_or(BuildError::Proxy(name));
                }
            }
            Ok(None)
        };
        // A CGI program finds a request's `Proxy` header in HTTP_PROXY: there anybody could set it.
        let http: &[&str] = match variable("REQUEST_METHOD") {
            None => &["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"],
            Some(_) => &["http_proxy", "ALL_PROXY", "all_proxy"],
        };
        let direct = variable("NO_PROXY").or_else(|| variable("no_proxy")).unwrap_or_default();
        Ok(Self {
            http: one(http)?,
            https: one(&["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])?,
            direct: direct.split([',', ' ']).filter_map(Exception::parse).collect(),
        })
    }

    /// The proxy on the way to `target`, if there is one. This machine is never reached through one.
    pub(crate) fn toward(&self, target: &Uri) -> Option<&Proxy> {
        let secure = target.scheme() == Some(&Scheme::HTTPS);
        let proxy = if secure { self.https.as_ref()? } else { self.http.as_ref()? };
        let host = target.host()?.trim_start_matches('[').trim_end_matches([']', '.']).to_ascii_lowercase();
        let port = target.port_u16().unwrap_or_else(|| default_port(target));
        let direct = is_loopback(&host) || self.direct.iter().any(|entry| entry.covers(&host, port));
        (!direct).then_some(proxy)
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

pub(crate) fn default_port(uri: &Uri) -> u16 {
    if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 }
}

/// The URI with its port written out: a tunnel would take 443 for every scheme.
pub(crate) fn with_port(uri: Uri) -> Uri {
    let (None, Some(host)) = (uri.port(), uri.host()) else { return uri };
    let authority = format!("{host}:{}", default_port(&uri));
    let mut parts = uri.clone().into_parts();
    parts.authority = authority.parse().ok();
    Uri::from_parts(parts).unwrap_or(uri)
}

impl Proxy {
    /// Reads `[http://][user[:password]@]host[:port][/]`; of other kinds there is none.
    fn parse(url: &str) -> Option<Self> {
        let given: Uri = url.parse().ok()?;
        let authority = given.authority()?.as_str();
        if given.scheme().is_some_and(|scheme| *scheme != Scheme::HTTP)
            || given.path_and_query().is_some_and(|path| path != "/")
        {
            return None;
        }
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        let uri = Uri::builder().scheme(Scheme::HTTP).authority(host).path_and_query("/").build().ok()?;
        let credentials = match user {
            Some(user) => Some(basic(user)?),
            None => None,
        };
        Some(Self { uri, credentials })
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("uri", &self.uri)
            .field("credentials", &self.credentials.as_ref().map(|_| "…"))
            .finish()
    }
}

/// `Basic` credentials (RFC 7617) from the percent-encoded `user[:password]` of a URL.
fn basic(user: &str) -> Option<HeaderValue> {
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    let mut plain = percent_decode(user)?;
    plain.push(b':');
    plain.extend(percent_decode(password)?);
    let mut value = HeaderValue::try_from(format!("Basic {}", base64(&plain))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn percent_decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        decoded.push((digit()? << 4 | digit()?) as u8);
    }
    Some(decoded)
}

/// RFC 4648 §4. The one use of it here is not worth a dependency.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, at| bits << 8 | u32::from(group.get(at).copied().unwrap_or(0)));
        for place in 0..4 {
            let sextet = bits >> (18 - 6 * place) & 0x3f;
            text.push(if place <= group.len() { char::from(ALPHABET[sextet as usize]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where `target` is sent, given these variables.
    fn way(variables: &[(&str, &str)], target: &str) -> Option<String> {
        let lookup = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        let proxies = Proxies::from_variables(lookup).unwrap();
        proxies.toward(&target.parse().unwrap()).map(|proxy| proxy.uri.to_string())
    }

    #[test]
    fn the_variables_have_an_order() {
        let all = [("ALL_PROXY", "all:1"), ("https_proxy", "low:2"), ("HTTPS_PROXY", "http://up:3/")];
        assert_eq!(way(&all, "https://a.test/").unwrap(), "http://up:3/");
        assert_eq!(way(&all[..2], "https://a.test/").unwrap(), "http://low:2/");
        assert_eq!(way(&all, "http://a.test/").unwrap(), "http://all:1/");
        assert_eq!(way(&[("HTTPS_PROXY", " "), all[0]], "https://a.test/").unwrap(), "http://all:1/");
        assert_eq!(way(&[("HTTP_PROXY", "x:1")], "https://a.test/"), None);
    }

    #[test]
    fn this_machine_is_never_reached_through_a_proxy() {
        let everywhere = Proxies::only("p:1").unwrap();
        for target in [
            "http://localhost:1/",
            "http://app.localhost/",
            "http://127.9.9.9/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
        ] {
            assert!(everywhere.toward(&target.parse().unwrap()).is_none(), "{target}");
        }
        assert!(everywhere.toward(&"https://localhost.test/".parse().unwrap()).is_some());
    }

    #[test]
    fn exceptions_go_direct() {
        let variables = [("ALL_PROXY", "p:1"), ("no_proxy", "a.test, 2001:db8::/32 c.test:8443")];
        for direct in
            ["https://A.Test./", "https://b.a.test/", "https://[2001:db8::1]/", "http://c.test:8443/"]
        {
            assert_eq!(way(&variables, direct), None, "{direct}");
        }
        for proxied in ["https://b.test/", "https://c.test/", "https://[2001:db9::1]/"] {
            assert!(way(&variables, proxied).is_some(), "{proxied}");
        }
    }

    #[test]
    fn in_cgi_the_upper_case_variable_is_a_request_header() {
        let cgi = [("REQUEST_METHOD", "GET"), ("HTTP_PROXY", "evil:1"), ("http_proxy", "good:1")];
        assert_eq!(way(&cgi, "http://a.test/").unwrap(), "http://good:1/");
        assert_eq!(way(&cgi[..2], "http://a.test/"), None);
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_an_error() {
        for value in
            ["socks5://u:secret@x", "https://x", "http://x/path", "http://u:%zz@x", "http:///", "a b"]
        {
            let error = Proxies::from_variables(|name| (name == "ALL_PROXY").then(|| value.to_owned()));
            let Err(BuildError::Proxy(source)) = error else { panic!("{value}") };
            assert_eq!(source, "ALL_PROXY");
        }
    }

    #[test]
    fn credentials_are_decoded_and_hidden() {
        let proxy = Proxy::parse("http://Aladdin:open%20sesame@[::1]:8080").unwrap();
        assert_eq!(proxy.uri, "http://[::1]:8080/");
        // RFC 7617 §2's example.
        assert_eq!(proxy.credentials.as_ref().unwrap(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(!format!("{proxy:?}").contains("QWxh"));
        for (plain, encoded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }

    #[test]
    fn a_tunnel_names_the_port() {
        for (given, expected) in [
            ("http://a.test/x", "http://a.test:80/x"),
            ("https://[::2]/", "https://[::2]:443/"),
            ("https://a.test:1/", "https://a.test:1/"),
        ] {
            assert_eq!(with_port(given.parse().unwrap()), expected);
        }
    }
}
