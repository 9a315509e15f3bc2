//! Token credentials (RFC 5849 §2.3): got for an authorization, renewed, or got for a password.

use std::{fmt, time::Duration};

use valetkey_http::Response;

use super::{
    AuthorizationResponse, Protocol, TokenCredentials, Verifier,
    credentials::TokenPair,
    response::{MAX_BODY, Reply},
    temporary::{add, draft},
};
use crate::{
    call::{Exchange, Retry},
    draft::Draft,
    endpoint::Endpoint,
    error::{Error, ErrorKind, Reason, Result},
    flow::Env,
    form::Form,
    response::value::Seconds,
    secret::Secret,
    time::Timestamp,
};

/// Asks for token credentials, in the name of a client: [`Party::oauth1`](crate::Party::oauth1).
///
/// It is sent once: a server that sees a verifier twice may revoke what it was exchanged for.
///
/// ```
/// use valetkey_proto::{endpoint::Endpoint, oauth1::{TokenCredentials, TokenCredentialsRequest}};
///
/// let kept = TokenCredentials::new("token", "secret")?.with_session_handle("handle");
/// let endpoint = Endpoint::parse("https://api.example/oauth/access_token")?;
/// let renewal = TokenCredentialsRequest::renew(endpoint, &kept)?;
/// # let _ = renewal;
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[doc(alias = "access token")]
pub struct TokenCredentialsRequest {
    endpoint: Endpoint,
    kind: Kind,
    extra: Form,
}

enum Kind {
    Authorized(TokenPair, Option<Verifier>),
    Renewal(TokenPair, Secret),
    Password { username: Box<str>, password: Secret },
}

impl TokenCredentialsRequest {
    /// For what a user authorized.
    #[must_use]
    pub fn new(endpoint: Endpoint, received: AuthorizationResponse) -> Self {
        Self::of(endpoint, Kind::Authorized(received.pair, received.verifier))
    }

    /// For credentials that expire, by their `oauth_session_handle` (OAuth Session Extension §3).
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::MissingRefreshToken`] if they have no session handle.
    pub fn renew(endpoint: Endpoint, credentials: &TokenCredentials) -> Result<Self> {
        let missing =
            || Error::new(ErrorKind::Usage, Reason::MissingRefreshToken).with_detail("session handle");
        let handle = credentials.session_handle().ok_or_else(missing)?.clone();
        Ok(Self::of(endpoint, Kind::Renewal(credentials.pair.clone(), handle)))
    }

    /// For a user's name and password (xAuth), where the provider gave this client leave.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::InvalidValue`] if the name or the password is empty.
    ///
    /// # Security
    ///
    /// The program sees the user's password, which OAuth was made to avoid. Choose a sign-in wherever there is one.
    pub fn xauth(endpoint: Endpoint, username: &str, password: impl Into<Secret>) -> Result<Self> {
        let password = password.into();
        if username.is_empty() || password.expose().is_empty() {
            return Err(Error::new(ErrorKind::Usage, Reason::InvalidValue).with_detail("xAuth"));
        }
        Ok(Self::of(endpoint, Kind::Password { username: username.into(), password }))
    }

    fn of(endpoint: Endpoint, kind: Kind) -> Self {
        Self { endpoint, kind, extra: Form::new() }
    }

    /// Adds a parameter of the provider's to the form. An empty value adds nothing.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::ReservedParameter`] for one that the protocol sets, or that is set already;
    /// [`Reason::InvalidValue`] for an empty name.
    pub fn with_parameter(mut self, name: &str, value: &str) -> Result<Self> {
        if name.starts_with("x_auth_") {
            return Err(Error::new(ErrorKind::Usage, Reason::ReservedParameter));
        }
        add(&mut self.extra, name, value)?;
        Ok(self)
    }
}

impl Exchange for TokenCredentialsRequest {
    type Output = TokenCredentials;

    fn retry(&self) -> Retry {
        // Not even where the server says when to come again: a verifier that it saw may be spent.
        Retry { unsent: 3, ..Retry::NEVER }
    }

    fn max_body(&self) -> usize {
        MAX_BODY
    }

    fn request(&self, _: &Env<'_>) -> Result<Draft> {
        let mut form = Form::with_capacity(256);
        let protocol = match &self.kind {
            Kind::Authorized(pair, verifier) => {
                let verifier =
                    verifier.iter().map(|verifier| ("oauth_verifier", Secret::new(verifier.expose())));
                Protocol { token: Some(pair.clone()), parameters: verifier.collect() }
            }
            Kind::Renewal(pair, handle) => Protocol {
                token: Some(pair.clone()),
                parameters: vec![("oauth_session_handle", handle.clone())],
            },
            Kind::Password { username, password } => {
                form.push("x_auth_mode", "client_auth")
                    .push("x_auth_username", username)
                    .push("x_auth_password", password.expose());
                Protocol { token: None, parameters: Vec::new() }
            }
        };
        form.extend(&self.extra);
        Ok(draft(&self.endpoint, form, protocol))
    }

    fn response(&self, response: Response, asked: Timestamp, _: &Env<'_>) -> Result<TokenCredentials> {
        let reply = Reply::parse(&response)?;
        let session_handle = reply.other("oauth_session_handle").map(Secret::new);
        let lifetime = reply.other("oauth_expires_in").and_then(|text| match Seconds::of(text) {
            Seconds::Whole(seconds) | Seconds::Fraction(seconds) | Seconds::Text(seconds) => Some(seconds),
            Seconds::Negative => Some(0),
            Seconds::Unusable => None,
        });
        let Reply { pair, others: extras, quirks } = reply;
        // A renewal that names no new handle leaves the old one.
        let old_handle = match &self.kind {
            Kind::Renewal(_, handle) => Some(handle.clone()),
            Kind::Authorized(..) | Kind::Password { .. } => None,
        };
        Ok(TokenCredentials {
            pair,
            session_handle: session_handle.or(old_handle),
            issued_at: Some(asked),
            lifetime: lifetime.map(Duration::from_secs),
            extras,
            quirks,
        })
    }
}

impl fmt::Debug for TokenCredentialsRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.kind {
            Kind::Authorized(..) => "authorized",
            Kind::Renewal(..) => "renewal",
            Kind::Password { .. } => "xauth",
        };
        f.debug_struct("TokenCredentialsRequest")
            .field("endpoint", &self.endpoint)
            .field("kind", &kind)
            .finish_non_exhaustive()
    }
}
