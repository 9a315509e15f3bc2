//! Requests as the endpoints read them, and the answers they give.

use std::time::SystemTime;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, REFERRER_POLICY, WWW_AUTHENTICATE},
};
use serde_json::{Value, json};

use crate::dpop::DPOP_NONCE;

/// A request that reached an endpoint.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a Method,
    /// Scheme, host and port, in lower case and without the default port.
    pub(crate) origin: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a Bytes,
    pub(crate) now: SystemTime,
}

impl Asked<'_> {
    /// The posted form.
    pub(crate) fn form(&self) -> Result<Params, Refusal> {
        let kind = self.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
        let kind = kind.split(';').next().unwrap_or("").trim();
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(Refusal::request("the body must be application/x-www-form-urlencoded"));
        }
        Ok(Params::parse(self.body))
    }
}

/// Parameters in their order, duplicates included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Params(pub(crate) Vec<(String, String)>);

impl Params {
    pub(crate) fn parse(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().collect())
    }

    /// The name of a parameter that occurs twice (forbidden by RFC 6749 §3.1 and §3.2, but for one: RFC 8707 §2).
    pub(crate) fn duplicate(&self) -> Option<&str> {
        self.duplicate_but_for(&["resource"])
    }

    /// The same, leaving aside those of which there may be several.
    pub(crate) fn duplicate_but_for(&self, several: &[&str]) -> Option<&str> {
        let names = self.0.iter().map(|(name, _)| name.as_str());
        let mut names: Vec<&str> = names.filter(|name| !several.contains(name)).collect();
        names.sort_unstable();
        names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
    }

    /// The value of a parameter; an empty one counts as left out (RFC 6749 §3.1 and §3.2).
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// A parameter that must be there.
    pub(crate) fn need(&self, name: &'static str) -> Result<&str, Refusal> {
        self.get(name).ok_or_else(|| Refusal::request("a parameter is missing"))
    }
}

/// A whole answer, before anything happens to it on its way.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// What the page in the body has the browser post.
    pub(crate) post: Option<Post>,
}

/// A form that the browser posts to the client by itself (OAuth 2.0 Form Post Response Mode).
#[derive(Clone, Debug)]
pub(crate) struct Post {
    pub(crate) uri: String,
    pub(crate) params: Vec<(String, String)>,
}

impl Answer {
    pub(crate) fn empty(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), body: Bytes::new(), post: None }
    }

    pub(crate) fn with(mut self, name: HeaderName, value: impl TryInto<HeaderValue>) -> Self {
        if let Ok(value) = value.try_into() {
            self.headers.append(name, value);
        }
        self
    }

    pub(crate) fn json(status: StatusCode, value: &Value) -> Self {
        let answer = Self { body: Bytes::from(value.to_string()), ..Self::empty(status) };
        answer.with(CONTENT_TYPE, HeaderValue::from_static("application/json"))
    }

    /// A page for a browser. It leaks nothing by the referrer and is kept nowhere (RFC 9700 §4.2.4).
    pub(crate) fn page(status: StatusCode, html: String) -> Self {
        let answer = Self { body: Bytes::from(html), ..Self::empty(status) };
        answer
            .with(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))
            .with(CACHE_CONTROL, HeaderValue::from_static("no-store"))
            .with(REFERRER_POLICY, HeaderValue::from_static("no-referrer"))
    }

    /// Sends the browser on. With 303, because 307 would repeat a posted form (RFC 9700 §4.12).
    pub(crate) fn see_other(location: &str) -> Self {
        Self::empty(StatusCode::SEE_OTHER)
            .with(LOCATION, location)
            .with(CACHE_CONTROL, HeaderValue::from_static("no-store"))
            .with(REFERRER_POLICY, HeaderValue::from_static("no-referrer"))
    }

    pub(crate) fn not_allowed() -> Self {
        Self::empty(StatusCode::METHOD_NOT_ALLOWED)
    }
}

/// An OAuth error, on its way to becoming an answer.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) why: &'static str,
    pub(crate) challenge: Option<HeaderValue>,
    /// What the next proof must have (RFC 9449 §8).
    pub(crate) nonce: Option<String>,
}

impl Refusal {
    pub(crate) fn new(code: &'static str, why: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code, why, challenge: None, nonce: None }
    }

    pub(crate) fn request(why: &'static str) -> Self {
        Self::new("invalid_request", why)
    }

    pub(crate) fn grant(why: &'static str) -> Self {
        Self::new("invalid_grant", why)
    }
}

/// RFC 6749 §5.2.
impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        let body = json!({ "error": refusal.code, "error_description": refusal.why });
        let answer =
            Self::json(refusal.status, &body).with(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let answer = match refusal.challenge {
            Some(challenge) => answer.with(WWW_AUTHENTICATE, challenge),
            None => answer,
        };
        match refusal.nonce {
            Some(nonce) => answer.with(DPOP_NONCE, nonce),
            None => answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_parameters_count_as_left_out_and_duplicates_are_seen() {
        let params = Params::parse(b"a=1&b=&c=%2B+x");
        assert_eq!((params.get("a"), params.get("b"), params.get("c")), (Some("1"), None, Some("+ x")));
        assert_eq!(params.duplicate(), None);
        assert_eq!(Params::parse(b"a=1&b=2&a=").duplicate(), Some("a"));
    }
}
