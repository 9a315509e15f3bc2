//! What an API says that it wants.

use std::time::Duration;

use http::{Response, StatusCode};

use crate::{
    error::{Error, ErrorCode, ErrorKind, Reason, Result},
    header::Challenge,
    oauth2::Scope,
};

/// The longest scope and the longest list of classes that is taken: they go into a URL.
const MAX_BYTES: usize = 2 << 10;
/// The most that is taken of each.
const MAX_VALUES: usize = 32;

/// What an API demands beyond the token that it was shown: 401 and 403 with a challenge whose error is `insufficient_scope`
/// (RFC 6750 §3.1) or `insufficient_user_authentication` (RFC 9470 §3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demand {
    scope: Option<Scope>,
    acr_values: Vec<Box<str>>,
    max_age: Option<Duration>,
}

impl Demand {
    /// Reads an answer; `None` if it demands nothing of this kind.
    ///
    /// # Errors
    ///
    /// `Protocol`: [`Reason::Malformed`] if a challenge cannot be read, or names a scope or a class that has characters which
    /// no such has, or a `max_age` that is no number of seconds; [`Reason::TooLarge`] beyond 2 KiB or 32 of either.
    pub fn of<B>(response: &Response<B>) -> Result<Option<Self>> {
        if ![StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&response.status()) {
            return Ok(None);
        }
        let challenges = Challenge::parse_all(response.headers())?;
        let is_demand = |challenge: &&Challenge| {
            let is_ours = challenge.is("bearer") || challenge.is("dpop");
            let demands = [ErrorCode::InsufficientScope, ErrorCode::InsufficientUserAuthentication];
            is_ours && challenge.error().is_some_and(|error| demands.contains(&error))
        };
        // An API that takes several kinds of token says the same of each.
        challenges.iter().find(is_demand).map(Self::read).transpose()
    }

    fn read(challenge: &Challenge) -> Result<Self> {
        let part = |name| challenge.parameter(name).filter(|text| !text.is_empty());
        let scope = match part("scope") {
            Some(text) => {
                values("scope", text)?;
                Some(Scope::parse(text).map_err(|_| malformed("scope"))?)
            }
            None => None,
        };
        let acr_values = part("acr_values").map_or(Ok(Vec::new()), |text| values("acr_values", text))?;
        let max_age = part("max_age").map(|text| match text.bytes().all(|byte| byte.is_ascii_digit()) {
            true => text.parse().map(Duration::from_secs).map_err(|_| malformed("max_age")),
            false => Err(malformed("max_age")),
        });
        Ok(Self { scope, acr_values, max_age: max_age.transpose()? })
    }

    /// The scope that it takes.
    #[must_use]
    pub fn scope(&self) -> Option<&Scope> {
        self.scope.as_ref()
    }

    /// How the user must have been authenticated, the best first.
    pub fn acr_values(&self) -> impl Iterator<Item = &str> {
        self.acr_values.iter().map(AsRef::as_ref)
    }

    /// How long ago the user may have been authenticated.
    #[must_use]
    pub fn max_age(&self) -> Option<Duration> {
        self.max_age
    }
}

/// A list of texts with blanks in between.
fn values(name: &'static str, text: &str) -> Result<Vec<Box<str>>> {
    if text.len() > MAX_BYTES || text.split(' ').count() > MAX_VALUES {
        return Err(Error::new(ErrorKind::Protocol, Reason::TooLarge).with_detail(name));
    }
    if !text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return Err(malformed(name));
    }
    Ok(text.split(' ').filter(|value| !value.is_empty()).map(Into::into).collect())
}

fn malformed(name: &'static str) -> Error {
    Error::new(ErrorKind::Protocol, Reason::Malformed).with_detail(name)
}
