//! The authorization response (RFC 6749 §4.1.2, RFC 9207): what the browser brings back.

use std::{fmt, sync::Arc, time::Duration};

use http::Uri;

use crate::{
    endpoint::{Origin, RedirectUri},
    error::{Error, ErrorKind, Reason, Result},
    form::Parameters,
    jose::jwt::Expected,
    oauth2::{
        Scope,
        authorization::{CodeVerifier, Nonce, ResponseMode, ResponseType, State, request::Asked},
        binding::KeptKey,
        client::ClientId,
        server::Issuer,
        token::{Kept, TokenResponse},
    },
    secret::{AuthorizationCode, Secret, Wiped},
};

/// The longest callback that is read, in bytes.
const MAX_CALLBACK: usize = 16 << 10;

/// The request with which the browser comes back: its URI, or the form that it posts.
///
/// The URI may be whole, as a user pastes it, or a path with a query, as an HTTP server sees it. It is wiped
/// when dropped.
#[derive(Clone)]
pub struct Callback {
    text: Wiped<String>,
    mode: Mode,
}

/// The way in which parameters arrive.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Uri,
    Form,
}

impl Callback {
    /// The URI that the browser requested.
    #[must_use]
    pub fn uri(uri: impl Into<String>) -> Self {
        Self { text: Wiped::new(uri.into()), mode: Mode::Uri }
    }

    /// The form that the browser posted (OAuth 2.0 Form Post Response Mode §2).
    #[must_use]
    pub fn form(body: impl Into<String>) -> Self {
        Self { text: Wiped::new(body.into()), mode: Mode::Form }
    }

    /// The parameters, decoded, each at most once.
    pub(crate) fn parameters(&self, mode: ResponseMode) -> Result<Parameters> {
        if self.text.len() > MAX_CALLBACK {
            return Err(Error::new(ErrorKind::Protocol, Reason::TooLarge).with_detail("callback"));
        }
        let (before_fragment, fragment) = self.text.split_once('#').unwrap_or((&self.text, ""));
        Parameters::parse(match (self.mode, mode) {
            (Mode::Form, _) => &self.text,
            (Mode::Uri, ResponseMode::Fragment) => fragment,
            (Mode::Uri, ResponseMode::Query | ResponseMode::FormPost) => {
                before_fragment.split_once('?').map_or("", |(_, query)| query)
            }
        })
    }

    /// Whether it arrived at this redirect URI in the way that was asked for. A form says nothing of where it arrived.
    ///
    /// # Errors
    ///
    /// `Protocol`: [`Reason::ResponseModeMismatch`] if it arrived in another way; `Untrusted`:
    /// [`Reason::UnexpectedToken`] for a token that did (RFC 9700 §2.1.2), [`Reason::RedirectUriMismatch`].
    pub(crate) fn check(&self, mode: ResponseMode, redirect_uri: &RedirectUri) -> Result<()> {
        match (self.mode, mode) {
            (Mode::Form, ResponseMode::FormPost) => return Ok(()),
            (Mode::Form, _) | (Mode::Uri, ResponseMode::FormPost) => {
                return Err(Error::new(ErrorKind::Protocol, Reason::ResponseModeMismatch));
            }
            (Mode::Uri, ResponseMode::Query | ResponseMode::Fragment) => {}
        }
        let (uri, fragment) = self.text.split_once('#').unwrap_or((&self.text, ""));
        let query = uri.split_once('?').map_or("", |(_, query)| query);
        let elsewhere = if mode == ResponseMode::Fragment { query } else { fragment };
        // Some providers append an empty fragment, `#_=_`, which says nothing.
        let names = || elsewhere.split('&').filter_map(|piece| piece.split('=').next());
        if names().any(|name| matches!(name, "access_token" | "id_token")) {
            return Err(Error::new(ErrorKind::Untrusted, Reason::UnexpectedToken));
        }
        if names().any(|name| matches!(name, "code" | "state" | "error" | "response" | "iss")) {
            return Err(Error::new(ErrorKind::Protocol, Reason::ResponseModeMismatch));
        }
        if arrived_at(uri, redirect_uri.as_str()) {
            Ok(())
        } else {
            Err(Error::new(ErrorKind::Untrusted, Reason::RedirectUriMismatch))
        }
    }
}

/// Whether a callback is the redirect URI with something added to its query.
fn arrived_at(callback: &str, redirect_uri: &str) -> bool {
    let (page, query) = callback.split_once('?').unwrap_or((callback, ""));
    let (own_page, own_query) = redirect_uri.split_once('?').unwrap_or((redirect_uri, ""));
    let mut own_pieces = own_query.split('&').filter(|piece| !piece.is_empty());
    own_pieces.all(|piece| query.split('&').any(|other| other == piece)) && is_same_page(page, own_page)
}

fn is_same_page(page: &str, own: &str) -> bool {
    if page == own {
        return true;
    }
    let Ok(own) = own.parse::<Uri>() else { return false };
    let Ok(page) = page.parse::<Uri>() else { return false };
    // An HTTP server sees only the path; what it is reached by may differ behind a proxy.
    let same_origin =
        page.authority().is_none() || Origin::of(&page).is_some_and(|origin| origin.is_of(&own));
    same_origin && own.authority().is_some() && page.path() == own.path()
}

