//! Scopes (RFC 6749 §3.3).

use std::{collections::BTreeSet, fmt, sync::Arc};

use crate::error::{Error, ErrorKind, Reason, Result};

/// A scope: tokens in an order that means nothing, so that two scopes of the same tokens are equal.
///
/// ```
/// use valetkey_proto::oauth2::Scope;
///
/// let scope = Scope::parse("openid email")?;
/// assert!(scope.contains("email"));
/// assert_eq!(scope, Scope::parse("email openid")?);
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone)]
pub struct Scope(Arc<str>);

impl Scope {
    /// Takes the tokens of a scope, blanks between them.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidValue`] if a token has a character that RFC 6749 §3.3 does not allow.
    pub fn parse(text: &str) -> Result<Self> {
        let allowed = |byte| matches!(byte, b' ' | 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        if !text.bytes().all(allowed) {
            return Err(Error::new(ErrorKind::Config, Reason::InvalidValue).with_detail("scope"));
        }
        Ok(Self::tolerant(text))
    }

    /// What a server sent, whatever it is.
    pub(crate) fn tolerant(text: &str) -> Self {
        Self(text.into())
    }

    /// The tokens.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split_ascii_whitespace()
    }

    /// Whether this token is among them.
    #[must_use]
    pub fn contains(&self, token: &str) -> bool {
        self.iter().any(|known| known == token)
    }

    /// The text as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Scope {
    fn eq(&self, other: &Self) -> bool {
        // Sets, because a server may send very many tokens.
        self.0 == other.0 || self.iter().collect::<BTreeSet<_>>() == other.iter().collect::<BTreeSet<_>>()
    }
}

impl Eq for Scope {}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Scope").field(&self.0).finish()
    }
}
