//! A client of one server: signs users in, gets tokens, and knows the server's metadata.

mod assertion;
mod authorize;
mod back_channel;
mod binding;
mod builder;
mod busy;
mod credentials;
mod device;
mod direct;
mod exchange;
mod extension;
mod identity;
mod legacy;
mod logout;
mod registration;
mod relation;
mod saml;
mod shown;
mod targets;
mod wishes;

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use valetkey_http::Backend;
use valetkey_proto::{
    Call, Error, ErrorKind, Exchange, Party, Reason, Result, Window,
    endpoint::Origin,
    oauth2::{
        authorization::{AuthorizationResponse, Callback, PendingAuthorization},
        binding::{Dpop, Nonces},
        client::ClientId,
        grant::AuthorizationCodeGrant,
        resource::Placement,
        server::{Issuer, ServerMetadata},
        token::{Strictness, TokenRecord, TokenSet, refresh::Manner},
    },
    oidc::{IdToken, logout::ReplayGuard},
    seal::SealingKeys,
    secret::{AccessToken, Secret},
};

pub use assertion::JwtBearer;
pub use authorize::Authorize;
pub use builder::ClientBuilder;
pub use credentials::ClientCredentials;
pub use device::{Device, DeviceLogin};
pub use exchange::TokenExchange;
pub use extension::Extension;
pub use legacy::{Legacy, PasswordLogin};
pub use logout::Logout;
pub use registration::Registrar;
use relation::Origination;
pub(crate) use relation::Relation;
pub use saml::SamlBearer;
pub(crate) use wishes::Wishes;

use crate::{
    Runtime, kept,
    keys::KeyCache,
    remembered::Remembered,
    run::run,
    session::{GrantEntry, Observer, Renewal, Session, Shared},
    slot::Slot,
};

/// A client of one server. It is cheap to clone, and clones are the same client.
///
/// ```
/// use valetkey::Client;
/// use valetkey_testkit::{Provider, block_on};
///
/// # block_on(async {
/// let provider = Provider::new();
/// let client = Client::builder(provider.clone())
///     .discover("https://issuer.test")
///     .id("app")
///     .secret("app-secret")
///     .redirect_uri("https://client.test/cb")
///     .api("https://issuer.test/")
///     .build()
///     .await?;
///
/// let (url, pending) = client.authorize().scope("read").start().await?;
/// let callback = provider.visit(&url).expect("the user approves");
/// let session = client.redeem(pending, &callback).await?;
///
/// let request = http::Request::get("https://issuer.test/api/me").body(bytes::Bytes::new()).expect("a request");
/// assert_eq!(session.send(request).await?.status(), 200);
/// # Ok::<(), valetkey::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    runtime: Runtime,
    origination: Origination,
    relation: Slot<Relation>,
    keys: KeyCache<Relation>,
    logouts: Mutex<ReplayGuard>,
    nonces: Arc<Nonces>,
    origins: Arc<[Origin]>,
    /// The API that all tokens are asked for.
    resource: Option<Box<str>>,
    placement: Option<Arc<Placement>>,
    sealing_keys: Option<SealingKeys>,
    strictness: Strictness,
    max_api_body: usize,
    observer: Arc<dyn Observer>,
    manner: Manner,
    /// The server has asked to be left alone.
    busy: Remembered,
}

impl Client {
    /// Sets up a client on this backend.
    pub fn builder(backend: impl Backend) -> ClientBuilder {
        ClientBuilder::new(backend)
    }

    /// Begins to sign a user in.
    pub fn authorize(&self) -> Authorize {
        Authorize::new(self.clone())
    }

    /// Ends a sign-in with what the browser brought back: checks it, and exchanges the code for tokens. If the scope
    /// `openid` was asked for, the ID token is verified, and the session has an [`identity`](Session::identity).
    ///
    /// # Errors
    ///
    /// `Untrusted`, `Protocol` or `Denied` as
    /// [`PendingAuthorization::receive`](crate::oauth2::authorization::PendingAuthorization::receive) has them; no
    /// request has then been sent. `Untrusted`: [`Reason::StateMismatch`] if another client began the sign-in.
    /// `Denied`: [`Reason::RequestDenied`] if the server refuses the code. `Transport` or `Timeout`:
    /// [`Reason::OutcomeUnknown`] if it cannot be known whether the code was taken; sign in again. `Protocol`:
    /// [`Reason::UnsupportedTokenType`], and whatever is wrong with the response. With
    /// [`ClientBuilder::dpop`](crate::ClientBuilder::dpop) also `Untrusted`: [`Reason::TokenNotBound`] for a token that is
    /// bound to no key; `Denied`: [`Reason::NonceDemanded`]; `Config`: [`Reason::KeyMissing`].
    pub async fn redeem(
        &self,
        pending: PendingAuthorization,
        callback: impl Into<Callback>,
    ) -> Result<Session> {
        // In a box, so that the futures of callers do not carry all of it.
        Box::pin(self.end(pending, callback.into())).await
    }

