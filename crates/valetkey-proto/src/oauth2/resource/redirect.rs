//! Where a redirect of an API leads, as long as that is where the request went (RFC 9110 §15.4).

use http::{
    Method, StatusCode, Uri,
    header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, TRANSFER_ENCODING},
};
use valetkey_http::{Request, Response};

use crate::endpoint::Origin;

/// The longest `Location` that is read.
const MAX_LOCATION: usize = 8 << 10;

/// The request that a redirect asks for, or none: if the answer is no redirect, leads to another origin, or wants a
/// method that is not clear to be repeated as another one. The answer then stands.
///
/// The request comes without credentials, to be signed anew. After 303 it is a GET without a body, and so it is after
/// 301 and 302 to a POST, as everybody does; 307 and 308 keep method and body.
///
/// ```
/// use bytes::Bytes;
/// use valetkey_proto::oauth2::resource::redirected;
///
/// let request = http::Request::get("https://api.example/v1/me").body(Bytes::new()).expect("a request");
/// let moved = |location| http::Response::builder().status(307).header("location", location).body(Bytes::new());
/// let next = redirected(&request, &moved("../v2/me").expect("a response"));
/// assert_eq!(next.expect("the same origin").uri(), "https://api.example/v2/me");
/// assert!(redirected(&request, &moved("https://evil.example/").expect("a response")).is_none());
/// ```
///
/// # Security
///
/// The origin is scheme, host and port: `http` after `https` is another one, so that nothing that is signed is ever
/// sent in the clear or to somebody else (RFC 9700 §4.12).
#[must_use]
pub fn redirected(request: &Request, response: &Response) -> Option<Request> {
    let method = method_after(response.status(), request.method())?;
    let mut locations = response.headers().get_all(LOCATION).iter();
    let (Some(location), None) = (locations.next(), locations.next()) else { return None };
    let location = location.to_str().ok().filter(|location| location.len() <= MAX_LOCATION)?;
    let uri = resolve(request.uri(), location)?;
    if !Origin::of(request.uri())?.is_of(&uri) {
        return None;
    }
    let mut next = request.clone();
    if method != *request.method() {
        next.body_mut().clear();
        for name in [CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING] {
            next.headers_mut().remove(name);
        }
    }
    (*next.method_mut(), *next.uri_mut()) = (method, uri);
    Some(next)
}

/// The method of the next request; none if there is to be none.
fn method_after(status: StatusCode, method: &Method) -> Option<Method> {
    let is_safe = matches!(*method, Method::GET | Method::HEAD);
    match status {
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => Some(method.clone()),
        StatusCode::SEE_OTHER | StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND if is_safe => {
            Some(method.clone())
        }
        StatusCode::SEE_OTHER => Some(Method::GET),
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND if *method == Method::POST => Some(Method::GET),
        _ => None,
    }
}

/// What a reference stands for, seen from a URL (RFC 3986 §5.2).
fn resolve(base: &Uri, reference: &str) -> Option<Uri> {
    let reference = reference.split('#').next().unwrap_or_default();
    let (scheme, authority) = (base.scheme_str()?, base.authority()?.as_str());
    let has_scheme = reference.split(['/', '?']).next().is_some_and(|start| start.contains(':'));
    if has_scheme {
        return reference.parse().ok();
    }
    if reference.starts_with("//") {
        return [scheme, ":", reference].concat().parse().ok();
    }
    let (path, query) = match reference.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (reference, None),
    };
    let (path, query) = match path {
        "" => (base.path().to_owned(), query.or_else(|| base.query())),
        _ if path.starts_with('/') => (without_dots(path), query),
        _ => {
            let (folder, _) = base.path().rsplit_once('/').unwrap_or_default();
            (without_dots(&[folder, "/", path].concat()), query)
        }
    };
    let (mark, query) = query.map_or(("", ""), |query| ("?", query));
    [scheme, "://", authority, &path, mark, query].concat().parse().ok()
}

