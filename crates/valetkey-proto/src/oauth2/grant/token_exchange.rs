//! A token for another (RFC 8693).

mod github_actions;
mod response;
mod typed_token;

use valetkey_http::Response;

pub use github_actions::GitHubActionsTokenRequest;
pub use response::TokenExchangeResponse;
pub use typed_token::{TokenTypeIdentifier, TypedToken};

use super::TokenRequest;
use crate::{
    call::{Exchange, Retry},
    draft::Draft,
    error::Result,
    flow::Env,
    oauth2::{Scope, server::ServerMetadata, token::TokenResponse},
    time::Timestamp,
};

/// Exchanges a token about somebody for a token of this server, which must be trusted with it.
///
/// With the subject's token alone, whoever asks becomes the subject (impersonation). With an
/// [actor's](Self::with_actor) beside it, the new token can say that one acts for the other (delegation, RFC 8693 §1.1).
/// Parameters beyond these, such as `resource`, go by [`with_parameter`](Self::with_parameter).
///
/// ```
/// use valetkey_proto::{
///     oauth2::{grant::{TokenExchangeGrant, TokenTypeIdentifier, TypedToken}, server::{Issuer, ServerMetadata}},
///     secret::Secret,
/// };
///
/// let server = ServerMetadata::new(Issuer::parse("https://as.example")?).with_token_endpoint("https://as.example/token")?;
/// let subject = TypedToken::new(Secret::new("eyJhbGciOi…"), TokenTypeIdentifier::Jwt);
/// let actor = TypedToken::new(Secret::new("5fb8c3d4"), TokenTypeIdentifier::AccessToken);
/// let grant = TokenExchangeGrant::new(&server, subject)?
///     .with_actor(actor)
///     .with_requested_token_type(TokenTypeIdentifier::AccessToken)
///     .with_audience("https://billing.example")
///     .with_audience("https://orders.example")
///     .with_scope("read")?
///     .with_parameter("resource", "https://api.example/orders")?;
/// # let _ = grant;
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TokenExchangeGrant {
    pub(super) request: TokenRequest,
    subject: TypedToken,
    actor: Option<TypedToken>,
    requested: Option<TokenTypeIdentifier>,
    audiences: Vec<Box<str>>,
    pub(super) scope: Option<Scope>,
}

impl TokenExchangeGrant {
    /// Asks this server for a token by the subject's.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::MissingEndpoint`](crate::Reason::MissingEndpoint).
    pub fn new(server: &ServerMetadata, subject: TypedToken) -> Result<Self> {
        let request = TokenRequest::new(server)?;
        Ok(Self { request, subject, actor: None, requested: None, audiences: Vec::new(), scope: None })
    }

    /// Says who will act for the subject.
    #[must_use]
    pub fn with_actor(mut self, actor: TypedToken) -> Self {
        self.actor = Some(actor);
        self
    }

    /// Asks for a token of this type; another one is then refused.
    #[must_use]
    pub fn with_requested_token_type(mut self, requested: TokenTypeIdentifier) -> Self {
        self.requested = Some(requested);
        self
    }

    /// Says where the token is to be used, by the name that the server knows it by; may be said several times.
    #[must_use]
    pub fn with_audience(mut self, audience: &str) -> Self {
        self.audiences.push(audience.into());
        self
    }

    fn tokens(&self) -> impl Iterator<Item = &TypedToken> {
        std::iter::once(&self.subject).chain(&self.actor)
    }
}

impl Exchange for TokenExchangeGrant {
    type Output = TokenExchangeResponse;

    /// Asking twice brings two tokens, unless what is shown may be shown once.
    fn retry(&self) -> Retry {
        if self.tokens().any(|token| token.token_type().may_be_one_time()) {
            Retry::ONE_TIME
        } else {
            Retry::REPEATABLE
        }
    }

    fn request(&self, _: &Env<'_>) -> Result<Draft> {
        let mut form = self.request.form("urn:ietf:params:oauth:grant-type:token-exchange");
        form.push("subject_token", self.subject.expose())
            .push("subject_token_type", self.subject.token_type().as_str());
        if let Some(actor) = &self.actor {
            form.push("actor_token", actor.expose()).push("actor_token_type", actor.token_type().as_str());
        }
        form.push("requested_token_type", self.requested.as_ref().map_or("", TokenTypeIdentifier::as_str));
        for audience in &self.audiences {
            form.push("audience", audience);
        }
        form.push("scope", self.scope.as_ref().map_or("", Scope::as_str));
        Ok(self.request.draft(form))
    }

    fn response(&self, response: Response, asked: Timestamp, _: &Env<'_>) -> Result<TokenExchangeResponse> {
        let tokens: TokenResponse = self.request.read(&response, asked)?;
        TokenExchangeResponse::of(tokens, &response, self.requested.as_ref())
            .map_err(|error| error.with_status(response.status()))
    }
}
