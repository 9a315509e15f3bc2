//! A session: tokens that renew themselves, and the requests that are made with them.

mod event;
mod keeping;
mod live;
mod place;
mod renewal;
mod revoking;
mod step_up;

use std::{
    collections::BTreeSet,
    fmt,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use http::{HeaderName, StatusCode, Uri, header::AUTHORIZATION};
use valetkey_http::{Request, Response};
use valetkey_proto::{
    Advice, Call, Error, ErrorCode, ErrorKind, Reason, Result,
    header::Challenge,
    oauth2::{
        binding::{Dpop, Proof},
        resource::ResourceRequest,
        step_up::Operation,
        token::{TokenRecord, TokenSet, refresh::Standing},
    },
    oidc::{IdToken, UserInfo},
    secret::AccessToken,
};

pub(crate) use self::{
    event::Nobody,
    place::{GrantEntry, Shared},
    renewal::{Asking, Renewal, ended},
};
#[cfg(feature = "tracing")]
pub use event::TracingObserver;
pub use event::{Anomaly, Observer, SessionEvent};
pub use keeping::TokenKeeper;
pub use live::Bearer;

use self::{
    keeping::Keeping,
    live::Live,
    place::Place,
    renewal::{Work, pause_after},
};
use crate::{client::Client, run::run, slot::Slot};

/// The tokens of one grant, and the way to use them. They renew themselves. It is cheap to clone, and clones are
/// the same session.
///
/// It comes of [`Client::redeem`] or [`DeviceLogin::wait`](crate::DeviceLogin::wait), in a user's name, of [`Client::client_credentials`], in the client's own, of
/// [`Client::jwt_bearer`], [`Client::exchange`] and other grants, and [`Client::self_signed`], or of [`Client::restore`].
///
/// Any number of callers at once make one renewal and share its outcome, and it goes on if a caller goes away. A
/// renewal that fails does not hide a token that is still good, and is not tried again before its time.
#[derive(Clone)]
pub struct Session(Arc<Held>);

struct Held {
    client: Client,
    renewal: Renewal,
    tokens: Slot<Live>,
    /// The key that all the tokens are bound to.
    dpop: Option<Dpop>,
    keeping: Arc<Keeping>,
    place: Arc<Place>,
    is_closed: AtomicBool,
    /// For what the user was asked for more, and then it succeeded.
    succeeded: Mutex<BTreeSet<Operation>>,
}

/// A session that others hold, or have let go.
pub(crate) struct WeakSession(Weak<Held>);

impl WeakSession {
    pub(crate) fn upgrade(&self) -> Option<Session> {
        self.0.upgrade().map(Session)
    }
}

/// Marks, as an extension of a request, that it must not be sent a second time, even if an API answers that it has
/// not acted on it.
///
/// ```
/// use bytes::Bytes;
///
/// let request = http::Request::post("https://api.example/pay").extension(valetkey::NoReplay).body(Bytes::new());
/// # let _ = request;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a mark")]
pub struct NoReplay;

/// What to do with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "an answer is either final or not")]
pub enum Verdict {
    /// The access token was refused, and there is another one; or the API wants a nonce in the proof, and named it: attach
    /// anew, and send once more.
    Again,
    /// The answer is the answer.
    Final,
}

/// Which token a request went out with: [`Session::attach`] gives it, and [`Session::learn`] takes it.
#[derive(Clone)]
pub struct Attached {
    live: Arc<Live>,
    proven: Option<Proven>,
}

/// Marks a request that carries a token of ours, which may be replaced; with its URL as it was before, if the token stands in
/// that.
#[derive(Clone)]
struct Ours(Option<Uri>);

/// Marks a request that carries a proof of ours: whose nonces are learned from the answer, and whether a demand for one
/// has been answered.
#[derive(Clone)]
struct Proven {
    uri: Uri,
    challenged: Arc<AtomicBool>,
}

impl Session {
    pub(crate) fn new(
        client: Client,
        renewal: Renewal,
        record: Option<TokenRecord>,
        dpop: Option<Dpop>,
    ) -> Self {
        let entry = record.map(|record| GrantEntry { generation: 1, standing: Standing::Idle, record });
        Self::at(client, renewal, entry.clone(), Place::own(entry), dpop)
    }

    /// A session whose grant is in a store.
    pub(crate) fn of_store(client: Client, entry: GrantEntry, shared: Shared, dpop: Option<Dpop>) -> Self {
        Self::at(client, Renewal::RefreshToken, Some(entry), Place::shared(shared), dpop)
    }

    /// From now on its grant is in a store.
    pub(crate) fn share(&self, entry: GrantEntry, shared: Shared) {
        self.0.place.move_to(shared);
        self.0.tokens.put(Live::new(&self.0.client, entry, false));
    }

    /// Whether a user has granted it, and a refresh token renews it.
    pub(crate) fn is_users(&self) -> bool {
        matches!(self.0.renewal, Renewal::RefreshToken)
    }

    /// Whether it was closed, or has ended with older tokens than these.
    pub(crate) fn has_ended_before(&self, record: &TokenRecord) -> bool {
        if self.0.is_closed.load(Ordering::Relaxed) {
            return true;
        }
        self.has_ended() && self.record().is_none_or(|own| own.generation() < record.generation())
    }

    /// Whether nothing renews its tokens any more.
    pub(crate) fn has_ended(&self) -> bool {
        self.0.is_closed.load(Ordering::Relaxed) || self.0.tokens.has_ended()
    }

    pub(crate) fn downgrade(&self) -> WeakSession {
        WeakSession(Arc::downgrade(&self.0))
    }

    /// A session whose grant is at this place.
    fn at(
        client: Client,
        renewal: Renewal,
        entry: Option<GrantEntry>,
        place: Place,
        dpop: Option<Dpop>,
    ) -> Self {
        let live = entry.map(|entry| Live::new(&client, entry, false));
        let tokens = Slot::new(live, pause_after);
        let (keeping, place) = (Arc::default(), Arc::new(place));
        let (is_closed, succeeded) = (AtomicBool::new(false), Mutex::default());
        Self(Arc::new(Held { client, renewal, tokens, dpop, keeping, place, is_closed, succeeded }))
    }

    /// Sends a request to an API with the access token (RFC 6750 §2.1), which is renewed first if it is about to
    /// expire. If the API refuses it with 401, it is renewed and the request sent once more, unless it is marked
    /// [`NoReplay`]. The answer is returned whatever its status; a redirect is an answer, and is not followed.
    ///
    /// At most as much of an answer is taken as the client allows
    /// ([`ClientBuilder::max_api_body`](crate::ClientBuilder::max_api_body), 16 MiB).
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::OriginNotAllowed`] unless the request goes to an API of the client
    /// ([`ClientBuilder::api`](crate::ClientBuilder::api)), [`Reason::AlreadyAuthorized`] if it has an
    /// `Authorization` header; nothing has then been sent. `Denied`: [`Reason::RefreshDenied`],
    /// [`Reason::RotationLost`]; `Expired`: [`Reason::TokenExpired`]; sign in again. `Denied`:
    /// [`Reason::NotReplayed`] for a request that the API refused and that must not be sent again; the token has been
    /// renewed. `Transport`, `Timeout`: it did not get through. `Protocol`: [`Reason::TooLarge`]. Otherwise whatever
    /// renewing ends with.
    pub fn send(&self, request: Request) -> impl Future<Output = Result<Response>> + Send + '_ {
        // In a box, so that the futures of callers do not carry the whole exchange.
        Box::pin(self.exchange(request))
    }

    async fn exchange(&self, request: Request) -> Result<Response> {
        let may_replay = request.extensions().get::<NoReplay>().is_none();
        let mut request = ResourceRequest::new(request).with_max_body(self.0.client.max_api_body());
        if !may_replay {
            request = request.sent_once();
        }
        let mut response = self.answer(&request, may_replay).await?;
        self.note(request.method(), request.uri(), &mut response).await;
        Ok(response)
    }

    async fn answer(&self, request: &ResourceRequest, may_replay: bool) -> Result<Response> {
        let runtime = self.0.client.runtime();
        let live = self.usable().await?;
        let call = |live: &Live| Call::new(request, Arc::clone(&live.party)).with_dpop(self.0.dpop.clone());
        let response = run(call(&live), runtime).await?;
        if self.judge(&live, &response).await? == Verdict::Final {
            return Ok(response);
        }
        if !may_replay {
            let challenges = Challenge::parse_all(response.headers()).unwrap_or_default();
            let error = Error::new(ErrorKind::Denied, Reason::NotReplayed);
            return Err(error.with_status(response.status()).with_challenges(challenges));
        }
        let live = self.usable().await?;
        let response = run(call(&live), runtime).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            live.accept();
        } else if !live.may_be_refused(runtime.now()) {
            self.0.client.observer().event(&SessionEvent::Anomaly(Anomaly::NewTokenRefused));
        }
        Ok(response)
    }

    /// Puts the access token into a request that you send yourself, renewed if it is about to expire. Give what it
    /// returns to [`learn`](Self::learn) with the answer.
    ///
    /// ```
    /// use valetkey::{Verdict, Session};
    /// # use bytes::Bytes;
    /// # async fn send(_: http::Request<Bytes>) -> http::Response<Bytes> { http::Response::new(Bytes::new()) }
    ///
    /// async fn call(session: &Session, mut request: http::Request<Bytes>) -> valetkey::Result<http::Response<Bytes>> {
    ///     loop {
    ///         let attached = session.attach(&mut request).await?;
    ///         let response = send(request.clone()).await;
    ///         match session.learn(&attached, &response).await? {
    ///             Verdict::Again => {}
    ///             Verdict::Final => return Ok(response),
    ///         }
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send) before it sends.
    pub async fn attach<B>(&self, request: &mut http::Request<B>) -> Result<Attached> {
        if !self.0.client.origins().iter().any(|origin| origin.is_of(request.uri())) {
            return Err(Error::new(ErrorKind::Usage, Reason::OriginNotAllowed));
        }
        let ours = request.extensions().get::<Ours>().cloned();
        if request.headers().contains_key(AUTHORIZATION) && ours.is_none() {
            return Err(Error::new(ErrorKind::Usage, Reason::AlreadyAuthorized));
        }
        if let Some(Ours(Some(uri))) = ours {
            *request.uri_mut() = uri;
        }
        let live = self.usable().await?;
        if !live.origins.iter().any(|origin| origin.is_of(request.uri())) {
            return Err(Error::new(ErrorKind::Usage, Reason::OriginNotAllowed));
        }
        let token = live.tokens().access_token();
        let proven = match &self.0.dpop {
            Some(dpop) if token.is_bound() => Some(self.prove(dpop, token, request).await?),
            Some(_) | None => None,
        };
        let ours = if live.party.placement().is_some() {
            let uri = request.uri().clone();
            request.headers_mut().remove(AUTHORIZATION);
            live.party.attach(request)?;
            Ours(Some(uri))
        } else {
            request.headers_mut().insert(AUTHORIZATION, token.header().clone());
            Ours(None)
        };
        request.extensions_mut().insert(ours);
        Ok(Attached { live, proven })
    }

    /// Puts a proof into a request (RFC 9449 §7.1), in place of one of ours.
    async fn prove<B>(
        &self,
        dpop: &Dpop,
        token: &AccessToken,
        request: &mut http::Request<B>,
    ) -> Result<Proven> {
        let known = request.extensions().get::<Proven>().cloned();
        if request.headers().contains_key(DPOP) && known.is_none() {
            return Err(Error::new(ErrorKind::Usage, Reason::AlreadyAuthorized));
        }
        let uri = request.uri().clone();
        let proof = Proof::new(dpop, request.method().clone(), uri.clone(), token.clone());
        let proof = run(proof, self.0.client.runtime()).await?;
        let proven = Proven { uri, challenged: known.map(|known| known.challenged).unwrap_or_default() };
        request.headers_mut().insert(DPOP, proof);
        request.extensions_mut().insert(proven.clone());
        Ok(proven)
    }

    /// Learns from the answer to a request with an attached token: whether it is final, or the API refused the token
    /// and there is another one now, or wants a nonce in the proof. It says [`Verdict::Again`] at most once for every
    /// token, and once more for a nonce, so that a loop which attaches to the same request ends.
    ///
    /// # Errors
    ///
    /// Whatever renewing ends with. `Denied`: [`Reason::NonceDemanded`] if the API demands a nonce again, or names none.
    pub async fn learn<B>(&self, attached: &Attached, response: &http::Response<B>) -> Result<Verdict> {
        if let (Some(dpop), Some(proven)) = (&self.0.dpop, &attached.proven) {
            let has_nonce = dpop.learn(&proven.uri, response.headers());
            let is_demanded = response.status() == StatusCode::UNAUTHORIZED && demands_nonce(response);
            let again = proven.challenged.swap(is_demanded, Ordering::Relaxed);
            if is_demanded && (again || !has_nonce) {
                let challenges = Challenge::parse_all(response.headers()).unwrap_or_default();
                let error = Error::new(ErrorKind::Denied, Reason::NonceDemanded);
                return Err(error.with_status(response.status()).with_challenges(challenges));
            }
        }
        self.judge(&attached.live, response).await
    }

    async fn judge<B>(&self, used: &Arc<Live>, response: &http::Response<B>) -> Result<Verdict> {
        if response.status() != StatusCode::UNAUTHORIZED {
            used.accept();
            return Ok(Verdict::Final);
        }
        let is_bound = used.tokens().access_token().is_bound();
        if is_bound && demands_nonce(response) {
            return Ok(Verdict::Again);
        }
        if !refuses_token(response, is_bound) {
            return Ok(Verdict::Final);
        }
        // Somebody has renewed meanwhile: it was the old token that was refused.
        let is_current = self.0.tokens.peek().as_ref().is_some_and(|live| Arc::ptr_eq(live, used));
        if !is_current {
            return Ok(Verdict::Again);
        }
        // One that has expired under way is refused for that.
        let now = self.0.client.runtime().backend().now();
        if used.is_good(now) && !used.may_be_refused(now.into()) {
            self.0.client.observer().event(&SessionEvent::Anomaly(Anomaly::NewTokenRefused));
            return Ok(Verdict::Final);
        }
        match self.renew(Some(used), true).await {
            Ok(_) => Ok(Verdict::Again),
            // Nothing can be done about it: the refusal is the answer.
            Err(error) if error.reason() == Reason::MissingRefreshToken => Ok(Verdict::Final),
            Err(error) => Err(error),
        }
    }

    /// The `Authorization` value, if there is an access token that need not be renewed; without waiting, locking or
    /// allocating. `None`: [`tokens`](Self::tokens) renews. There is none for a token that is bound to a key, which is
    /// worth nothing without a proof: [`attach`](Self::attach) adds both.
    ///
    /// # Security
    ///
    /// Nothing checks where you send it: [`send`](Self::send) and [`attach`](Self::attach) do.
    #[must_use]
    pub fn bearer(&self) -> Option<Bearer> {
        Bearer::of(self.0.tokens.peek(), self.0.client.runtime().backend().now())
    }

    /// Tokens that can be used now, renewed if they are about to expire; in the client's own name, the first ones are
    /// got if there are none yet.
    ///
    /// # Errors
    ///
    /// Whatever renewing ends with, unless the present token is still good.
    pub async fn tokens(&self) -> Result<Arc<TokenSet>> {
        Ok(Arc::clone(self.usable().await?.tokens()))
    }

    /// Gets new tokens in place of the present ones, be they good or not: by the refresh token (RFC 6749 §6), or in
    /// the client's own name by asking again, with another assertion where there is one.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::MissingRefreshToken`], [`Reason::SessionClosed`]. `Denied`: [`Reason::RefreshDenied`] if the
    /// refresh token is no longer good, [`Reason::RotationLost`] if the server took it and the answer was lost; sign
    /// in again. `Transport`, `Timeout`, `Server`, `Protocol`: [`Reason::OutcomeUnknown`] if it cannot be known
    /// whether the refresh token was used. After an error the present tokens stay as they are, and for a while the
    /// same error is returned without asking.
    pub fn refresh(&self) -> impl Future<Output = Result<Arc<TokenSet>>> + Send + '_ {
        // What is to be replaced is settled by the call, and not when the future is first polled: of many who
        // were refused with the same token, one renews.
        let present = self.0.tokens.get();
        async move { Ok(Arc::clone(self.renew(present.as_ref(), false).await?.tokens())) }
    }

    /// Who signed in, verified by the server's keys; `None` if the scope `openid` was not asked for. After a refresh that
    /// says it anew, it is what that said.
    #[must_use]
    pub fn identity(&self) -> Option<IdToken> {
        self.0.tokens.peek().as_ref().and_then(|live| live.tokens().id_token().cloned())
    }

    /// Asks the server for more about the user (OpenID Connect Core §5.3), with the access token in the header. The answer
    /// is about the same user as the [`identity`](Self::identity), or an error.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::OutOfTurn`] without an identity. `Untrusted`: [`Reason::SubjectMismatch`], and whatever is
    /// wrong with a signature; [`Reason::KindMismatch`] if it is not signed and should be. `Denied`:
    /// [`Reason::Challenged`] or [`Reason::RequestDenied`] if the server does not take the token. `Protocol`: whatever is
    /// wrong with the answer. Otherwise whatever renewing ends with.
    pub async fn user_info(&self) -> Result<UserInfo> {
        Box::pin(self.ask_user_info(false)).await
    }

    /// The same, with the access token in a posted form (RFC 6750 §2.2), for servers that take it nowhere else.
    ///
    /// # Errors
    ///
    /// As [`user_info`](Self::user_info); `Usage`: [`Reason::InvalidValue`] for tokens that are bound to a key.
    pub async fn user_info_by_form(&self) -> Result<UserInfo> {
        Box::pin(self.ask_user_info(true)).await
    }

    async fn ask_user_info(&self, in_body: bool) -> Result<UserInfo> {
        let tokens = self.tokens().await?;
        let nobody = || Error::new(ErrorKind::Usage, Reason::OutOfTurn).with_detail("no identity");
        let user = tokens.id_token().ok_or_else(nobody)?;
        self.0.client.user_info(user, tokens.access_token(), in_body, self.0.dpop.clone()).await
    }

    /// The tokens as they can be kept; `None` before the first ones are got. [`Client::restore`] takes it.
    #[must_use]
    pub fn record(&self) -> Option<TokenRecord> {
        let record = self.0.tokens.peek().as_ref().map(|live| live.entry.record.clone());
        record.map(|record| self.without_what_succeeded(record))
    }

    /// Keeps the present tokens, and from now on every new ones before they are used.
    ///
    /// # Errors
    ///
    /// `Store`: [`Reason::NotKept`] if the present tokens could not be kept. The keeper stays all the same.
    pub async fn keep(&self, keeper: impl TokenKeeper + 'static) -> Result<()> {
        self.0.keeping.set(Arc::new(keeper));
        self.keep_present().await
    }

    async fn keep_present(&self) -> Result<()> {
        let Some(record) = self.record() else { return Ok(()) };
        if self.0.keeping.keep(&record, self.0.client.runtime().backend()).await {
            Ok(())
        } else {
            Err(Error::new(ErrorKind::Store, Reason::NotKept))
        }
    }

    /// Ends renewing: waits for a renewal that is under way, and keeps tokens that could not be kept before. The
    /// access token stays usable until it expires.
    ///
    /// Call it before a program ends: what a renewal brings after that, nobody keeps.
    ///
    /// # Errors
    ///
    /// `Store`: [`Reason::NotKept`] if tokens are in use that could not be kept.
    pub async fn close(&self) -> Result<()> {
        self.0.is_closed.store(true, Ordering::Relaxed);
        self.0.tokens.settle().await;
        if self.0.keeping.is_behind() { self.keep_present().await } else { Ok(()) }
    }

    /// What can be used now.
    async fn usable(&self) -> Result<Arc<Live>> {
        let known = match self.0.tokens.get() {
            Some(live) if live.is_good(self.0.client.runtime().backend().now()) => return Ok(live),
            known => known,
        };
        let error = match self.renew(known.as_ref(), false).await {
            Ok(live) => return Ok(live),
            Err(error) => error,
        };
        match known {
            // It was early to renew, and the old one is still good.
            Some(live) if !live.tokens().is_expired(self.0.client.runtime().now()) => Ok(live),
            known => self.once_more(known.as_ref(), error).await,
        }
    }

    /// After a failure with nothing left to use: if only an answer was lost, asks the one more time that is allowed.
    async fn once_more(&self, known: Option<&Arc<Live>>, error: Error) -> Result<Arc<Live>> {
        match (error.reason(), error.advice()) {
            (Reason::OutcomeUnknown, Advice::RetryAfter(time)) => {
                self.0.client.runtime().backend().sleep(time).await;
                self.renew(known, false).await
            }
            (Reason::MissingRefreshToken, _) => Err(Error::new(ErrorKind::Expired, Reason::TokenExpired)),
            _ => Err(error),
        }
    }

    async fn renew(&self, present: Option<&Arc<Live>>, follows_refusal: bool) -> Result<Arc<Live>> {
        if self.0.is_closed.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Usage, Reason::SessionClosed));
        }
        let backend = self.0.client.runtime().backend();
        let work = || self.work(present.cloned(), follows_refusal).run();
        self.0.tokens.renew(present, backend, work).await
    }

    fn work(&self, present: Option<Arc<Live>>, follows_refusal: bool) -> Work {
        let client = self.0.client.clone();
        Work {
            renewal: self.0.renewal.clone(),
            present,
            keeping: Arc::clone(&self.0.keeping),
            place: Arc::clone(&self.0.place),
            observer: Arc::clone(client.observer()),
            dpop: self.0.dpop.clone(),
            follows_refusal,
            client,
        }
    }
}

