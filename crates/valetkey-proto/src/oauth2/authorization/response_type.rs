//! What comes back through the browser, and how (OAuth 2.0 Multiple Response Type Encoding Practices).

use std::time::Duration;

/// What a sign-in asks to be brought back by the browser.
///
/// # Security
///
/// All but [`Code`](Self::Code) bring more through the browser than a code, which is worth nothing to who has not the
/// verifier. The kinds with a token bring an access token, which stays in the browser's history and is worth as much to
/// whoever finds it (RFC 9700 §2.1.2): they are for servers that can do nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "these are registered")]
pub enum ResponseType {
    /// A code (RFC 6749 §4.1).
    #[default]
    Code,
    /// A code, and an ID token that says so (OpenID Connect Core §3.3).
    CodeIdToken,
    /// A code and an access token.
    CodeToken,
    /// A code, an ID token and an access token.
    CodeIdTokenToken,
    /// An ID token alone (OpenID Connect Core §3.2): who signed in, and no access to anything.
    IdToken,
    /// An ID token and an access token.
    IdTokenToken,
    /// An access token and nothing else (RFC 6749 §4.2), for servers that have nothing else: nothing binds it to this
    /// sign-in but the state, so that whoever has another user's token may slip it in (RFC 9700 §2.1.2). It is taken out
    /// of the fragment alone.
    LegacyToken,
}

impl ResponseType {
    pub(super) const ALL: [Self; 7] = [
        Self::Code,
        Self::CodeIdToken,
        Self::CodeToken,
        Self::CodeIdTokenToken,
        Self::IdToken,
        Self::IdTokenToken,
        Self::LegacyToken,
    ];

    /// The registered name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::CodeIdToken => "code id_token",
            Self::CodeToken => "code token",
            Self::CodeIdTokenToken => "code id_token token",
            Self::IdToken => "id_token",
            Self::IdTokenToken => "id_token token",
            Self::LegacyToken => "token",
        }
    }

    /// Whether a code comes back.
    #[must_use]
    pub fn has_code(self) -> bool {
        !matches!(self, Self::IdToken | Self::IdTokenToken | Self::LegacyToken)
    }

    /// Whether an ID token comes back.
    #[must_use]
    pub fn has_id_token(self) -> bool {
        !matches!(self, Self::Code | Self::CodeToken | Self::LegacyToken)
    }

    /// Whether an access token comes back.
    #[must_use]
    pub fn has_token(self) -> bool {
        matches!(self, Self::CodeToken | Self::CodeIdTokenToken | Self::IdTokenToken | Self::LegacyToken)
    }

    /// Whether it may be asked for in this way: tokens are not for queries (Multiple Response Types §5).
    pub(super) fn allows(self, mode: ResponseMode) -> bool {
        match mode {
            ResponseMode::Query => self == Self::Code,
            ResponseMode::Fragment => true,
            ResponseMode::FormPost => self != Self::LegacyToken,
        }
    }

    /// How it comes back unless something else is asked for.
    pub(super) fn usual_mode(self) -> ResponseMode {
        if self == Self::Code { ResponseMode::Query } else { ResponseMode::Fragment }
    }
}

/// How the browser brings it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "these are registered")]
pub enum ResponseMode {
    /// In the query of the redirect URI.
    Query,
    /// In its fragment, which only a program in the browser, or one that takes the whole URI, can see.
    Fragment,
    /// In a form that the browser posts to it (OAuth 2.0 Form Post Response Mode). A cookie that is to be there then
    /// must be `SameSite=None`.
    FormPost,
}

impl ResponseMode {
    pub(crate) const ALL: [Self; 3] = [Self::Query, Self::Fragment, Self::FormPost];

    /// The registered name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Fragment => "fragment",
            Self::FormPost => "form_post",
        }
    }
}

/// What must come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Awaited {
    pub(crate) response_type: ResponseType,
    pub(crate) mode: ResponseMode,
    /// How long ago the user may have been authenticated, if that was asked for.
    pub(crate) max_age: Option<Duration>,
}

impl Default for Awaited {
    fn default() -> Self {
        Self { response_type: ResponseType::Code, mode: ResponseMode::Query, max_age: None }
    }
}

impl Awaited {
    /// What stands in records of it.
    pub(super) fn of_names(
        response_type: Option<&str>,
        mode: Option<&str>,
        max_age: Option<u64>,
    ) -> Option<Self> {
        let response_type = match response_type {
            Some(name) => ResponseType::ALL.into_iter().find(|known| known.as_str() == name)?,
            None => ResponseType::Code,
        };
        let mode = match mode {
            Some(name) => ResponseMode::ALL.into_iter().find(|known| known.as_str() == name)?,
            None => response_type.usual_mode(),
        };
        Some(Self { response_type, mode, max_age: max_age.map(Duration::from_secs) })
    }
}
