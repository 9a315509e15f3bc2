//! The error that a server answers with (RFC 6749 §4.1.2.1, §5.2).

use std::fmt;

/// The longest text of a server that is kept, in bytes.
const MAX_TEXT: usize = 1024;

/// Declares the known codes once: variant, wire text.
macro_rules! code {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// An OAuth error code.
        ///
        /// ```
        /// use valetkey_proto::ErrorCode;
        ///
        /// assert_eq!(ErrorCode::from("invalid_grant"), ErrorCode::InvalidGrant);
        /// assert_eq!(ErrorCode::from("bad_verification_code").as_str(), "bad_verification_code");
        /// ```
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[$doc])* $variant,)*
            /// A code that is not in the list.
            Other(Box<str>),
        }

        impl ErrorCode {
            /// The code as it was sent.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other(text) => text,
                }
            }
        }

        impl From<&str> for ErrorCode {
            fn from(text: &str) -> Self {
                match text {
                    $($text => Self::$variant,)*
                    _ => Self::Other(capped(text)),
                }
            }
        }
    };
}

code! {
    /// The user or the server said no (RFC 6749 §4.1.2.1).
    AccessDenied = "access_denied",
    /// The user must choose an account (OpenID Connect Core §3.1.2.6).
    AccountSelectionRequired = "account_selection_required",
    /// The user has not decided yet (RFC 8628 §3.5).
    AuthorizationPending = "authorization_pending",
    /// The user must consent (OpenID Connect Core §3.1.2.6).
    ConsentRequired = "consent_required",
    /// The device code is too old (RFC 8628 §3.5).
    ExpiredToken = "expired_token",
    /// The token's scope does not suffice (RFC 6750 §3.1).
    InsufficientScope = "insufficient_scope",
    /// The user signed in too long ago or too weakly (RFC 9470 §3).
    InsufficientUserAuthentication = "insufficient_user_authentication",
    /// The user must be asked something (OpenID Connect Core §3.1.2.6).
    InteractionRequired = "interaction_required",
    /// Authorization details that the server does not take (RFC 9396 §5).
    InvalidAuthorizationDetails = "invalid_authorization_details",
    /// Client authentication failed (RFC 6749 §5.2).
    InvalidClient = "invalid_client",
    /// The proof of possession is wrong (RFC 9449 §5).
    InvalidDpopProof = "invalid_dpop_proof",
    /// The code or refresh token is invalid, expired, revoked or another client's (RFC 6749 §5.2).
    InvalidGrant = "invalid_grant",
    /// The request is malformed (RFC 6749 §5.2).
    InvalidRequest = "invalid_request",
    /// The request object is invalid (RFC 9101 §7).
    InvalidRequestObject = "invalid_request_object",
    /// The `request_uri` is invalid (RFC 9101 §7).
    InvalidRequestUri = "invalid_request_uri",
    /// The scope is invalid or more than may be asked for (RFC 6749 §5.2).
    InvalidScope = "invalid_scope",
    /// The resource is unknown or not allowed (RFC 8707 §2).
    InvalidTarget = "invalid_target",
    /// The access token is expired, revoked or malformed (RFC 6750 §3.1).
    InvalidToken = "invalid_token",
    /// The user must sign in (OpenID Connect Core §3.1.2.6).
    LoginRequired = "login_required",
    /// The server is broken (RFC 6749 §4.1.2.1).
    ServerError = "server_error",
    /// Ask less often (RFC 8628 §3.5).
    SlowDown = "slow_down",
    /// The server is busy (RFC 6749 §4.1.2.1).
    TemporarilyUnavailable = "temporarily_unavailable",
    /// This client may not use this grant (RFC 6749 §5.2).
    UnauthorizedClient = "unauthorized_client",
    /// The user could not be authenticated as it was asked for (OpenID Connect Core Error Code
    /// `unmet_authentication_requirements` 1.0).
    UnmetAuthenticationRequirements = "unmet_authentication_requirements",
    /// The server does not know this grant (RFC 6749 §5.2).
    UnsupportedGrantType = "unsupported_grant_type",
    /// The server does not know this response type (RFC 6749 §4.1.2.1).
    UnsupportedResponseType = "unsupported_response_type",
    /// The server cannot revoke this kind of token (RFC 7009 §2.2.1).
    UnsupportedTokenType = "unsupported_token_type",
    /// The server wants a nonce in the proof (RFC 9449 §8).
    UseDpopNonce = "use_dpop_nonce",
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Shown(self.as_str()))
    }
}

/// An OAuth error as the server sent it: code, description, URI.
///
/// The texts come from outside: they are capped at 1 KiB, and `Display` escapes control characters and
/// whatever is not ASCII. Never open the URI.
#[derive(Clone, PartialEq, Eq)]
pub struct ErrorResponse {
    code: ErrorCode,
    description: Option<Box<str>>,
    uri: Option<Box<str>>,
}

impl ErrorResponse {
    /// An error response with this code.
    #[must_use]
    pub fn new(code: ErrorCode) -> Self {
        Self { code, description: None, uri: None }
    }

    /// Adds the description (`error_description`).
    #[must_use]
    pub fn with_description(mut self, text: &str) -> Self {
        self.description = Some(capped(text)).filter(|text| !text.is_empty());
        self
    }

    /// Adds the address of a page about the error (`error_uri`).
    #[must_use]
    pub fn with_uri(mut self, text: &str) -> Self {
        self.uri = Some(capped(text)).filter(|text| !text.is_empty());
        self
    }

    /// The code (`error`).
    #[must_use]
    pub fn code(&self) -> &ErrorCode {
        &self.code
    }

    /// The server's words for developers (`error_description`), as they were sent.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// The address of a page about the error (`error_uri`), as it was sent.
    #[must_use]
    pub fn uri(&self) -> Option<&str> {
        self.uri.as_deref()
    }
}

impl fmt::Display for ErrorResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        match &self.description {
            Some(description) => write!(f, " ({})", Shown(description)),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for ErrorResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorResponse")
            .field("code", &self.code.as_str())
            .field("description", &self.description)
            .field("uri", &self.uri)
            .finish()
    }
}

/// Text from outside, made harmless for a terminal or a log.
struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            ' '..='~' => fmt::Write::write_char(f, character),
            _ => write!(f, "{}", character.escape_unicode()),
        })
    }
}

fn capped(text: &str) -> Box<str> {
    let end = (0..=text.len().min(MAX_TEXT)).rev().find(|&end| text.is_char_boundary(end));
    text.get(..end.unwrap_or(0)).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s_az_17_texts_of_servers_are_capped_and_escaped() {
        let hostile = format!("\u{1b}[31mred\r\n<b>{}", "é".repeat(4000));
        let response =
            ErrorResponse::new(ErrorCode::from("x\u{7}")).with_description(&hostile).with_uri("\0");
        let shown = response.to_string();
        assert!(shown.starts_with("x\\u{7} (\\u{1b}[31mred\\u{d}\\u{a}<b>\\u{e9}"), "{shown}");
        assert!(response.description().is_some_and(|text| text.len() <= MAX_TEXT));
        let debug = format!("{response:?}");
        assert!(shown.is_ascii() && !debug.contains(['\u{1b}', '\0', '\r']), "{debug}");
    }
}
