//! Tokens in the client's own name.

use std::sync::Arc;

use valetkey_proto::{
    Error, ErrorKind, Reason, Result,
    oauth2::{binding::Dpop, grant::ClientCredentialsGrant, token::TokenSet},
};

use super::{
    Client,
    binding::hold,
    wishes::{Wishes, wishes},
};
use crate::session::{Renewal, Session};

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
        Self { client, wishes: Wishes::default() }
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
        let dpop = client.new_key(client.known()?.server())?;
        Ok(Session::new(client, Renewal::ClientCredentials(Arc::new(self)), None, dpop))
    }

    /// Gets tokens, once.
    ///
    /// # Errors
    ///
    /// `Denied`: [`Reason::RequestDenied`]. Otherwise whatever is wrong with the response, or what discovery
    /// ends with.
    pub(crate) async fn fetch(&self, dpop: Option<&Dpop>) -> Result<TokenSet> {
        let relation = self.client.relation().await?;
        let grant = ClientCredentialsGrant::new(relation.server(), relation.client())?
            .with_strictness(self.client.strictness());
        let grant = self.wishes.put(
            grant,
            ClientCredentialsGrant::with_scope,
            ClientCredentialsGrant::with_parameter,
        )?;
        let requested = grant.scope().cloned();
        let response = self.client.call_as(&relation, grant, dpop.cloned()).await?;
        hold(&response, requested.as_ref(), dpop)?.with_requested(self.wishes.requested()?, &response)
    }
}
