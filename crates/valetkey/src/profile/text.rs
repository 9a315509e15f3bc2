//! Profiles in TOML, and in which line of them a mistake is.

use serde::Deserialize;
use toml::de::{DeTable, DeValue};
use valetkey_proto::{Error, ErrorKind, Reason, Result, oauth2::profile::ProviderProfile};

/// Reads a profile of TOML.
///
/// ```
/// let error = valetkey::profile::from_toml("name = 'shop'\n\n[token]\nauth = 'pots'\n").expect_err("a slip");
/// let said = error.to_string();
/// assert!(said.contains("line 4: `token.auth` must be \"none\" or \"basic\""), "{said}");
/// ```
///
/// # Errors
///
/// `Config`: [`Reason::InvalidValue`], with a text that says in which line what is wrong.
pub fn from_toml(text: &str) -> Result<ProviderProfile> {
    if text.len() > ProviderProfile::MAX_TEXT {
        return Err(invalid("the profile is longer than 64 KiB".to_owned()));
    }
    let table = DeTable::parse(text).map_err(|error| unreadable(text, &error))?;
    ProviderProfile::deserialize(toml::Deserializer::from(table)).map_err(|error| {
        let mistake = error.message();
        let knob = mistake.split('`').nth(1).and_then(|knob| offset(text, knob));
        // The span of the whole says nothing.
        let place = knob.or_else(|| error.span().map(|span| span.start).filter(|start| *start > 0));
        invalid(located(text, place, mistake))
    })
}

/// What is no TOML at all, or names something twice.
fn unreadable(text: &str, error: &toml::de::Error) -> Error {
    let span = error.span();
    let word = span.clone().and_then(|span| text.get(span));
    let is_word = |word: &&str| word.len() <= 40 && word.chars().any(char::is_alphanumeric);
    let word = word.filter(is_word).filter(|word| !word.contains(char::is_control));
    let what = word.map_or_else(|| error.message().to_owned(), |word| format!("{}: {word}", error.message()));
    invalid(located(text, span.map(|span| span.start), &what))
}

/// Where a knob is, or the last of the tables around it that there is.
fn offset(text: &str, knob: &str) -> Option<usize> {
    let table = DeTable::parse(text).ok()?;
    let (mut table, mut rest, mut offset) = (table.get_ref(), knob, None);
    loop {
        // A name may have dots in it itself.
        let found = table.iter().find_map(|(key, value)| {
            let after = rest.strip_prefix(key.get_ref().as_ref())?;
            (after.is_empty() || after.starts_with('.')).then_some((key, value, after))
        });
        let Some((key, value, after)) = found else { return offset };
        offset = Some(key.span().start);
        let (DeValue::Table(inner), Some(after)) = (value.get_ref(), after.strip_prefix('.')) else {
            return offset;
        };
        (table, rest) = (inner, after);
    }
}

fn located(text: &str, offset: Option<usize>, what: &str) -> String {
    let before = offset.and_then(|offset| text.get(..offset));
    before.map_or_else(|| what.to_owned(), |before| format!("line {}: {what}", before.split('\n').count()))
}

fn invalid(what: String) -> Error {
    Error::new(ErrorKind::Config, Reason::InvalidValue).with_detail(what)
}
