//! The tokens that are held: what a session keeps of one response and the next.

use std::time::Duration;

use super::{TokenResponse, TokenType};
use crate::{
    error::{Error, ErrorKind, Reason, Result},
    oauth2::Scope,
    secret::{AccessToken, RefreshToken},
    time::Timestamp,
};

/// The tokens of one grant: an access token, when it expires, and what renews it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSet {
    access_token: AccessToken,
    expires_at: Option<Timestamp>,
    lifetime: Option<Duration>,
    refresh_token: Option<RefreshToken>,
    scope: GrantedScope,
}

/// The scope that was granted (RFC 6749 §5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the server either said or did not")]
pub enum GrantedScope {
    /// The server did not say, which means: what was asked for. `None` if nothing was.
    Requested(Option<Scope>),
    /// The server said. It may be less than was asked for, or more.
    Explicit(Scope),
}

impl GrantedScope {
    /// The scope, whoever said it.
    #[must_use]
    pub fn scope(&self) -> Option<&Scope> {
        match self {
            Self::Requested(scope) => scope.as_ref(),
            Self::Explicit(scope) => Some(scope),
        }
    }
}

/// The longest time before its expiry at which a token is no longer used.
const EARLY: Duration = Duration::from_secs(10);

impl TokenSet {
    /// The tokens of a first response; `requested` is the scope that was asked for.
    ///
    /// # Errors
    ///
    /// `Protocol`: [`Reason::UnsupportedTokenType`] unless the token is a bearer token.
    pub fn of(response: &TokenResponse, requested: Option<&Scope>) -> Result<Self> {
        if *response.token_type() != TokenType::Bearer {
            return Err(Error::new(ErrorKind::Protocol, Reason::UnsupportedTokenType));
        }
        Ok(Self {
            access_token: response.access_token().clone(),
            expires_at: response.expires_at(),
            lifetime: response.lifetime(),
            refresh_token: response.refresh_token().cloned(),
            scope: match response.scope() {
                Some(scope) => GrantedScope::Explicit(scope.clone()),
                None => GrantedScope::Requested(requested.cloned()),
            },
        })
    }

    /// These tokens, renewed: what the response leaves out stays as it is (RFC 6749 §6).
    ///
    /// # Errors
    ///
    /// As [`TokenSet::of`].
    pub fn renewed(&self, response: &TokenResponse) -> Result<Self> {
        let mut renewed = Self::of(response, None)?;
        if renewed.refresh_token.is_none() {
            renewed.refresh_token.clone_from(&self.refresh_token);
        }
        if renewed.scope.scope().is_none() {
            renewed.scope.clone_from(&self.scope);
        }
        Ok(renewed)
    }

    /// The access token.
    #[must_use]
    pub fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    /// When the access token expires, if the server said.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    /// Whether the access token should no longer be used at this time: a little before it expires, by 10 s
    /// or a tenth of its lifetime, whichever is less, so that it does not expire under way.
    #[must_use]
    pub fn is_stale(&self, now: Timestamp) -> bool {
        let early = self.lifetime.map_or(EARLY, |lifetime| EARLY.min(lifetime / 10));
        self.expires_at.is_some_and(|expires_at| now + early >= expires_at)
    }

    /// What renews the access token.
    #[must_use]
    pub fn refresh_token(&self) -> Option<&RefreshToken> {
        self.refresh_token.as_ref()
    }

    /// The scope that was granted.
    #[must_use]
    pub fn scope(&self) -> &GrantedScope {
        &self.scope
    }
}
