//! Tokens for assertions, and assertions as tokens.

use std::sync::Arc;

use async_trait::async_trait;
use valetkey_proto::{
    Result,
    oauth2::{
        assertion::{Assertion, SelfSigned, ServiceAccount},
        binding::Dpop,
        grant::JwtBearerGrant,
        token::TokenSet,
    },
};

use super::{
    Client,
    wishes::{Wishes, wishes},
};
use crate::{
    run::run,
    session::{Asking, Renewal, Session},
};

/// What a program asks for by an assertion. [`session`](Self::session) asks.
#[derive(Clone, Debug)]
#[must_use]
pub struct JwtBearer {
    client: Client,
    assertion: Assertion,
    wishes: Wishes,
}

wishes!(JwtBearer);

impl JwtBearer {
    /// A session that gets its first token when it is first needed, and every other one by another assertion.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidValue`](crate::Reason::InvalidValue) in the scope,
    /// [`Reason::InvalidUrl`](crate::Reason::InvalidUrl) in a resource.
    pub fn session(self) -> Result<Session> {
        self.wishes.requested()?;
        let client = self.client.clone();
        client.asking(self)
    }
}

#[async_trait]
impl Asking for JwtBearer {
    fn name(&self) -> &'static str {
        "JWT bearer"
    }

    async fn fetch(&self, dpop: Option<&Dpop>) -> Result<TokenSet> {
        let relation = self.client.relation().await?;
        let grant = JwtBearerGrant::new(relation.server(), self.assertion.clone())?
            .with_strictness(self.client.strictness());
        let grant = self.wishes.put(grant, JwtBearerGrant::with_scope, JwtBearerGrant::with_parameter)?;
        self.client.ask(&relation, grant, self.wishes.requested()?, dpop).await
    }
}

/// Tokens that speak for a user or a service (RFC 7523).
impl Client {
    /// Gets tokens by an assertion that is signed anew each time (RFC 7523 §2.1). The client authenticates besides, if
    /// it has a way to.
    ///
    /// ```
    /// use valetkey::{
    ///     Client,
    ///     crypto::{RemoteKey, SignatureAlgorithm, SigningKey},
    ///     oauth2::assertion::Assertion,
    /// };
    /// # use valetkey_testkit::{Provider, block_on};
    /// # let backend = Provider::new();
    /// # block_on(async {
    ///
    /// let client = Client::builder(backend).discover("https://issuer.test").id("robot").build().await?;
    /// let key = SigningKey::Remote(RemoteKey::new("keys/robot", SignatureAlgorithm::Es256));
    /// let assertion = Assertion::new(key, "robot")?.with_subject("alice")?;
    /// let session = client.jwt_bearer(assertion).scope("read").session()?;
    /// # let _ = session;
    /// # Ok::<(), valetkey::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn jwt_bearer(&self, assertion: Assertion) -> JwtBearer {
        JwtBearer { client: self.clone(), assertion, wishes: self.wishes() }
    }

    /// A session whose tokens are signed here, by this recipe, and shown to the APIs as they are: no server is asked.
    #[must_use]
    pub fn self_signed(&self, assertion: Assertion) -> Session {
        Session::new(self.clone(), Renewal::SelfSigned(Arc::new(assertion)), None, None)
    }

    /// A session of the account that the client was set up with
    /// ([`ClientBuilder::service_account`](crate::ClientBuilder::service_account)), by one of the two ways above.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::IssuerMismatch`](crate::Reason::IssuerMismatch) if the client is another one.
    pub fn service_account(&self, account: &ServiceAccount) -> Result<Session> {
        let origination = &self.0.origination;
        if account.server().issuer() != origination.issuer() || account.id() != origination.client_id() {
            let error = valetkey_proto::Error::new(crate::ErrorKind::Config, crate::Reason::IssuerMismatch);
            return Err(error.with_detail("another client's account"));
        }
        let assertion = account.assertion().clone();
        if account.is_token() {
            Ok(self.self_signed(assertion))
        } else {
            self.jwt_bearer(assertion).session()
        }
    }

    pub(crate) async fn sign_token(&self, assertion: &Assertion) -> Result<TokenSet> {
        run(SelfSigned::new(assertion.clone()), self.runtime()).await
    }
}
