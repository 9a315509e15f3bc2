//! A session: tokens, and the requests that are made with them.

use std::{fmt, sync::Arc};

use valetkey_http::{Request, Response};
use valetkey_proto::{
    Call, Error, ErrorKind, Party, Reason, Result,
    oauth2::{grant::RefreshTokenGrant, resource::ResourceRequest, token::TokenSet},
};

use crate::{
    client::{Client, ClientCredentials},
    run::run,
    slot::Slot,
};

/// The tokens of one grant, and the way to use and to renew them. It is cheap to clone, and clones are the
/// same session.
///
/// It comes of [`Client::redeem`], in a user's name, or of [`Client::client_credentials`], in the client's own.
#[derive(Clone)]
pub struct Session(Arc<Held>);

struct Held {
    client: Client,
    renewal: Renewal,
    tokens: Slot<Live>,
}

/// How new tokens are got.
pub(crate) enum Renewal {
    RefreshToken,
    ClientCredentials(Box<ClientCredentials>),
}

/// Tokens in use, and the party that shows them.
struct Live {
    tokens: Arc<TokenSet>,
    party: Arc<Party>,
}

impl Live {
    fn new(client: &Client, tokens: TokenSet) -> Self {
        let token = tokens.access_token().clone();
        let party = Party::bearer(client.issuer().clone(), token, Arc::clone(client.origins()));
        Self { tokens: Arc::new(tokens), party: Arc::new(party) }
    }
}

impl Session {
    pub(crate) fn new(client: Client, renewal: Renewal, tokens: Option<TokenSet>) -> Self {
        let tokens = Slot::new(tokens.map(|tokens| Live::new(&client, tokens)));
        Self(Arc::new(Held { client, renewal, tokens }))
    }

    /// Sends a request to an API with the access token (RFC 6750 §2.1), once. The answer is returned whatever
    /// its status; a redirect is an answer, and is not followed.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::OriginNotAllowed`] unless the request goes to an API of the client
    /// ([`ClientBuilder::api`](crate::ClientBuilder::api)), [`Reason::AlreadyAuthorized`] if it has an
    /// `Authorization` header; nothing has then been sent. `Transport`, `Timeout`: it did not get through.
    /// `Protocol`: [`Reason::TooLarge`] beyond 16 MiB. In the client's own name also whatever getting the first
    /// token ends with.
    pub async fn send(&self, request: Request) -> Result<Response> {
        let party = Arc::clone(&self.live().await?.party);
        run(Call::new(ResourceRequest::new(request), party), self.0.client.runtime()).await
    }

    /// The tokens as they are now; in the client's own name, the first ones are got if there are none yet.
    ///
    /// # Errors
    ///
    /// Whatever getting the first token ends with.
    pub async fn tokens(&self) -> Result<Arc<TokenSet>> {
        Ok(Arc::clone(&self.live().await?.tokens))
    }

    /// Gets new tokens in place of the present ones: by the refresh token (RFC 6749 §6), or in the client's own
    /// name by asking again.
    ///
    /// Any number of callers at once make one request and share its outcome, and it goes on if a caller goes
    /// away: a server that rotates refresh tokens would take a second use for theft. After an error the present
    /// tokens stay as they are.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::MissingRefreshToken`]. `Denied`: [`Reason::RefreshDenied`] if the refresh token is no
    /// longer good; sign in again. `Transport`, `Timeout`: [`Reason::OutcomeUnknown`] if it cannot be known
    /// whether the refresh token was used.
    pub fn refresh(&self) -> impl Future<Output = Result<Arc<TokenSet>>> + Send + '_ {
        // What is to be replaced is settled by the call, and not when the future is first polled: of many who
        // were refused with the same token, one renews.
        let present = self.0.tokens.get();
        async move { Ok(Arc::clone(&self.renew(present).await?.tokens)) }
    }

    /// What is used now; the first tokens are got if there are none yet.
    async fn live(&self) -> Result<Arc<Live>> {
        match self.0.tokens.get() {
            Some(live) => Ok(live),
            None => self.renew(None).await,
        }
    }

    async fn renew(&self, present: Option<Arc<Live>>) -> Result<Arc<Live>> {
        let client = self.0.client.clone();
        let work = match &self.0.renewal {
            Renewal::RefreshToken => Work::Refresh(present.clone()),
            Renewal::ClientCredentials(credentials) => Work::Fetch(credentials.clone()),
        };
        let backend = self.0.client.runtime().backend();
        self.0.tokens.renew(present.as_ref(), backend, work.run(client)).await
    }
}

/// One renewal. It owns what it needs, so that it can go on without the session.
enum Work {
    Refresh(Option<Arc<Live>>),
    Fetch(Box<ClientCredentials>),
}

impl Work {
    async fn run(self, client: Client) -> Result<Live> {
        let tokens = match self {
            Self::Fetch(credentials) => credentials.fetch().await?,
            Self::Refresh(present) => {
                let missing = || Error::new(ErrorKind::Usage, Reason::MissingRefreshToken);
                let present = &present.ok_or_else(missing)?.tokens;
                let refresh_token = present.refresh_token().ok_or_else(missing)?.clone();
                let relation = client.relation().await?;
                let grant = RefreshTokenGrant::new(relation.server(), refresh_token)?;
                let grant = grant.with_strictness(client.strictness());
                present.renewed(&client.call_as(&relation, grant).await?)?
            }
        };
        Ok(Live::new(&client, tokens))
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let renewal = match self.0.renewal {
            Renewal::RefreshToken => "refresh token",
            Renewal::ClientCredentials(_) => "client credentials",
        };
        f.debug_struct("Session")
            .field("client", &self.0.client)
            .field("renewal", &renewal)
            .finish_non_exhaustive()
    }
}
