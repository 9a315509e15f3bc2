//! The authorization request (RFC 6749 §4.1.1).

use std::{fmt, ops::Range, sync::Arc, time::Duration};

use crate::{
    endpoint::{Endpoint, RedirectUri},
    error::{Error, ErrorKind, Reason, Result},
    flow::Env,
    form,
    oauth2::{
        AuthorizationDetails, Requested, ResourceIndicator, Scope,
        authorization::{
            CodeChallengeMethod, CodeVerifier, Nonce, PendingAuthorization, RequestObject, ResponseMode,
            ResponseType, State, response_type::Awaited,
        },
        binding::{Dpop, KeptKey},
        client::{ClientId, ClientMetadata},
        details,
        profile::{LeftOut, Policies},
        server::{Issuer, ServerMetadata},
    },
    random,
    secret::Wiped,
};

/// Parameters that the flow sets itself, and those that would change what it is.
const RESERVED: [&str; 13] = [
    "client_id",
    "client_secret",
    "code_challenge",
    "code_challenge_method",
    "dpop_jkt",
    "nonce",
    "redirect_uri",
    "request",
    "request_uri",
    "response_mode",
    "response_type",
    "scope",
    "state",
];

/// What is asked of the server and its user; the same value starts any number of sign-ins.
///
/// Every start has a fresh `state` and PKCE challenge by `S256`, and with the scope `openid` a fresh `nonce`.
///
/// ```
/// use valetkey_proto::{
///     Env, Timestamp,
///     crypto::{CryptoProvider, SystemRandom},
///     oauth2::{authorization::AuthorizationRequest, client::ClientMetadata, server::{Issuer, ServerMetadata}},
/// };
///
/// let server = ServerMetadata::new(Issuer::parse("https://as.example")?)
///     .with_authorization_endpoint("https://as.example/authorize")?;
/// let client = ClientMetadata::new("my-app")?.with_redirect_uri("https://my-app.example/cb")?;
/// let request = AuthorizationRequest::new(&server, &client)?.with_scope("read")?.with_parameter("prompt", "login")?;
///
/// let env = Env { now: Timestamp::from_secs(0), random: &SystemRandom::new(), crypto: &CryptoProvider::ring() };
/// let (url, pending) = request.start(&env)?;
/// assert!(url.as_str().starts_with("https://as.example/authorize?response_type=code&client_id=my-app&"));
/// # let _ = pending;
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone)]
pub struct AuthorizationRequest {
    /// The URL up to the parameters that differ at every start.
    pub(super) prefix: String,
    /// Where the parameters begin in it.
    pub(super) joint: usize,
    /// Where the response type stands in it.
    response_type: Range<usize>,
    pub(super) asked: Arc<Asked>,
    has_nonce: bool,
    pub(super) object: Option<RequestObject>,
    policies: Option<Arc<Policies>>,
}

/// What all sign-ins of one request have in common, shared by them.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) issuer: Issuer,
    pub(super) client: ClientId,
    pub(super) redirect_uri: RedirectUri,
    pub(super) expects_issuer: bool,
    pub(super) scope: Option<Scope>,
    pub(super) key: Option<KeptKey>,
    pub(super) awaited: Awaited,
    /// The values of which `acr` must have one, if there are any.
    pub(super) acr: Vec<Box<str>>,
    /// What was asked for beside the scope.
    pub(super) requested: Requested,
    pub(super) otherwise: Otherwise,
}

/// What a sign-in at a provider with a profile does otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Otherwise {
    pub(super) left_out: LeftOut,
    /// The name of the code in callbacks.
    pub(super) code: Option<Box<str>>,
    /// What is kept of callbacks.
    pub(super) keep: Vec<Box<str>>,
}

impl Otherwise {
    fn of(policies: &Policies) -> Self {
        let Policies { left_out, code, keep, .. } = policies;
        Self { left_out: *left_out, code: code.clone(), keep: keep.clone() }
    }
}

