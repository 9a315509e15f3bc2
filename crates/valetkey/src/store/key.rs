//! What something is kept as.

use std::{fmt, sync::Arc};

use valetkey_proto::{
    Error, ErrorKind, Reason, Result,
    oauth2::{client::ClientId, server::Issuer},
};

/// The name that something is kept under: a path of parts, each encoded so that it has letters, digits and `-._~%` alone.
///
/// Of a grant these are the issuer, the client, whose it is, and the APIs that it is for, so that none of them gets
/// another's tokens.
///
/// ```
/// use valetkey::{oauth2::{client::ClientId, server::Issuer}, store::StoreKey};
///
/// let (issuer, client) = (Issuer::parse("https://as.example")?, ClientId::parse("app")?);
/// let key = StoreKey::grant(&issuer, &client, "alice@example").with_resource("https://api.example/");
/// assert_eq!(key.as_str(), "grant/https%3A%2F%2Fas.example/app/alice%40example/https%3A%2F%2Fapi.example%2F");
/// assert_eq!(key.account().as_deref(), Some("alice@example"));
/// # Ok::<(), valetkey::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StoreKey(Arc<str>);

/// The longest name, in bytes.
const LONGEST: usize = 8 << 10;

impl StoreKey {
    /// The grant of this account; a label of the program's, or the subject that the server named.
    #[must_use]
    pub fn grant(issuer: &Issuer, client: &ClientId, account: &str) -> Self {
        Self::of(&["grant", issuer.as_str(), client.as_str(), account])
    }

    /// The same grant for this API alone, beside those said before.
    #[must_use]
    pub fn with_resource(&self, resource: &str) -> Self {
        let mut parts: Vec<String> = self.parts().collect();
        parts.push(resource.to_owned());
        // In whatever order they were said.
        if let Some(resources) = parts.get_mut(4..) {
            resources.sort_unstable();
        }
        Self::of(&parts.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// What begins the names of all grants of this client.
    #[must_use]
    pub fn prefix(issuer: &Issuer, client: &ClientId) -> String {
        format!("{}/", Self::of(&["grant", issuer.as_str(), client.as_str()]).0)
    }

    /// A name of the program's own, of these parts.
    #[must_use]
    pub fn of(parts: &[&str]) -> Self {
        let mut text = String::new();
        for (at, part) in parts.iter().enumerate() {
            if at > 0 {
                text.push('/');
            }
            encode(&mut text, part);
        }
        Self(text.into())
    }

    /// Reads what [`as_str`](Self::as_str) gave.
    ///
    /// # Errors
    ///
    /// `Store`: [`Reason::Malformed`] if that is something else.
    pub fn parse(text: &str) -> Result<Self> {
        let key = Self(text.into());
        let parts: Vec<String> = key.parts().collect();
        let written = Self::of(&parts.iter().map(String::as_str).collect::<Vec<_>>());
        if text.len() > LONGEST || written != key {
            return Err(Error::new(ErrorKind::Store, Reason::Malformed).with_detail("name of a record"));
        }
        Ok(key)
    }

    /// The whole name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whose grant it is; `None` if it is no grant's name.
    #[must_use]
    pub fn account(&self) -> Option<String> {
        self.parts().next().filter(|kind| kind == "grant")?;
        self.parts().nth(3)
    }

    /// The APIs that it is for.
    pub fn resources(&self) -> impl Iterator<Item = String> {
        self.parts().skip(4)
    }

    fn parts(&self) -> impl Iterator<Item = String> {
        self.0.split('/').map(decode)
    }
}

fn encode(out: &mut String, part: &str) {
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'_' | b'~')
            || (byte == b'.' && part != "." && part != "..")
        {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// What is no encoding stays as it is, and is then not what was written.
fn decode(part: &str) -> String {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let [first, after @ ..] = rest {
        let digits = match (first, after) {
            (b'%', [high, low, ..]) => std::str::from_utf8(&[*high, *low])
                .ok()
                .and_then(|digits| u8::from_str_radix(digits, 16).ok()),
            _ => None,
        };
        match digits {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StoreKey").field(&self.0).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_and_nothing_else_is() {
        let (issuer, client) =
            (Issuer::parse("https://as.example").unwrap(), ClientId::parse("a/b é").unwrap());
        for account in ["", "alice", "..", "../../etc", "a%2Fb", "é\u{0}", &"x".repeat(1000)] {
            let key = StoreKey::grant(&issuer, &client, account).with_resource("b").with_resource("a");
            assert_eq!(StoreKey::parse(key.as_str()).unwrap(), key);
            assert_eq!(key.account().as_deref(), Some(account));
            assert_eq!(key.resources().collect::<Vec<_>>(), ["a", "b"]);
            assert!(key.as_str().starts_with(&StoreKey::prefix(&issuer, &client)));
            assert!(key.as_str().split('/').all(|part| part != ".." && part != "."), "{key:?}");
        }
        for text in ["a b", "a%2fb", "%", "a%zz", "..", &"x".repeat(9000)] {
            assert!(StoreKey::parse(text).is_err(), "{text}");
        }
    }
}
