//! Temporary credentials (RFC 5849 §2.1): what the user is asked to authorize.

use std::fmt;

use http::{HeaderValue, header::ACCEPT};
use valetkey_http::Response;

use super::{
    Protocol, Quirk,
    credentials::TokenPair,
    response::{MAX_BODY, Reply},
};
use crate::{
    call::{Exchange, Retry},
    draft::Draft,
    endpoint::{Endpoint, RedirectUri},
    error::{Error, ErrorKind, Reason, Result},
    flow::Env,
    form::Form,
    secret::Secret,
    time::Timestamp,
};

/// How the user comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// By a redirect, with a verifier.
    Redirect(RedirectUri),
    /// With a verifier that the user types: a PIN.
    OutOfBand,
    /// As before 1.0a, by a redirect if there is one, without a verifier.
    Legacy(Option<RedirectUri>),
}

/// Asks for temporary credentials, in the name of a client: [`Party::oauth1`](crate::Party::oauth1).
///
/// ```
/// use valetkey_proto::{endpoint::Endpoint, oauth1::TemporaryCredentialsRequest};
///
/// let endpoint = Endpoint::parse("https://api.example/oauth/request_token")?;
/// let request = TemporaryCredentialsRequest::out_of_band(endpoint).with_parameter("x_auth_access_type", "read")?;
/// # let _ = request;
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[doc(alias = "request token")]
#[derive(Clone, Debug)]
pub struct TemporaryCredentialsRequest {
    endpoint: Endpoint,
    way: Way,
    extra: Form,
}

impl TemporaryCredentialsRequest {
    /// The user comes back to this URI (`oauth_callback`).
    #[must_use]
    pub fn new(endpoint: Endpoint, redirect_uri: RedirectUri) -> Self {
        Self { endpoint, way: Way::Redirect(redirect_uri), extra: Form::new() }
    }

    /// The user comes back with a PIN (`oauth_callback=oob`).
    #[must_use]
    pub fn out_of_band(endpoint: Endpoint) -> Self {
        Self { endpoint, way: Way::OutOfBand, extra: Form::new() }
    }

    /// For a server of OAuth 1.0 before 1.0a: the callback is confirmed by nobody, and there is no verifier.
    ///
    /// # Security
    ///
    /// Whoever sends a user a link that they began themselves gets at what the user grants (OAuth Security Advisory
    /// 2009.1). RFC 5849 has nothing of this any more.
    #[must_use]
    pub fn legacy_1_0(endpoint: Endpoint, redirect_uri: Option<RedirectUri>) -> Self {
        Self { endpoint, way: Way::Legacy(redirect_uri), extra: Form::new() }
    }

    /// Adds a parameter of the provider's, such as `scope`, to the form. An empty value adds nothing.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::ReservedParameter`] for one that the protocol sets, or that is set already;
    /// [`Reason::InvalidValue`] for an empty name.
    pub fn with_parameter(mut self, name: &str, value: &str) -> Result<Self> {
        add(&mut self.extra, name, value)?;
        Ok(self)
    }
}

/// Adds a parameter that is not the protocol's.
pub(super) fn add(form: &mut Form, name: &str, value: &str) -> Result<()> {
    if name.is_empty() {
        return Err(Error::new(ErrorKind::Usage, Reason::InvalidValue).with_detail("parameter name"));
    }
    if name.starts_with("oauth_") || form.contains(name) {
        return Err(Error::new(ErrorKind::Usage, Reason::ReservedParameter));
    }
    form.push(name, value);
    Ok(())
}

/// A request for credentials, signed with these.
pub(super) fn draft(endpoint: &Endpoint, form: Form, protocol: Protocol) -> Draft {
    let mut draft = Draft::post(endpoint, form).with_oauth1(protocol);
    draft.headers_mut().insert(ACCEPT, HeaderValue::from_static("*/*"));
    draft
}

impl Exchange for TemporaryCredentialsRequest {
    type Output = TemporaryCredentials;

    /// Credentials that nobody knows of cost the server a row.
    fn retry(&self) -> Retry {
        Retry { unsent: 3, maybe: 1, busy: 1, busy_if_told: 1 }
    }

    fn max_body(&self) -> usize {
        MAX_BODY
    }

    fn request(&self, _: &Env<'_>) -> Result<Draft> {
        let callback = match &self.way {
            Way::Redirect(uri) => Some(uri.as_str()),
            Way::OutOfBand => Some("oob"),
            Way::Legacy(_) => None,
        };
        let parameters = callback.map(|callback| ("oauth_callback", Secret::new(callback)));
        let protocol = Protocol { token: None, parameters: parameters.into_iter().collect() };
        Ok(draft(&self.endpoint, self.extra.clone(), protocol))
    }

    fn response(&self, response: Response, asked: Timestamp, _: &Env<'_>) -> Result<TemporaryCredentials> {
        let reply = Reply::parse(&response)?;
        let is_confirmed =
            reply.other("oauth_callback_confirmed").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        if !is_confirmed && !matches!(self.way, Way::Legacy(_)) {
            let error = Error::new(ErrorKind::Protocol, Reason::CallbackNotConfirmed);
            return Err(error.with_status(response.status()));
        }
        let Reply { pair, others, quirks } = reply;
        Ok(TemporaryCredentials { pair, way: self.way.clone(), created: asked, others, quirks })
    }
}

/// What the user is asked to authorize, and what is then exchanged (RFC 5849 §2.1). It is used once.
#[doc(alias = "request token")]
pub struct TemporaryCredentials {
    pub(super) pair: TokenPair,
    pub(super) way: Way,
    pub(super) created: Timestamp,
    others: Vec<(Box<str>, Secret)>,
    quirks: Vec<Quirk>,
}

impl TemporaryCredentials {
    /// The identifier (`oauth_token`).
    #[must_use]
    pub fn identifier(&self) -> &Secret {
        &self.pair.identifier
    }

    /// The shared secret (`oauth_token_secret`).
    #[must_use]
    pub fn shared_secret(&self) -> &Secret {
        &self.pair.shared_secret
    }

    /// When they were asked for.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// Another parameter that came along, such as `xoauth_request_auth_url`.
    #[must_use]
    pub fn extra(&self, name: &str) -> Option<&Secret> {
        self.others.iter().find(|(known, _)| **known == *name).map(|(_, value)| value)
    }

    /// What had to be forgiven.
    #[must_use]
    pub fn quirks(&self) -> &[Quirk] {
        &self.quirks
    }
}

impl fmt::Debug for TemporaryCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TemporaryCredentials")
            .field("way", &self.way)
            .field("created", &self.created)
            .field("quirks", &self.quirks)
            .finish_non_exhaustive()
    }
}
