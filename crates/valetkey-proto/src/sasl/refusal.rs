//! Why a server refuses a token (RFC 7628 §3.2.2).

use std::{borrow::Cow, fmt};

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde::{Deserialize, Deserializer, de::Visitor};

use crate::{
    error::{Error, ErrorCode, ErrorKind, ErrorResponse, Reason, Result},
    oauth2::Scope,
    response::{
        members::{members, read},
        value::{ScopeText, Text},
    },
};

/// The longest challenge that is read, in bytes.
const MAX_CHALLENGE: usize = 8 << 10;

/// Why a server refuses a token (RFC 7628 §3.2.2). All of it is the server's own text: nothing here was checked.
///
/// Made into an [`Error`], it is `Denied` for [`Reason::Challenged`], with [`code`](Self::code) in its
/// [`response`](Error::response), or `Server` if the server says that the fault is its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    status: Box<str>,
    code: ErrorCode,
    schemes: Option<Box<str>>,
    scope: Option<Scope>,
    openid_configuration: Option<Box<str>>,
}

members! {
    struct RefusalMembers {
        status: Status<'de>,
        schemes: ScopeText<'de>,
        scope: ScopeText<'de>,
        openid_configuration = "openid-configuration": Text<'de>,
    }
}

impl Refusal {
    pub(super) fn parse(challenge: &str) -> Result<Self> {
        if challenge.len() > MAX_CHALLENGE {
            return Err(Error::new(ErrorKind::Protocol, Reason::TooLarge).with_detail("challenge"));
        }
        let malformed = || Error::new(ErrorKind::Protocol, Reason::Malformed).with_detail("challenge");
        let json = LENIENT.decode(challenge.trim()).map_err(|_| malformed())?;
        let json = std::str::from_utf8(&json).map_err(|_| malformed())?;
        let members: RefusalMembers<'_> = read(json)?;
        let Some(Status(status)) = members.status.filter(|Status(status)| !status.is_empty()) else {
            return Err(Error::new(ErrorKind::Protocol, Reason::MissingParameter).with_detail("status"));
        };
        Ok(Self {
            code: code(&status),
            status: status.into(),
            schemes: members.schemes.map(|schemes| joined(schemes).into()),
            scope: members
                .scope
                .map(|scope| Scope::tolerant(&joined(scope)))
                .filter(|scope| scope.iter().next().is_some()),
            openid_configuration: members.openid_configuration.map(|Text(url)| url.into()),
        })
    }

    /// The code: [`InvalidToken`](ErrorCode::InvalidToken) if another token may do, such as a newer one,
    /// [`InsufficientScope`](ErrorCode::InsufficientScope) if it must have another [`scope`](Self::scope). `XOAUTH2` has a
    /// status of HTTP instead, which is made into one: 400 and 401, between which servers do not tell, are
    /// `InvalidToken`, 403 is `InsufficientScope`.
    #[must_use]
    pub fn code(&self) -> &ErrorCode {
        &self.code
    }

    /// The status as it was sent: a code, or a number in three digits.
    #[must_use]
    pub fn status(&self) -> &str {
        &self.status
    }

    /// The schemes that the server takes, such as `bearer` (`XOAUTH2` alone has them).
    pub fn schemes(&self) -> impl Iterator<Item = &str> {
        self.schemes.iter().flat_map(|schemes| schemes.split_ascii_whitespace())
    }

    /// The scope that a token must have.
    #[must_use]
    pub fn scope(&self) -> Option<&Scope> {
        self.scope.as_ref()
    }

    /// The address of the metadata of a server that gives such tokens.
    ///
    /// # Security
    ///
    /// Whoever answers at that port names any server here. Do not send a user, or a secret, to one that the program
    /// does not know already: compare its issuer with the one that is configured.
    #[must_use]
    pub fn openid_configuration(&self) -> Option<&str> {
        self.openid_configuration.as_deref()
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let is_its_own = matches!(refusal.code, ErrorCode::ServerError | ErrorCode::TemporarilyUnavailable);
        let (kind, reason) = if is_its_own {
            (ErrorKind::Server, Reason::ServerFailed)
        } else {
            (ErrorKind::Denied, Reason::Challenged)
        };
        Self::new(kind, reason).with_response(ErrorResponse::new(refusal.code))
    }
}

/// Some servers leave the padding out.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a status of HTTP is among codes; a code is itself.
fn code(status: &str) -> ErrorCode {
    match status {
        "400" | "401" => ErrorCode::InvalidToken,
        "403" => ErrorCode::InsufficientScope,
        "429" | "503" => ErrorCode::TemporarilyUnavailable,
        _ if status.len() == 3 && status.starts_with('5') => ErrorCode::ServerError,
        _ => ErrorCode::from(status),
    }
}

fn joined(text: ScopeText<'_>) -> String {
    match text {
        ScopeText::Text(text) => text.into_owned(),
        ScopeText::List(joined) => joined,
    }
}

