//! The provider's handle: a backend, a clock, a browser, and what they saw.

mod seen;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri, header::LOCATION};
use valetkey_http::{Backend, Failure, Limits, Request, Response, Task};
use valetkey_proto::random::SecureRandom;

use crate::{
    builder::ProviderBuilder,
    clock::Clock,
    endpoint::Route,
    fault::{Fault, Faults},
    message::{Asked, Params},
    oauth1::protocol_params,
    random::SeededRandom,
    run::{Spawning, turn},
    script::{Fate, Script},
    state::State,
    transcript::{Entry, Mark, Transcript},
    user::{User, VisitError},
    wire,
};

/// An OAuth provider in this process. It is a [`Backend`]: give it to a client, and every request that
/// the client makes is answered here, without a socket and in virtual time.
///
/// Cheap to clone; all clones are the same provider.
///
/// ```
/// use valetkey_http::{Backend, Limits};
/// use valetkey_testkit::{Place, Provider, block_on};
///
/// let provider = Provider::new();
/// let url = "https://issuer.test/.well-known/oauth-authorization-server";
/// let request = http::Request::get(url).body(bytes::Bytes::new())?;
/// let response = block_on(provider.send(request, Limits::default()))?;
/// assert_eq!(response.status(), 200);
/// assert_eq!(provider.count(Place::Metadata), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Provider {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Clock,
    random: Arc<SeededRandom>,
    spawning: Spawning,
    yields: bool,
    inner: Mutex<Inner>,
}

pub(crate) struct Inner {
    pub(crate) state: State,
    transcript: Transcript,
    pub(crate) faults: Faults,
    /// Right after a fault happened the last time.
    after_fault: Option<Mark>,
}

impl Inner {
    /// Notes this point if more faults have happened than `before`.
    pub(crate) fn note_fault(&mut self, before: usize) {
        if self.faults.happened > before {
            self.after_fault = Some(self.transcript.mark());
        }
    }
}

impl Provider {
    /// A provider as the crate's documentation describes it: the issuer is `https://issuer.test`.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Sets up a provider part by part.
    pub fn builder() -> ProviderBuilder {
        ProviderBuilder::default()
    }

    pub(crate) fn assemble(state: State, clock: Clock, seed: u64, spawning: Spawning, yields: bool) -> Self {
        let random = Arc::new(SeededRandom::labelled(seed, "client"));
        let (transcript, faults) = (Transcript::default(), Faults::default());
        let inner = Mutex::new(Inner { state, transcript, faults, after_fault: None });
        Self { shared: Arc::new(Shared { clock, random, spawning, yields, inner }) }
    }

    /// The issuer.
    #[must_use]
    pub fn issuer(&self) -> String {
        self.inner().state.settings.issuer.text.clone()
    }

    /// The URL of a protected resource: `me`, `admin` or `echo`.
    #[must_use]
    pub fn api(&self, name: &str) -> String {
        self.inner().state.settings.issuer.url(&format!("/api/{name}"))
    }

    /// The URL of an OAuth 1.0a endpoint: `request_token`, `authorize`, `access_token`, `api` or `api/…`.
    #[must_use]
    pub fn oauth1(&self, name: &str) -> String {
        self.inner().state.settings.issuer.url(&format!("/oauth1/{name}"))
    }

    /// Randomness for the client under test, from the provider's seed.
    #[must_use]
    pub fn random(&self) -> Arc<dyn SecureRandom> {
        Arc::clone(&self.shared.random) as Arc<dyn SecureRandom>
    }

    /// Moves the clock ahead.
    pub fn advance(&self, time: Duration) {
        self.shared.clock.advance(time);
    }

