//! Grants beyond the usual ones, without async.

use valetkey_proto::{
    Result, Retry,
    oauth2::grant::{TokenExchangeResponse, TokenTypeIdentifier},
    secret::Secret,
};

use super::{Authorize, Client, Extension, SamlBearer, Session, TokenExchange, block_on};
use crate::source::TokenSource;

/// Grants beyond the usual ones.
impl Client {
    /// Gets tokens for the token of somebody else.
    ///
    /// ```
    /// # use valetkey_testkit::{Grant, Provider, RegisteredClient};
    /// # let backend = Provider::builder()
    /// #     .client(RegisteredClient::confidential("gateway", "s3cret").grants([Grant::TokenExchange]))
    /// #     .outside_token("eyJhbGciOi.e30.c2ln", "alice")
    /// #     .build();
    /// use valetkey::{
    ///     blocking::Client,
    ///     oauth2::grant::{TokenTypeIdentifier, TypedToken},
    ///     secret::Secret,
    /// };
    ///
    /// # let builder = valetkey::Client::builder(backend).discover("https://issuer.test").id("gateway").secret("s3cret");
    /// let client = Client::build(builder)?;
    /// let user = TypedToken::new(Secret::new("eyJhbGciOi.e30.c2ln"), TokenTypeIdentifier::Jwt);
    /// let issued = client.exchange(user).audience("https://api.example").once()?;
    /// assert_eq!(*issued.issued_token_type(), TokenTypeIdentifier::AccessToken);
    /// # Ok::<(), valetkey::Error>(())
    /// ```
    pub fn exchange(&self, subject: impl TokenSource + 'static) -> TokenExchange {
        TokenExchange(self.0.exchange(subject))
    }

    /// Gets tokens by a SAML 2.0 assertion.
    pub fn saml_bearer(&self, assertion: impl TokenSource + 'static) -> SamlBearer {
        SamlBearer(self.0.saml_bearer(assertion))
    }

    /// Gets tokens by a grant of this type.
    pub fn extension_grant(&self, grant_type: impl Into<String>) -> Extension {
        Extension(self.0.extension_grant(grant_type))
    }

    /// The way to grants that nobody should use any more.
    ///
    /// # Security
    ///
    /// As [`crate::Client::legacy`].
    pub fn legacy(&self) -> Legacy {
        Legacy(self.0.legacy())
    }
}

impl TokenExchange {
    /// Says who will act for the subject.
    pub fn actor(self, actor: impl TokenSource + 'static) -> Self {
        Self(self.0.actor(actor))
    }

    /// Asks for a token of this type.
    pub fn requested_token_type(self, requested: TokenTypeIdentifier) -> Self {
        Self(self.0.requested_token_type(requested))
    }

    /// Says where the token is to be used; may be said several times.
    pub fn audience(self, audience: impl Into<String>) -> Self {
        Self(self.0.audience(audience))
    }

    /// Exchanges once.
    ///
    /// # Errors
    ///
    /// As [`crate::TokenExchange::once`].
    pub fn once(&self) -> Result<TokenExchangeResponse> {
        block_on(self.0.once())
    }
}

impl Extension {
    /// Adds a parameter whose value is not to be seen.
    pub fn secret(self, name: impl Into<String>, value: Secret) -> Self {
        Self(self.0.secret(name, value))
    }

    /// Says how often the request may be sent again.
    pub fn retry(self, retry: Retry) -> Self {
        Self(self.0.retry(retry))
    }

    /// Gets tokens now.
    ///
    /// # Errors
    ///
    /// As [`crate::Extension::sign_in`].
    pub fn sign_in(self) -> Result<Session> {
        block_on(self.0.sign_in()).map(Session)
    }
}

/// Grants that nobody should use any more; see [`crate::Legacy`].
#[derive(Clone, Debug)]
#[must_use]
pub struct Legacy(crate::Legacy);

impl Legacy {
    /// Signs a user in by name and password.
    ///
    /// # Security
    ///
    /// As [`crate::Legacy::password`].
    pub fn password(self, username: impl Into<String>, password: impl Into<Secret>) -> PasswordLogin {
        PasswordLogin(self.0.password(username, password))
    }

    /// Begins to sign a user in by the implicit grant.
    ///
    /// # Security
    ///
    /// As [`crate::Legacy::implicit`].
    pub fn implicit(self) -> Authorize {
        Authorize(self.0.implicit())
    }
}

/// A sign-in by name and password; see [`crate::PasswordLogin`].
#[derive(Debug)]
#[must_use]
pub struct PasswordLogin(crate::PasswordLogin);

impl PasswordLogin {
    /// Asks for this scope.
    pub fn scope(self, scope: impl Into<String>) -> Self {
        Self(self.0.scope(scope))
    }

    /// Adds a parameter.
    pub fn parameter(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        Self(self.0.parameter(name, value))
    }

    /// Signs the user in.
    ///
    /// # Errors
    ///
    /// As [`crate::PasswordLogin::sign_in`].
    pub fn sign_in(self) -> Result<Session> {
        block_on(self.0.sign_in()).map(Session)
    }
}
