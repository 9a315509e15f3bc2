//! The credentials of OAuth 1.0 (RFC 5849 §1.1): an identifier and a shared secret, of a client or of a token.

use std::{fmt, time::Duration};

use serde_json::{Map, Value};

use super::{Quirk, base_string::invalid};
use crate::{
    error::{Error, ErrorKind, Reason, Result},
    response::{
        members::{members, read},
        value::Text,
    },
    secret::Secret,
    time::Timestamp,
};

/// The longest identifier or secret.
const MAX_TEXT: usize = 8 << 10;

/// Refuses what no identifier or secret has: a line end is one too many, from a file.
pub(super) fn check(text: &str, name: &'static str) -> Result<()> {
    if text.len() > MAX_TEXT || text.chars().any(char::is_control) {
        return Err(invalid(name));
    }
    Ok(())
}

pub(super) fn check_identifier(text: &str, name: &'static str) -> Result<()> {
    if text.is_empty() {
        return Err(invalid(name));
    }
    check(text, name)
}

/// What a server knows the client by (RFC 5849 §1.1).
///
/// ```
/// use valetkey_proto::oauth1::ClientCredentials;
///
/// let client = ClientCredentials::new("dpf43f3p2l4k3l03", "kd94hf93k423kf44")?;
/// assert_eq!(client.identifier(), "dpf43f3p2l4k3l03");
/// assert!(ClientCredentials::new("", "secret").is_err());
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[doc(alias = "consumer key")]
#[doc(alias = "consumer secret")]
#[derive(Clone, PartialEq, Eq)]
pub struct ClientCredentials {
    identifier: Box<str>,
    shared_secret: Secret,
}

impl ClientCredentials {
    /// Takes an identifier and a secret, which is empty for a client that signs by a private key.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::InvalidValue`], naming the one that is too long or has a control character, or the
    /// identifier if it is empty.
    pub fn new(identifier: impl Into<String>, shared_secret: impl Into<Secret>) -> Result<Self> {
        let (identifier, shared_secret) = (identifier.into(), shared_secret.into());
        check_identifier(&identifier, "client identifier")?;
        check(shared_secret.expose(), "client shared secret")?;
        Ok(Self { identifier: identifier.into(), shared_secret })
    }

    /// The identifier (`oauth_consumer_key`).
    #[must_use]
    pub fn identifier(&self) -> &str {
        &self.identifier
    }

    /// The shared secret.
    #[must_use]
    pub fn shared_secret(&self) -> &Secret {
        &self.shared_secret
    }
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCredentials").field("identifier", &self.identifier).finish_non_exhaustive()
    }
}

/// A token and its secret, of either kind: what is signed with beside the client's own.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct TokenPair {
    pub(super) identifier: Secret,
    pub(super) shared_secret: Secret,
}

impl TokenPair {
    pub(super) fn new(identifier: impl Into<Secret>, shared_secret: impl Into<Secret>) -> Result<Self> {
        let (identifier, shared_secret) = (identifier.into(), shared_secret.into());
        check_identifier(identifier.expose(), "token identifier")?;
        check(shared_secret.expose(), "token shared secret")?;
        Ok(Self { identifier, shared_secret })
    }
}

/// Access to what a user granted (RFC 5849 §2.3): what API requests are signed with.
///
/// ```
/// use valetkey_proto::oauth1::TokenCredentials;
///
/// let token = TokenCredentials::new("nnch734d00sl2jdk", "pfkkdhi9sl3r4s00")?;
/// let kept = token.to_text();
/// assert_eq!(TokenCredentials::parse(kept.expose())?, token);
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[doc(alias = "access token")]
#[derive(Clone, PartialEq, Eq)]
pub struct TokenCredentials {
    pub(super) pair: TokenPair,
    pub(super) session_handle: Option<Secret>,
    pub(super) issued_at: Option<Timestamp>,
    pub(super) lifetime: Option<Duration>,
    pub(super) extras: Vec<(Box<str>, Secret)>,
    pub(super) quirks: Vec<Quirk>,
}

members! {
    struct Record {
        v: Text<'de>,
        identifier: Text<'de>,
        shared_secret: Text<'de>,
        session_handle: Text<'de>,
        issued_at: i64,
        lifetime: u64,
        extras: Vec<(String, String)>,
    }
}

impl TokenCredentials {
    /// Takes an identifier and a secret, which may be empty.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::InvalidValue`], naming the one that is too long or has a control character, or the
    /// identifier if it is empty.
    pub fn new(identifier: impl Into<Secret>, shared_secret: impl Into<Secret>) -> Result<Self> {
        Ok(Self::of(TokenPair::new(identifier, shared_secret)?))
    }

    pub(super) fn of(pair: TokenPair) -> Self {
        Self {
            pair,
            session_handle: None,
            issued_at: None,
            lifetime: None,
            extras: Vec::new(),
            quirks: Vec::new(),
        }
    }

