//! The problem reporting extension of OAuth 1.0: `oauth_problem`.

use std::fmt;

use valetkey_http::Response;

use crate::{
    error::{ErrorCode, ErrorResponse},
    form::Parameters,
    header::Challenge,
};

/// Why a server refused a request, if it says so: in a form, or in `WWW-Authenticate`.
///
/// ```
/// use valetkey_proto::oauth1::Problem;
///
/// let body = "oauth_problem=timestamp_refused&oauth_acceptable_timestamps=1700000000-1700000600";
/// let problem = Problem::of(&http::Response::new(body.into())).expect("a problem");
/// assert_eq!(problem.code(), "timestamp_refused");
/// assert_eq!(problem.parameter("oauth_acceptable_timestamps"), Some("1700000000-1700000600"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Problem {
    code: Box<str>,
    parameters: Vec<(Box<str>, Box<str>)>,
}

/// The longest body that is looked at.
const MAX_BODY: usize = 64 << 10;

impl Problem {
    /// The problem that an answer reports, be it of a credential endpoint or of an API.
    #[must_use]
    pub fn of(response: &Response) -> Option<Self> {
        let body = Some(response.body()).filter(|body| body.len() <= MAX_BODY);
        let form = body.and_then(|body| Parameters::parse(std::str::from_utf8(body).ok()?.trim()).ok());
        let from_form = || Self::of_parts(form.as_ref()?.iter());
        let from_challenge = || {
            let challenges = Challenge::parse_all(response.headers()).unwrap_or_default();
            challenges.iter().find_map(|challenge| Self::of_parts(challenge.parameters()))
        };
        from_form().or_else(from_challenge)
    }

    /// The problem in the query of a callback.
    pub(super) fn of_parameters(parameters: &Parameters) -> Option<Self> {
        Self::of_parts(parameters.iter())
    }

    fn of_parts<'a>(parts: impl Iterator<Item = (&'a str, &'a str)>) -> Option<Self> {
        let mut problem = Self { code: "".into(), parameters: Vec::new() };
        for (name, value) in parts {
            if name == "oauth_problem" {
                problem.code = value.into();
            // The others may be credentials.
            } else if REPORTED.iter().any(|prefix| name.starts_with(prefix)) {
                problem.parameters.push((name.into(), value.into()));
            }
        }
        Some(problem).filter(|problem| !problem.code.is_empty())
    }

    /// What is wrong, such as `token_expired`.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The server's words for people (`oauth_problem_advice`), as they were sent.
    #[must_use]
    pub fn advice(&self) -> Option<&str> {
        self.parameter("oauth_problem_advice")
    }

    /// What the server would have taken, such as `oauth_acceptable_timestamps`, or what it missed, such as
    /// `oauth_parameters_absent`.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| **known == *name).map(|(_, value)| &**value)
    }

    /// The same as the data of an error.
    pub(super) fn to_response(&self) -> ErrorResponse {
        let response = ErrorResponse::new(ErrorCode::from(self.code()));
        let others = || {
            let others = self.parameters.iter().map(|(name, value)| format!("{name}={value}"));
            others.collect::<Vec<_>>().join("&")
        };
        response.with_description(&self.advice().map_or_else(others, str::to_owned))
    }
}

/// What the names of a problem's parameters begin with.
const REPORTED: [&str; 3] = ["oauth_acceptable_", "oauth_parameters_", "oauth_problem_advice"];

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Problem").field(&self.to_response()).finish()
    }
}
