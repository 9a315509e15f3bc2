//! What the authorization endpoint answers with, and how it comes to the client.

/// A response type (OAuth 2.0 Multiple Response Type Encoding Practices §3 and §5).
///
/// ```
/// use valetkey_testkit::ResponseType;
///
/// assert_eq!(ResponseType::CodeIdToken.name(), "code id_token");
/// assert!(!ResponseType::CodeIdToken.has_token());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "these are all that are registered")]
pub enum ResponseType {
    /// `code`: the code flow.
    Code,
    /// `id_token`: the implicit flow, without an access token.
    IdToken,
    /// `id_token token`: the implicit flow.
    IdTokenToken,
    /// `code id_token`: the hybrid flow.
    CodeIdToken,
    /// `code token`: the hybrid flow, with the ID token from the token endpoint alone.
    CodeToken,
    /// `code id_token token`: the hybrid flow with everything.
    CodeIdTokenToken,
    /// `token`: the implicit grant of OAuth 2.0, for clients that may use [it](crate::Grant::Implicit). Not among
    /// [`ALL`](Self::ALL), because OpenID Connect does not have it.
    Token,
}

impl ResponseType {
    /// All that OpenID Connect Core defines.
    pub const ALL: [Self; 6] = [
        Self::Code,
        Self::IdToken,
        Self::IdTokenToken,
        Self::CodeIdToken,
        Self::CodeToken,
        Self::CodeIdTokenToken,
    ];

    /// The value of `response_type`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::IdToken => "id_token",
            Self::IdTokenToken => "id_token token",
            Self::CodeIdToken => "code id_token",
            Self::CodeToken => "code token",
            Self::CodeIdTokenToken => "code id_token token",
            Self::Token => "token",
        }
    }

    /// The type of this name; the order of its words does not matter.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let sorted = |text: &str| {
            let mut words: Vec<_> = text.split(' ').map(str::to_owned).collect();
            words.sort_unstable();
            words
        };
        Self::ALL.into_iter().find(|known| sorted(known.name()) == sorted(text))
    }

    /// Whether a code comes by the browser.
    #[must_use]
    pub const fn has_code(self) -> bool {
        !matches!(self, Self::IdToken | Self::IdTokenToken | Self::Token)
    }

    /// Whether an ID token comes by the browser.
    #[must_use]
    pub const fn has_id_token(self) -> bool {
        !matches!(self, Self::Code | Self::CodeToken | Self::Token)
    }

    /// Whether an access token comes by the browser.
    #[must_use]
    pub const fn has_token(self) -> bool {
        matches!(self, Self::IdTokenToken | Self::CodeToken | Self::CodeIdTokenToken | Self::Token)
    }

    /// How its answer comes if nothing else was asked for.
    #[must_use]
    pub const fn default_mode(self) -> ResponseMode {
        match self {
            Self::Code => ResponseMode::Query,
            _ => ResponseMode::Fragment,
        }
    }
}

/// A response mode (Multiple Response Types §2.1, OAuth 2.0 Form Post Response Mode §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResponseMode {
    /// In the query of the redirect URI.
    Query,
    /// In its fragment.
    Fragment,
    /// In a form that the browser posts to it: see [`Provider::posted`](crate::Provider::posted).
    FormPost,
}

impl ResponseMode {
    /// The value of `response_mode`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Fragment => "fragment",
            Self::FormPost => "form_post",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        [Self::Query, Self::Fragment, Self::FormPost].into_iter().find(|known| known.name() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_words_in_a_response_type_does_not_matter() {
        assert_eq!(ResponseType::parse("token id_token code"), Some(ResponseType::CodeIdTokenToken));
        assert_eq!(ResponseType::parse("id_token code"), Some(ResponseType::CodeIdToken));
        for junk in ["", "token", "code code", "code  token", "Code"] {
            assert_eq!(ResponseType::parse(junk), None, "{junk}");
        }
    }
}
