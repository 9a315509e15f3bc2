//! The one reader of answers: status, media type, JSON or form or error object.

pub(crate) mod document;
pub(crate) mod members;
pub(crate) mod unique;
pub(crate) mod value;

use http::{StatusCode, header::CONTENT_TYPE};
use valetkey_http::Response;

use crate::{
    error::{Error, ErrorCode, ErrorKind, ErrorResponse, Reason, Result},
    form::{MEDIA_TYPE, Parameters},
    header::Challenge,
    response::{
        members::{members, read},
        value::Text,
    },
};

/// What the body of an answer is, by its `Content-Type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MediaType {
    /// `application/json` or anything that ends with `+json`.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// Nothing is said.
    Missing,
    /// Something else.
    Other,
}

/// Whether an answer is a success; everything else is made into its error.
///
/// # Errors
///
/// `Protocol` for redirects, which are never followed (RFC 9700 §4.12), and for 1xx; for 4xx and 5xx what
/// [`refusal`] makes of them.
pub(crate) fn success(response: &Response) -> Result<()> {
    let status = response.status();
    if status.is_success() {
        Ok(())
    } else if status.is_redirection() {
        Err(Error::new(ErrorKind::Protocol, Reason::UnexpectedRedirect).with_status(status))
    } else if status.is_client_error() || status.is_server_error() {
        Err(refusal(response))
    } else {
        Err(Error::new(ErrorKind::Protocol, Reason::UnexpectedStatus).with_status(status))
    }
}

/// A success that should carry an object: its text.
///
/// # Errors
///
/// As [`success`]; `Protocol` if the body is not UTF-8.
pub(crate) fn text(response: &Response) -> Result<&str> {
    success(response)?;
    std::str::from_utf8(response.body()).map_err(|_| unreadable(response))
}

/// A success that must be a JSON object (RFC 8414 §3.2): its text.
///
/// # Errors
///
/// As [`text`]; `Protocol`: [`Reason::UnexpectedMediaType`] if it is not JSON.
pub(crate) fn json(response: &Response) -> Result<&str> {
    let text = text(response)?;
    match media_type(response) {
        MediaType::Json => Ok(text),
        // Many servers serve their metadata as files, of no particular type.
        MediaType::Missing | MediaType::Form | MediaType::Other if text.trim_start().starts_with('{') => {
            Ok(text)
        }
        MediaType::Missing | MediaType::Form | MediaType::Other => Err(unreadable(response)),
    }
}

/// The answer cannot be read as an object: because of its type, if that is another, or its content.
pub(crate) fn unreadable(response: &Response) -> Error {
    let reason = match media_type(response) {
        MediaType::Other => Reason::UnexpectedMediaType,
        MediaType::Json | MediaType::Form | MediaType::Missing => Reason::Malformed,
    };
    Error::new(ErrorKind::Protocol, reason).with_status(response.status())
}

/// The media type, its parameters left aside.
pub(crate) fn media_type(response: &Response) -> MediaType {
    let Some(value) = response.headers().get(CONTENT_TYPE) else { return MediaType::Missing };
    // As nearly all servers write it.
    if value == "application/json" {
        return MediaType::Json;
    }
    let value = value.to_str().unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    let is_json_suffix = || {
        let end = essence.len().saturating_sub("+json".len());
        essence.get(end..).is_some_and(|suffix| suffix.eq_ignore_ascii_case("+json"))
    };
    if essence.eq_ignore_ascii_case("application/json") || is_json_suffix() {
        MediaType::Json
    } else if essence.eq_ignore_ascii_case(MEDIA_TYPE) {
        MediaType::Form
    } else {
        MediaType::Other
    }
}

members! {
    /// The members of an error object (RFC 6749 §5.2).
    struct Refusal {
        error: Text<'de>,
        error_description: Text<'de>,
        error_uri: Text<'de>,
    }
}

/// What a 4xx or 5xx answer means: the OAuth error in it, its challenges, or that there is neither.
pub(crate) fn refusal(response: &Response) -> Error {
    let status = response.status();
    // Never a second failure because of how the first one was worded.
    let challenges = Challenge::parse_all(response.headers()).unwrap_or_default();
    let error = match error_response(response, &challenges) {
        Some(refused) => Error::new(ErrorKind::Denied, Reason::RequestDenied).with_response(refused),
        None if is_failure(status) => Error::new(ErrorKind::Server, Reason::ServerFailed),
        None if !challenges.is_empty() => Error::new(ErrorKind::Denied, Reason::Challenged),
        None => Error::new(ErrorKind::Server, Reason::UnexpectedStatus),
    };
    error.with_status(status).with_challenges(challenges)
}

fn is_failure(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
}

/// The OAuth error of an answer: in its JSON or form body, else in a challenge (RFC 6750 §3).
fn error_response(response: &Response, challenges: &[Challenge]) -> Option<ErrorResponse> {
    let text = std::str::from_utf8(response.body()).unwrap_or_default();
    let from_json = || {
        let refusal: Refusal<'_> = read(text).ok()?;
        from_parts(
            refusal.error.as_deref(),
            refusal.error_description.as_deref(),
            refusal.error_uri.as_deref(),
        )
    };
    let from_form = || {
        let form = Parameters::parse(text).ok()?;
        from_parts(form.get("error"), form.get("error_description"), form.get("error_uri"))
    };
    let from_challenge = || {
        let challenge = challenges.iter().find(|challenge| challenge.parameter("error").is_some())?;
        let part = |name| challenge.parameter(name);
        from_parts(part("error"), part("error_description"), part("error_uri"))
    };
    let from_body = if text.trim_start().starts_with('{') { from_json() } else { from_form() };
    from_body.or_else(from_challenge)
}

/// An error response of its three parts; none without a code.
pub(crate) fn from_parts(
    code: Option<&str>,
    description: Option<&str>,
    uri: Option<&str>,
) -> Option<ErrorResponse> {
    let code = code.filter(|code| !code.is_empty())?;
    let mut response = ErrorResponse::new(ErrorCode::from(code));
    if let Some(description) = description {
        response = response.with_description(description);
    }
    if let Some(uri) = uri {
        response = response.with_uri(uri);
    }
    Some(response)
}
