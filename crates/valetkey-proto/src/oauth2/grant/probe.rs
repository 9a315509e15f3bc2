//! Finding out how a server wants a client to authenticate, where nobody knows.

use valetkey_http::Response;

use super::TokenRequest;
use crate::{
    call::{Exchange, Retry},
    draft::Draft,
    error::{ErrorCode, ErrorKind, Result},
    flow::Env,
    oauth2::{client::ClientMetadata, server::ServerMetadata},
    time::Timestamp,
};

/// Asks for tokens by a code that nobody was given, and tells by the error whether the client was known: a server that
/// knows it says something of the code, and one that does not, of the client (RFC 6749 §5.2).
///
/// A real code is never sent to find that out: a server may revoke what it was exchanged for when it sees the code a second
/// time (RFC 6749 §4.1.2).
///
/// ```
/// use valetkey_proto::oauth2::{
///     client::ClientMetadata,
///     grant::AuthenticationProbe,
///     server::{Issuer, ServerMetadata},
/// };
///
/// let server = ServerMetadata::new(Issuer::parse("https://as.example")?).with_token_endpoint("https://as.example/token")?;
/// let probe = AuthenticationProbe::new(&server, &ClientMetadata::new("app")?)?;
/// # let _ = probe;
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct AuthenticationProbe {
    request: TokenRequest,
    redirect_uri: Box<str>,
}

impl AuthenticationProbe {
    /// Asks this server about this client; how it authenticates is the party's to say.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::MissingEndpoint`](crate::Reason::MissingEndpoint).
    pub fn new(server: &ServerMetadata, client: &ClientMetadata) -> Result<Self> {
        let redirect_uri = client.redirect_uri().map_or("", |uri| uri.as_str()).into();
        Ok(Self { request: TokenRequest::new(server)?, redirect_uri })
    }
}

/// What stands in the place of a code.
const NO_CODE: &str = "none-this-is-a-probe";

impl Exchange for AuthenticationProbe {
    /// Whether the server knew the client.
    type Output = bool;

    fn retry(&self) -> Retry {
        Retry::REPEATABLE
    }

    fn request(&self, _: &Env<'_>) -> Result<Draft> {
        let mut form = self.request.form("authorization_code");
        form.push("code", NO_CODE).push("redirect_uri", &self.redirect_uri);
        Ok(self.request.draft(form))
    }

    fn response(&self, response: Response, asked: Timestamp, _: &Env<'_>) -> Result<bool> {
        let Err(error) = self.request.read(&response, asked) else { return Ok(true) };
        match (error.kind(), error.response()) {
            (_, Some(refused)) => Ok(!blames_client(refused.code())),
            (ErrorKind::Denied, None) => Ok(false),
            _ if error.status().is_some_and(|status| matches!(status.as_u16(), 401 | 403)) => Ok(false),
            _ => Err(error),
        }
    }
}

/// `invalid_client`, or what others call it; `unauthorized_client` is one that was known.
fn blames_client(code: &ErrorCode) -> bool {
    *code != ErrorCode::UnauthorizedClient && code.as_str().contains("client")
}
