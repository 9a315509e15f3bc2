//! Tokens that are shown to their own server: to be revoked (RFC 7009), or to hear what they are (RFC 7662).

use valetkey_proto::{
    Result,
    oauth2::endpoint::{
        ShownToken,
        introspection::{IntrospectionRequest, IntrospectionResponse},
        revocation::RevocationRequest,
    },
};

use super::{Client, identity::no_key};

impl Client {
    /// Has the server revoke a token of this client's: an access token, a refresh token, or a
    /// [`Secret`](crate::secret::Secret) that is one of both. To end a session,
    /// [`Session::revoke`](crate::Session::revoke) does it for both of its tokens.
    ///
    /// ```
    /// # use valetkey::Client;
    /// # use valetkey_testkit::{Provider, block_on};
    /// # block_on(async {
    /// # let provider = Provider::new();
    /// # let client = Client::builder(provider.clone()).discover("https://issuer.test").id("app").secret("app-secret")
    /// #     .redirect_uri("https://client.test/cb").build().await?;
    /// use valetkey::secret::RefreshToken;
    ///
    /// // A token that the server does not know is as good as revoked.
    /// client.revoke(&RefreshToken::new("45ghiukldjahdnhzdauz")).await?;
    /// # Ok::<(), valetkey::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::MissingEndpoint`](crate::Reason::MissingEndpoint) if the server revokes nothing. `Denied`:
    /// [`Reason::RequestDenied`](crate::Reason::RequestDenied), for a token of another client's, or of a kind that the
    /// server cannot revoke ([`UnsupportedTokenType`](crate::ErrorCode::UnsupportedTokenType)). `Server`, `Transport`,
    /// `Timeout`: the token is as good as before; a server that says when to come again is asked again, within half a
    /// minute.
    pub async fn revoke(&self, token: impl Into<ShownToken>) -> Result<()> {
        let token = token.into();
        let relation = self.relation().await?;
        let request = RevocationRequest::new(relation.server(), token)?;
        self.call_as(&relation, request, None).await
    }

    /// Asks the server what a token is: for an API that is shown one, and is itself a client of the server. With
    /// [`introspection_algorithm`](crate::ClientBuilder::introspection_algorithm) the answer is signed, and verified by the
    /// server's keys.
    ///
    /// ```
    /// # use valetkey::Client;
    /// # use valetkey_testkit::{Provider, block_on};
    /// # block_on(async {
    /// # let provider = Provider::new();
    /// # let service = Client::builder(provider.clone()).discover("https://issuer.test").id("service")
    /// #     .secret("service-secret").build().await?;
    /// # let shown = service.client_credentials().scope("read").session()?.tokens().await?;
    /// # let shown = shown.access_token();
    /// # let api = Client::builder(provider.clone()).discover("https://issuer.test").id("app").secret("app-secret")
    /// #     .build().await?;
    /// let said = api.introspect(shown).await?;
    /// let may_read = |token: &valetkey::oauth2::endpoint::introspection::ActiveToken| {
    ///     token.scope().is_some_and(|scope| scope.contains("read")) && !token.is_bound()
    /// };
    /// assert!(said.active().is_some_and(may_read));
    /// # Ok::<(), valetkey::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::MissingEndpoint`](crate::Reason::MissingEndpoint). `Denied`:
    /// [`Reason::RequestDenied`](crate::Reason::RequestDenied) if the server does not tell this client. `Protocol`,
    /// `Untrusted`: what is wrong with the answer, as
    /// [`IntrospectionResponse::parse`] and [`Validator::validate`](crate::jose::jwt::Validator::validate) have it. A token
    /// that is not good is no error.
    ///
    /// # Security
    ///
    /// As [`IntrospectionResponse`]. Nothing is kept: a token that is revoked is not good from the next question on.
    pub async fn introspect(&self, token: impl Into<ShownToken>) -> Result<IntrospectionResponse> {
        let token = token.into();
        let relation = &self.relation().await?;
        let request = &|| IntrospectionRequest::new(relation.server(), token.clone());
        if !relation.reading().signs_introspection() {
            return self.call_as(relation, request()?, None).await;
        }
        let id = relation.client().id();
        Box::pin(self.ask_by_keys(relation, |keys| async move {
            let keys = keys.introspection.clone().ok_or_else(no_key)?;
            let request = request()?.signed(id, keys);
            let request = match relation.reading().introspection_decrypter() {
                Some(decrypter) => request.encrypted(decrypter.clone()),
                None => request,
            };
            self.call_as(relation, request, None).await
        }))
        .await
    }
}
