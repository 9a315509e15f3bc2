//! Signing a user out at the server, too (OpenID Connect RP-Initiated Logout 1.0).

use std::fmt;

use valetkey_proto::{
    Result,
    oauth2::authorization::AuthorizationUrl,
    oidc::{
        IdToken,
        logout::{LogoutRequest, PendingLogout},
    },
    secret::Secret,
};

use super::Client;

/// A logout at the user's server. [`start`](Self::start) makes a URL of it.
#[derive(Clone)]
#[must_use]
pub struct Logout {
    client: Client,
    id_token_hint: String,
    logout_hint: String,
    ui_locales: String,
    redirect_uri: Option<String>,
}

impl Client {
    /// Begins to sign a user out at the server.
    ///
    /// ```
    /// # use valetkey::Client;
    /// # use valetkey_testkit::{OpenId, Provider, RegisteredClient, block_on};
    /// # block_on(async {
    /// # let app = RegisteredClient::confidential("shop", "shop-secret")
    /// #     .redirect_uri("https://client.test/cb").post_logout_redirect_uri("https://client.test/bye");
    /// # let provider = Provider::builder().openid(OpenId::new()).client(app).build();
    /// # let client = Client::builder(provider.clone()).discover("https://issuer.test").id("shop").secret("shop-secret")
    /// #     .redirect_uri("https://client.test/cb").build().await?;
    /// let (url, pending) = client.logout().redirect_uri("https://client.test/bye").start().await?;
    /// let callback = provider.visit(&url).expect("the user is signed out");
    /// pending.expect("the browser comes back").receive(callback)?;
    /// # Ok::<(), valetkey::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Security
    ///
    /// End the user's session in your program before you send the user away: the server may never send the user back.
    pub fn logout(&self) -> Logout {
        Logout {
            client: self.clone(),
            id_token_hint: String::new(),
            logout_hint: String::new(),
            ui_locales: String::new(),
            redirect_uri: None,
        }
    }

    /// Seals a logout under way into a text for the browser's cookie, by the keys of
    /// [`ClientBuilder::sealing_keys`](crate::ClientBuilder::sealing_keys).
    ///
    /// # Errors
    ///
    /// As [`seal`](Self::seal).
    pub fn seal_logout(&self, pending: PendingLogout) -> Result<Secret> {
        pending.seal(self.sealing_keys()?, &self.0.runtime.env())
    }

    /// Opens what [`seal_logout`](Self::seal_logout) sealed less than ten minutes ago, for this client and its server.
    ///
    /// # Errors
    ///
    /// As [`unseal`](Self::unseal).
    pub fn unseal_logout(&self, text: &str) -> Result<PendingLogout> {
        let origination = &self.0.origination;
        let (issuer, client) = (origination.issuer(), origination.client_id());
        PendingLogout::open(text, issuer, client, self.sealing_keys()?, &self.0.runtime.env())
    }
}

impl Logout {
    /// Says whose session ends: that of this user, who signed in here.
    pub fn user(self, user: &IdToken) -> Self {
        self.id_token_hint(user.text().expose())
    }

    /// Says whose session ends, by an ID token of this server, be it expired. Without it, most servers ask the user.
    pub fn id_token_hint(mut self, id_token: impl Into<String>) -> Self {
        self.id_token_hint = id_token.into();
        self
    }

    /// Says whose session ends, by what the user is called at the server.
    pub fn logout_hint(mut self, hint: impl Into<String>) -> Self {
        self.logout_hint = hint.into();
        self
    }

    /// Says which languages the user reads, the best first (BCP 47), blanks between them.
    pub fn ui_locales(mut self, locales: impl Into<String>) -> Self {
        self.ui_locales = locales.into();
        self
    }

    /// Says where the browser comes back to, exactly as it is registered (`post_logout_redirect_uris`).
    pub fn redirect_uri(mut self, uri: impl Into<String>) -> Self {
        self.redirect_uri = Some(uri.into());
        self
    }

    /// Begins: the URL for the browser, and what to keep until the browser comes back, if it does.
    ///
    /// # Errors
    ///
    /// As [`LogoutRequest::new`] and [`LogoutRequest::with_redirect_uri`]. Otherwise what discovery ends with, if the
    /// metadata is too old.
    pub async fn start(self) -> Result<(AuthorizationUrl, Option<PendingLogout>)> {
        let relation = self.client.relation().await?;
        let mut request = LogoutRequest::new(relation.server(), relation.client().id())?
            .with_id_token_hint(&self.id_token_hint)
            .with_logout_hint(&self.logout_hint)
            .with_ui_locales(&self.ui_locales);
        if let Some(uri) = &self.redirect_uri {
            request = request.with_redirect_uri(uri)?;
        }
        request.start(&self.client.runtime().env())
    }
}

impl fmt::Debug for Logout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logout")
            .field("client", &self.client)
            .field("redirect_uri", &self.redirect_uri)
            .finish_non_exhaustive()
    }
}