/// Goes up where the path says `..` (RFC 3986 §5.2.4).
fn without_dots(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    let mut last = "";
    for segment in path.split('/').skip(1) {
        last = segment;
        match segment {
            "." => {}
            ".." => drop(segments.pop()),
            other => segments.push(other),
        }
    }
    if matches!(last, "." | "..") {
        segments.push("");
    }
    ["/", &segments.join("/")].concat()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn rfc_3986_5_4_references_are_resolved() {
        let base = Uri::from_static("http://a/b/c/d;p?q");
        for (reference, expected) in [
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g/"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("g#s", "http://a/b/c/g"),
            (";x", "http://a/b/c/;x"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../..", "http://a/"),
            ("../../../g", "http://a/g"),
            ("/./g", "http://a/g"),
            ("/../g", "http://a/g"),
            ("g.", "http://a/b/c/g."),
            ("..g", "http://a/b/c/..g"),
            ("./g/.", "http://a/b/c/g/"),
            ("g/../h", "http://a/b/c/h"),
            ("g;x=1/../y", "http://a/b/c/y"),
            ("g?y/./x", "http://a/b/c/g?y/./x"),
            ("http://x/y?z", "http://x/y?z"),
        ] {
            assert_eq!(resolve(&base, reference).expect(reference), expected, "{reference}");
        }
        for unusable in ["http://", "http:g", "g:h", "a b", "//"] {
            let uri = resolve(&base, unusable);
            assert!(uri.is_none_or(|uri| Origin::of(&uri).is_none()), "{unusable}");
        }
    }

    fn follow(method: &str, status: u16, location: &str) -> Option<Request> {
        let request = http::Request::builder()
            .method(method)
            .uri("https://api.example/v1/me")
            .header("content-type", "application/json")
            .header("host", "api.example")
            .header("x-own", "1");
        let request = request.body(Bytes::from_static(b"{}")).unwrap();
        let response = http::Response::builder().status(status).header("location", location);
        redirected(&request, &response.body(Bytes::new()).unwrap())
    }

    #[test]
    fn ro_17_methods_and_bodies_after_a_redirect() {
        for (method, status, expected) in [
            ("GET", 301, Some("GET")),
            ("HEAD", 303, Some("HEAD")),
            ("POST", 301, Some("GET")),
            ("POST", 302, Some("GET")),
            ("PUT", 303, Some("GET")),
            ("PUT", 302, None),
            ("POST", 307, Some("POST")),
            ("DELETE", 308, Some("DELETE")),
            ("GET", 300, None),
            ("GET", 304, None),
            ("GET", 200, None),
        ] {
            let next = follow(method, status, "/v2");
            assert_eq!(next.as_ref().map(|next| next.method().as_str()), expected, "{method} {status}");
            let Some(next) = next else { continue };
            assert_eq!(next.uri(), "https://api.example/v2");
            assert_eq!(next.body().is_empty(), next.method() != method, "{method} {status}");
            assert_eq!(next.headers().contains_key("content-type"), next.method() == method);
            assert!(next.headers().contains_key("x-own") && next.headers().contains_key("host"));
        }
    }

    #[test]
    fn ro_17_nothing_goes_to_another_origin() {
        for location in [
            "http://api.example/v2",
            "https://api.example:444/",
            "https://evil.example/",
            "//evil.example/",
            "https://api.example@evil.example/",
            "https://user@api.example/",
            "https://api.example.evil.example/",
            "\\\\evil.example",
            "javascript:alert(1)",
            "https:evil.example",
        ] {
            let next = follow("GET", 307, location);
            let stays = next.is_none_or(|next| next.uri().host() == Some("api.example"));
            assert!(stays, "{location}");
        }
        for location in ["https://API.example:443/v2", "//api.example/v2"] {
            assert!(follow("GET", 307, location).is_some(), "{location}");
        }
        assert!(follow("GET", 307, &format!("/{}", "x".repeat(MAX_LOCATION))).is_none());
    }

    #[test]
    fn two_places_are_none() {
        let request = http::Request::get("https://api.example/").body(Bytes::new()).unwrap();
        let response =
            http::Response::builder().status(307).header("location", "/a").header("location", "/b");
        assert!(redirected(&request, &response.body(Bytes::new()).unwrap()).is_none());
    }
}