impl AuthorizationRequest {
    /// A sign-in at this server, for this client.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::MissingEndpoint`], [`Reason::MissingRedirectUri`]; [`Reason::PkceUnsupported`] if the
    /// server lists the challenge methods it takes and `S256` is not among them.
    pub fn new(server: &ServerMetadata, client: &ClientMetadata) -> Result<Self> {
        let missing = || Error::new(ErrorKind::Config, Reason::MissingRedirectUri);
        let redirect_uri = client.redirect_uri().ok_or_else(missing)?;
        let policies = server.policies().cloned();
        let otherwise = policies.as_deref().map(Otherwise::of).unwrap_or_default();
        if server.supports_challenge(CodeChallengeMethod::S256.as_str()) == Some(false)
            && !otherwise.left_out.pkce
        {
            return Err(Error::new(ErrorKind::Config, Reason::PkceUnsupported));
        }
        let mut prefix = with_joint(server.authorization_endpoint()?);
        let joint = prefix.len();
        prefix.push_str("response_type=");
        let response_type = prefix.len()..prefix.len() + ResponseType::Code.as_str().len();
        prefix.push_str(ResponseType::Code.as_str());
        let asked = Asked {
            issuer: server.issuer().clone(),
            client: client.id().clone(),
            redirect_uri: redirect_uri.clone(),
            expects_issuer: server.names_issuer_in_responses(),
            scope: None,
            key: None,
            awaited: Awaited::default(),
            acr: Vec::new(),
            requested: Requested::new(),
            otherwise,
        };
        let asked = Arc::new(asked);
        let mode = policies.as_ref().and_then(|policies| policies.response_mode);
        let mut request =
            Self { prefix, joint, response_type, asked, has_nonce: false, object: None, policies };
        request.push("client_id", client.id().as_str());
        request.push("redirect_uri", redirect_uri.as_str());
        match mode {
            Some(mode) => request.with_response_mode(mode),
            None => Ok(request),
        }
    }

    /// Asks for this scope.
    ///
    /// # Errors
    ///
    /// As [`Scope::parse`]; `Usage`: [`Reason::ReservedParameter`] if a scope is asked for already.
    pub fn with_scope(mut self, scope: &str) -> Result<Self> {
        if self.asked.scope.is_some() {
            return Err(Error::new(ErrorKind::Usage, Reason::ReservedParameter).with_detail("scope"));
        }
        let scope = Scope::parse(scope)?;
        self.push("scope", scope.as_str());
        self.has_nonce |= scope.contains("openid");
        Arc::make_mut(&mut self.asked).scope = Some(scope);
        Ok(self)
    }

    /// Asks for something else than a code, in place of what was asked for before. What brings more than a code comes back
    /// in the fragment, unless [`with_response_mode`](Self::with_response_mode) asks for a form.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::ReservedParameter`] after [`with_response_mode`](Self::with_response_mode).
    pub fn with_response_type(mut self, response_type: ResponseType) -> Result<Self> {
        if self.asked.awaited.mode != self.asked.awaited.response_type.usual_mode() {
            let error = Error::new(ErrorKind::Usage, Reason::ReservedParameter);
            return Err(error.with_detail("response_mode goes last"));
        }
        let mut name = String::new();
        form::encode(&mut name, response_type.as_str());
        self.prefix.replace_range(self.response_type.clone(), &name);
        self.response_type.end = self.response_type.start + name.len();
        self.has_nonce |= response_type.has_id_token();
        let awaited = &mut Arc::make_mut(&mut self.asked).awaited;
        awaited.response_type = response_type;
        awaited.mode = response_type.usual_mode();
        Ok(self)
    }

    /// Asks the browser to bring it in this way, and takes it in no other.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::InvalidValue`] for more than a code in a query (OAuth 2.0 Multiple Response Type Encoding
    /// Practices §5), and for an access token alone in anything but the fragment; [`Reason::ReservedParameter`] if it was said before.
    pub fn with_response_mode(mut self, mode: ResponseMode) -> Result<Self> {
        let awaited = self.asked.awaited;
        if !awaited.response_type.allows(mode) {
            return Err(Error::new(ErrorKind::Usage, Reason::InvalidValue).with_detail("response_mode"));
        }
        if awaited.mode != awaited.response_type.usual_mode() {
            return Err(Error::new(ErrorKind::Usage, Reason::ReservedParameter).with_detail("response_mode"));
        }
        if mode != awaited.mode {
            self.push("response_mode", mode.as_str());
            Arc::make_mut(&mut self.asked).awaited.mode = mode;
        }
        Ok(self)
    }

