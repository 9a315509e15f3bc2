//! What a provider gives beside tokens, and a program needs to use them.

use std::{collections::BTreeMap, fmt};

use serde_json::Value;

/// What a provider gave beside the tokens, by the names of its profile: the host of a user's API, an account's number.
///
/// ```
/// # use valetkey_proto::oauth2::token::Kept;
/// # let kept = Kept::default();
/// let host = kept.value("instance_url").unwrap_or("https://api.example");
/// # let _ = host;
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Kept(BTreeMap<Box<str>, Box<str>>);

impl Kept {
    /// The value of this name; one that is no text is written as JSON.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| &**value)
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// As it stands in records.
    pub(super) fn to_value(&self) -> Value {
        Value::Object(self.iter().map(|(name, value)| (name.to_owned(), value.into())).collect())
    }

    pub(super) fn of_value(value: &Value) -> Option<Self> {
        let text = |(name, value): (&String, &Value)| Some((name.as_str().into(), value.as_str()?.into()));
        value.as_object()?.iter().map(text).collect::<Option<_>>().map(Self)
    }

    pub(crate) fn keep(&mut self, name: &str, value: &str) {
        self.0.insert(name.into(), value.into());
    }

    /// Adds what is in another one, which is newer.
    pub(crate) fn extend(&mut self, newer: &Self) {
        self.0.extend(newer.0.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
}

impl fmt::Debug for Kept {
    /// Shows the names alone: a profile may keep what is secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
