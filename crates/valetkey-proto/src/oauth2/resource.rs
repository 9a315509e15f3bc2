//! Requests to an API, with a bearer token (RFC 6750 §2.1).

mod redirect;

pub use redirect::redirected;

use valetkey_http::{Request, Response};

use crate::{
    call::{Exchange, Retry},
    draft::Draft,
    error::Result,
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
}

impl ResourceRequest {
    /// Takes a request; at most 16 MiB of answer are taken.
    #[must_use]
    pub fn new(request: Request) -> Self {
        Self { request, max_body: 16 << 20 }
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

    /// No: an API is asked often, and a connection for each request costs more than the request.
    fn fresh(&self) -> bool {
        false
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
