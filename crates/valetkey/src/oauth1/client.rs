//! A client of one OAuth 1.0 server: gets a user's credentials by three requests (RFC 5849 §2).

use std::{fmt, sync::Arc};

use valetkey_http::{Backend, Limits};
use valetkey_proto::{
    Call, Error, ErrorKind, Exchange, Party, Reason, Result,
    crypto::HashAlgorithm,
    endpoint::{Endpoint, Origin, RedirectUri},
    oauth1::{
        self, AuthorizationRequest, ClientCredentials, PendingAuthorization, SignatureMethod,
        TemporaryCredentialsRequest, TokenCredentials, TokenCredentialsRequest, Transmission, Verifier,
    },
    oauth2::authorization::{AuthorizationUrl, Callback},
    random::SecureRandom,
    seal::SealingKeys,
    secret::Secret,
};

use super::Session;
use crate::{RemoteSigner, Runtime, run::run};

/// A client of one OAuth 1.0 server. It is cheap to clone, and clones are the same client.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    runtime: Runtime,
    credentials: ClientCredentials,
    /// Signs in the client's name alone; sessions add a user's.
    signer: oauth1::Signer,
    party: Arc<Party>,
    temporary: Option<Endpoint>,
    authorization: Option<Endpoint>,
    token: Option<Endpoint>,
    redirect_uri: Option<RedirectUri>,
    is_legacy_1_0: bool,
    origins: Vec<Origin>,
    redirects: u8,
    sealing_keys: Option<SealingKeys>,
}

impl Client {
    /// Sets up a client on this backend.
    pub fn builder(backend: impl Backend) -> ClientBuilder {
        ClientBuilder {
            runtime: Runtime::new(backend),
            credentials: None,
            method: SignatureMethod::default(),
            transmission: Transmission::default(),
            realm: None,
            body_hash: None,
            has_version: true,
            temporary: None,
            authorization: None,
            token: None,
            redirect_uri: None,
            is_legacy_1_0: false,
            origins: Vec::new(),
            redirects: 0,
            sealing_keys: None,
        }
    }

    /// Begins to sign a user in (RFC 5849 §2.1, §2.2).
    pub fn authorize(&self) -> Authorize {
        Authorize { client: self.clone(), parameters: Vec::new(), provider_parameters: Vec::new() }
    }

    /// Ends a sign-in with what the browser brought back (RFC 5849 §2.3).
    ///
    /// # Errors
    ///
    /// As [`PendingAuthorization::receive`], and no request has then been sent. `Denied`: [`Reason::RequestDenied`].
    /// `Transport`, `Timeout`: [`Reason::OutcomeUnknown`] if it cannot be known whether the verifier was taken; sign in
    /// again. Otherwise whatever is wrong with the response.
    pub async fn redeem(
        &self,
        pending: PendingAuthorization,
        callback: impl Into<Callback>,
    ) -> Result<Session> {
        self.exchange(pending.receive(callback)?).await
    }

    /// Ends a sign-in with the PIN that the server showed to the user.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::InvalidValue`] if it is no PIN. Otherwise as [`redeem`](Self::redeem).
    pub async fn redeem_pin(&self, pending: PendingAuthorization, pin: &str) -> Result<Session> {
        self.exchange(pending.receive_pin(Verifier::parse(pin)?)?).await
    }

    async fn exchange(&self, received: oauth1::AuthorizationResponse) -> Result<Session> {
        let endpoint = self.endpoint(self.0.token.as_ref(), "token credentials")?;
        let answer = self.call(TokenCredentialsRequest::new(endpoint, received)).await?;
        Ok(self.session(answer))
    }

    /// A session of credentials that were kept.
    #[must_use]
    pub fn session(&self, credentials: TokenCredentials) -> Session {
        let party = Arc::new(Party::oauth1(self.0.signer.clone().token(credentials.clone())));
        Session::new(self.clone(), Some(credentials), party)
    }

    /// A session in the client's own name alone.
    #[must_use]
    pub fn two_legged(&self) -> Session {
        Session::new(self.clone(), None, Arc::clone(&self.0.party))
    }

    /// Renews credentials by their session handle (an extension that few servers have).
    ///
    /// # Errors
    ///
    /// `Usage` without a handle. `Config`: [`Reason::MissingEndpoint`]. Otherwise as [`redeem`](Self::redeem).
    pub async fn renew(&self, credentials: &TokenCredentials) -> Result<Session> {
        let endpoint = self.endpoint(self.0.token.as_ref(), "token credentials")?;
        let answer = self.call(TokenCredentialsRequest::renew(endpoint, credentials)?).await?;
        Ok(self.session(answer))
    }

