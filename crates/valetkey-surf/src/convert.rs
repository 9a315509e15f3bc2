//! Requests and responses in the types of `http`, and in those of surf.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri,
    header::{CONTENT_LENGTH, CONTENT_TYPE, DATE, EXPECT, HOST, TRANSFER_ENCODING},
    request::Parts,
};
use surf::{Url, http as surf_http};
use valetkey_http::{Failure, FailureKind, Request, Sent};

use crate::body::{Asked, Outgoing};

/// What http-types says of a body that has no media type.
const MADE_UP_TYPE: &str = "application/octet-stream";
/// async-h1 makes up a date, and puts the field's name into its value.
const MADE_UP_DATE: &str = "date: ";
/// What a client below surf can send as it is given; surf itself changes less.
pub(crate) struct Abilities {
    pub(crate) tls: bool,
    /// The method `HEAD`, whose responses have no body.
    pub(crate) head: bool,
    /// The query of `/path?`.
    pub(crate) empty_query: bool,
    /// Percent-encoded bytes in lower case.
    pub(crate) lower_escapes: bool,
    /// Several fields of one name.
    pub(crate) repeated_fields: bool,
    /// A `POST` with a body that has no media type.
    pub(crate) untyped_post: bool,
    /// From this size on, if any, a body waits for `100 Continue` unless something else is expected.
    pub(crate) waits_from: Option<usize>,
}

/// A request that surf and the client below it send as it was given.
pub(crate) struct Draft {
    pub(crate) method: Method,
    request: surf_http::Request,
    body: Bytes,
    pub(crate) asked: Asked,
}

fn refusal(why: &'static str) -> Failure {
    Failure::new(Sent::Nothing, FailureKind::Config).with_source(why)
}

impl Draft {
    /// Refuses what would be sent differently from how it was given.
    pub(crate) fn new(request: Request, can: &Abilities) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        check_framing(&parts, &body)?;
        let mut request = surf_http::Request::new(method(&parts.method, can)?, url(&parts.uri, can)?);
        for (name, value) in parts.headers.iter().filter(|(name, _)| *name != CONTENT_LENGTH) {
            let value = value.to_str().map_err(|_| refusal("surf sends header fields of ASCII"))?;
            if request.header(name.as_str()).is_some() && !can.repeated_fields {
                return Err(refusal("surf on libcurl sends one field of a name"));
            }
            request.append_header(name.as_str(), value);
        }
        if let (None, Some(host)) = (parts.headers.get(HOST), parts.uri.host()) {
            let port = request.url().port().map(|port| format!(":{port}")).unwrap_or_default();
            request.insert_header("host", format!("{host}{port}"));
        }
        if can.waits_from.is_some_and(|size| body.len() >= size) {
            request.insert_header("expect", "");
        }
        let is_untyped = !body.is_empty() && !parts.headers.contains_key(CONTENT_TYPE);
        if is_untyped && parts.method == Method::POST && !can.untyped_post {
            // libcurl would call it a form.
            request.insert_header("content-type", MADE_UP_TYPE);
        }
        Ok(Self { method: parts.method, request, body, asked: Asked::default() })
    }

    /// Whether it has a body that a server would wait for.
    pub(crate) fn has_body(&self) -> bool {
        !self.body.is_empty()
    }

    /// The request for surf, with its body.
    pub(crate) fn request(&self) -> surf_http::Request {
        let mut request = self.request.clone();
        if self.has_body() {
            request.set_body(Outgoing::body(self.body.clone(), self.asked.clone()));
            // http-types adds one.
            if self.request.header("content-type").is_none() {
                request.remove_header("content-type");
            }
        }
        request
    }
}

fn method(given: &Method, can: &Abilities) -> Result<surf_http::Method, Failure> {
    if *given == Method::HEAD && !can.head {
        // surf always gives it a body, for which libcurl forgets that the response has none.
        return Err(refusal("surf on libcurl cannot send HEAD"));
    }
    let method: surf_http::Method =
        given.as_str().parse().map_err(|_| refusal("surf does not know the method"))?;
    if AsRef::<str>::as_ref(&method) != given.as_str() {
        return Err(refusal("surf writes the method in capitals"));
    }
    Ok(method)
}

/// The URI for surf, if it is the same one: the host may be written in another case, and the port be left out
/// where it is the scheme's own.
fn url(uri: &Uri, can: &Abilities) -> Result<Url, Failure> {
    let url = Url::parse(&uri.to_string()).map_err(|_| refusal("surf cannot read the URI"))?;
    let usual = if url.scheme() == "https" { 443 } else { 80 };
    let is_same = Some(url.scheme()) == uri.scheme_str()
        && url.host_str().zip(uri.host()).is_some_and(|(there, here)| there.eq_ignore_ascii_case(here))
        && url.port_or_known_default() == Some(uri.port_u16().unwrap_or(usual))
        && url.path() == uri.path()
        && url.query() == uri.query();
    if !is_same {
        Err(refusal("surf would change the URI"))
    } else if uri.query() == Some("") && !can.empty_query {
        Err(refusal("surf on libcurl drops an empty query"))
    } else if has_lower_escapes(url.as_str()) && !can.lower_escapes {
        Err(refusal("surf on libcurl writes percent-encoding in capitals"))
    } else if url.scheme() == "https" && !can.tls {
        Err(refusal("surf on async-h1 has no TLS here"))
    } else {
        Ok(url)
    }
}

fn has_lower_escapes(url: &str) -> bool {
    url.split('%').skip(1).any(|rest| rest.bytes().take(2).any(|digit| digit.is_ascii_lowercase()))
}

/// A body goes with its length, and at once.
fn check_framing(parts: &Parts, body: &Bytes) -> Result<(), Failure> {
    let mut lengths = parts.headers.get_all(CONTENT_LENGTH).iter();
    if lengths.any(|length| length.to_str().ok().and_then(|text| text.parse().ok()) != Some(body.len())) {
        return Err(refusal("`Content-Length` is not the body's"));
    }
    if parts.headers.contains_key(TRANSFER_ENCODING) || parts.headers.contains_key(EXPECT) {
        return Err(refusal("surf sends a body with its length, and at once"));
    }
    Ok(())
}

/// The head of a response, without what the libraries made up; `None` if it cannot be one.
pub(crate) fn head(response: &surf_http::Response) -> Option<http::Response<()>> {
    let mut headers = HeaderMap::new();
    for (name, values) in response.iter() {
        let name = HeaderName::from_bytes(name.as_str().as_bytes()).ok()?;
        for value in values.iter().map(surf_http::headers::HeaderValue::as_str) {
            let is_made_up = match &name {
                name if name == CONTENT_TYPE => value == MADE_UP_TYPE,
                name if name == DATE => value.starts_with(MADE_UP_DATE),
                _ => false,
            };
            if !is_made_up {
                headers.append(name.clone(), HeaderValue::from_str(value).ok()?);
            }
        }
    }
    let mut head = http::Response::new(());
    *head.status_mut() = StatusCode::from_u16(response.status().into()).ok()?;
    *head.headers_mut() = headers;
    Some(head)
}
