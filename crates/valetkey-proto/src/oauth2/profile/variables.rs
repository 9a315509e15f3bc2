//! What stands in a profile for a value that only the program knows: `{shop}`.

use std::convert::Infallible;

use super::invalid;
use crate::{error::Result, form::is_unreserved};

/// Words and what they stand for.
#[derive(Clone, Debug, Default)]
pub(super) struct Variables(Vec<(Box<str>, Box<str>)>);

impl Variables {
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.0.retain(|(known, _)| **known != *name);
        self.0.push((name.into(), value.into()));
    }

    /// A text with the values in the places of the words.
    pub(super) fn fill(&self, text: &str) -> Result<Box<str>> {
        self.fill_with(text, |_| true)
    }

    /// The same for a URL, where a value may be no more than a word or a host.
    pub(super) fn fill_url(&self, text: &str) -> Result<Box<str>> {
        self.fill_with(text, |value| {
            !value.is_empty() && value.bytes().all(is_unreserved) && !value.split('.').all(str::is_empty)
        })
    }

    fn fill_with(&self, text: &str, takes: impl Fn(&str) -> bool) -> Result<Box<str>> {
        let value = |word: &str| {
            let value = self.0.iter().find(|(known, _)| **known == *word).map(|(_, value)| &**value);
            let value =
                value.ok_or_else(|| invalid(format!("the variable {word} of a profile is not set")))?;
            if takes(value) {
                return Ok(value);
            }
            Err(invalid(format!("the variable {word} of a profile has a value that is no part of a URL")))
        };
        replaced(text, value).map(Into::into)
    }
}

/// A text with an `x` in the place of every word, to see whether it is right but for those.
pub(super) fn sample(text: &str) -> String {
    let Ok(sample) = replaced(text, |_| Ok::<_, Infallible>("x"));
    sample
}

/// A text with something else in the places of its words.
fn replaced<'a, E>(text: &str, value: impl Fn(&str) -> Result<&'a str, E>) -> Result<String, E> {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        replaced.push_str(before);
        match after.split_once('}').filter(|(word, _)| is_word(word)) {
            Some((word, after)) => {
                replaced.push_str(value(word)?);
                rest = after;
            }
            None => {
                replaced.push('{');
                rest = after;
            }
        }
    }
    replaced.push_str(rest);
    Ok(replaced)
}

/// Braces around anything else are braces.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}