    /// Moves the provider to another origin, as `http://127.0.0.1:PORT`; its path stays.
    ///
    /// What is asked for at the old origin is then asked of somebody else. A provider that is
    /// [served](Self::serve) has moved to its port; one behind a proxy has the origin of the proxy.
    #[cfg(feature = "serve")]
    pub fn move_to(&self, origin: &str) {
        let issuer = &mut self.inner().state.settings.issuer;
        origin.clone_into(&mut issuer.origin);
        issuer.text = format!("{origin}{}", issuer.path);
    }

    /// What time it is.
    pub(crate) fn time(&self) -> SystemTime {
        self.shared.clock.now()
    }

    pub(crate) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.shared.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The user's side.
impl Provider {
    /// Says who sits at the browser from now on.
    pub fn set_user(&self, user: User) {
        self.inner().state.settings.user = user;
    }

    /// Plays the browser: opens the URL, of a login by OAuth 2 or OAuth 1.0a or of a logout, and returns where
    /// the user ends: at the client. For an answer that is posted there is [`posted`](Self::posted).
    ///
    /// ```
    /// use valetkey_testkit::Provider;
    ///
    /// let url = "https://issuer.test/authorize?response_type=code&client_id=app\
    ///            &redirect_uri=https%3A%2F%2Fclient.test%2Fcb&state=s";
    /// let callback = Provider::new().visit(url)?;
    /// assert!(callback.starts_with("https://client.test/cb?code="));
    /// # Ok::<(), valetkey_testkit::VisitError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`VisitError`] if the trip does not end at the client: the URL is another one's, or the provider
    /// shows a page.
    pub fn visit(&self, url: impl AsRef<str>) -> Result<String, VisitError> {
        Ok(self.callbacks(url)?.pop().unwrap_or_default())
    }

    /// Like [`visit`](Self::visit), with all callbacks that reach the client, in their order.
    ///
    /// It is one, unless a fault has somebody else send the client a forged one first.
    ///
    /// # Errors
    ///
    /// As [`visit`](Self::visit).
    pub fn callbacks(&self, url: impl AsRef<str>) -> Result<Vec<String>, VisitError> {
        let script = self.open(url.as_ref())?;
        let location = script.headers.get(LOCATION).map(|to| String::from_utf8_lossy(to.as_bytes()));
        match location {
            Some(location) if script.status == StatusCode::SEE_OTHER => {
                let mut callbacks = script.forged;
                callbacks.push(location.into_owned());
                Ok(callbacks)
            }
            _ => Err(VisitError::page(&script)),
        }
    }

    /// What the browser gets from the provider.
    pub(crate) fn open(&self, url: &str) -> Result<Script, VisitError> {
        let uri: Uri = url.parse().map_err(|_| VisitError::Elsewhere)?;
        if !self.is_for_browsers(&uri) {
            return Err(VisitError::Elsewhere);
        }
        let script = self.answer(&Method::GET, &uri, &HeaderMap::new(), &Bytes::new(), None);
        if script.fate == Fate::Answered { Ok(script) } else { Err(VisitError::Unreachable) }
    }

    /// Plays the browser of a user who must carry a PIN to the client by hand, because its callback is
    /// `oob` (RFC 5849 §2.1); the URL is that of `/oauth1/authorize`.
    ///
    /// # Errors
    ///
    /// As [`visit`](Self::visit); a page without a PIN is [`VisitError::Page`].
    pub fn pin(&self, url: impl AsRef<str>) -> Result<String, VisitError> {
        // Sent back to the client, the user has no PIN.
        let Err(page) = self.visit(url) else { return Err(VisitError::Elsewhere) };
        let VisitError::Page { html, .. } = &page else { return Err(page) };
        let pin = html.split_once("<code id=pin>").and_then(|(_, rest)| rest.split_once('<'));
        pin.map(|(pin, _)| pin.to_owned()).ok_or(page)
    }

