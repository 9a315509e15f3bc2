//! What is said to a client that is refused (RFC 5849 §3.2), plainly or by the Problem Reporting extension.

use http::{StatusCode, header::CONTENT_TYPE, header::WWW_AUTHENTICATE};

use super::rules::Errors;
use crate::{message::Answer, settings::Settings};

/// A refusal, on its way to becoming an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// The name that the Problem Reporting extension has for it.
    pub(crate) problem: &'static str,
    pub(crate) why: &'static str,
    /// One more parameter that the extension has for some problems.
    pub(crate) more: Option<(&'static str, String)>,
}

impl Refusal {
    /// Something is wrong with the request.
    pub(crate) fn request(problem: &'static str, why: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, problem, why, more: None }
    }

    /// Something is wrong with who sent it.
    pub(crate) fn unauthorized(problem: &'static str, why: &'static str) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, problem, why, more: None }
    }

    pub(crate) fn rejected(why: &'static str) -> Self {
        Self::request("parameter_rejected", why)
    }

    pub(crate) fn absent(name: &'static str) -> Self {
        let refusal = Self::request("parameter_absent", "a parameter is missing");
        refusal.with("oauth_parameters_absent", name.to_owned())
    }

    pub(crate) fn with(mut self, name: &'static str, value: String) -> Self {
        self.more = Some((name, value));
        self
    }

    /// The answer; with 401 comes a challenge (RFC 5849 §3.2, RFC 9110 §11.6.1).
    pub(crate) fn answer(self, settings: &Settings) -> Answer {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("oauth_problem", self.problem).append_pair("oauth_problem_advice", self.why);
        form.extend_pairs(&self.more);
        let mut challenge = format!("OAuth realm=\"{}\"", settings.issuer.text);
        let (kind, body) = match settings.oauth1.errors {
            Errors::Plain => ("text/plain", self.why.to_owned()),
            Errors::Problem => {
                challenge.push_str(&format!(", oauth_problem=\"{}\"", self.problem));
                ("application/x-www-form-urlencoded", form.finish())
            }
        };
        let answer = Answer { body: body.into(), ..Answer::empty(self.status) }.with(CONTENT_TYPE, kind);
        if self.status == StatusCode::UNAUTHORIZED {
            answer.with(WWW_AUTHENTICATE, challenge)
        } else {
            answer
        }
    }
}