    /// Asks that the user was authenticated no longer ago than this, in whole seconds; the ID token must then say so
    /// (OpenID Connect Core §3.1.2.1). Zero asks for it anew.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::ReservedParameter`] if it was said before.
    pub fn with_max_age(mut self, max_age: Duration) -> Result<Self> {
        if self.asked.awaited.max_age.is_some() {
            return Err(Error::new(ErrorKind::Usage, Reason::ReservedParameter).with_detail("max_age"));
        }
        self.push("max_age", &max_age.as_secs().to_string());
        let max_age = Duration::from_secs(max_age.as_secs());
        Arc::make_mut(&mut self.asked).awaited.max_age = Some(max_age);
        Ok(self)
    }

    pub(super) fn require_acr(&mut self, values: Vec<Box<str>>) {
        Arc::make_mut(&mut self.asked).acr = values;
    }

    /// Binds the code to this key (RFC 9449 §10): nobody can exchange it without. Each user's sign-in should have a key
    /// of its own, unless the key is the program's.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::ReservedParameter`] if it is bound to one already.
    pub fn with_dpop(mut self, dpop: &Dpop) -> Result<Self> {
        if self.asked.key.is_some() {
            return Err(Error::new(ErrorKind::Usage, Reason::ReservedParameter).with_detail("dpop_jkt"));
        }
        self.push("dpop_jkt", dpop.thumbprint());
        Arc::make_mut(&mut self.asked).key = Some(dpop.kept().clone());
        Ok(self)
    }

    /// Adds a parameter, such as `prompt` or `login_hint`. An empty value adds nothing.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::ReservedParameter`] for one that the flow sets itself or that is set already,
    /// [`Reason::InvalidValue`] for an empty name. For a name that has a function of its own also as that.
    pub fn with_parameter(mut self, name: &str, value: &str) -> Result<Self> {
        if name == "max_age" {
            let invalid = |_| Error::new(ErrorKind::Usage, Reason::InvalidValue).with_detail("max_age");
            return self.with_max_age(Duration::from_secs(value.parse().map_err(invalid)?));
        }
        match name {
            "resource" => return self.with_resource(ResourceIndicator::parse(value)?),
            details::NAME => return self.with_authorization_details(AuthorizationDetails::parse(value)?),
            _ => {}
        }
        let mut assignment = String::new();
        form::encode(&mut assignment, name);
        assignment.push('=');
        // Both separators are encoded in values, so that each piece begins with a name.
        let is_set = self.prefix.split(['?', '&']).any(|piece| piece.starts_with(&assignment));
        if RESERVED.contains(&name) || is_set {
            return Err(Error::new(ErrorKind::Usage, Reason::ReservedParameter));
        }
        if name.is_empty() {
            return Err(Error::new(ErrorKind::Usage, Reason::InvalidValue).with_detail("parameter name"));
        }
        self.push(name, value);
        Ok(self)
    }

