//! What credential endpoints answer (RFC 5849 §2.1, §2.3): a form with a token and its secret.

use http::StatusCode;
use serde_json::{Map, Value};
use valetkey_http::{Response, Unframed};

use super::{Problem, credentials::TokenPair};
use crate::{
    error::{Error, ErrorKind, Reason, Result},
    form::Parameters,
    header::Challenge,
    response::{
        self, MediaType,
        members::{members, read},
        value::Text,
    },
    secret::Secret,
};

/// The most bytes of an answer that are taken.
pub(super) const MAX_BODY: usize = 64 << 10;

/// Something in an answer with credentials that RFC 5849 does not allow, and that cannot be used for an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Quirk {
    /// The status was a 2xx other than 200.
    Status,
    /// The body was a form, and its media type said otherwise or nothing.
    MediaType,
    /// The body was JSON.
    Json,
}

/// An answer with credentials.
pub(super) struct Reply {
    pub(super) pair: TokenPair,
    pub(super) others: Vec<(Box<str>, Secret)>,
    pub(super) quirks: Vec<Quirk>,
}

members! {
    /// Read first, so that no member occurs twice.
    struct Wire {
        oauth_token: Text<'de>,
        oauth_token_secret: Text<'de>,
    }
}

impl Reply {
    /// Reads an answer of any status.
    ///
    /// # Errors
    ///
    /// `Denied`: [`Reason::RequestDenied`], [`Reason::Challenged`]. `Server`: [`Reason::ServerFailed`],
    /// [`Reason::UnexpectedStatus`]. `Transport`: [`Reason::Truncated`] for a form of unknown length. `Protocol`:
    /// whatever else it is.
    pub(super) fn parse(response: &Response) -> Result<Self> {
        if !response.status().is_redirection()
            && let Some(problem) = Problem::of(response)
        {
            let challenges = Challenge::parse_all(response.headers()).unwrap_or_default();
            return Err(denied(response).with_response(problem.to_response()).with_challenges(challenges));
        }
        response::success(response).map_err(|error| refused(response, error))?;
        let text = response::text(response)?.trim();
        let mut quirks = Vec::new();
        if response.status() != StatusCode::OK {
            quirks.push(Quirk::Status);
        }
        let media_type = response::media_type(response);
        let pairs = if media_type == MediaType::Json || text.starts_with('{') {
            quirks.push(Quirk::Json);
            of_json(text)
        } else {
            if media_type != MediaType::Form {
                quirks.push(Quirk::MediaType);
            }
            of_form(response, &media_type, text)
        };
        let reply = pairs.and_then(|pairs| Self::of_pairs(pairs, quirks));
        reply.map_err(|error| error.with_status(response.status()))
    }

    fn of_pairs(mut pairs: Vec<(Box<str>, Secret)>, quirks: Vec<Quirk>) -> Result<Self> {
        let mut take = |name: &'static str| {
            let at = pairs.iter().position(|(known, _)| **known == *name);
            let missing = || Error::new(ErrorKind::Protocol, Reason::MissingParameter).with_detail(name);
            at.map(|at| pairs.swap_remove(at).1).ok_or_else(missing)
        };
        let identifier = take("oauth_token")?;
        if identifier.expose().is_empty() {
            return Err(Error::new(ErrorKind::Protocol, Reason::MissingParameter).with_detail("oauth_token"));
        }
        // The secret may be empty, and must be there.
        let shared_secret = take("oauth_token_secret")?;
        let malformed = |_| Error::new(ErrorKind::Protocol, Reason::Malformed).with_detail("credentials");
        let pair = TokenPair::new(identifier, shared_secret).map_err(malformed)?;
        Ok(Self { pair, others: pairs, quirks })
    }

    /// The value of another parameter; an empty one is none.
    pub(super) fn other(&self, name: &str) -> Option<&str> {
        let other = self.others.iter().find(|(known, _)| **known == *name);
        other.map(|(_, value)| value.expose()).filter(|value| !value.is_empty())
    }
}

fn of_form(response: &Response, media_type: &MediaType, text: &str) -> Result<Vec<(Box<str>, Secret)>> {
    let form = Parameters::parse(text).map_err(|error| {
        // A page repeats things, too: `&nbsp;` is no parameter.
        let is_ours = *media_type == MediaType::Form || text.contains("oauth_token");
        let is_form = is_ours && error.reason() == Reason::DuplicateParameter;
        if is_form { error } else { response::unreadable(response) }
    })?;
    // Any text is a form. What does not call itself one is one only if it brings a token.
    if *media_type != MediaType::Form && !form.contains("oauth_token") {
        return Err(response::unreadable(response));
    }
    // A form does not tell whether it was cut: half a secret is a secret.
    if response.extensions().get::<Unframed>().is_some() {
        return Err(Error::new(ErrorKind::Transport, Reason::Truncated));
    }
    Ok(form.iter().map(|(name, value)| (name.into(), Secret::new(value))).collect())
}

fn of_json(text: &str) -> Result<Vec<(Box<str>, Secret)>> {
    let Wire { oauth_token, oauth_token_secret } = read(text)?;
    let known = [("oauth_token", oauth_token), ("oauth_token_secret", oauth_token_secret)];
    let known = known.into_iter().filter_map(|(name, value)| Some((name.into(), Secret::new(&*value?))));
    let all: Map<String, Value> = serde_json::from_str(text).unwrap_or_default();
    let others =
        all.into_iter().filter(|(name, _)| !matches!(name.as_str(), "oauth_token" | "oauth_token_secret"));
    let others = others.filter_map(|(name, value)| match value {
        Value::String(text) => Some((name.into(), Secret::new(text))),
        Value::Number(_) | Value::Bool(_) => Some((name.into(), Secret::new(value.to_string()))),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    });
    Ok(known.chain(others).collect())
}

fn denied(response: &Response) -> Error {
    let status = response.status();
    let busy = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
    let (kind, reason) = if busy {
        (ErrorKind::Server, Reason::ServerFailed)
    } else {
        (ErrorKind::Denied, Reason::RequestDenied)
    };
    Error::new(kind, reason).with_status(status)
}

/// RFC 5849 §3.2 refuses by 400 and 401, and says nothing of bodies.
fn refused(response: &Response, error: Error) -> Error {
    let status = response.status();
    let says_no =
        matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
    if says_no && error.reason() == Reason::UnexpectedStatus { denied(response) } else { error }
}
