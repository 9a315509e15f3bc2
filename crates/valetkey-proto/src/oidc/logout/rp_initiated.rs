//! A logout that the client asks for (OpenID Connect RP-Initiated Logout 1.0 §2, §3).

use std::fmt;

use crate::{
    endpoint::RedirectUri,
    error::{Error, ErrorKind, Reason, Result},
    flow::Env,
    form::Form,
    oauth2::{
        authorization::{AuthorizationUrl, Callback, ResponseMode, State, check_age, with_joint},
        client::ClientId,
        server::{Issuer, ServerMetadata},
    },
    random, record,
    response::{
        members::{members, read},
        value::Text,
    },
    seal::{Label, SealingKeys},
    secret::{Secret, Wiped},
    time::Timestamp,
};

/// Sends the user to the server, where the session ends, and back.
///
/// ```
/// use valetkey_proto::{
///     Env, Timestamp,
///     crypto::{CryptoProvider, SystemRandom},
///     oauth2::{client::ClientId, server::{Issuer, ServerMetadata}},
///     oidc::logout::LogoutRequest,
/// };
///
/// let issuer = Issuer::parse("https://op.example")?;
/// let document = r#"{"issuer":"https://op.example","end_session_endpoint":"https://op.example/logout"}"#;
/// let server = ServerMetadata::parse(&issuer, &document.into())?;
/// let request = LogoutRequest::new(&server, &ClientId::parse("my-app")?)?
///     .with_id_token_hint("eyJhbGciOi…")
///     .with_redirect_uri("https://my-app.example/bye")?;
///
/// let env = Env { now: Timestamp::from_secs(0), random: &SystemRandom::new(), crypto: &CryptoProvider::ring() };
/// let (url, pending) = request.start(&env)?;
/// assert!(url.as_str().starts_with("https://op.example/logout?client_id=my-app&"));
///
/// // The browser comes back. It must bring the state, whatever it says.
/// let pending = pending.expect("there is a redirect URI");
/// assert!(pending.receive("https://my-app.example/bye?state=another").is_err());
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
///
/// # Security
///
/// The client's own session must end, too, before the user is sent away: the server may never send the user back. An
/// ID token is about the user: the URL must not be logged.
#[derive(Clone)]
pub struct LogoutRequest {
    url: String,
    issuer: Issuer,
    client: ClientId,
    parameters: Form,
    redirect_uri: Option<RedirectUri>,
}

impl LogoutRequest {
    /// A logout at this server, for this client.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::MissingEndpoint`] if the server has no `end_session_endpoint`. `Protocol`:
    /// [`Reason::InvalidUrl`] or [`Reason::InsecureUrl`] if it is no URL that can be used. `Untrusted`:
    /// [`Reason::AddressNotAllowed`] as [`ServerMetadata::endpoint`].
    pub fn new(server: &ServerMetadata, client: &ClientId) -> Result<Self> {
        let url = with_joint(&server.endpoint("end_session_endpoint")?);
        let mut parameters = Form::new();
        parameters.push("client_id", client.as_str());
        let (issuer, client) = (server.issuer().clone(), client.clone());
        Ok(Self { url, issuer, client, parameters, redirect_uri: None })
    }

    /// Says whose session ends, by an ID token of this server, be it expired. Without it, most servers ask the user.
    #[must_use]
    pub fn with_id_token_hint(mut self, id_token: &str) -> Self {
        self.parameters.push("id_token_hint", id_token);
        self
    }

    /// Says whose session ends, by what the user is called at the server.
    #[must_use]
    pub fn with_logout_hint(mut self, hint: &str) -> Self {
        self.parameters.push("logout_hint", hint);
        self
    }

    /// Says which languages the user reads, the best first (BCP 47), blanks between them.
    #[must_use]
    pub fn with_ui_locales(mut self, locales: &str) -> Self {
        self.parameters.push("ui_locales", locales);
        self
    }

    /// Says where the browser comes back to, exactly as it is registered (`post_logout_redirect_uris`).
    ///
    /// # Errors
    ///
    /// As [`RedirectUri::parse`].
    pub fn with_redirect_uri(mut self, uri: &str) -> Result<Self> {
        self.redirect_uri = Some(RedirectUri::parse(uri)?);
        Ok(self)
    }

