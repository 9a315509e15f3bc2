//! Claims that are to be signed.

use std::{fmt, time::Duration};

use serde_json::value::RawValue;

use crate::{
    error::{Error, ErrorKind, Reason, Result},
    flow::Env,
    random,
    secret::Wiped,
};

/// Claims in the order in which they are written. A name occurs once.
///
/// ```
/// use valetkey_proto::jose::jwt::ClaimSet;
///
/// let mut claims = ClaimSet::new();
/// claims.text("iss", "s6BhdRkqt3")?.number("iat", 1_700_000_000)?.texts("aud", &["https://as.example"])?;
/// assert_eq!(claims.expose(), r#"{"iss":"s6BhdRkqt3","iat":1700000000,"aud":["https://as.example"]}"#);
/// assert!(claims.text("iss", "another").is_err());
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone)]
pub struct ClaimSet {
    /// The object.
    json: Wiped<Vec<u8>>,
    /// Where the names stand in it.
    names: Vec<(usize, usize)>,
}

impl ClaimSet {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        let mut json = Wiped::new(Vec::with_capacity(512));
        json.extend_from_slice(b"{}");
        Self { json, names: Vec::with_capacity(8) }
    }

    /// Adds a text.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::ReservedParameter`] if there is a claim of this name.
    pub fn text(&mut self, name: &str, text: &str) -> Result<&mut Self> {
        self.add(name, |json| serde_json::to_writer(json, text).is_ok())
    }

    /// Adds a list of texts.
    ///
    /// # Errors
    ///
    /// As [`text`](Self::text).
    pub fn texts(&mut self, name: &str, texts: &[&str]) -> Result<&mut Self> {
        self.add(name, |json| serde_json::to_writer(json, texts).is_ok())
    }

    /// Adds a number, such as a time in seconds.
    ///
    /// # Errors
    ///
    /// As [`text`](Self::text).
    pub fn number(&mut self, name: &str, number: i64) -> Result<&mut Self> {
        self.add(name, |json| serde_json::to_writer(json, &number).is_ok())
    }

    /// Adds a value that is written in JSON, as it is.
    ///
    /// # Errors
    ///
    /// As [`text`](Self::text); [`Reason::InvalidValue`] if it is not JSON.
    pub fn json(&mut self, name: &str, value: &str) -> Result<&mut Self> {
        let value: &RawValue = serde_json::from_str(value).map_err(|_| unwritable())?;
        self.add(name, |json| {
            json.extend_from_slice(value.get().as_bytes());
            true
        })
    }

    /// Adds what is written by this function, which says whether it could.
    fn add(&mut self, name: &str, write: impl FnOnce(&mut Vec<u8>) -> bool) -> Result<&mut Self> {
        let names = self.names.iter().filter_map(|&(start, end)| self.json.get(start..end));
        if names.into_iter().any(|known| known == name.as_bytes()) {
            return Err(Error::new(ErrorKind::Usage, Reason::ReservedParameter).with_detail("a claim twice"));
        }
        let is_plain = |byte: u8| matches!(byte, 0x20..=0x7e) && byte != b'"' && byte != b'\\';
        if !name.bytes().all(is_plain) {
            return Err(unwritable());
        }
        self.json.pop();
        let before = self.json.len();
        if before > 1 {
            self.json.push(b',');
        }
        self.json.push(b'"');
        let start = self.json.len();
        self.json.extend_from_slice(name.as_bytes());
        self.names.push((start, self.json.len()));
        self.json.extend_from_slice(b"\":");
        let is_written = write(&mut self.json);
        if !is_written {
            self.json.truncate(before);
            self.names.pop();
        }
        self.json.push(b'}');
        if is_written { Ok(self) } else { Err(unwritable()) }
    }

    /// Adds `jti`, 256 random bits, and `iat`; and `exp` after this lifetime, if there is one.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::RandomFailed`]. As [`text`](Self::text).
    pub fn fresh(&mut self, lifetime: Option<Duration>, env: &Env<'_>) -> Result<&mut Self> {
        let [jti] = random::texts(env.random)?;
        self.text("jti", std::str::from_utf8(&jti).unwrap_or_default())?.number("iat", env.now.as_secs())?;
        match lifetime {
            Some(lifetime) => self.number("exp", (env.now + lifetime).as_secs()),
            None => Ok(self),
        }
    }

    /// The claims, in JSON.
    #[must_use]
    pub fn expose(&self) -> &str {
        // Names are ASCII, and JSON is written as UTF-8.
        std::str::from_utf8(&self.json).unwrap_or_default()
    }

    /// The claims, in JSON.
    pub(in crate::jose) fn as_json(&self) -> &[u8] {
        &self.json
    }
}

impl Default for ClaimSet {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ClaimSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClaimSet").field("count", &self.names.len()).finish_non_exhaustive()
    }
}

fn unwritable() -> Error {
    Error::new(ErrorKind::Usage, Reason::InvalidValue).with_detail("claim")
}
