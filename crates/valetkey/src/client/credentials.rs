//! Tokens in the client's own name.

use async_trait::async_trait;
use valetkey_proto::{
    Error, ErrorKind, Reason, Result,
    oauth2::{binding::Dpop, grant::ClientCredentialsGrant, token::TokenSet},
};

use super::{
    Client,
    wishes::{Wishes, wishes},
};
use crate::session::{Asking, Session};

/// What a program asks for in its own name. [`session`](Self::session) asks.
#[derive(Clone, Debug)]
#[must_use]
pub struct ClientCredentials {
    client: Client,
    wishes: Wishes,
}

wishes!(ClientCredentials);

impl ClientCredentials {
    pub(super) fn new(client: Client) -> Self {
        Self { wishes: client.wishes(), client }
    }

    /// A session in the client's own name. It gets its first token when it is first needed, and another one
    /// by [`Session::refresh`].
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::MissingClientAuthentication`] for a public client (RFC 6749 §4.4),
    /// [`Reason::InvalidValue`] in the scope, [`Reason::InvalidUrl`] in a resource, [`Reason::UnsupportedAlgorithm`] if no
    /// key can be made for the server.
    pub fn session(self) -> Result<Session> {
        if !self.client.is_confidential() {
            return Err(Error::new(ErrorKind::Config, Reason::MissingClientAuthentication));
        }
        self.wishes.requested()?;
        let client = self.client.clone();
        client.asking(self)
    }
}

#[async_trait]
impl Asking for ClientCredentials {
    fn name(&self) -> &'static str {
        "client credentials"
    }

    async fn fetch(&self, dpop: Option<&Dpop>) -> Result<TokenSet> {
        let relation = self.client.relation().await?;
        let grant = ClientCredentialsGrant::new(relation.server(), relation.client())?
            .with_strictness(self.client.strictness());
        let grant = self.wishes.put(
            grant,
            ClientCredentialsGrant::with_scope,
            ClientCredentialsGrant::with_parameter,
        )?;
        self.client.ask(&relation, grant, self.wishes.requested()?, dpop).await
    }
}
