//! A session: credentials, and the requests that are signed with them.

use std::{fmt, sync::Arc};

use http::Uri;
use valetkey_http::{Request, Response};
use valetkey_proto::{
    Call, Error, ErrorKind, Party, Reason, Result,
    oauth1::TokenCredentials,
    oauth2::resource::{ResourceRequest, redirected},
};

use super::client::Client;
use crate::run::run;

/// The credentials of one user, or of the client alone, and the way to use them. It is cheap to clone.
///
/// It comes of [`Client::redeem`], of [`Client::session`], or of [`Client::two_legged`]. OAuth 1.0 credentials do not
/// expire by themselves: to carry on in another process, keep [`TokenCredentials::to_text`].
#[derive(Clone)]
pub struct Session(Arc<Held>);

struct Held {
    client: Client,
    credentials: Option<TokenCredentials>,
    party: Arc<Party>,
}

impl Session {
    pub(super) fn new(client: Client, credentials: Option<TokenCredentials>, party: Arc<Party>) -> Self {
        Self(Arc::new(Held { client, credentials, party }))
    }

    /// Signs a request to an API and sends it, once. The answer is returned whatever its status; a redirect is an
    /// answer, and is not followed, unless
    /// [`ClientBuilder::follow_redirects`](super::ClientBuilder::follow_redirects) says so.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::OriginNotAllowed`] unless the request goes to an API of the client
    /// ([`ClientBuilder::api`](super::ClientBuilder::api)), and whatever a request cannot be signed for; nothing has
    /// then been sent. `Transport`, `Timeout`: it did not get through. `Protocol`: [`Reason::TooLarge`] beyond 16 MiB.
    pub async fn send(&self, request: Request) -> Result<Response> {
        let client = &self.0.client;
        if !client.origins().iter().any(|origin| origin.is_of(request.uri())) {
            return Err(Error::new(ErrorKind::Usage, Reason::OriginNotAllowed));
        }
        let (mut request, mut left) = (request, client.redirects());
        loop {
            let kept = (left > 0).then(|| request.clone());
            let call = Call::new(ResourceRequest::new(request), Arc::clone(&self.0.party));
            let response = run(call, client.runtime()).await?;
            match kept.and_then(|kept| redirected(&kept, &response)) {
                Some(next) => (request, left) = (unsigned(next), left - 1),
                None => return Ok(response),
            }
        }
    }

    /// The credentials of the user; `None` for the client alone.
    #[must_use]
    pub fn credentials(&self) -> Option<&TokenCredentials> {
        self.0.credentials.as_ref()
    }
}

/// The request without the protocol parameters of the one before, which a server repeats that keeps the query: their
/// nonce is used (RFC 5849 §3.3).
fn unsigned(mut request: Request) -> Request {
    let Some(query) = request.uri().query().filter(|query| query.contains("oauth_")) else { return request };
    let own = query.split('&').filter(|pair| !pair.starts_with("oauth_")).collect::<Vec<_>>().join("&");
    let path = request.uri().path();
    let target = if own.is_empty() { path.to_owned() } else { [path, "?", &own].concat() };
    let mut parts = request.uri().clone().into_parts();
    // Pieces of what was a target are one.
    if let Ok(target) = target.parse() {
        parts.path_and_query = Some(target);
    }
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("client", &self.0.client).finish_non_exhaustive()
    }
}