    fn is_for_browsers(&self, uri: &Uri) -> bool {
        let inner = self.inner();
        let route = Route::find(&inner.state.settings, &origin(uri), uri.path());
        matches!(route, Route::Authorize | Route::Authorize1 | Route::EndSession)
    }
}

/// What happens behind the client's back.
impl Provider {
    /// Lets this go wrong from now on, and nothing else.
    pub fn set_fault(&self, fault: Fault) {
        self.clear_faults();
        self.add_fault(fault);
    }

    /// Lets this go wrong too; of several faults at one place, the first happens until its times are over.
    pub fn add_fault(&self, fault: Fault) {
        self.inner().faults.add(fault);
    }

    /// Lets all be well again.
    pub fn clear_faults(&self) {
        self.inner().faults.clear();
    }

    /// How many times a fault has happened, so that a test knows that what it expects was put to the test.
    #[must_use]
    pub fn faults_happened(&self) -> usize {
        self.inner().faults.happened
    }

    /// Forgets all nonces of DPoP, so that the client is surprised by a challenge.
    pub fn renew_dpop_nonces(&self) {
        self.inner().state.nonces.clear();
    }

    /// Revokes every access token, so that the client is surprised by a 401; refresh tokens stay good.
    pub fn revoke_access_tokens(&self) {
        self.inner().state.revoke_all_access();
    }

    /// Revokes everything that was ever granted, as a user does in their account.
    pub fn revoke_grants(&self) {
        self.inner().state.revoke_all_grants();
    }
}

/// The way of every request, from a client in this process, a browser or a socket.
impl Provider {
    pub(crate) fn answer(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: &Bytes,
        limits: Option<&Limits>,
    ) -> Script {
        let now = self.shared.clock.now();
        let (path, query) = (uri.path(), uri.query().unwrap_or(""));
        let origin = origin(uri);
        let asked = Asked { method, origin: &origin, path, query, headers, body, now };
        let inner = &mut *self.inner();
        let route = Route::find(&inner.state.settings, &origin, path);
        let place = route.place(path);
        let entry = || Entry {
            place,
            method: method.clone(),
            origin: origin.clone(),
            path: path.to_owned(),
            query: Params::parse(query.as_bytes()),
            form: asked.form().unwrap_or_default(),
            headers: headers.clone(),
            oauth1: protocol_params(asked),
            limits: limits.copied(),
            at: now,
            status: None,
        };
        let records = inner.state.settings.records;
        inner.transcript.note(place, records, entry);
        let before = inner.faults.happened;
        let script = inner.faults.play(place, now, &mut inner.state, |state| route.answer(state, asked));
        inner.note_fault(before);
        if let Some(entry) = inner.transcript.entries.last_mut().filter(|_| records) {
            entry.status = (script.fate == Fate::Answered).then_some(script.status);
        }
        script
    }
}

/// Scheme, host and port, as an issuer would write them.
pub(crate) fn origin(uri: &Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or("");
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    let authority = authority.strip_suffix(default_port).unwrap_or(authority);
    format!("{scheme}://{authority}").to_ascii_lowercase()
}

#[async_trait]
impl Backend for Provider {
    async fn send(&self, request: Request, limits: Limits) -> Result<Response, Failure> {
        let shared = &*self.shared;
        if shared.yields {
            turn().await;
        }
        let (parts, body) = request.into_parts();
        let script = self.answer(&parts.method, &parts.uri, &parts.headers, &body, Some(&limits));
        let outcome = wire::play(script, &parts.method, &limits, &shared.clock).await;
        if shared.yields {
            turn().await;
        }
        outcome
    }

    /// Gives others a few turns; then the clock has moved by `time`.
    async fn sleep(&self, time: Duration) {
        self.shared.clock.wait(time).await;
    }

    fn now(&self) -> SystemTime {
        self.shared.clock.now()
    }

    fn spawn(&self, task: Task) -> Result<(), Task> {
        self.shared.spawning.spawn(task)
    }
}

impl Default for Provider {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("issuer", &self.issuer()).finish_non_exhaustive()
    }
}
