//! Tokens that are exchanged, and what they are.

use serde_json::{Map, Value};

use crate::{
    error::{Error, ErrorKind, Reason, Result},
    secret::{AccessToken, Secret},
};

/// What a token is that is shown for another, or given for it (RFC 8693 §3).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenTypeIdentifier {
    /// An access token of the server that is asked, or of one that it knows.
    AccessToken,
    /// A refresh token of the server that is asked.
    RefreshToken,
    /// An ID token (OpenID Connect Core §2).
    IdToken,
    /// A SAML 1.1 assertion in base64url.
    Saml1,
    /// A SAML 2.0 assertion in base64url.
    Saml2,
    /// A JWT, whatever it is for.
    Jwt,
    /// Another type, by its URI.
    Other(Box<str>),
}

impl TokenTypeIdentifier {
    const REGISTERED: [Self; 6] =
        [Self::AccessToken, Self::RefreshToken, Self::IdToken, Self::Saml1, Self::Saml2, Self::Jwt];

    /// The URI.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::AccessToken => "urn:ietf:params:oauth:token-type:access_token",
            Self::RefreshToken => "urn:ietf:params:oauth:token-type:refresh_token",
            Self::IdToken => "urn:ietf:params:oauth:token-type:id_token",
            Self::Saml1 => "urn:ietf:params:oauth:token-type:saml1",
            Self::Saml2 => "urn:ietf:params:oauth:token-type:saml2",
            Self::Jwt => "urn:ietf:params:oauth:token-type:jwt",
            Self::Other(uri) => uri,
        }
    }

    /// Whether the server that takes such a token may take it once: a refresh token that rotates, an assertion with a
    /// `OneTimeUse` condition.
    pub(super) fn may_be_one_time(&self) -> bool {
        matches!(self, Self::RefreshToken | Self::Saml1 | Self::Saml2)
    }
}

impl From<&str> for TokenTypeIdentifier {
    fn from(uri: &str) -> Self {
        let known = Self::REGISTERED.into_iter().find(|known| known.as_str() == uri);
        known.unwrap_or_else(|| Self::Other(uri.into()))
    }
}

/// A token together with what it is. It is wiped when dropped, and its `Debug` shows the type alone.
///
/// ```
/// use valetkey_proto::{oauth2::grant::{TokenTypeIdentifier, TypedToken}, secret::Secret};
///
/// let token = TypedToken::new(Secret::new("eyJhbGciOi…"), TokenTypeIdentifier::Jwt);
/// assert_eq!(token.token_type().as_str(), "urn:ietf:params:oauth:token-type:jwt");
/// assert_eq!(format!("{token:?}"), "TypedToken { token: Secret([redacted]), token_type: Jwt }");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypedToken {
    token: Secret,
    token_type: TokenTypeIdentifier,
}

/// The longest token that is taken from outside, in bytes.
const MAX_TOKEN: usize = 64 << 10;

impl TypedToken {
    /// A token of this type, as it is.
    #[must_use]
    pub fn new(token: Secret, token_type: TokenTypeIdentifier) -> Self {
        Self { token, token_type }
    }

    /// An access token.
    #[must_use]
    pub fn access_token(token: &AccessToken) -> Self {
        Self::new(Secret::new(token.expose()), TokenTypeIdentifier::AccessToken)
    }

    /// A token that somebody else has written down: blanks and line ends around it are left out.
    ///
    /// # Errors
    ///
    /// `Store`: [`Reason::MissingParameter`] if there is nothing, [`Reason::TooLarge`] beyond 64 KiB,
    /// [`Reason::Malformed`] for anything but visible ASCII, such as blanks inside.
    pub fn parse(text: &str, token_type: TokenTypeIdentifier) -> Result<Self> {
        let refused = |reason| Error::new(ErrorKind::Store, reason).with_detail("a token");
        let token = text.trim();
        if token.is_empty() {
            return Err(refused(Reason::MissingParameter));
        }
        if token.len() > MAX_TOKEN {
            return Err(refused(Reason::TooLarge));
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(refused(Reason::Malformed));
        }
        Ok(Self::new(Secret::new(token), token_type))
    }