    /// Adds what renews them (`oauth_session_handle`, OAuth Session Extension §2).
    #[must_use]
    pub fn with_session_handle(mut self, handle: impl Into<Secret>) -> Self {
        self.session_handle = Some(handle.into());
        self
    }

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

    /// What renews them (`oauth_session_handle`), if the server gave it.
    #[must_use]
    pub fn session_handle(&self) -> Option<&Secret> {
        self.session_handle.as_ref()
    }

    /// When they expire (`oauth_expires_in`, counted from when they were asked for), if the server said.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        Some(self.issued_at? + self.lifetime?)
    }

    /// Another parameter that came along, such as `user_id`.
    #[must_use]
    pub fn extra(&self, name: &str) -> Option<&Secret> {
        self.extras.iter().find(|(known, _)| **known == *name).map(|(_, value)| value)
    }

    /// What had to be forgiven in the answer that they came in.
    #[must_use]
    pub fn quirks(&self) -> &[Quirk] {
        &self.quirks
    }

    /// Writes them as a text, to be kept: a JSON object of version 1.
    ///
    /// # Security
    ///
    /// The text holds the secrets as they are. Keep it where only the program can read it.
    #[must_use]
    pub fn to_text(&self) -> Secret {
        let text = |secret: &Secret| Value::from(secret.expose());
        let extras: Vec<Value> =
            self.extras.iter().map(|(name, value)| vec![Value::from(&**name), text(value)].into()).collect();
        let record: Map<String, Value> = [
            ("v", "1".into()),
            ("identifier", text(&self.pair.identifier)),
            ("shared_secret", text(&self.pair.shared_secret)),
            ("session_handle", self.session_handle.as_ref().map_or(Value::Null, text)),
            ("issued_at", self.issued_at.map(Timestamp::as_millis).into()),
            ("lifetime", self.lifetime.map(|lifetime| lifetime.as_secs()).into()),
            ("extras", extras.into()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        Secret::new(crate::record::write(Value::Object(record)))
    }

    /// Reads a text that [`to_text`](Self::to_text) wrote.
    ///
    /// # Errors
    ///
    /// `Store`: [`Reason::Malformed`] if it is no record of a known version.
    pub fn parse(text: &str) -> Result<Self> {
        let malformed = || Error::new(ErrorKind::Store, Reason::Malformed).with_detail("token credentials");
        let record: Record<'_> = read(text).map_err(|_| malformed())?;
        Self::of_record(record).ok_or_else(malformed)
    }

    fn of_record(record: Record<'_>) -> Option<Self> {
        if *record.v? != *"1" {
            return None;
        }
        let extras = record.extras.unwrap_or_default();
        Some(Self {
            pair: TokenPair::new(&*record.identifier?, &*record.shared_secret?).ok()?,
            session_handle: record.session_handle.map(|handle| Secret::new(&*handle)),
            issued_at: record.issued_at.map(Timestamp::from_millis),
            lifetime: record.lifetime.map(Duration::from_secs),
            extras: extras.into_iter().map(|(name, value)| (name.into(), Secret::new(value))).collect(),
            quirks: Vec::new(),
        })
    }
}

impl fmt::Debug for TokenCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let extras: Vec<_> = self.extras.iter().map(|(name, _)| name).collect();
        f.debug_struct("TokenCredentials")
            .field("session_handle", &self.session_handle)
            .field("expires_at", &self.expires_at())
            .field("extras", &extras)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_credentials_are_read_back() {
        let mut token = TokenCredentials::new("t\"é", "").unwrap().with_session_handle("sh+1");
        token.issued_at = Some(Timestamp::from_secs(1_700_000_000));
        token.lifetime = Some(Duration::from_secs(3600));
        token.extras.push(("user_id".into(), Secret::new("7588892")));
        let read = TokenCredentials::parse(token.to_text().expose()).unwrap();
        assert_eq!(read, token);
        assert_eq!(read.extra("user_id").map(Secret::expose), Some("7588892"));
        assert_eq!(read.expires_at(), Some(Timestamp::from_secs(1_700_003_600)));
        for text in ["", "{}", r#"{"v":"2","identifier":"t","shared_secret":"s"}"#, r#"{"v":"1"}"#] {
            let error = TokenCredentials::parse(text).unwrap_err();
            assert_eq!((error.kind(), error.reason()), (ErrorKind::Store, Reason::Malformed), "{text}");
        }
    }

    #[test]
    fn s_o1_08_nothing_of_credentials_is_shown() {
        let token = TokenCredentials::new("canary", "canary").unwrap().with_session_handle("canary");
        let client = ClientCredentials::new("app", "canary").unwrap();
        assert!(!format!("{token:?} {client:?}").contains("canary"));
    }
}
