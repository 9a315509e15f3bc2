//! A client and its server together: what follows from the metadata, kept as long as that.

use std::sync::Arc;

use valetkey_proto::{
    Party, Result,
    crypto::SignatureAlgorithm,
    oauth2::{
        authorization::AuthorizationRequest,
        client::{AssertionKey, ClientAuth, ClientId, ClientMetadata},
        server::{Issuer, IssuerTemplate, MetadataSigner, ServerMetadata},
    },
    secret::ClientSecret,
};

use super::{
    binding::Binding,
    identity::{Reading, Registered},
};
use crate::{
    Runtime,
    kept::{self, Age, Published},
};

/// What a relation is made of: what the program said.
#[derive(Clone)]
pub(super) struct Origination {
    pub(super) client: ClientMetadata,
    pub(super) secret: Option<ClientSecret>,
    pub(super) server: Source,
    pub(super) binding: Option<Binding>,
    pub(super) registered: Registered,
    /// Of servers with many tenants.
    pub(super) template: Option<IssuerTemplate>,
    /// Who signs the metadata, if it is to be signed.
    pub(super) signer: Option<MetadataSigner>,
}

/// Where the metadata comes from.
#[derive(Clone)]
pub(super) enum Source {
    Discovered(Issuer),
    Given(Box<ServerMetadata>),
}

impl Origination {
    pub(super) fn issuer(&self) -> &Issuer {
        match &self.server {
            Source::Discovered(issuer) => issuer,
            Source::Given(server) => server.issuer(),
        }
    }

    pub(super) fn client_id(&self) -> &ClientId {
        self.client.id()
    }

    /// Learns the metadata, unless it was given.
    pub(super) async fn discover(self, runtime: &Runtime) -> Result<Relation> {
        let (server, age) = match &self.server {
            Source::Given(server) => ((**server).clone(), Age::ENDLESS),
            Source::Discovered(issuer) => {
                kept::discover(issuer, self.template.as_ref(), self.signer.as_ref(), runtime).await?
            }
        };
        if let Some(binding) = &self.binding {
            binding.check(&server)?;
        }
        let reading = Reading::new(&server, &self)?;
        Relation::new(server, self.client, self.secret, reading, age)
    }
}

/// A client and its server.
pub(crate) struct Relation {
    server: ServerMetadata,
    client: ClientMetadata,
    party: Arc<Party>,
    /// The authorization request without a scope; an error if this client or server cannot make one.
    authorization: Result<AuthorizationRequest>,
    reading: Reading,
    /// How old the metadata is.
    age: Age,
}

impl Relation {
    fn new(
        server: ServerMetadata,
        mut client: ClientMetadata,
        secret: Option<ClientSecret>,
        reading: Reading,
        age: Age,
    ) -> Result<Self> {
        if let Some(secret) = secret {
            client = client.with_auth(suitable(&server, secret));
        }
        let party = Party::client(server.issuer().clone(), client.id(), client.auth())?;
        // Nobody is sent on a trip whose code could not be exchanged.
        let authorization = server.token_endpoint().and_then(|_| AuthorizationRequest::new(&server, &client));
        Ok(Self { server, client, party: Arc::new(party), authorization, reading, age })
    }

    pub(crate) fn server(&self) -> &ServerMetadata {
        &self.server
    }

    pub(crate) fn client(&self) -> &ClientMetadata {
        &self.client
    }

    pub(crate) fn party(&self) -> &Arc<Party> {
        &self.party
    }

    pub(super) fn authorization(&self) -> Result<AuthorizationRequest> {
        self.authorization.clone()
    }

    pub(super) fn reading(&self) -> &Reading {
        &self.reading
    }
}

impl Published for Relation {
    fn age(&self) -> Age {
        self.age
    }
}

/// How to authenticate by a secret if the program did not say: `client_secret_basic`, which every server has
/// to take (RFC 6749 §2.3.1), unless the server says that it only takes others.
fn suitable(server: &ServerMetadata, secret: ClientSecret) -> ClientAuth {
    if server.supports_auth("client_secret_basic") {
        ClientAuth::secret_basic(secret)
    } else if server.supports_auth("client_secret_post") {
        ClientAuth::secret_post(secret)
    } else if server.supports_auth("client_secret_jwt") {
        ClientAuth::assertion(AssertionKey::secret(suitable_hmac(server), secret))
    } else {
        ClientAuth::secret_basic(secret)
    }
}

/// By what a secret signs assertions: HS256, unless the server says that it only takes others.
fn suitable_hmac(server: &ServerMetadata) -> SignatureAlgorithm {
    let is_taken = |hmac: &SignatureAlgorithm| server.supports_auth_algorithm(hmac.name()) != Some(false);
    let hmacs = [SignatureAlgorithm::Hs256, SignatureAlgorithm::Hs384, SignatureAlgorithm::Hs512];
    hmacs.into_iter().find(is_taken).unwrap_or(SignatureAlgorithm::Hs256)
}