impl From<&str> for Callback {
    fn from(uri: &str) -> Self {
        Self::uri(uri)
    }
}

impl From<&String> for Callback {
    fn from(uri: &String) -> Self {
        Self::uri(uri.as_str())
    }
}

impl From<String> for Callback {
    fn from(uri: String) -> Self {
        Self::uri(uri)
    }
}

impl From<&Uri> for Callback {
    fn from(uri: &Uri) -> Self {
        Self::uri(uri.to_string())
    }
}

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Callback([redacted])")
    }
}

/// A response that was received and found to be ours: the code, and what its exchange needs.
///
/// Only [`PendingAuthorization::receive`](super::PendingAuthorization::receive) makes one, so that what is here
/// has been checked. It cannot be cloned: a code is used once.
#[derive(Debug)]
pub struct AuthorizationResponse {
    pub(super) asked: Arc<Asked>,
    pub(super) code: Option<AuthorizationCode>,
    pub(super) id_token: Option<Secret>,
    pub(super) token: Option<TokenResponse>,
    pub(crate) verifier: CodeVerifier,
    pub(super) nonce: Option<Nonce>,
    pub(super) state: State,
    pub(super) kept: Option<Box<Kept>>,
}

impl AuthorizationResponse {
    /// Who answered.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.asked.issuer
    }

    /// The client that asked.
    #[must_use]
    pub fn client(&self) -> &ClientId {
        &self.asked.client
    }

    /// What was asked for, and is here.
    #[must_use]
    pub fn response_type(&self) -> ResponseType {
        self.asked.awaited.response_type
    }

    /// The code, if one was asked for.
    pub(crate) fn code(&self) -> Option<&AuthorizationCode> {
        self.code.as_ref()
    }

    /// The ID token that the browser brought, and what it must say beside what all do.
    pub(crate) fn id_token(&self) -> Option<(&Secret, Expected<'_>)> {
        let mut expected =
            Expected::new().state(self.state.expose()).through_browser().acr_of(&self.asked.acr);
        if let Some(nonce) = &self.nonce {
            expected = expected.nonce(nonce.expose());
        }
        if let Some(max_age) = self.asked.awaited.max_age {
            expected = expected.max_age(max_age);
        }
        if let Some(code) = &self.code {
            expected = expected.code(code.expose());
        }
        if let Some(token) = &self.token {
            expected = expected.access_token(token.access_token().expose());
        }
        Some((self.id_token.as_ref()?, expected))
    }

    /// The access token that the browser brought. Verify the ID token first, which it must be bound to.
    #[must_use]
    pub fn token(&self) -> Option<&TokenResponse> {
        self.token.as_ref()
    }

    /// What the provider's profile keeps of callbacks; `None` if there is nothing.
    #[must_use]
    pub fn kept(&self) -> Option<&Kept> {
        self.kept.as_deref()
    }

    /// The verifier, unless the provider refuses PKCE.
    pub(crate) fn verifier(&self) -> &str {
        if self.asked.otherwise.left_out.pkce { "" } else { self.verifier.expose() }
    }

    /// What the ID token that comes for the code must say; `None` if the user's identity was not asked for. It outlives the
    /// exchange.
    #[must_use]
    pub fn awaited_id_token(&self) -> Option<AwaitedIdToken> {
        let max_age = self.asked.awaited.max_age;
        let acr = || self.asked.acr.clone().into();
        // A provider that refuses a nonce may be asked for an ID token all the same.
        let asks = || self.asked.scope.as_ref().is_some_and(|scope| scope.contains("openid"));
        let is_awaited = self.nonce.is_some() || (self.asked.otherwise.left_out.nonce && asks());
        is_awaited.then(|| AwaitedIdToken { nonce: self.nonce.clone(), max_age, acr: acr() })
    }

    /// Where the browser came back to, which the exchange repeats (RFC 6749 §4.1.3).
    pub(crate) fn redirect_uri(&self) -> &RedirectUri {
        &self.asked.redirect_uri
    }

    /// The scope that was asked for.
    #[must_use]
    pub fn requested_scope(&self) -> Option<&Scope> {
        self.asked.scope.as_ref()
    }

    /// The key that the code is bound to, and that the tokens will be bound to (RFC 9449 §10).
    #[must_use]
    pub fn key(&self) -> Option<&KeptKey> {
        self.asked.key.as_ref()
    }

    /// The nonce that the ID token must carry, if one was sent.
    #[must_use]
    pub fn nonce(&self) -> Option<&Nonce> {
        self.nonce.as_ref()
    }
}

/// What an ID token must say that comes from the token endpoint, in exchange for a code.
#[derive(Clone, Debug)]
pub struct AwaitedIdToken {
    nonce: Option<Nonce>,
    max_age: Option<Duration>,
    acr: Box<[Box<str>]>,
}

impl AwaitedIdToken {
    /// As the verifier wants it.
    #[must_use]
    pub fn expected(&self) -> Expected<'_> {
        let expected = Expected::new().acr_of(&self.acr);
        let expected = match &self.nonce {
            Some(nonce) => expected.nonce(nonce.expose()),
            None => expected,
        };
        match self.max_age {
            Some(max_age) => expected.max_age(max_age),
            None => expected,
        }
    }
}
