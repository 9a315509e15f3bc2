//! Giving tokens back (RFC 7009).

use std::{iter, sync::atomic::Ordering};

use valetkey_proto::{
    Error, ErrorKind, Reason, Result,
    oauth2::{
        endpoint::ShownToken,
        token::{TokenRecord, refresh::Ended},
    },
};

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
        self.grant.is_closed.store(true, Ordering::Relaxed);
        let kept = match self.grant.place.store() {
            // Others share it: they hear of it before the server does.
            Some(shared) => shared.end(Ended::LoggedOut).await?,
            None => None,
        };
        self.revoke_with(kept.map(|entry| entry.record).as_ref()).await
    }

    /// Has the server revoke these tokens, which are what a store had, and its own, if these are others: somebody else may have
    /// renewed them, or signed in again. It is closed from now on.
    pub(crate) async fn revoke_with(&self, kept: Option<&TokenRecord>) -> Result<()> {
        self.grant.is_closed.store(true, Ordering::Relaxed);
        let closed = Error::new(ErrorKind::Usage, Reason::SessionClosed);
        let live = self.tokens.shut(closed).await;
        if matches!(self.grant.renewal, Renewal::SelfSigned(_)) {
            // The server has never seen it.
            return Ok(());
        }
        let records = kept.into_iter().chain(live.as_ref().map(|live| &live.record));
        let mut revoked = Ok(());
        for token in tokens_of(records) {
            revoked = revoked.and(self.grant.client.revoke(token).await);
        }
        revoked
    }
}

/// The tokens of these records, each once, the refresh tokens first.
fn tokens_of<'a>(records: impl Iterator<Item = &'a TokenRecord> + Clone) -> Vec<ShownToken> {
    let sets = records.flat_map(|record| iter::once(record.tokens()).chain(record.parts()));
    let refresh_tokens = sets.clone().filter_map(|set| set.refresh_token()).map(ShownToken::from);
    let mut tokens = Vec::new();
    for token in refresh_tokens.chain(sets.map(|set| ShownToken::from(set.access_token()))) {
        if !tokens.contains(&token) {
            tokens.push(token);
        }
    }
    tokens
}
