//! Logouts that the server tells of (OpenID Connect Back-Channel Logout 1.0).

use std::sync::PoisonError;

use valetkey_http::Request;
use valetkey_proto::{
    Result,
    oidc::logout::{BackChannel, LogoutToken},
};

use super::Client;

/// How many logout tokens are remembered, so that none is taken twice.
pub(super) const REMEMBERED: usize = 10_000;

impl Client {
    /// Takes the request by which the server tells, at `backchannel_logout_uri`, that a session has ended. The token in it
    /// is verified by the server's keys, and taken once. End the sessions that it [`ends`](LogoutToken::ends), then answer
    /// by [`BackChannel::response`].
    ///
    /// ```
    /// # use valetkey::Client;
    /// # use valetkey_testkit::{OpenId, Provider, RegisteredClient, block_on};
    /// # block_on(async {
    /// # let shop = RegisteredClient::confidential("shop", "shop-secret")
    /// #     .redirect_uri("https://client.test/cb").back_channel_logout_uri("https://client.test/logged-out");
    /// # let provider = Provider::builder().openid(OpenId::new()).client(shop).build();
    /// # let client = Client::builder(provider.clone()).discover("https://issuer.test").id("shop").secret("shop-secret")
    /// #     .redirect_uri("https://client.test/cb").build().await?;
    /// # let (url, pending) = client.authorize().scope("openid").start().await?;
    /// # let session = client.redeem(pending, provider.visit(&url).expect("the user approves")).await?;
    /// # provider.sign_out();
    /// # let request = provider.back_channel_logouts().remove(0);
    /// use valetkey::oidc::logout::BackChannel;
    ///
    /// let outcome = client.receive_logout(&request).await;
    /// let user = session.identity().expect("somebody has signed in");
    /// if let Ok(token) = &outcome {
    ///     assert!(token.ends(user.subject(), user.session()));
    /// }
    /// assert_eq!(BackChannel::response(&outcome).status(), 200);
    /// assert!(client.receive_logout(&request).await.is_err(), "it was taken");
    /// # Ok::<(), valetkey::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As [`BackChannel::receive`]; whatever asking for the keys ends with.
    ///
    /// # Security
    ///
    /// This client remembers the last ten thousand tokens. Where several processes take them, each takes a token once.
    pub async fn receive_logout(&self, request: &Request) -> Result<LogoutToken> {
        let relation = self.relation().await?;
        let mut back_channel = BackChannel::new(self.issuer(), relation.client().id());
        if let Some(decrypter) = &self.0.origination.registered.id_token_decrypter {
            back_channel = back_channel.with_decrypter(decrypter.clone());
        }
        let env = self.0.runtime.env();
        self.by_keys(&relation, |keys| {
            let mut seen = self.0.logouts.lock().unwrap_or_else(PoisonError::into_inner);
            back_channel.receive(request, &keys.id_token, &mut seen, &env)
        })
        .await
    }
}
