//! URLs, issuers, redirect URIs, origins.

use std::net::{Ipv4Addr, Ipv6Addr};

use http::Uri;
use valetkey_proto::{
    endpoint::{Endpoint, Origin, RedirectUri},
    oauth2::server::{Issuer, WellKnown},
};

/// Two lines of text, each read as everything that a URL can be.
///
/// Where something is sent is safe however it is read, and the two ways to compare origins agree.
pub fn urls(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (one, other) = text.split_once('\n').unwrap_or((text, text));
    for text in [one, other] {
        if let Ok(endpoint) = Endpoint::parse(text) {
            assert_eq!(endpoint.as_str(), text);
            assert_safe(&endpoint);
            let origin = endpoint.origin();
            assert!(origin.is_of(endpoint.uri()) && Origin::parse(text).expect("an endpoint") == origin);
        }
        if let Ok(issuer) = Issuer::parse(text) {
            assert_eq!(issuer.as_str(), text);
            assert_documents_are_of(&issuer);
        }
        if let Ok(redirect_uri) = RedirectUri::parse(text) {
            assert_eq!(redirect_uri.as_str(), text);
            assert!(text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains('#'));
            let scheme = text.split(':').next().unwrap_or_default().to_ascii_lowercase();
            assert!(!["javascript", "data", "vbscript"].contains(&scheme.as_str()));
            if scheme == "http" || scheme == "https" {
                assert_safe(&Endpoint::parse(text).expect("an endpoint"));
            }
        }
    }
    let (Ok(origin), Ok(uri)) = (Origin::parse(one), other.parse::<Uri>()) else { return };
    assert_eq!(origin.is_of(&uri), Origin::of(&uri) == Some(origin));
}

/// The documents about an issuer lie at its own origin.
fn assert_documents_are_of(issuer: &Issuer) {
    let own = Origin::parse(issuer.as_str()).expect("an issuer is an endpoint");
    for document in
        [WellKnown::OpenId, WellKnown::AuthorizationServer, WellKnown::Application("my-kind".into())]
    {
        // The URL of a document may be too long where the issuer is not.
        if let Ok(url) = issuer.metadata_url(&document) {
            assert_safe(&url);
            assert_eq!(url.origin(), own);
            assert!(url.as_str().contains("/.well-known/"));
        }
    }
}

/// An endpoint is `https` or on loopback, as its text is read by RFC 3986 §3 and without `http::Uri`: clients
/// read URLs in their own ways, and none may be led elsewhere.
pub(crate) fn assert_safe(endpoint: &Endpoint) {
    let text = endpoint.as_str();
    assert!(text.bytes().all(|byte| byte.is_ascii_graphic()), "not visible: {text:?}");
    assert!(!text.contains(['#', '\\', '"', '<', '>']), "{text}");
    let (scheme, rest) = text.split_once("://").expect("a scheme");
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let (host, port) = match authority.strip_prefix('[') {
        Some(inside) => {
            let (address, port) = inside.split_once(']').expect("a closing bracket");
            assert!(address.parse::<Ipv6Addr>().is_ok(), "no address: {text}");
            (&authority[..address.len() + 2], port.strip_prefix(':').or(port.is_empty().then_some("")))
        }
        None => {
            let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
            // A name: unreserved characters and sub-delimiters. An escape could hide any other.
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte);
            assert!(!host.is_empty() && host.bytes().all(is_name), "no name: {text}");
            (host, Some(port))
        }
    };
    let port = port.expect("nothing but a port follows the host");
    assert!(port.is_empty() || port.bytes().all(|byte| byte.is_ascii_digit()), "no port: {text}");
    assert!(port.is_empty() || port.parse::<u16>().is_ok(), "no port: {text}");
    assert_eq!(endpoint.uri().host(), Some(host), "{text}");
    assert_eq!(endpoint.uri().port_u16(), port.parse().ok(), "{text}");
    let is_loopback = || {
        let is_ipv4 = host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback());
        is_ipv4 || ["localhost", "[::1]"].contains(&host)
    };
    assert!(
        scheme.eq_ignore_ascii_case("https") || (scheme.eq_ignore_ascii_case("http") && is_loopback()),
        "{text}"
    );
}