    /// The token in this member of a JSON object.
    ///
    /// ```
    /// use valetkey_proto::oauth2::grant::{TokenTypeIdentifier, TypedToken};
    ///
    /// let said = r#"{"version":1,"success":true,"id_token":"eyJhbGciOi.e30.c2ln"}"#;
    /// let token = TypedToken::parse_json(said, "id_token", TokenTypeIdentifier::IdToken)?;
    /// assert_eq!(token.expose(), "eyJhbGciOi.e30.c2ln");
    /// # Ok::<(), valetkey_proto::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse); [`Reason::Malformed`] if it is no object, or the member no text,
    /// [`Reason::MissingParameter`] without the member.
    pub fn parse_json(text: &str, member: &str, token_type: TokenTypeIdentifier) -> Result<Self> {
        let refused = |reason| Error::new(ErrorKind::Store, reason).with_detail("a token in JSON");
        let object: Map<String, Value> =
            serde_json::from_str(text).map_err(|_| refused(Reason::Malformed))?;
        match object.get(member) {
            Some(Value::String(token)) => Self::parse(token, token_type),
            Some(Value::Null) | None => Err(refused(Reason::MissingParameter)),
            Some(_) => Err(refused(Reason::Malformed)),
        }
    }

    /// What it is.
    #[must_use]
    pub fn token_type(&self) -> &TokenTypeIdentifier {
        &self.token_type
    }

    /// The token as a secret.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.token
    }

    /// The token itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.token.expose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_their_uris() {
        for known in TokenTypeIdentifier::REGISTERED {
            assert_eq!(TokenTypeIdentifier::from(known.as_str()), known);
        }
        let own = TokenTypeIdentifier::from("urn:example:ticket");
        assert_eq!(
            (own.as_str(), &own),
            ("urn:example:ticket", &TokenTypeIdentifier::Other("urn:example:ticket".into()))
        );
        // A URI is compared as it is (RFC 3986 §6.2.1).
        assert!(matches!(
            TokenTypeIdentifier::from("URN:ietf:params:oauth:token-type:jwt"),
            TokenTypeIdentifier::Other(_)
        ));
    }

    #[test]
    fn s_tx_02_what_is_no_token_is_refused_and_not_quoted() {
        let parse = |text: &str| TypedToken::parse(text, TokenTypeIdentifier::Jwt);
        assert_eq!(parse(" \tcanary\r\n").unwrap().expose(), "canary");
        let huge = "c".repeat(MAX_TOKEN + 1);
        for (text, reason) in [
            ("", Reason::MissingParameter),
            (" \n\n ", Reason::MissingParameter),
            ("canary canary", Reason::Malformed),
            ("canary\0", Reason::Malformed),
            ("canaryé", Reason::Malformed),
            (huge.as_str(), Reason::TooLarge),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!((error.kind(), error.reason()), (ErrorKind::Store, reason));
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
        let json = |text: &str| TypedToken::parse_json(text, "t", TokenTypeIdentifier::Jwt);
        assert_eq!(json(r#"{"t":"canary\n"}"#).unwrap().expose(), "canary");
        for (text, reason) in [
            (r#"{"u":"canary"}"#, Reason::MissingParameter),
            (r#"{"t":null}"#, Reason::MissingParameter),
            (r#"{"t":["canary"]}"#, Reason::Malformed),
            (r#"["canary"]"#, Reason::Malformed),
            (r#"{"t":"canary"}{"#, Reason::Malformed),
            (r#"{"t":"canary "#, Reason::Malformed),
        ] {
            let error = json(text).unwrap_err();
            assert_eq!(error.reason(), reason, "{text}");
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
    }
}