    /// Begins one logout: the URL for the browser, and what must be kept until it comes back; nothing if it does not.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::RandomFailed`].
    pub fn start(&self, env: &Env<'_>) -> Result<(AuthorizationUrl, Option<PendingLogout>)> {
        let mut parameters = self.parameters.clone();
        let pending = match &self.redirect_uri {
            None => None,
            Some(uri) => {
                let [state] = random::texts(env.random)?;
                let state = State::of(state);
                parameters.push("post_logout_redirect_uri", uri.as_str()).push("state", state.expose());
                let (issuer, client) = (self.issuer.clone(), self.client.clone());
                let redirect_uri = uri.clone();
                Some(PendingLogout { issuer, client, redirect_uri, state, created: env.now })
            }
        };
        let url = [self.url.as_str(), parameters.expose()].concat();
        Ok((AuthorizationUrl::of(url), pending))
    }
}

impl fmt::Debug for LogoutRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogoutRequest")
            .field("issuer", &self.issuer)
            .field("client", &self.client)
            .field("redirect_uri", &self.redirect_uri)
            .finish_non_exhaustive()
    }
}

/// A logout whose user is away at the server. It is consumed by [`receive`](Self::receive).
pub struct PendingLogout {
    issuer: Issuer,
    client: ClientId,
    redirect_uri: RedirectUri,
    state: State,
    created: Timestamp,
}

/// What sealed texts of this kind are for.
const PURPOSE: &str = "logout";

impl PendingLogout {
    /// Where the user signs out.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// Whether a callback carries the state of this logout, compared in constant time.
    #[must_use]
    pub fn matches(&self, callback: &Callback) -> bool {
        callback
            .parameters(ResponseMode::Query)
            .is_ok_and(|parameters| parameters.is("state", self.state.expose().as_bytes()))
    }

    /// Takes what the browser brought back: it arrived where it should, with the state that was sent.
    ///
    /// # Errors
    ///
    /// `Untrusted`: [`Reason::RedirectUriMismatch`], [`Reason::StateMismatch`]. `Protocol`:
    /// [`Reason::ResponseModeMismatch`], [`Reason::DuplicateParameter`], [`Reason::TooLarge`], [`Reason::Malformed`].
    pub fn receive(self, callback: impl Into<Callback>) -> Result<()> {
        let callback = callback.into();
        callback.check(ResponseMode::Query, &self.redirect_uri)?;
        callback.parameters(ResponseMode::Query)?;
        if self.matches(&callback) {
            Ok(())
        } else {
            Err(Error::new(ErrorKind::Untrusted, Reason::StateMismatch))
        }
    }

    /// Seals it into a text of a few hundred characters, for a cookie. It can be opened for ten minutes.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::RandomFailed`].
    pub fn seal(self, keys: &SealingKeys, env: &Env<'_>) -> Result<Secret> {
        let record = Wiped::new(record::write(serde_json::json!({
            "v": "1",
            "redirect_uri": self.redirect_uri.as_str(),
            "state": self.state.expose(),
            "created": self.created.as_millis(),
        })));
        keys.seal(&label(&self.issuer, &self.client), &record, env)
    }

    /// Opens a sealed text of this issuer and client.
    ///
    /// # Errors
    ///
    /// `Untrusted`: [`Reason::SealBroken`] if it was changed, or sealed by another key or for another purpose,
    /// issuer or client. `Expired`: [`Reason::PendingExpired`] after ten minutes.
    pub fn open(
        text: &str,
        issuer: &Issuer,
        client: &ClientId,
        keys: &SealingKeys,
        env: &Env<'_>,
    ) -> Result<Self> {
        let record = keys.open(&label(issuer, client), text, env)?;
        let broken = || Error::new(ErrorKind::Untrusted, Reason::SealBroken);
        let pending = Self::of_record(&record, issuer, client).ok_or_else(broken)?;
        check_age(pending.created, env.now)?;
        Ok(pending)
    }

    fn of_record(record: &str, issuer: &Issuer, client: &ClientId) -> Option<Self> {
        let record: Record<'_> = read(record).ok()?;
        if *record.v? != *"1" {
            return None;
        }
        Some(Self {
            issuer: issuer.clone(),
            client: client.clone(),
            redirect_uri: RedirectUri::parse(&record.redirect_uri?).ok()?,
            state: State::of(record.state?.as_bytes().try_into().ok()?),
            created: Timestamp::from_millis(record.created?),
        })
    }
}

members! {
    struct Record {
        v: Text<'de>,
        redirect_uri: Text<'de>,
        state: Text<'de>,
        created: i64,
    }
}

fn label<'a>(issuer: &'a Issuer, client: &'a ClientId) -> Label<'a> {
    Label { purpose: PURPOSE, server: issuer.as_str(), client: client.as_str() }
}

impl fmt::Debug for PendingLogout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingLogout")
            .field("issuer", &self.issuer)
            .field("client", &self.client)
            .field("redirect_uri", &self.redirect_uri)
            .field("created", &self.created)
            .finish_non_exhaustive()
    }
}
