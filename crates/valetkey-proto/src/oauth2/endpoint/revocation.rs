//! Taking a token back (RFC 7009).

use std::sync::Arc;

use valetkey_http::Response;

use super::ShownToken;
use crate::{
    call::{Exchange, Retry},
    draft::Draft,
    endpoint::Endpoint,
    error::{ErrorCode, Result},
    flow::Env,
    oauth2::{
        profile::{Policies, RequestKind},
        server::ServerMetadata,
    },
    response,
    time::Timestamp,
};

/// Asks the server to revoke a token. With a refresh token go the access tokens that came of it, if the server can
/// (RFC 7009 §2.1).
///
/// A server that does not know the token says the same as one that has revoked it: it is good for nothing
/// (RFC 7009 §2.2).
///
/// ```
/// use valetkey_proto::{
///     oauth2::{endpoint::revocation::RevocationRequest, server::{Issuer, ServerMetadata}},
///     secret::RefreshToken,
/// };
///
/// let server = ServerMetadata::new(Issuer::parse("https://as.example")?)
///     .with_endpoint("revocation_endpoint", "https://as.example/revoke")?;
/// let request = RevocationRequest::new(&server, &RefreshToken::new("45ghiukldjahdnhzdauz"))?;
/// # let _ = request;
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[doc(alias = "RFC 7009")]
#[derive(Clone, Debug)]
pub struct RevocationRequest {
    endpoint: Endpoint,
    token: ShownToken,
    policies: Option<Arc<Policies>>,
}

impl RevocationRequest {
    /// Revokes this token, which must be this server's.
    ///
    /// # Errors
    ///
    /// As [`ServerMetadata::endpoint`].
    pub fn new(server: &ServerMetadata, token: impl Into<ShownToken>) -> Result<Self> {
        let endpoint = server.endpoint("revocation_endpoint")?;
        Ok(Self { endpoint, token: token.into(), policies: server.policies().cloned() })
    }
}

impl Exchange for RevocationRequest {
    type Output = ();

    fn retry(&self) -> Retry {
        Retry::REPEATABLE
    }

    fn request(&self, _: &Env<'_>) -> Result<Draft> {
        let draft = Draft::post(&self.endpoint, self.token.form());
        Ok(draft.for_provider(self.policies.as_ref(), RequestKind::Revocation))
    }

    /// A success is told by its status; there is nothing to read (RFC 7009 §2.2).
    fn response(&self, response: Response, _: Timestamp, _: &Env<'_>) -> Result<()> {
        response::success(&response).or_else(|error| {
            // Some say so of a token that they do not know, although §2.2 has it that this is no error.
            let is_unknown =
                error.response().is_some_and(|refused| *refused.code() == ErrorCode::InvalidToken);
            if is_unknown && error.challenges().is_empty() { Ok(()) } else { Err(error) }
        })
    }
}