    fn push(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.prefix.push('&');
            form::encode(&mut self.prefix, name);
            self.prefix.push('=');
            form::encode(&mut self.prefix, value);
        }
    }

    /// Sends all parameters in a request object (RFC 9101, OpenID Connect Core §6), in place of one said before.
    #[must_use]
    pub fn with_request_object(mut self, object: RequestObject) -> Self {
        self.object = Some(object);
        self
    }

    /// Begins one sign-in: the URL for the browser, and what must be kept until the browser comes back.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::RandomFailed`]. With a request object also [`Reason::SigningFailed`], and
    /// [`Reason::UnsupportedAlgorithm`] for a key that is elsewhere, which signs in
    /// [`AuthorizationStart`](super::AuthorizationStart).
    pub fn start(&self, env: &Env<'_>) -> Result<(AuthorizationUrl, PendingAuthorization)> {
        if let Some(object) = &self.object {
            return self.start_with(object, env);
        }
        let (mut url, pending) = self.complete(&self.prefix, env)?;
        self.asked.requested.write_into(&mut url);
        let url = match &self.policies {
            Some(policies) => self.in_words_of(policies, &url)?,
            None => url,
        };
        Ok((AuthorizationUrl(url), pending))
    }

    /// The URL as the provider wants it.
    fn in_words_of(&self, policies: &Policies, url: &str) -> Result<String> {
        let (page, parameters) = url.split_at_checked(self.joint).unwrap_or((url, ""));
        let (parameters, fragment) = policies.authorization(parameters)?;
        let mut url = [page, parameters.expose()].concat();
        if let Some(fragment) = fragment {
            url.push('#');
            url.push_str(fragment);
        }
        Ok(url)
    }

    /// Adds what differs at every start to this beginning.
    pub(super) fn complete(&self, prefix: &str, env: &Env<'_>) -> Result<(String, PendingAuthorization)> {
        const STATE: &str = "&state=";
        const CHALLENGE: &str = "&code_challenge_method=S256&code_challenge=";
        const NONCE: &str = "&nonce=";
        // A nonce that nobody asked for would cost a fifth of the whole.
        let LeftOut { pkce, state: no_state, nonce: no_nonce } = self.asked.otherwise.left_out;
        let (state, verifier, nonce) = if self.has_nonce && !no_nonce {
            let [state, verifier, nonce] = random::texts(env.random)?;
            (state, verifier, Some(Nonce::of(nonce)))
        } else {
            let [state, verifier] = random::texts(env.random)?;
            (state, verifier, None)
        };
        let state = State::of(state);
        let verifier = CodeVerifier::of(&Wiped::new(verifier)[..]);
        let challenge = verifier.challenge(env.crypto);

        let added = STATE.len() + CHALLENGE.len() + NONCE.len() + 3 * random::TEXT;
        let mut url = String::with_capacity(prefix.len() + added);
        url.push_str(prefix);
        if !no_state {
            url.push_str(STATE);
            url.push_str(state.expose());
        }
        if self.asked.awaited.response_type.has_code() && !pkce {
            url.push_str(CHALLENGE);
            url.push_str(challenge.as_str());
        }
        if let Some(nonce) = &nonce {
            url.push_str(NONCE);
            url.push_str(nonce.expose());
        }
        let pending =
            PendingAuthorization { asked: self.asked.clone(), state, verifier, nonce, created: env.now };
        Ok((url, pending))
    }
}

/// A URL that is ready to take more parameters.
pub(crate) fn with_joint(endpoint: &Endpoint) -> String {
    let mut url = endpoint.as_str().to_owned();
    if !url.contains('?') {
        url.push('?');
    } else if !url.ends_with(['?', '&']) {
        url.push('&');
    }
    url
}

impl fmt::Debug for AuthorizationRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationRequest")
            .field("issuer", &self.asked.issuer)
            .field("client", &self.asked.client)
            .field("redirect_uri", &self.asked.redirect_uri)
            .field("scope", &self.asked.scope)
            .finish_non_exhaustive()
    }
}

/// The URL that the user's browser is sent to.
///
/// It is `https` (or `http` on loopback) and ASCII. It carries the state of one sign-in: print it for the
/// user, and do not log it; its `Debug` leaves the query out.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthorizationUrl(String);

impl AuthorizationUrl {
    pub(crate) fn of(url: String) -> Self {
        Self(url)
    }

    /// The URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for AuthorizationUrl {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<AuthorizationUrl> for String {
    fn from(url: AuthorizationUrl) -> Self {
        url.0
    }
}

impl fmt::Display for AuthorizationUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AuthorizationUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let page = self.0.split('?').next().unwrap_or_default();
        f.debug_tuple("AuthorizationUrl").field(&page).finish()
    }
}
