//! Setting up a client.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use valetkey_http::{Backend, Limits};
use valetkey_proto::{
    Error, ErrorKind, Reason, Result,
    crypto::{CryptoProvider, SignatureAlgorithm, SigningKey},
    endpoint::Origin,
    jose::jwe::Decrypter,
    oauth2::{
        assertion::ServiceAccount,
        binding::{Dpop, Nonces},
        client::{ClientAuth, ClientMetadata},
        profile::ProviderProfile,
        protected_resource::ResourceMetadata,
        resource::Placement,
        server::{Issuer, IssuerTemplate, MetadataSigner, ServerMetadata},
        token::{Strictness, refresh::Manner},
    },
    oidc::logout::ReplayGuard,
    random::SecureRandom,
    seal::SealingKeys,
    secret::ClientSecret,
};

use super::{
    Client, Inner, back_channel,
    binding::Binding,
    identity::Registered,
    relation::{Origination, Source},
};
use crate::{Observer, RemoteSigner, Runtime, kept, keys::KeyCache, session::Nobody, slot::Slot};

/// The parts of a [`Client`]. What is wrong with one of them is said by [`build`](Self::build).
#[must_use]
pub struct ClientBuilder {
    runtime: Runtime,
    server: Option<Result<Source>>,
    id: String,
    secret: Option<ClientSecret>,
    auth: Option<ClientAuth>,
    redirect_uri: Option<String>,
    binding: Option<Key>,
    template: Option<Result<IssuerTemplate>>,
    signer: Option<MetadataSigner>,
    resource: Option<Box<ResourceMetadata>>,
    /// In a box, because futures carry the builder.
    profile: Option<Box<ProviderProfile>>,
    probes_auth: bool,
    placement: Option<Arc<Placement>>,
    /// In a box, because builders are moved through the futures of callers.
    registered: Box<Registered>,
    origins: Vec<Result<Origin>>,
    sealing_keys: Option<SealingKeys>,
    strictness: Strictness,
    max_api_body: usize,
    observer: Arc<dyn Observer>,
    manner: Manner,
}

/// The keys that tokens are bound to.
enum Key {
    PerSession,
    Own(SigningKey),
}

impl ClientBuilder {
    pub(super) fn new(backend: impl Backend) -> Self {
        Self::on(Runtime::new(backend))
    }

    pub(crate) fn on(runtime: Runtime) -> Self {
        Self {
            runtime,
            server: None,
            id: String::new(),
            secret: None,
            auth: None,
            redirect_uri: None,
            binding: None,
            template: None,
            signer: None,
            resource: None,
            profile: None,
            probes_auth: false,
            placement: None,
            registered: Box::default(),
            origins: Vec::new(),
            sealing_keys: None,
            strictness: Strictness::default(),
            max_api_body: 16 << 20,
            observer: Arc::new(Nobody),
            manner: Manner::new(),
        }
    }

    /// The server of this issuer, whose metadata is fetched.
    pub fn discover(mut self, issuer: &str) -> Self {
        self.server = Some(Issuer::parse(issuer).map(Source::Discovered));
        self
    }

    /// The server of this issuer, which was learned from somebody, as by [`WebFinger`](crate::oidc::webfinger): requests to it
    /// go to the addresses that [it says](Issuer::with_addresses).
    pub fn discover_issuer(mut self, issuer: &Issuer) -> Self {
        self.server = Some(Ok(Source::Discovered(issuer.clone())));
        self
    }

    /// The server that is [discovered](Self::discover) has many tenants, and its document names this template in place of an
    /// issuer, with `{tenantid}` where the tenant stands. An ID token is then of the tenant that it names (`tid`).
    ///
    /// ```
    /// # use valetkey::Client;
    /// # use valetkey_testkit::Provider;
    /// let client = Client::builder(Provider::new())
    ///     .discover("https://login.microsoftonline.com/organizations/v2.0")
    ///     .issuer_template("https://login.microsoftonline.com/{tenantid}/v2.0");
    /// # let _ = client;
    /// ```
    ///
    /// # Security
    ///
    /// Users of all tenants can sign in: see [`IssuerTemplate`].
    pub fn issuer_template(mut self, template: &str) -> Self {
        self.template = Some(IssuerTemplate::parse(template));
        self
    }

