//! The token response (RFC 6749 §5.1): strict in what can be attacked, lenient in what providers get wrong.

use std::{fmt, time::Duration};

use bytes::Bytes;
use http::StatusCode;
use serde::de::DeserializeOwned;
use valetkey_http::{Response, Unframed};

use super::{Kept, Quirk, Quirks};
use crate::{
    error::{Error, ErrorKind, Reason, Result},
    form::Parameters,
    oauth2::Scope,
    response::{
        self, MediaType, from_parts,
        members::{members, read_into},
        value::{ScopeText, Seconds, Text},
    },
    secret::{AccessToken, RefreshToken, Secret},
    time::Timestamp,
};

/// How a token response is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Strictness {
    /// What cannot be used for an attack is forgiven and noted in [`TokenResponse::quirks`].
    #[default]
    Lenient,
    /// Whatever RFC 6749 §5.1 does not allow is an error.
    Strict,
}

/// The type of an access token (RFC 6749 §7.1); compared without case.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenType {
    /// Whoever bears it may use it (RFC 6750).
    Bearer,
    /// Bound to a key (RFC 9449).
    Dpop,
    /// Not an access token at all (RFC 8693 §2.2.1).
    NotApplicable,
    /// Another type.
    Other(Box<str>),
}

impl TokenType {
    fn of(text: &str) -> Self {
        if text.eq_ignore_ascii_case("bearer") {
            Self::Bearer
        } else if text.eq_ignore_ascii_case("dpop") {
            Self::Dpop
        } else if text.eq_ignore_ascii_case("n_a") {
            Self::NotApplicable
        } else {
            Self::Other(text.into())
        }
    }

    /// The registered name, or what the server called it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Bearer => "Bearer",
            Self::Dpop => "DPoP",
            Self::NotApplicable => "N_A",
            Self::Other(name) => name,
        }
    }
}

members! {
    /// The members that are read at once. Errors come first: some providers send them with 200.
    struct Wire {
        access_token: Text<'de>,
        token_type: Text<'de>,
        expires_in: Seconds,
        refresh_token: Text<'de>,
        scope: ScopeText<'de>,
        id_token: Text<'de>,
        error: Text<'de>,
        error_description: Text<'de>,
        error_uri: Text<'de>,
    }
}

impl<'a> Wire<'a> {
    fn of_parameters(form: &'a Parameters, expires_in: Option<&str>) -> Self {
        let part = |name| form.get(name).map(|text| Text(text.into()));
        // As in JSON, an empty scope grants nothing: taken for absent, it would stand for all that was asked for.
        let scope = form.contains("scope").then(|| form.get("scope").unwrap_or_default());
        Self {
            access_token: part("access_token"),
            token_type: part("token_type"),
            expires_in: expires_in.map(Seconds::of),
            refresh_token: part("refresh_token"),
            scope: scope.map(|text| ScopeText::Text(text.into())),
            id_token: part("id_token"),
            error: part("error"),
            error_description: part("error_description"),
            error_uri: part("error_uri"),
        }
    }
}

/// What the token endpoint gave.
///
/// To call an API, make it a [`TokenSet`](super::TokenSet).
pub struct TokenResponse {
    access_token: AccessToken,
    token_type: TokenType,
    lifetime: Option<Duration>,
    asked: Timestamp,
    refresh_token: Option<RefreshToken>,
    scope: Option<Scope>,
    id_token: Option<Secret>,
    quirks: Quirks,
    /// The body, if it has members that were not read.
    rest: Option<Bytes>,
    kept: Option<Box<Kept>>,
}