    async fn end(&self, pending: PendingAuthorization, callback: Callback) -> Result<Session> {
        let (relation, received) = self.receive(pending, callback).await?;
        let asked = received.requested();
        let requested = asked.scope().cloned();
        let awaited = received.awaited_id_token();
        // What the browser brought is trusted before anything is done with it.
        let brought = self.brought(&relation, &received).await?;
        let dpop = match received.key() {
            Some(kept) => Some(self.kept_key(kept, relation.server())?),
            None => self.new_key(relation.server())?,
        };
        if !received.response_type().has_code() {
            let no_token = || Error::new(ErrorKind::Usage, Reason::InvalidValue).with_detail("use identify");
            let token = received.token().ok_or_else(no_token)?;
            let tokens = binding::hold(token, requested.as_ref(), dpop.as_ref())?;
            let tokens = tokens.with_requested(asked, token)?;
            return Ok(self.session(tokens, brought, dpop));
        }
        let grant =
            AuthorizationCodeGrant::new(relation.server(), received)?.with_strictness(self.0.strictness);
        let response = self.call_as(&relation, grant, dpop.clone()).await?;
        let tokens = binding::hold(&response, requested.as_ref(), dpop.as_ref())?;
        let tokens = tokens.with_requested(asked, &response)?;
        let user = match (&awaited, brought) {
            // A server that said it through the browser may leave it at that.
            (Some(_), Some(brought)) if !response.has_id_token() => Some(brought),
            (Some(awaited), brought) => {
                Some(self.redeemed(&relation, &response, awaited, brought.as_ref()).await?)
            }
            (None, _) => None,
        };
        Ok(self.session(tokens, user, dpop))
    }

    /// Ends a sign-in that asked for an ID token alone
    /// ([`ResponseType::IdToken`](crate::oauth2::authorization::ResponseType::IdToken)): who the user is, and no access to
    /// anything. Of another sign-in it verifies what the browser brought and leaves the code alone.
    ///
    /// # Errors
    ///
    /// As [`redeem`](Self::redeem); `Usage`: [`Reason::InvalidValue`] if no ID token was asked for.
    pub async fn identify(
        &self,
        pending: PendingAuthorization,
        callback: impl Into<Callback>,
    ) -> Result<IdToken> {
        let (relation, received) = self.receive(pending, callback.into()).await?;
        let none = || Error::new(ErrorKind::Usage, Reason::InvalidValue).with_detail("no ID token asked for");
        self.brought(&relation, &received).await?.ok_or_else(none)
    }

    async fn receive(
        &self,
        pending: PendingAuthorization,
        callback: Callback,
    ) -> Result<(Arc<Relation>, AuthorizationResponse)> {
        let received = pending.receive(callback)?;
        let relation = self.relation().await?;
        if received.client() != relation.client().id() {
            return Err(
                Error::new(ErrorKind::Untrusted, Reason::StateMismatch).with_detail("another client's")
            );
        }
        Ok((relation, received))
    }

    fn session(&self, tokens: TokenSet, user: Option<IdToken>, dpop: Option<Dpop>) -> Session {
        let tokens = match user {
            Some(user) => tokens.with_id_token(user),
            None => tokens,
        };
        targets::note(&tokens, self.observer());
        Session::new(self.clone(), Renewal::RefreshToken, Some(self.record(tokens)), dpop)
    }

    /// A session of tokens that were kept: what [`Session::record`] gave, or a
    /// [`TokenKeeper`](crate::TokenKeeper) was given.
    ///
    /// # Errors
    ///
    /// `Store`: [`Reason::IssuerMismatch`] if they are another issuer's or another client's. `Config`:
    /// [`Reason::KeyMissing`] if they are bound to a key that is neither kept with them nor this client's
    /// ([`ClientBuilder::dpop_key`](crate::ClientBuilder::dpop_key)).
    pub fn restore(&self, record: TokenRecord) -> Result<Session> {
        let dpop = self.check(&record)?;
        Ok(Session::new(self.clone(), Renewal::RefreshToken, Some(record), dpop))
    }

    /// The same, of what is in a store.
    pub(crate) fn restore_at(&self, entry: GrantEntry, shared: Shared) -> Result<Session> {
        let dpop = self.check(&entry.record)?;
        Ok(Session::of_store(self.clone(), entry, shared, dpop))
    }

    /// Whether a record is this client's, and the key that its tokens are bound to.
    fn check(&self, record: &TokenRecord) -> Result<Option<Dpop>> {
        record.check(self.issuer(), self.id())?;
        let relation = self.known()?;
        if record.tokens().id_token().is_some_and(|user| !relation.server().speaks_for(user.issuer())) {
            return Err(Error::new(ErrorKind::Store, Reason::IssuerMismatch).with_detail("ID token"));
        }
        self.key_of(record.tokens())
    }

    /// Gets tokens in the client's own name.
    pub fn client_credentials(&self) -> ClientCredentials {
        ClientCredentials::new(self.clone())
    }

