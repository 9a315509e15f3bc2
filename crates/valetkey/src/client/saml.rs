//! Tokens for SAML assertions.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use valetkey_proto::{
    Result,
    oauth2::{binding::Dpop, grant::SamlBearerGrant, token::TokenSet},
};

use super::{
    Client,
    wishes::{Wishes, wishes},
};
use crate::{
    session::{Asking, Session},
    source::TokenSource,
};

/// What is asked for by a SAML assertion. [`session`](Self::session) asks.
#[derive(Clone)]
#[must_use]
pub struct SamlBearer {
    client: Client,
    assertion: Arc<dyn TokenSource>,
    wishes: Wishes,
}

wishes!(SamlBearer);

impl Client {
    /// Gets tokens by a SAML 2.0 assertion in base64url (RFC 7522 §2.1), which is got from its source anew each time:
    /// whatever type the source gives it, it is taken for one. The client authenticates besides, if it has a way to.
    ///
    /// ```
    /// # use valetkey_testkit::{Grant, Provider, RegisteredClient, block_on};
    /// # let backend = Provider::builder()
    /// #     .client(RegisteredClient::confidential("portal", "s3cret").grants([Grant::SamlBearer]))
    /// #     .outside_token("PHNhbWxwOkFzc2VydGlvbj4", "alice")
    /// #     .build();
    /// # block_on(async {
    /// use valetkey::{
    ///     Client,
    ///     oauth2::grant::{TokenTypeIdentifier, TypedToken},
    ///     secret::Secret,
    ///     source,
    /// };
    ///
    /// # let builder = Client::builder(backend).discover("https://issuer.test").id("portal").secret("s3cret");
    /// let client = builder.build().await?;
    /// let provider = source::from_fn(async || {
    ///     // … ask the identity provider for an assertion …
    ///     Ok(TypedToken::new(Secret::new("PHNhbWxwOkFzc2VydGlvbj4"), TokenTypeIdentifier::Saml2))
    /// });
    /// let tokens = client.saml_bearer(provider).scope("read").session()?.tokens().await?;
    /// # let _ = tokens;
    /// # Ok::<(), valetkey::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn saml_bearer(&self, assertion: impl TokenSource + 'static) -> SamlBearer {
        let (client, assertion) = (self.clone(), Arc::new(assertion));
        SamlBearer { wishes: client.wishes(), client, assertion }
    }
}

impl SamlBearer {
    /// A session that gets its first token when it is first needed, and every other one by another assertion.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidValue`](crate::Reason::InvalidValue) in the scope.
    pub fn session(self) -> Result<Session> {
        self.wishes.requested()?;
        let client = self.client.clone();
        client.asking(self)
    }
}

#[async_trait]
impl Asking for SamlBearer {
    fn name(&self) -> &'static str {
        "SAML bearer"
    }

    async fn fetch(&self, dpop: Option<&Dpop>) -> Result<TokenSet> {
        let relation = self.client.relation().await?;
        let assertion = self.assertion.token(self.client.runtime()).await?;
        let grant = SamlBearerGrant::new(relation.server(), assertion.secret().clone())?
            .with_strictness(self.client.strictness());
        let grant = self.wishes.put(grant, SamlBearerGrant::with_scope, SamlBearerGrant::with_parameter)?;
        self.client.ask(&relation, grant, self.wishes.requested()?, dpop).await
    }
}

impl fmt::Debug for SamlBearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SamlBearer")
            .field("client", &self.client)
            .field("wishes", &self.wishes)
            .finish_non_exhaustive()
    }
}