    /// Gets a user's credentials by their password (xAuth, which a few servers had).
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::InvalidValue`]. `Config`: [`Reason::MissingEndpoint`]. Otherwise as [`redeem`](Self::redeem).
    pub async fn xauth(&self, username: &str, password: impl Into<Secret>) -> Result<Session> {
        let endpoint = self.endpoint(self.0.token.as_ref(), "token credentials")?;
        let answer = self.call(TokenCredentialsRequest::xauth(endpoint, username, password)?).await?;
        Ok(self.session(answer))
    }

    /// Seals a sign-in under way into a text for the browser's cookie.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidKey`] without keys, [`Reason::RandomFailed`].
    pub fn seal(&self, pending: PendingAuthorization) -> Result<Secret> {
        pending.seal(&self.0.credentials, self.sealing_keys()?, &self.0.runtime.env())
    }

    /// Opens what [`seal`](Self::seal) sealed less than ten minutes ago.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidKey`] without keys. `Untrusted`: [`Reason::SealBroken`]. `Expired`:
    /// [`Reason::PendingExpired`].
    pub fn unseal(&self, text: &str) -> Result<PendingAuthorization> {
        let request =
            AuthorizationRequest::new(self.endpoint(self.0.authorization.as_ref(), "authorization")?);
        PendingAuthorization::open(
            text,
            &request,
            &self.0.credentials,
            self.sealing_keys()?,
            &self.0.runtime.env(),
        )
    }

    fn sealing_keys(&self) -> Result<&SealingKeys> {
        let missing = || Error::new(ErrorKind::Config, Reason::InvalidKey).with_detail("no sealing keys");
        self.0.sealing_keys.as_ref().ok_or_else(missing)
    }

    async fn call<E: Exchange>(&self, exchange: E) -> Result<E::Output> {
        run(Call::new(exchange, Arc::clone(&self.0.party)), &self.0.runtime).await
    }

    fn endpoint(&self, endpoint: Option<&Endpoint>, name: &'static str) -> Result<Endpoint> {
        let missing = || Error::new(ErrorKind::Config, Reason::MissingEndpoint).with_detail(name);
        endpoint.cloned().ok_or_else(missing)
    }

    pub(super) fn runtime(&self) -> &Runtime {
        &self.0.runtime
    }

    pub(super) fn origins(&self) -> &[Origin] {
        &self.0.origins
    }

    /// How many redirects a session follows.
    pub(super) fn redirects(&self) -> u8 {
        self.0.redirects
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("credentials", &self.0.credentials).finish_non_exhaustive()
    }
}

/// What is asked of the user's server. [`start`](Self::start) asks for temporary credentials and makes a URL of them.
#[derive(Clone, Debug)]
#[must_use]
pub struct Authorize {
    client: Client,
    parameters: Vec<(String, String)>,
    provider_parameters: Vec<(String, String)>,
}

impl Authorize {
    /// Adds a parameter to the URL, such as `force_login`.
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }

    /// Adds a parameter of the provider's, such as `scope`, to the request for temporary credentials.
    pub fn provider_parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.provider_parameters.push((name.into(), value.into()));
        self
    }

    /// Begins: the URL for the browser, and what to keep until the browser comes back, or the user has a PIN.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::MissingEndpoint`]. `Usage`: [`Reason::ReservedParameter`]. `Denied`:
    /// [`Reason::RequestDenied`]. `Protocol`: what is wrong with the response, among it that the server did not confirm
    /// the callback (RFC 5849 §2.1).
    pub async fn start(self) -> Result<(AuthorizationUrl, PendingAuthorization)> {
        let Inner { temporary, authorization, redirect_uri, is_legacy_1_0, .. } = &*self.client.0;
        let mut url =
            AuthorizationRequest::new(self.client.endpoint(authorization.as_ref(), "authorization")?);
        for (name, value) in &self.parameters {
            url = url.with_parameter(name, value)?;
        }
        let endpoint = self.client.endpoint(temporary.as_ref(), "temporary credentials")?;
        let mut request = match redirect_uri.clone() {
            uri if *is_legacy_1_0 => TemporaryCredentialsRequest::legacy_1_0(endpoint, uri),
            Some(uri) => TemporaryCredentialsRequest::new(endpoint, uri),
            None => TemporaryCredentialsRequest::out_of_band(endpoint),
        };
        for (name, value) in &self.provider_parameters {
            request = request.with_parameter(name, value)?;
        }
        Ok(url.start(self.client.call(request).await?))
    }
}

/// The parts of a [`Client`]. What is wrong with one of them is said by [`build`](Self::build).
#[must_use]
pub struct ClientBuilder {
    runtime: Runtime,
    credentials: Option<ClientCredentials>,
    method: SignatureMethod,
    transmission: Transmission,
    realm: Option<String>,
    body_hash: Option<HashAlgorithm>,
    has_version: bool,
    temporary: Option<Result<Endpoint>>,
    authorization: Option<Result<Endpoint>>,
    token: Option<Result<Endpoint>>,
    redirect_uri: Option<Result<RedirectUri>>,
    is_legacy_1_0: bool,
    origins: Vec<Result<Origin>>,
    redirects: u8,
    sealing_keys: Option<SealingKeys>,
}

