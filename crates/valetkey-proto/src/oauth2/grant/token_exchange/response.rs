//! What a token was exchanged for (RFC 8693 §2.2).

use valetkey_http::Response;

use super::{TokenTypeIdentifier, TypedToken};
use crate::{
    error::{Error, ErrorKind, Reason, Result},
    form::Parameters,
    oauth2::{
        Scope,
        token::{TokenResponse, TokenType},
    },
    response::{
        members::{members, read},
        text,
        value::Text,
    },
    time::Timestamp,
};

members! {
    /// What an exchange adds to the answer of the token endpoint.
    struct Wire {
        issued_token_type: Text<'de>,
    }
}

/// What the answer says that was issued: in JSON, or in a form, as some old providers have it.
fn issued(answer: &Response) -> Result<Option<TokenTypeIdentifier>> {
    let text = text(answer)?;
    let json = text.strip_prefix('\u{feff}').unwrap_or(text);
    if json.trim_start().starts_with('{') {
        let wire: Wire<'_> = read(json)?;
        return Ok(wire.issued_token_type.as_deref().map(TokenTypeIdentifier::from));
    }
    Ok(Parameters::parse(text)?.get("issued_token_type").map(TokenTypeIdentifier::from))
}

/// The token that came for another, and what it is.
///
/// What can be shown to an API is in [`tokens`](Self::tokens). Anything else is taken out as a secret by
/// [`token`](Self::token), to be exchanged once more or handed to whom it is for.
#[derive(Debug)]
pub struct TokenExchangeResponse {
    response: TokenResponse,
    issued: TokenTypeIdentifier,
}

impl TokenExchangeResponse {
    /// Checks that the server says what it issued, and that it is what was asked for.
    pub(super) fn of(
        response: TokenResponse,
        answer: &Response,
        requested: Option<&TokenTypeIdentifier>,
    ) -> Result<Self> {
        let missing = || {
            let error = Error::new(ErrorKind::Protocol, Reason::MissingParameter);
            error.with_detail("issued_token_type")
        };
        let issued = issued(answer)?.ok_or_else(missing)?;
        if requested.is_some_and(|requested| *requested != issued) {
            let error = Error::new(ErrorKind::Protocol, Reason::UnsupportedTokenType);
            return Err(error.with_detail("issued_token_type"));
        }
        Ok(Self { response, issued })
    }

    /// What was issued.
    #[must_use]
    pub fn issued_token_type(&self) -> &TokenTypeIdentifier {
        &self.issued
    }

    /// How it is used: [`TokenType::NotApplicable`] if it is no access token.
    #[must_use]
    pub fn token_type(&self) -> &TokenType {
        self.response.token_type()
    }

    /// When it expires, if the server said.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.response.expires_at()
    }

    /// The scope, if the server said.
    #[must_use]
    pub fn scope(&self) -> Option<&Scope> {
        self.response.scope()
    }

    /// The token as a secret of its type, whatever it is: the subject of the next exchange.
    #[must_use]
    pub fn token(&self) -> TypedToken {
        TypedToken::new(self.response.access_token().expose().into(), self.issued.clone())
    }

    /// The tokens for APIs; `None` if what was issued is none that an API may see: one of the type `N_A` (RFC 8693
    /// §2.2.1), or a refresh token.
    #[must_use]
    pub fn tokens(&self) -> Option<&TokenResponse> {
        let is_for_apis = *self.token_type() != TokenType::NotApplicable
            && self.issued != TokenTypeIdentifier::RefreshToken;
        is_for_apis.then_some(&self.response)
    }
}
