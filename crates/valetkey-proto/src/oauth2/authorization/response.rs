//! The authorization response (RFC 6749 §4.1.2, RFC 9207): what the browser brings back.

use std::{fmt, sync::Arc};

use http::Uri;

use crate::{
    endpoint::{Origin, RedirectUri},
    error::{Error, ErrorKind, Reason, Result},
    form::Parameters,
    oauth2::{
        Scope,
        authorization::{CodeVerifier, Nonce, request::Asked},
        binding::KeptKey,
        client::ClientId,
        server::Issuer,
    },
    secret::{AuthorizationCode, Wiped},
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
    Query,
    Form,
}

impl Callback {
    /// The URI that the browser requested.
    #[must_use]
    pub fn uri(uri: impl Into<String>) -> Self {
        Self { text: Wiped::new(uri.into()), mode: Mode::Query }
    }

    /// The form that the browser posted (OAuth 2.0 Form Post Response Mode §2).
    #[must_use]
    pub fn form(body: impl Into<String>) -> Self {
        Self { text: Wiped::new(body.into()), mode: Mode::Form }
    }

    /// The parameters, decoded, each at most once.
    pub(crate) fn parameters(&self) -> Result<Parameters> {
        if self.text.len() > MAX_CALLBACK {
            return Err(Error::new(ErrorKind::Protocol, Reason::TooLarge).with_detail("callback"));
        }
        let before_fragment = self.text.split('#').next().unwrap_or_default();
        Parameters::parse(match self.mode {
            Mode::Form => &self.text,
            Mode::Query => before_fragment.split_once('?').map_or("", |(_, query)| query),
        })
    }

    /// Whether it arrived in the query of this redirect URI, as was asked for.
    ///
    /// # Errors
    ///
    /// `Protocol`: [`Reason::ResponseModeMismatch`] for a form, or for a response in the fragment; `Untrusted`:
    /// [`Reason::UnexpectedToken`] for a token in the fragment (RFC 9700 §2.1.2),
    /// [`Reason::RedirectUriMismatch`].
    pub(crate) fn check(&self, redirect_uri: &RedirectUri) -> Result<()> {
        if self.mode == Mode::Form {
            return Err(Error::new(ErrorKind::Protocol, Reason::ResponseModeMismatch));
        }
        let (uri, fragment) = self.text.split_once('#').unwrap_or((&self.text, ""));
        // Some providers append an empty fragment, `#_=_`, which says nothing.
        let names = || fragment.split('&').filter_map(|piece| piece.split('=').next());
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
    pub(crate) code: AuthorizationCode,
    pub(crate) verifier: CodeVerifier,
    pub(super) nonce: Option<Nonce>,
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
