//! Requests to an API, with an access token (RFC 6750 §2, RFC 9449 §7.1).

mod placement;
mod redirect;

pub use placement::Placement;
pub use redirect::redirected;

use http::{Method, Uri};
use valetkey_http::{Request, Response};

use crate::{
    call::{Exchange, Retry},
    draft::Draft,
    error::{Advice, Error, Reason, Result},
    flow::Env,
    time::Timestamp,
};

/// A request of the user's to an API. [`Party::bearer`](crate::Party::bearer) adds the token; the answer is
/// the user's to read, whatever its status.
///
/// It is sent once, on a connection that may have carried others. A redirect is not followed: it is the answer, of which
/// [`redirected`] makes the next request, if that is wanted.
pub struct ResourceRequest {
    request: Request,
    max_body: usize,
    sent_once: bool,
}

impl ResourceRequest {
    /// Takes a request; at most 16 MiB of answer are taken.
    #[must_use]
    pub fn new(request: Request) -> Self {
        Self { request, max_body: 16 << 20, sent_once: false }
    }

    /// Never sends it a second time, even if the API says that it has not acted on it, for want of a nonce in the proof
    /// (RFC 9449 §9): that is then the answer.
    #[must_use]
    pub fn sent_once(mut self) -> Self {
        self.sent_once = true;
        self
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        self.request.method()
    }

    /// Where it goes.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        self.request.uri()
    }

    /// Takes at most this many bytes of answer.
    #[must_use]
    pub fn with_max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }
}

impl Exchange for ResourceRequest {
    type Output = Response;

    fn retry(&self) -> Retry {
        Retry::NEVER
    }

    fn max_body(&self) -> usize {
        self.max_body
    }

    fn answers_challenge(&self) -> bool {
        !self.sent_once
    }

    /// No: an API is asked often, and a connection for each request costs more than the request.
    fn fresh(&self) -> bool {
        false
    }

    /// The tokens are as good as before. What may be repeated (RFC 9110 §9.2.2), the caller may; whether the rest was done, only
    /// the API can say.
    fn unknown(&self, error: Error) -> Error {
        let may_repeat = self.request.method().is_idempotent() && !self.sent_once;
        let advice = if may_repeat { error.advice() } else { Advice::GiveUp };
        error.with_reason(Reason::OutcomeUnknown).with_advice(advice)
    }

    fn request(&self, _: &Env<'_>) -> Result<Draft> {
        Ok(Draft::of(self.request.clone()))
    }

    fn response(&self, response: Response, _: Timestamp, _: &Env<'_>) -> Result<Response> {
        Ok(response)
    }
}

impl std::fmt::Debug for ResourceRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResourceRequest")
            .field("method", self.request.method())
            .field("host", &self.request.uri().host())
            .finish_non_exhaustive()
    }
}
