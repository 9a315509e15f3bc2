//! Tokens that are shown to their own server: to be revoked (RFC 7009).

use valetkey_proto::{
    Result,
    oauth2::endpoint::{ShownToken, revocation::RevocationRequest},
};

use super::Client;

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
}