/// A text, or a number that is written as one.
struct Status<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Status<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Status<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a status")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Status<'de>, E> {
                Ok(Status(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Status<'de>, E> {
                Ok(Status(Cow::Owned(text.to_owned())))
            }

            fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Status<'de>, E> {
                if number > 999 {
                    return Err(E::custom(""));
                }
                Ok(Status(Cow::Owned(number.to_string())))
            }
        }
        deserializer.deserialize_any(Read)
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;
    use crate::sasl::Mechanism;

    fn challenge(json: &str) -> String {
        STANDARD.encode(json)
    }

    fn refused(json: &str) -> Result<Refusal> {
        Mechanism::OauthBearer.refusal(&challenge(json))
    }

    #[test]
    fn sasl_refusals_say_what_would_help() {
        // RFC 7628 §4.3; Google's documentation; the same as a number, and as codes.
        for (json, status, code, scope) in [
            (
                r#"{"status":"invalid_token","scope":"example_scope","openid-configuration":"https://example.com/.well-known/openid-configuration"}"#,
                "invalid_token",
                ErrorCode::InvalidToken,
                Some("example_scope"),
            ),
            (
                "{\"status\":\"401\",\"schemes\":\"bearer mac\",\"scope\":\"https://mail.google.com/\"}\n",
                "401",
                ErrorCode::InvalidToken,
                Some("https://mail.google.com/"),
            ),
            (r#"{"status":400,"schemes":"Bearer","scope":null}"#, "400", ErrorCode::InvalidToken, None),
            (r#"{"status":"403","scope":["a","b"]}"#, "403", ErrorCode::InsufficientScope, Some("b a")),
            (
                r#"{"status":"insufficient_scope","scope":""}"#,
                "insufficient_scope",
                ErrorCode::InsufficientScope,
                None,
            ),
        ] {
            let refusal = refused(json).expect(json);
            assert_eq!((refusal.status(), refusal.code()), (status, &code), "{json}");
            assert_eq!(refusal.scope(), scope.map(Scope::tolerant).as_ref(), "{json}");
            let error = Error::from(refusal);
            assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::Challenged));
            assert_eq!(error.response().map(|refused| refused.code().clone()), Some(code));
        }
        let google = refused(r#"{"status":"401","schemes":"bearer mac"}"#).expect("a refusal");
        assert_eq!(google.schemes().collect::<Vec<_>>(), ["bearer", "mac"]);
        let url = "https://as.example/.well-known/openid-configuration";
        let named = refused(&format!(r#"{{"status":"invalid_token","openid-configuration":"{url}"}}"#));
        assert_eq!(named.expect("a refusal").openid_configuration(), Some(url));
        for status in ["503", "500", "temporarily_unavailable"] {
            let error = Error::from(refused(&format!(r#"{{"status":"{status}"}}"#)).expect("a refusal"));
            assert_eq!((error.kind(), error.reason()), (ErrorKind::Server, Reason::ServerFailed), "{status}");
        }
        // As it came, with or without padding.
        for text in ["eyJzdGF0dXMiOiI0MDEifQ==", "eyJzdGF0dXMiOiI0MDEifQ", " eyJzdGF0dXMiOiI0MDEifQ==\r\n"] {
            assert_eq!(Mechanism::XOauth2.refusal(text).expect(text).status(), "401");
        }
        let answers =
            [Mechanism::OauthBearer, Mechanism::XOauth2].map(|mechanism| mechanism.answer_to_refusal());
        assert_eq!(answers.map(|answer| STANDARD.decode(answer).expect("base64")), [vec![1], vec![]]);
    }

    #[test]
    fn sasl_challenges_that_are_none_are_refused_within_bounds() {
        let long = "x".repeat(7000);
        for (text, reason) in [
            (String::new(), Reason::Malformed),
            ("!!!".to_owned(), Reason::Malformed),
            ("eyJzdGF0dXMiOiI0MDEifQ===".to_owned(), Reason::Malformed),
            ("AQ==".to_owned(), Reason::Malformed),
            (STANDARD.encode([0xff, 0xfe]), Reason::Malformed),
            (challenge("401 Unauthorized"), Reason::Malformed),
            (challenge("[]"), Reason::Malformed),
            (challenge("{\"status\":\"401\"} {}"), Reason::Malformed),
            (challenge(r#"{"status":["401"]}"#), Reason::Malformed),
            (challenge(r#"{"status":18446744073709551615}"#), Reason::Malformed),
            (challenge(r#"{"status":-1}"#), Reason::Malformed),
            (challenge(&"[".repeat(6000)), Reason::Malformed),
            (challenge("{}"), Reason::MissingParameter),
            (challenge(r#"{"status":null}"#), Reason::MissingParameter),
            (challenge(r#"{"status":""}"#), Reason::MissingParameter),
            (challenge(r#"{"status":"401","status":"403"}"#), Reason::DuplicateParameter),
            (challenge(r#"{"status":"401","x":1,"x":1}"#), Reason::DuplicateParameter),
            ("A".repeat(MAX_CHALLENGE + 1), Reason::TooLarge),
            (challenge(&format!(r#"{{"status":"{long}"}}"#)), Reason::TooLarge),
        ] {
            let error = Mechanism::XOauth2.refusal(&text).expect_err("no challenge");
            assert_eq!((error.kind(), error.reason()), (ErrorKind::Protocol, reason), "{text}");
        }
    }

    #[test]
    fn s_az_17_sasl_statuses_are_harmless_when_they_are_shown() {
        let status = format!("x\\u001b[31m\\r\\nOK {}", "y".repeat(2000));
        let refusal = refused(&format!(r#"{{"status":"{status}"}}"#)).expect("a refusal");
        assert!(!format!("{refusal:?}").contains(['\u{1b}', '\r', '\n']));
        let shown = Error::from(refusal).to_string();
        assert!(shown.contains("\\u{1b}[31m") && !shown.contains(['\u{1b}', '\r', '\n']), "{shown}");
        assert!(shown.len() < 1500, "{}", shown.len());
    }
}
