//! Tokens by grants that this crate does not know.

use async_trait::async_trait;
use valetkey_proto::{
    Result, Retry,
    oauth2::{binding::Dpop, grant::ExtensionGrant, token::TokenSet},
    secret::Secret,
};

use super::{
    Client,
    relation::Relation,
    wishes::{Wishes, wishes},
};
use crate::session::{Asking, Session};

/// What is asked for by a grant of the program's own. [`sign_in`](Self::sign_in) asks once, and
/// [`session`](Self::session) whenever it needs to.
#[derive(Clone, Debug)]
#[must_use]
pub struct Extension {
    client: Client,
    grant_type: String,
    secrets: Vec<(String, Secret)>,
    retry: Retry,
    wishes: Wishes,
}

wishes!(Extension);

impl Client {
    /// Gets tokens by a grant of this type (RFC 6749 §4.5), whose parameters the program says.
    ///
    /// ```
    /// # use valetkey_testkit::{Grant, Provider, RegisteredClient, block_on};
    /// # let otp = Grant::Extension("https://issuer.test/grants/otp".into());
    /// # let backend = Provider::builder()
    /// #     .client(RegisteredClient::confidential("kiosk", "s3cret").grants([otp]))
    /// #     .build();
    /// # block_on(async {
    /// use valetkey::{Client, secret::Secret};
    ///
    /// # let builder = Client::builder(backend).discover("https://issuer.test").id("kiosk").secret("s3cret");
    /// let client = builder.build().await?;
    /// let session = client
    ///     .extension_grant("https://issuer.test/grants/otp")
    ///     .parameter("device", "12")
    ///     .secret("otp", Secret::new("492039"))
    ///     .sign_in()
    ///     .await?;
    /// # let _ = session;
    /// # Ok::<(), valetkey::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn extension_grant(&self, grant_type: impl Into<String>) -> Extension {
        Extension {
            client: self.clone(),
            grant_type: grant_type.into(),
            secrets: Vec::new(),
            retry: Retry::ONE_TIME,
            wishes: self.wishes(),
        }
    }
}

impl Extension {
    /// Adds a parameter whose value is not to be seen.
    pub fn secret(mut self, name: impl Into<String>, value: Secret) -> Self {
        self.secrets.push((name.into(), value));
        self
    }

    /// Says how often the request may be sent again; unless it is said, as one that must not be acted on twice
    /// ([`Retry::ONE_TIME`]).
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Gets tokens now. They are renewed by their refresh token, if they have one, and the parameters are forgotten. If the
    /// scope `openid` was asked for, the ID token is verified, and the session has an [`identity`](Session::identity).
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::InvalidValue`](crate::Reason::InvalidValue) for a type that is none,
    /// [`Reason::ReservedParameter`](crate::Reason::ReservedParameter). `Denied`:
    /// [`Reason::RequestDenied`](crate::Reason::RequestDenied). Otherwise whatever is wrong with the response, or what
    /// discovery ends with.
    pub async fn sign_in(self) -> Result<Session> {
        // In a box, so that the futures of callers do not carry all of it.
        Box::pin(self.ask_once()).await
    }

    async fn ask_once(self) -> Result<Session> {
        let relation = self.client.relation().await?;
        let grant = self.grant(&relation)?;
        let requested = self.wishes.requested()?;
        relation.check_for(requested.scope())?;
        let dpop = self.client.new_key(relation.server())?;
        let response = self.client.call_as(&relation, grant, dpop.clone()).await?;
        self.client.signed_in(&relation, &response, requested, dpop).await
    }

    /// A session that gets its first token when it is first needed, and every other one by asking again with the same
    /// parameters.
    ///
    /// # Errors
    ///
    /// `Usage`, `Config`: as [`sign_in`](Self::sign_in).
    pub fn session(self) -> Result<Session> {
        self.grant(&*self.client.known()?)?;
        let client = self.client.clone();
        client.asking(self)
    }

    fn grant(&self, relation: &Relation) -> Result<ExtensionGrant> {
        let mut grant = ExtensionGrant::new(relation.server(), &self.grant_type)?
            .with_strictness(self.client.strictness())
            .with_retry(self.retry);
        for (name, value) in &self.secrets {
            grant = grant.with_secret(name, value)?;
        }
        self.wishes.put(grant, ExtensionGrant::with_scope, ExtensionGrant::with_parameter)
    }
}

#[async_trait]
impl Asking for Extension {
    fn name(&self) -> &'static str {
        "extension grant"
    }

    async fn fetch(&self, dpop: Option<&Dpop>) -> Result<TokenSet> {
        let relation = self.client.relation().await?;
        let grant = self.grant(&relation)?;
        self.client.ask(&relation, grant, self.wishes.requested()?, dpop).await
    }
}