impl TokenResponse {
    /// Reads a token response to a request that was handed out at `asked`.
    ///
    /// # Errors
    ///
    /// `Denied`: [`Reason::RequestDenied`] with the server's OAuth error, whatever the status. `Server`:
    /// [`Reason::ServerFailed`], [`Reason::UnexpectedStatus`]. `Protocol`: [`Reason::UnexpectedRedirect`],
    /// [`Reason::UnexpectedMediaType`], [`Reason::Malformed`], [`Reason::DuplicateParameter`],
    /// [`Reason::MissingParameter`] without an access token, [`Reason::Truncated`] for a form of unknown length.
    pub fn parse(response: &Response, asked: Timestamp, strictness: Strictness) -> Result<Self> {
        let text = response::text(response)?;
        let mut quirks = Quirks::default();
        if response.status() != StatusCode::OK {
            quirks.note(Quirk::Status);
        }
        let json = text.strip_prefix('\u{feff}').unwrap_or(text);
        if json.len() != text.len() {
            quirks.note(Quirk::ByteOrderMark);
        }
        let media_type = response::media_type(response);
        let parsed = if media_type == MediaType::Json || json.trim_start().starts_with(['{', '[', '"']) {
            if media_type != MediaType::Json {
                quirks.note(Quirk::MediaType);
            }
            let mut wire = Wire::default();
            let has_others = read_into(&mut wire, json)?;
            let rest = has_others.then(|| response.body().slice(text.len() - json.len()..));
            Self::of_wire(&wire, asked, quirks, rest)
        } else {
            quirks.note(Quirk::FormEncoded);
            Self::of_form(response, text, asked, quirks)
        };
        match parsed {
            Ok(parsed) if strictness == Strictness::Strict && !parsed.quirks.is_empty() => {
                Err(Error::new(ErrorKind::Protocol, Reason::Malformed).with_detail("strict mode"))
            }
            Err(error) => Err(error.with_status(response.status())),
            parsed => parsed,
        }
    }

    fn of_wire(wire: &Wire<'_>, asked: Timestamp, mut quirks: Quirks, rest: Option<Bytes>) -> Result<Self> {
        let refused =
            from_parts(wire.error.as_deref(), wire.error_description.as_deref(), wire.error_uri.as_deref());
        if let Some(refused) = refused {
            return Err(Error::new(ErrorKind::Denied, Reason::RequestDenied).with_response(refused));
        }
        let token = wire.access_token.as_deref().ok_or_else(|| missing("access_token"))?;
        let malformed = || Error::new(ErrorKind::Protocol, Reason::Malformed).with_detail("access_token");
        let token_type = wire.token_type.as_deref().map_or_else(
            || {
                quirks.note(Quirk::MissingTokenType);
                TokenType::Bearer
            },
            TokenType::of,
        );
        Ok(Self {
            access_token: match token_type {
                TokenType::Dpop => AccessToken::dpop(token),
                TokenType::Bearer | TokenType::NotApplicable | TokenType::Other(_) => {
                    AccessToken::bearer(token)
                }
            }
            .ok_or_else(malformed)?,
            token_type,
            lifetime: wire.expires_in.and_then(|seconds| lifetime(seconds, &mut quirks)),
            asked,
            refresh_token: wire
                .refresh_token
                .as_deref()
                .filter(|text| !text.is_empty())
                .map(RefreshToken::new),
            scope: wire.scope.as_ref().map(|scope| read_scope(scope, &mut quirks)),
            id_token: wire.id_token.as_deref().map(Secret::new),
            quirks,
            rest,
            kept: None,
        })
    }

    /// Some old providers answer with a form (RFC 6749 before its fourth draft).
    fn of_form(response: &Response, text: &str, asked: Timestamp, mut quirks: Quirks) -> Result<Self> {
        let form = Parameters::parse(text).map_err(|_| response::unreadable(response))?;
        if !form.contains("access_token") && !form.contains("error") {
            return Err(response::unreadable(response));
        }
        // A form does not tell whether it was cut: half a token is a token.
        if response.extensions().get::<Unframed>().is_some() {
            return Err(Error::new(ErrorKind::Transport, Reason::Truncated));
        }
        let expires_in = form.get("expires_in").or_else(|| {
            let seconds = form.get("expires")?;
            quirks.note(Quirk::LifetimeName);
            Some(seconds)
        });
        Self::of_wire(&Wire::of_parameters(&form, expires_in), asked, quirks, None)
    }

