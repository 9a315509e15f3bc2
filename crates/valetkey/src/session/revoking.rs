//! Giving tokens back (RFC 7009).

use std::{iter, sync::atomic::Ordering};

use valetkey_proto::{Error, ErrorKind, Reason, Result, oauth2::token::refresh::Ended};

use super::{Renewal, Session};

impl Session {
    /// Has the server revoke the tokens, the refresh token first, and forgets them: from then on the session is closed,
    /// whatever came of it at the server. A renewal that is under way is waited for, so that its tokens go, too.
    ///
    /// In a store ([`Sessions`](crate::Sessions)) it is marked first that somebody logged out. What you kept of the tokens
    /// elsewhere, delete yourself.
    ///
    /// ```
    /// # use valetkey::Client;
    /// # use valetkey_testkit::{Provider, block_on};
    /// # block_on(async {
    /// # let provider = Provider::new();
    /// # let client = Client::builder(provider.clone()).discover("https://issuer.test").id("app").secret("app-secret")
    /// #     .redirect_uri("https://client.test/cb").build().await?;
    /// # let (url, pending) = client.authorize().scope("read").start().await?;
    /// # let session = client.redeem(pending, provider.visit(&url).expect("the user approves")).await?;
    /// session.revoke().await?;
    /// assert_eq!(session.tokens().await.unwrap_err().reason(), valetkey::Reason::SessionClosed);
    /// # Ok::<(), valetkey::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// The first of what revoking the two ends with. `Config`: [`Reason::MissingEndpoint`] if the server revokes nothing.
    /// `Denied`: [`Reason::RequestDenied`]; with the code
    /// [`UnsupportedTokenType`](crate::ErrorCode::UnsupportedTokenType), the server cannot revoke one of the two: an access
    /// token, mostly, which is then good until it expires. `Server`, `Transport`, `Timeout`: the tokens are as good as before
    /// to whoever has them.
    pub async fn revoke(&self) -> Result<()> {
        self.0.is_closed.store(true, Ordering::Relaxed);
        if let Some(shared) = self.0.place.store() {
            // Others share it: they hear of it before the server does.
            shared.end(Ended::LoggedOut).await?;
        }
        let closed = Error::new(ErrorKind::Usage, Reason::SessionClosed);
        let Some(live) = self.0.tokens.shut(closed).await else { return Ok(()) };
        if matches!(self.0.renewal, Renewal::SelfSigned(_)) {
            // The server has never seen it.
            return Ok(());
        }
        let tokens = live.tokens();
        let refresh_token = match tokens.refresh_token() {
            Some(token) => self.0.client.revoke(token).await,
            None => Ok(()),
        };
        let mut revoked = refresh_token;
        for tokens in iter::once(tokens).chain(live.entry.record.parts()) {
            let access_token = self.0.client.revoke(tokens.access_token()).await;
            revoked = revoked.and(access_token);
        }
        revoked
    }
}
