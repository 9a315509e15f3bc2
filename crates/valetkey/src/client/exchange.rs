//! Tokens for tokens of others.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use valetkey_proto::{
    Error, ErrorKind, Reason, Result,
    oauth2::{
        binding::Dpop,
        grant::{TokenExchangeGrant, TokenExchangeResponse, TokenTypeIdentifier},
        token::TokenSet,
    },
};

use super::{
    Client,
    binding::hold,
    relation::Relation,
    wishes::{Wishes, wishes},
};
use crate::{
    session::{Asking, Session},
    source::TokenSource,
};

/// What is asked for in exchange for a token. [`session`](Self::session) asks whenever it needs to, and
/// [`once`](Self::once) once.
#[derive(Clone)]
#[must_use]
pub struct TokenExchange {
    client: Client,
    subject: Arc<dyn TokenSource>,
    actor: Option<Arc<dyn TokenSource>>,
    requested: Option<TokenTypeIdentifier>,
    audiences: Vec<String>,
    wishes: Wishes,
}

wishes!(TokenExchange);

impl Client {
    /// Gets tokens for the token of somebody else (RFC 8693): that of the machine or the pipeline that the program runs
    /// in, or that of a user who has called. It is got from its source anew for every exchange. The client authenticates
    /// besides, if it has a way to.
    ///
    /// ```
    /// # use valetkey_testkit::{Grant, Provider, RegisteredClient, block_on};
    /// # let backend = Provider::builder()
    /// #     .client(RegisteredClient::confidential("gateway", "s3cret").grants([Grant::TokenExchange]))
    /// #     .outside_token("eyJhbGciOi.e30.c2ln", "alice")
    /// #     .build();
    /// # let path = std::env::temp_dir().join(format!("valetkey-doc-{}", std::process::id()));
    /// # std::fs::write(&path, "eyJhbGciOi.e30.c2ln\n")?;
    /// # let issuer = "https://issuer.test";
    /// # block_on(async {
    /// use valetkey::{Client, source};
    ///
    /// let builder = Client::builder(backend.clone()).discover(issuer).id("gateway").secret("s3cret").api(issuer);
    /// let session = builder.build().await?.exchange(source::File::new(&path)).scope("read").session()?;
    ///
    /// let request = http::Request::get("https://issuer.test/api/me").body(bytes::Bytes::new()).expect("a request");
    /// assert_eq!(session.send(request).await?.status(), 200);
    /// # Ok::<(), valetkey::Error>(())
    /// # }).unwrap();
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Security
    ///
    /// The server sees the token: exchange it at one that it may be shown to (RFC 8693 §5).
    pub fn exchange(&self, subject: impl TokenSource + 'static) -> TokenExchange {
        TokenExchange {
            client: self.clone(),
            subject: Arc::new(subject),
            actor: None,
            requested: None,
            audiences: Vec::new(),
            wishes: self.wishes(),
        }
    }
}

impl TokenExchange {
    /// Says who will act for the subject: the new token can then name both (RFC 8693 §1.1).
    pub fn actor(mut self, actor: impl TokenSource + 'static) -> Self {
        self.actor = Some(Arc::new(actor));
        self
    }

    /// Asks for a token of this type; another one is then refused.
    pub fn requested_token_type(mut self, requested: TokenTypeIdentifier) -> Self {
        self.requested = Some(requested);
        self
    }

    /// Says where the token is to be used, by the name that the server knows it by; may be said several times.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// A session that gets its first token when it is first needed, and every other one by another exchange.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidValue`] in the scope, [`Reason::UnsupportedAlgorithm`] if no key can be made for the
    /// server.
    pub fn session(self) -> Result<Session> {
        self.wishes.requested()?;
        let client = self.client.clone();
        client.asking(self)
    }

    /// Exchanges once: what came may be for no API, but for another exchange. It is bound to no key.
    ///
    /// ```
    /// # use valetkey_testkit::{Grant, Provider, RegisteredClient, block_on};
    /// # let backend = Provider::builder()
    /// #     .client(RegisteredClient::confidential("gateway", "s3cret").grants([Grant::TokenExchange]))
    /// #     .outside_token("eyJhbGciOi.e30.c2ln", "alice")
    /// #     .build();
    /// # block_on(async {
    /// use valetkey::{
    ///     Client,
    ///     oauth2::grant::{TokenTypeIdentifier, TypedToken},
    ///     secret::Secret,
    /// };
    ///
    /// # let builder = Client::builder(backend).discover("https://issuer.test").id("gateway").secret("s3cret");
    /// let client = builder.build().await?;
    /// let user = TypedToken::new(Secret::new("eyJhbGciOi.e30.c2ln"), TokenTypeIdentifier::Jwt);
    /// let ticket = client.exchange(user).requested_token_type(TokenTypeIdentifier::Jwt).once().await?;
    /// assert!(ticket.tokens().is_none(), "it is for no API");
    /// let next = client.exchange(ticket.token());
    /// # let _ = next;
    /// # Ok::<(), valetkey::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// What the source ends with, such as `Store`: [`Reason::SourceFailed`]. `Denied`: [`Reason::RequestDenied`], with
    /// [`InvalidTarget`](crate::ErrorCode::InvalidTarget) for an audience that the server does not serve. `Protocol`:
    /// [`Reason::MissingParameter`] if the server does not say what it issued, [`Reason::UnsupportedTokenType`] if that is
    /// not what was asked for. Otherwise whatever is wrong with the response, or what discovery ends with.
    pub async fn once(&self) -> Result<TokenExchangeResponse> {
        let relation = self.client.relation().await?;
        let grant = self.grant(&relation).await?;
        self.client.call_as(&relation, grant, None).await
    }

    async fn grant(&self, relation: &Relation) -> Result<TokenExchangeGrant> {
        let runtime = self.client.runtime();
        let mut grant = TokenExchangeGrant::new(relation.server(), self.subject.token(runtime).await?)?
            .with_strictness(self.client.strictness());
        if let Some(actor) = &self.actor {
            grant = grant.with_actor(actor.token(runtime).await?);
        }
        if let Some(requested) = &self.requested {
            grant = grant.with_requested_token_type(requested.clone());
        }
        for audience in &self.audiences {
            grant = grant.with_audience(audience);
        }
        self.wishes.put(grant, TokenExchangeGrant::with_scope, TokenExchangeGrant::with_parameter)
    }
}

#[async_trait]
impl Asking for TokenExchange {
    fn name(&self) -> &'static str {
        "token exchange"
    }

    async fn fetch(&self, dpop: Option<&Dpop>) -> Result<TokenSet> {
        let relation = self.client.relation().await?;
        let grant = self.grant(&relation).await?;
        let requested = self.wishes.requested()?;
        let response = self.client.call_as(&relation, grant, dpop.cloned()).await?;
        let no_token = || Error::new(ErrorKind::Protocol, Reason::UnsupportedTokenType);
        let response = response.tokens().ok_or_else(no_token)?;
        hold(response, requested.scope(), dpop)?.with_requested(requested, response)
    }
}

impl fmt::Debug for TokenExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenExchange")
            .field("client", &self.client)
            .field("requested", &self.requested)
            .field("audiences", &self.audiences)
            .field("wishes", &self.wishes)
            .finish_non_exhaustive()
    }
}
