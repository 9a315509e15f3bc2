//! What nobody should do any more, for servers that can do nothing else.

use std::fmt;

use valetkey_proto::{
    Result,
    oauth2::{authorization::ResponseType, grant::legacy::PasswordGrant},
    secret::Secret,
};

use super::{
    Authorize, Client,
    wishes::{Wishes, wishes},
};
use crate::session::Session;

/// Grants that RFC 9700 forbids and OAuth 2.1 does not have: [`Client::legacy`] leads to them.
#[derive(Clone, Debug)]
#[must_use]
pub struct Legacy(Client);

impl Client {
    /// The way to grants that nobody should use any more.
    ///
    /// # Security
    ///
    /// Each is worse than the code grant, and says why. They are for servers that have nothing else, and for the time that
    /// it takes to leave them.
    pub fn legacy(&self) -> Legacy {
        Legacy(self.clone())
    }
}

impl Legacy {
    /// Signs a user in by name and password (RFC 6749 §4.3).
    ///
    /// ```
    /// # use valetkey_testkit::{Grant, Provider, RegisteredClient, block_on};
    /// # let backend = Provider::builder()
    /// #     .client(RegisteredClient::confidential("old-app", "s3cret").grants([Grant::Password]))
    /// #     .password("alice", "A3ddj3w")
    /// #     .build();
    /// # block_on(async {
    /// use valetkey::{Client, secret::Secret};
    ///
    /// # let builder = Client::builder(backend).discover("https://issuer.test").id("old-app").secret("s3cret");
    /// let client = builder.build().await?;
    /// let session = client.legacy().password("alice", Secret::new("A3ddj3w")).scope("read").sign_in().await?;
    /// # let _ = session;
    /// # Ok::<(), valetkey::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Security
    ///
    /// The program sees the password, and could do with it whatever the user can; users learn to type it into programs; no
    /// second factor and no sign-in elsewhere can come into it (RFC 9700 §2.4). A password is sent once, and nothing of it
    /// is kept.
    pub fn password(self, username: impl Into<String>, password: impl Into<Secret>) -> PasswordLogin {
        let (username, password) = (username.into(), password.into());
        PasswordLogin { wishes: self.0.wishes(), client: self.0, username, password }
    }

    /// Begins to sign a user in by the implicit grant (RFC 6749 §4.2): the browser brings an access token in the fragment,
    /// and no code. [`Client::redeem`] ends it.
    ///
    /// ```
    /// # use valetkey_testkit::{Grant, Provider, RegisteredClient, block_on};
    /// # let provider = Provider::builder()
    /// #     .client(RegisteredClient::public("old-page").redirect_uri("https://client.test/cb").grants([Grant::Implicit]))
    /// #     .build();
    /// # let backend = provider.clone();
    /// # block_on(async {
    /// # let builder = valetkey::Client::builder(backend).discover("https://issuer.test").id("old-page")
    /// #     .redirect_uri("https://client.test/cb");
    /// let client = builder.build().await?;
    /// let (url, pending) = client.legacy().implicit().scope("read").start().await?;
    /// // … the browser goes there, and comes back with `#access_token=…&state=…` …
    /// # let callback = provider.visit(&url).expect("the user approves");
    /// let session = client.redeem(pending, &callback).await?;
    /// # let _ = session;
    /// # Ok::<(), valetkey::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Security
    ///
    /// The token stays in the browser's history and goes wherever the page leads, and nothing but the state ties it to this
    /// sign-in: whoever has another user's token can slip it in (RFC 9700 §2.1.2). It cannot be bound to a key, and there
    /// is no refresh token.
    pub fn implicit(self) -> Authorize {
        self.0.authorize().response_type(ResponseType::LegacyToken)
    }
}

/// A sign-in by name and password. [`sign_in`](Self::sign_in) does it.
#[must_use]
pub struct PasswordLogin {
    client: Client,
    username: String,
    password: Secret,
    wishes: Wishes,
}

wishes!(PasswordLogin);

impl PasswordLogin {
    /// Signs the user in. The session is renewed by its refresh token, if the server gives one. If the scope `openid` was
    /// asked for, the ID token is verified, and the session has an [`identity`](Session::identity).
    ///
    /// # Errors
    ///
    /// `Denied`: [`Reason::RequestDenied`](crate::Reason::RequestDenied), with
    /// [`InvalidGrant`](crate::ErrorCode::InvalidGrant) for a wrong password. `Transport` or `Timeout`:
    /// [`Reason::OutcomeUnknown`](crate::Reason::OutcomeUnknown): it is not sent again. Otherwise whatever is wrong with the
    /// response, or what discovery ends with.
    pub async fn sign_in(self) -> Result<Session> {
        // In a box, so that the futures of callers do not carry all of it.
        Box::pin(self.ask()).await
    }

    async fn ask(self) -> Result<Session> {
        let Self { client, username, password, wishes } = self;
        let relation = client.relation().await?;
        let grant =
            PasswordGrant::new(relation.server(), &username, password)?.with_strictness(client.strictness());
        let requested = wishes.requested()?;
        let grant = wishes.put(grant, PasswordGrant::with_scope, PasswordGrant::with_parameter)?;
        relation.check_for(requested.scope())?;
        let dpop = client.new_key(relation.server())?;
        let response = client.call_as(&relation, grant, dpop.clone()).await?;
        client.signed_in(&relation, &response, requested, dpop).await
    }
}

impl fmt::Debug for PasswordLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordLogin")
            .field("client", &self.client)
            .field("wishes", &self.wishes)
            .finish_non_exhaustive()
    }
}