impl ClientBuilder {
    /// The client's own credentials.
    pub fn credentials(mut self, credentials: ClientCredentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// How requests are signed. HMAC-SHA1 unless said otherwise, which every server has.
    pub fn method(mut self, method: SignatureMethod) -> Self {
        self.method = method;
        self
    }

    /// Where the protocol parameters go. Into the header unless said otherwise.
    pub fn transmission(mut self, transmission: Transmission) -> Self {
        self.transmission = transmission;
        self
    }

    /// The realm in the header.
    pub fn realm(mut self, realm: impl Into<String>) -> Self {
        self.realm = Some(realm.into());
        self
    }

    /// Signs a hash of every body that is no form (`oauth_body_hash`), for a server that demands it.
    pub fn body_hash(mut self, algorithm: HashAlgorithm) -> Self {
        self.body_hash = Some(algorithm);
        self
    }

    /// Leaves `oauth_version` out, for a server that wants that.
    pub fn without_version(mut self) -> Self {
        self.has_version = false;
        self
    }

    /// Where temporary credentials are asked for (RFC 5849 §2.1).
    pub fn temporary_credentials(mut self, url: &str) -> Self {
        self.temporary = Some(Endpoint::parse(url));
        self
    }

    /// Where users sign in (RFC 5849 §2.2).
    pub fn authorization(mut self, url: &str) -> Self {
        self.authorization = Some(Endpoint::parse(url));
        self
    }

    /// Where token credentials are asked for (RFC 5849 §2.3).
    pub fn token_credentials(mut self, url: &str) -> Self {
        self.token = Some(Endpoint::parse(url));
        self
    }

    /// Where the browser comes back to. Without one the server shows the user a PIN (`oob`).
    pub fn redirect_uri(mut self, uri: &str) -> Self {
        self.redirect_uri = Some(RedirectUri::parse(uri));
        self
    }

    /// Signs users in as before revision A of OAuth 1.0: nobody confirms the callback, and there is no verifier.
    ///
    /// # Security
    ///
    /// Whoever sends a user a link that they began themselves gets at what the user grants (OAuth Security Advisory
    /// 2009.1). It is for a server that has nothing better.
    pub fn legacy_1_0(mut self) -> Self {
        self.is_legacy_1_0 = true;
        self
    }

    /// An API that sessions may sign requests to: its origin counts, its path does not. May be said several times.
    pub fn api(mut self, url: &str) -> Self {
        self.origins.push(Origin::parse(url));
        self
    }

    /// Has sessions follow at most this many redirects of an API, on the same origin, each request signed anew. What
    /// leads to another origin is an answer, and so is the last one. None are followed unless this says so.
    ///
    /// # Security
    ///
    /// Redirects of the three endpoints are never followed. A signature covers the URL, so that one that was made for
    /// the first request is worth nothing at the next; but the next is signed for whatever path the API names.
    pub fn follow_redirects(mut self, most: u8) -> Self {
        self.redirects = most;
        self
    }

    /// The keys for [`Client::seal`].
    pub fn sealing_keys(mut self, keys: SealingKeys) -> Self {
        self.sealing_keys = Some(keys);
        self
    }

    /// Deadlines for every request.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.runtime = self.runtime.with_limits(limits);
        self
    }

    /// Another source of randomness: a seeded one, for tests.
    pub fn random(mut self, random: Arc<dyn SecureRandom>) -> Self {
        self.runtime = self.runtime.with_random(random);
        self
    }

    /// A signer for keys that are elsewhere.
    pub fn signer(mut self, signer: impl RemoteSigner + 'static) -> Self {
        self.runtime = self.runtime.with_signer(signer);
        self
    }

    /// Checks the parts and puts all together. Nothing is sent.
    ///
    /// # Errors
    ///
    /// `Config`: what is wrong with a part, or [`Reason::InvalidValue`] without credentials. `Usage`:
    /// [`Reason::InvalidValue`] in the realm.
    pub fn build(self) -> Result<Client> {
        let missing =
            || Error::new(ErrorKind::Config, Reason::InvalidValue).with_detail("no client credentials");
        let credentials = self.credentials.ok_or_else(missing)?;
        let mut signer =
            oauth1::Signer::new(credentials.clone()).method(self.method).transmission(self.transmission);
        if let Some(realm) = &self.realm {
            signer = signer.realm(realm)?;
        }
        if let Some(algorithm) = self.body_hash {
            signer = signer.body_hash(algorithm);
        }
        if !self.has_version {
            signer = signer.without_version();
        }
        Ok(Client(Arc::new(Inner {
            runtime: self.runtime,
            credentials,
            party: Arc::new(Party::oauth1(signer.clone())),
            signer,
            temporary: self.temporary.transpose()?,
            authorization: self.authorization.transpose()?,
            token: self.token.transpose()?,
            redirect_uri: self.redirect_uri.transpose()?,
            is_legacy_1_0: self.is_legacy_1_0,
            origins: self.origins.into_iter().collect::<Result<_>>()?,
            redirects: self.redirects,
            sealing_keys: self.sealing_keys,
        })))
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("credentials", &self.credentials).finish_non_exhaustive()
    }
}