const DPOP: HeaderName = HeaderName::from_static("dpop");

fn demands_nonce<B>(response: &http::Response<B>) -> bool {
    Challenge::parse_all(response.headers())
        .is_ok_and(|challenges| challenges.iter().any(Challenge::demands_nonce))
}

/// Whether a 401 is about the access token (RFC 6750 §3, RFC 9449 §7.1): it has a `Bearer` challenge, or for a token that
/// is bound to a key a `DPoP` challenge, that does not name another error, or no challenge at all, as many APIs have it.
fn refuses_token<B>(response: &http::Response<B>, is_bound: bool) -> bool {
    let Ok(challenges) = Challenge::parse_all(response.headers()) else { return true };
    let is_ours = |challenge: &&Challenge| challenge.is("bearer") || (is_bound && challenge.is("dpop"));
    let mut ours = challenges.iter().filter(is_ours).peekable();
    challenges.is_empty()
        || (ours.peek().is_some()
            && ours.all(|challenge| matches!(challenge.error(), None | Some(ErrorCode::InvalidToken))))
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let renewal = match self.0.renewal {
            Renewal::RefreshToken => "refresh token",
            Renewal::Asking(ref asking) => asking.name(),
            Renewal::SelfSigned(_) => "self-signed",
        };
        f.debug_struct("Session")
            .field("client", &self.0.client)
            .field("renewal", &renewal)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Attached([redacted])")
    }
}