    /// Seals a sign-in under way into a text for the browser's cookie, by the keys of
    /// [`ClientBuilder::sealing_keys`].
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidKey`] without keys, [`Reason::RandomFailed`].
    ///
    /// # Security
    ///
    /// As [`PendingAuthorization::seal`].
    pub fn seal(&self, pending: PendingAuthorization) -> Result<Secret> {
        pending.seal(self.sealing_keys()?, &self.0.runtime.env())
    }

    /// Opens what [`seal`](Self::seal) sealed less than ten minutes ago, for this client and its server.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidKey`] without keys. `Untrusted`: [`Reason::SealBroken`]. `Expired`:
    /// [`Reason::PendingExpired`].
    pub fn unseal(&self, text: &str) -> Result<PendingAuthorization> {
        let origination = &self.0.origination;
        let (issuer, client) = (origination.issuer(), origination.client_id());
        PendingAuthorization::open(text, issuer, client, self.sealing_keys()?, &self.0.runtime.env())
    }

    fn sealing_keys(&self) -> Result<&SealingKeys> {
        let missing = || Error::new(ErrorKind::Config, Reason::InvalidKey).with_detail("no sealing keys");
        self.0.sealing_keys.as_ref().ok_or_else(missing)
    }

    /// The server's metadata, at most ten minutes old unless the server cannot be reached.
    ///
    /// # Errors
    ///
    /// Whatever discovery ends with, if there is none from the last day either.
    pub async fn server(&self) -> Result<ServerMetadata> {
        Ok(self.relation().await?.server().clone())
    }

    /// Runs an exchange of one's own, authenticated as this client.
    ///
    /// # Errors
    ///
    /// Whatever the exchange ends with.
    pub async fn call<E: Exchange>(&self, exchange: E) -> Result<E::Output> {
        let relation = self.relation().await?;
        self.call_as(&relation, exchange, None).await
    }

    pub(crate) async fn call_as<E: Exchange>(
        &self,
        relation: &Relation,
        exchange: E,
        dpop: Option<Dpop>,
    ) -> Result<E::Output> {
        self.call_within(Window::ALWAYS, relation, exchange, dpop).await
    }

    /// The same, and nothing is sent outside of this time.
    pub(crate) async fn call_within<E: Exchange>(
        &self,
        window: Window,
        relation: &Relation,
        exchange: E,
        dpop: Option<Dpop>,
    ) -> Result<E::Output> {
        let call = Call::new(exchange, Arc::clone(relation.party())).with_dpop(dpop).within(window);
        // In a box, so that the futures of callers do not carry all of it.
        Box::pin(run(call, &self.0.runtime)).await
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.0.runtime
    }

    /// Whether the client has a way to authenticate.
    fn is_confidential(&self) -> bool {
        let Origination { client, secret, .. } = &self.0.origination;
        secret.is_some() || client.auth().is_confidential()
    }

    /// The first record of a grant.
    pub(crate) fn record(&self, tokens: TokenSet) -> TokenRecord {
        TokenRecord::new(self.issuer().clone(), self.0.origination.client_id().clone(), 0, tokens)
    }

    pub(crate) fn max_api_body(&self) -> usize {
        self.0.max_api_body
    }

    pub(crate) fn observer(&self) -> &Arc<dyn Observer> {
        &self.0.observer
    }

    /// How users' tokens are renewed.
    pub(crate) fn manner(&self) -> Manner {
        self.0.manner
    }

    pub(crate) fn id(&self) -> &ClientId {
        self.0.origination.client_id()
    }

    pub(crate) fn issuer(&self) -> &Issuer {
        self.0.origination.issuer()
    }

    pub(crate) fn origins(&self) -> &Arc<[Origin]> {
        &self.0.origins
    }

    /// Whoever shows this token to the APIs.
    pub(crate) fn bearer(&self, token: AccessToken, origins: &Arc<[Origin]>) -> Party {
        let mut party = Party::bearer(self.issuer().clone(), token, Arc::clone(origins));
        if let (Some(_), Ok(relation)) = (&self.0.origination.profile, self.known()) {
            party = party.with_server(relation.server());
        }
        match &self.0.placement {
            Some(placement) => party.with_placement(Arc::clone(placement)),
            None => party,
        }
    }

    pub(crate) fn strictness(&self) -> Strictness {
        self.0.strictness
    }

    /// The server as it was known last.
    pub(crate) fn known(&self) -> Result<Arc<Relation>> {
        // A client is built when its server has become known.
        self.0.relation.get().ok_or_else(|| Error::new(ErrorKind::Usage, Reason::OutOfTurn))
    }

    /// The server as it is known now; asked anew when that is too old.
    pub(crate) async fn relation(&self) -> Result<Arc<Relation>> {
        let runtime = &self.0.runtime;
        let ask = |_: Option<&Relation>| {
            // In a box, so that the futures of callers do not carry all of it.
            Box::pin(self.0.origination.clone().discover(runtime.clone()))
        };
        kept::current(&self.0.relation, |_| true, runtime, ask).await
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("issuer", self.0.origination.issuer())
            .field("id", self.0.origination.client_id())
            .finish_non_exhaustive()
    }
}