    /// Demands that the metadata that is [fetched](Self::discover) is signed by somebody who is trusted.
    ///
    /// # Security
    ///
    /// As [`MetadataSigner`].
    pub fn metadata_signer(mut self, signer: MetadataSigner) -> Self {
        self.signer = Some(signer);
        self
    }

    /// The API that sessions are for, as it describes itself (RFC 9728): its origin is one of the [APIs](Self::api); the
    /// server is the one that it names, or of several the one that is said by [`discover`](Self::discover) or
    /// [`server`](Self::server); and if it takes no tokens but those that are bound to a key, sessions
    /// [bind](Self::dpop) theirs. Whatever tokens are asked for, they are asked for it (RFC 8707 §2), beside what a program
    /// adds.
    ///
    /// [`build`](Self::build) ends with an error of [`ResourceMetadata::server`] if the API does not know the server.
    ///
    /// # Security
    ///
    /// As [`ProtectedResource`](crate::ProtectedResource).
    pub fn for_resource(mut self, resource: &ResourceMetadata) -> Self {
        self.origins.push(Ok(resource.resource().origin()));
        self.resource = Some(Box::new(resource.clone()));
        self
    }

    /// The provider of this profile: where it is, unless [`discover`](Self::discover) or [`server`](Self::server) says so, and
    /// what it does otherwise than the standards. Its variable `{client_id}` is the client's [`id`](Self::id).
    ///
    /// ```
    /// use valetkey::{Client, oauth2::profile::ProviderProfile};
    /// # use valetkey_testkit::{Provider, block_on};
    /// # block_on(async {
    ///
    /// let profile = ProviderProfile::from_json(
    ///     r#"{ "name": "chat", "endpoints": { "token": "https://chat.example/token", "api": ["https://chat.example/api/"] },
    ///          "token": { "auth": "post" }, "api": { "headers": { "Client-Id": "{client_id}" } } }"#,
    /// )?;
    /// let client = Client::builder(Provider::new()).profile(profile).id("app").secret("s3cret").build().await?;
    /// # let _ = client;
    /// # Ok::<(), valetkey::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn profile(mut self, profile: ProviderProfile) -> Self {
        self.profile = Some(Box::new(profile));
        self
    }

    /// Finds out how the server wants the [`secret`](Self::secret), in the header or in the form, when the client is built:
    /// by a request with a code that nobody was given, so that no real one is lost
    /// ([`AuthenticationProbe`](crate::oauth2::grant::AuthenticationProbe)). For servers that do not say, or say what is not so.
    pub fn probe_auth(mut self) -> Self {
        self.probes_auth = true;
        self
    }

    /// Puts access tokens elsewhere in requests to APIs than into the `Authorization` field, whatever a profile says.
    ///
    /// # Security
    ///
    /// See [`Placement`].
    pub fn token_placement(mut self, placement: Placement) -> Self {
        self.placement = Some(Arc::new(placement));
        self
    }

    /// The server of this metadata, which is not fetched.
    pub fn server(mut self, server: ServerMetadata) -> Self {
        self.server = Some(Ok(Source::Given(Box::new(server))));
        self
    }

    /// The name that the server knows the client by.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// The secret that the client shares with the server; without one, the client is public.
    ///
    /// It is sent in the header, or in the form if the server takes nothing else; and if the server takes neither, it is
    /// not sent, but signs assertions. [`auth`](Self::auth) decides it, whatever the server says.
    pub fn secret(mut self, secret: impl Into<ClientSecret>) -> Self {
        self.secret = Some(secret.into());
        self
    }

    /// How the client authenticates, in place of [`secret`](Self::secret).
    pub fn auth(mut self, auth: ClientAuth) -> Self {
        self.auth = Some(auth);
        self
    }

    /// A program's account at a provider: its server, its id and its API. [`Client::service_account`] makes a session of
    /// it.
    pub fn service_account(mut self, account: &ServiceAccount) -> Self {
        self.server = Some(Ok(Source::Given(Box::new(account.server().clone()))));
        self.id = account.id().as_str().to_owned();
        self.auth = Some(ClientAuth::unnamed());
        self.origins.extend(account.api().map(Origin::parse));
        self
    }

    /// Where the browser comes back to, exactly as it is registered.
    pub fn redirect_uri(mut self, uri: impl Into<String>) -> Self {
        self.redirect_uri = Some(uri.into());
        self
    }

    /// An API that sessions may send their tokens to: its origin counts, its path does not. May be said
    /// several times; to other origins no token goes.
    pub fn api(mut self, url: &str) -> Self {
        self.origins.push(Origin::parse(url));
        self
    }

    /// Binds the tokens of every session to a key that is made for it (RFC 9449): whoever steals them can do nothing with
    /// them. The key is kept with the tokens, in the session's record, and while the user is away in the pending
    /// authorization.
    ///
    /// The server must know DPoP: a token that it does not bind is refused
    /// ([`Reason::TokenNotBound`](crate::Reason::TokenNotBound)).
    ///
    /// ```
    /// # use valetkey::Client;
    /// # use valetkey_testkit::Provider;
    /// let client = Client::builder(Provider::new()).discover("https://issuer.test").id("app").dpop();
    /// # let _ = client;
    /// ```
    pub fn dpop(mut self) -> Self {
        self.binding = Some(Key::PerSession);
        self
    }

    /// Binds the tokens of all sessions to this key, in place of [`dpop`](Self::dpop): one that is here, or one that is
    /// elsewhere and whose public key is known. Records and pending authorizations hold its thumbprint alone.
    pub fn dpop_key(mut self, key: SigningKey) -> Self {
        self.binding = Some(Key::Own(key));
        self
    }

    /// The algorithm by which ID tokens for this client are signed, as it is registered
    /// (`id_token_signed_response_alg`). Unless it is said, `RS256`, or what the server has if it has not that. By
    /// `HS256`, `HS384` and `HS512` they are signed with the client's secret.
    pub fn id_token_algorithm(mut self, algorithm: SignatureAlgorithm) -> Self {
        self.registered.id_token_algorithm = Some(algorithm);
        self
    }

    /// How much this machine's clock and the server's may differ when the times of ID tokens and logout tokens are compared,
    /// in place of 30 seconds; more than a minute is a minute.
    pub fn clock_leeway(mut self, leeway: Duration) -> Self {
        self.registered.leeway = Some(leeway);
        self
    }

    /// Lets ID tokens also be for somebody else, who is trusted; may be said several times. A token for several then names
    /// this client as the one that it was given to (`azp`).
    ///
    /// # Security
    ///
    /// Whoever else gets such a token can show it here.
    pub fn trusted_audience(mut self, audience: impl Into<String>) -> Self {
        self.registered.trusted_audiences.push(audience.into());
        self
    }

    /// Decrypts ID tokens, which are encrypted for this client (`id_token_encrypted_response_alg`, `…_enc`): those that are
    /// not are then refused.
    pub fn id_token_decrypter(mut self, decrypter: Decrypter) -> Self {
        self.registered.id_token_decrypter = Some(decrypter);
        self
    }

    /// The algorithm by which UserInfo is signed for this client (`userinfo_signed_response_alg`): what is not signed is
    /// then refused.
    pub fn user_info_algorithm(mut self, algorithm: SignatureAlgorithm) -> Self {
        self.registered.user_info_algorithm = Some(algorithm);
        self
    }

    /// Decrypts UserInfo, which is encrypted for this client (`userinfo_encrypted_response_alg`, `…_enc`): what is not is
    /// then refused.
    pub fn user_info_decrypter(mut self, decrypter: Decrypter) -> Self {
        self.registered.user_info_decrypter = Some(decrypter);
        self
    }

    /// The algorithm by which the server signs what it says about tokens
    /// ([`Client::introspect`], `introspection_signed_response_alg`): what is not signed is then refused (RFC 9701).
    pub fn introspection_algorithm(mut self, algorithm: SignatureAlgorithm) -> Self {
        self.registered.introspection_algorithm = Some(algorithm);
        self
    }

    /// Decrypts what the server says about tokens, which is encrypted for this client
    /// (`introspection_encrypted_response_alg`, `…_enc`): what is not is then refused. Within, it is signed by
    /// [`introspection_algorithm`](Self::introspection_algorithm), or `RS256` unless that is said.
    pub fn introspection_decrypter(mut self, decrypter: Decrypter) -> Self {
        self.registered.introspection_decrypter = Some(decrypter);
        self
    }

    /// The keys for [`Client::seal`].
    pub fn sealing_keys(mut self, keys: SealingKeys) -> Self {
        self.sealing_keys = Some(keys);
        self
    }

    /// Refuses token responses that RFC 6749 §5.1 does not allow, instead of forgiving what is harmless.
    pub fn strict(mut self) -> Self {
        self.strictness = Strictness::Strict;
        self
    }

    /// The most bytes of an API's answer that a session takes. 16 MiB unless said otherwise.
    pub fn max_api_body(mut self, bytes: usize) -> Self {
        self.max_api_body = bytes;
        self
    }

    /// Who is told what happens to the sessions of this client.
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.observer = Arc::new(observer);
        self
    }

    /// How users' tokens are renewed, where that can be done in several ways: whether a lost answer is asked for once more, and
    /// what is done while a store fails. How long a lease lasts, sessions know by themselves.
    ///
    /// ```
    /// use valetkey::{Client, oauth2::token::refresh::Manner};
    /// # let backend = valetkey_testkit::Provider::new();
    ///
    /// let mut manner = Manner::new();
    /// manner.once_more = false; // a refresh token is sent once, whatever becomes of the answer
    /// let builder = Client::builder(backend).renewal_manner(manner);
    /// # let _ = builder;
    /// ```
    ///
    /// # Security
    ///
    /// [`Manner::without_store`] renews although the store cannot be asked. If two programs do so at once, a server that rotates
    /// refresh tokens may end the grant.
    pub fn renewal_manner(mut self, manner: Manner) -> Self {
        self.manner = manner;
        self
    }

    /// Deadlines for every request.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.runtime = self.runtime.with_limits(limits);
        self
    }

    /// Sends requests also to private addresses that the names in learned URLs lead to: for a server inside of a network
    /// whose metadata names endpoints on several hosts. Otherwise such a request ends with
    /// [`Reason::AddressNotAllowed`](crate::Reason::AddressNotAllowed).
    ///
    /// ```
    /// # use valetkey::Client;
    /// # use valetkey_testkit::Provider;
    /// let client = Client::builder(Provider::new()).discover("https://issuer.test").id("app").allow_private_addresses();
    /// # let _ = client;
    /// ```
    ///
    /// # Security
    ///
    /// As [`Runtime::with_private_addresses`]: only if the issuer is inside, too.
    pub fn allow_private_addresses(mut self) -> Self {
        self.runtime = self.runtime.with_private_addresses();
        self
    }

    /// Another source of randomness: a seeded one, for tests.
    pub fn random(mut self, random: Arc<dyn SecureRandom>) -> Self {
        self.runtime = self.runtime.with_random(random);
        self
    }

    /// Another provider of cryptography.
    pub fn crypto(mut self, crypto: CryptoProvider) -> Self {
        self.runtime = self.runtime.with_crypto(crypto);
        self
    }

    /// A signer for keys that are elsewhere.
    pub fn signer(mut self, signer: impl RemoteSigner + 'static) -> Self {
        self.runtime = self.runtime.with_signer(signer);
        self
    }

    /// Checks the parts, fetches the server's metadata, and puts all together.
    ///
    /// # Errors
    ///
    /// `Config`: what is wrong with a part, or [`Reason::InvalidValue`] if the server or the id is missing or
    /// both a secret and another authentication are given; [`Reason::UnsupportedAlgorithm`] if the server takes no DPoP
    /// proofs of such a key. Otherwise what discovery ends with: `Untrusted` with
    /// [`Reason::IssuerMismatch`], `Protocol`, `Server`, `Transport`, `Timeout`.
    pub fn build(self) -> impl Future<Output = Result<Client>> + Send + 'static {
        // Put together at once, and asked for in a box, so that the futures of callers do not carry all of it.
        let assembled = self.assemble();
        async move {
            let client = assembled?;
            Box::pin(client.relation()).await?;
            Ok(client)
        }
    }

    /// Checks the parts, without asking anybody.
    fn assemble(self) -> Result<Client> {
        let invalid = |detail| Error::new(ErrorKind::Config, Reason::InvalidValue).with_detail(detail);
        let profile = self.profile.map(|profile| profile.with_variable("client_id", &self.id));
        let server = match (self.server.transpose()?, &self.resource, &profile) {
            (server, Some(resource), _) => at_resource(server, resource)?,
            (Some(server), None, _) => server,
            (None, None, Some(profile)) => Source::of(profile)?,
            (None, None, None) => return Err(invalid("no server: say discover or server")),
        };
        let mut template = self.template.transpose()?;
        let mut origins = self.origins.into_iter().collect::<Result<Vec<_>>>()?;
        if let Some(profile) = &profile {
            template = template.or(profile.issuer_template()?);
            origins.extend(profile.api()?.iter().map(|url| Origin::parse(url)).collect::<Result<Vec<_>>>()?);
        }
        let probes_auth = self.probes_auth || profile.as_ref().is_some_and(ProviderProfile::probes_auth);
        let mut client = ClientMetadata::new(&self.id)?;
        if let Some(auth) = self.auth {
            if self.secret.is_some() {
                return Err(invalid("both secret and auth"));
            }
            client = client.with_auth(auth);
        }
        if let Some(uri) = &self.redirect_uri {
            client = client.with_redirect_uri(uri)?;
        }
        let nonces = Arc::<Nonces>::default();
        let demands_dpop = self.resource.as_ref().is_some_and(|resource| resource.demands_dpop());
        let binding = match self.binding {
            None => demands_dpop.then_some(Binding::PerSession),
            Some(Key::PerSession) => Some(Binding::PerSession),
            Some(Key::Own(key)) => Some(Binding::Own(Dpop::new(key, self.runtime.env().crypto)?)),
        };
        Ok(Client(Arc::new(Inner {
            runtime: self.runtime,
            origination: Origination {
                client,
                secret: self.secret,
                server,
                binding,
                registered: *self.registered,
                template,
                signer: self.signer,
                profile,
                probed: probes_auth.then(Arc::default),
            },
            placement: self.placement,
            nonces,
            relation: Slot::new(None, kept::pause_after),
            keys: KeyCache::new(),
            logouts: Mutex::new(ReplayGuard::new(back_channel::REMEMBERED)),
            origins: origins.into(),
            resource: self.resource.map(|resource| resource.resource().as_str().into()),
            sealing_keys: self.sealing_keys,
            strictness: self.strictness,
            max_api_body: self.max_api_body,
            observer: self.observer,
            manner: self.manner,
            busy: Default::default(),
        })))
    }
}

/// The server of a client for an API. One that the API has named is asked as what was learned from it.
fn at_resource(server: Option<Source>, resource: &ResourceMetadata) -> Result<Source> {
    match server {
        Some(Source::Given(server)) => {
            resource.server(Some(server.issuer().as_str()))?;
            Ok(Source::Given(server))
        }
        Some(Source::Discovered(issuer)) => {
            Ok(Source::Discovered(resource.server(Some(issuer.as_str()))?.clone()))
        }
        None => Ok(Source::Discovered(resource.server(None)?.clone())),
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("id", &self.id)
            .field("redirect_uri", &self.redirect_uri)
            .finish_non_exhaustive()
    }
}