    /// The access token that a browser brought (RFC 6749 §4.2.2), which was asked for at this time.
    pub(crate) fn of_callback(parameters: &Parameters, asked: Timestamp) -> Result<Self> {
        let wire = Wire::of_parameters(parameters, parameters.get("expires_in"));
        Self::of_wire(&wire, asked, Quirks::default(), None)
    }

    /// The access token.
    #[must_use]
    pub fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    /// Its type.
    #[must_use]
    pub fn token_type(&self) -> &TokenType {
        &self.token_type
    }

    /// How long the access token lives (`expires_in`), if the server said; at most ten years.
    #[must_use]
    pub fn lifetime(&self) -> Option<Duration> {
        self.lifetime
    }

    /// When the access token expires, counted from when it was asked for.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.lifetime.map(|lifetime| self.asked + lifetime)
    }

    /// When it was asked for.
    #[must_use]
    pub fn asked_at(&self) -> Timestamp {
        self.asked
    }

    /// The refresh token, if one was given.
    #[must_use]
    pub fn refresh_token(&self) -> Option<&RefreshToken> {
        self.refresh_token.as_ref()
    }

    /// The scope, if the server said.
    #[must_use]
    pub fn scope(&self) -> Option<&Scope> {
        self.scope.as_ref()
    }

    /// Whether an ID token came along. It is not exposed before it can be verified.
    #[must_use]
    pub fn has_id_token(&self) -> bool {
        self.id_token.is_some()
    }

    /// The ID token, for who verifies it.
    pub(crate) fn id_token(&self) -> Option<&Secret> {
        self.id_token.as_ref()
    }

    /// What the provider gave besides, by the names of its profile.
    #[must_use]
    pub fn kept(&self) -> Option<&Kept> {
        self.kept.as_deref()
    }

    /// The same, with this kept besides.
    pub(crate) fn with_kept(mut self, kept: &Kept) -> Self {
        if !kept.is_empty() {
            self.kept.get_or_insert_default().extend(kept);
        }
        self
    }

    /// What had to be forgiven.
    #[must_use]
    pub fn quirks(&self) -> Quirks {
        self.quirks
    }

    /// Another member of the response, read anew at every call; `None` if it is absent, `null` or of another
    /// type than `T`.
    #[must_use]
    pub fn extra<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let rest: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(self.rest.as_ref()?).ok()?;
        serde_json::from_value(rest.get(name).filter(|value| !value.is_null())?.clone()).ok()
    }
}

fn missing(name: &'static str) -> Error {
    Error::new(ErrorKind::Protocol, Reason::MissingParameter).with_detail(name)
}

fn lifetime(seconds: Seconds, quirks: &mut Quirks) -> Option<Duration> {
    let (seconds, quirk) = match seconds {
        Seconds::Whole(seconds) => (seconds, None),
        Seconds::Fraction(seconds) => (seconds, Some(Quirk::LifetimeFraction)),
        Seconds::Text(seconds) => (seconds, Some(Quirk::LifetimeText)),
        Seconds::Negative => (0, Some(Quirk::LifetimeNegative)),
        Seconds::Unusable => {
            quirks.note(Quirk::LifetimeUnusable);
            return None;
        }
    };
    if let Some(quirk) = quirk {
        quirks.note(quirk);
    }
    Some(Duration::from_secs(seconds))
}

fn read_scope(scope: &ScopeText<'_>, quirks: &mut Quirks) -> Scope {
    let text = match scope {
        ScopeText::Text(text) => text,
        ScopeText::List(joined) => {
            quirks.note(Quirk::ScopeList);
            joined.as_str()
        }
    };
    if text.starts_with(' ') || text.ends_with(' ') || text.contains("  ") {
        quirks.note(Quirk::ScopeBlanks);
    }
    Scope::tolerant(text)
}

impl fmt::Debug for TokenResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenResponse")
            .field("token_type", &self.token_type)
            .field("lifetime", &self.lifetime)
            .field("refresh_token", &self.refresh_token)
            .field("scope", &self.scope)
            .field("quirks", &self.quirks)
            .finish_non_exhaustive()
    }
}
