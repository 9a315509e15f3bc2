//! A client and its server together: what follows from the metadata, kept as long as that.

use std::sync::{Arc, OnceLock};

use valetkey_proto::{
    Call, Error, ErrorCode, ErrorKind, ErrorResponse, Party, Reason, Result,
    crypto::SignatureAlgorithm,
    oauth2::{
        authorization::AuthorizationRequest,
        client::{AssertionKey, ClientAuth, ClientId, ClientMetadata},
        grant::AuthenticationProbe,
        profile::ProviderProfile,
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
    run::run,
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
    pub(super) profile: Option<ProviderProfile>,
    /// How a secret is shown, once that was found out, if it is to be.
    pub(super) probed: Option<Arc<OnceLock<ClientAuth>>>,
}

/// Where the metadata comes from.
#[derive(Clone)]
pub(super) enum Source {
    Discovered(Issuer),
    Given(Box<ServerMetadata>),
}

impl Source {
    /// Where a profile says that the metadata is.
    pub(super) fn of(profile: &ProviderProfile) -> Result<Self> {
        Ok(match profile.discover()? {
            Some(issuer) => Self::Discovered(issuer),
            None => Self::Given(Box::new(profile.server()?)),
        })
    }
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
    pub(super) async fn discover(self, runtime: Runtime) -> Result<Relation> {
        let (server, age) = match &self.server {
            Source::Given(server) => ((**server).clone(), Age::ENDLESS),
            Source::Discovered(issuer) => {
                kept::discover(issuer, self.template.as_ref(), self.signer.as_ref(), &runtime).await?
            }
        };
        let server = match &self.profile {
            Some(profile) => server.with_profile(profile)?,
            None => server,
        };
        if let Some(binding) = &self.binding {
            binding.check(&server)?;
        }
        let reading = Reading::new(&server, &self)?;
        let client = match &self.secret {
            Some(secret) => self.client.clone().with_auth(self.auth(&server, secret, &runtime).await?),
            None => self.client.clone(),
        };
        Relation::new(server, client, reading, age)
    }

    /// How to show the secret: as the profile says, as is found out, or as suits the server.
    async fn auth(
        &self,
        server: &ServerMetadata,
        secret: &ClientSecret,
        runtime: &Runtime,
    ) -> Result<ClientAuth> {
        if let Some(probed) = &self.probed {
            if let Some(known) = probed.get() {
                return Ok(known.clone());
            }
            let found = self.probe(server, secret, runtime).await?;
            return Ok(probed.get_or_init(|| found).clone());
        }
        let said = self.profile.as_ref().and_then(|profile| profile.client_auth(secret.clone()));
        Ok(said.unwrap_or_else(|| suitable(server, secret.clone())))
    }

    /// Finds out how the server wants the secret, by a code that nobody was given.
    async fn probe(
        &self,
        server: &ServerMetadata,
        secret: &ClientSecret,
        runtime: &Runtime,
    ) -> Result<ClientAuth> {
        for auth in [ClientAuth::secret_basic(secret.clone()), ClientAuth::secret_post(secret.clone())] {
            let party = Party::client(server.issuer().clone(), self.client_id(), &auth)?;
            let probe = AuthenticationProbe::new(server, &self.client)?;
            if run(Call::new(probe, Arc::new(party)), runtime).await? {
                return Ok(auth);
            }
        }
        let refused = ErrorResponse::new(ErrorCode::InvalidClient);
        let error = Error::new(ErrorKind::Denied, Reason::RequestDenied).with_response(refused);
        Err(error.with_detail("neither client_secret_basic nor client_secret_post"))
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
    fn new(server: ServerMetadata, client: ClientMetadata, reading: Reading, age: Age) -> Result<Self> {
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
