//! A profile as it was written, in whatever format, and what is wrong with it.

use serde_json::{Map, Value};

use super::{field, variables::sample};
use crate::endpoint::Endpoint;

/// A table that is being read. Whoever reads a knob takes it out, and what is left is a mistake.
pub(super) struct Table {
    path: String,
    entries: Map<String, Value>,
    /// The knobs that were looked for, which are those that there are.
    known: Vec<&'static str>,
}

/// What is wrong with a profile, and where.
pub(super) type Mistake = String;

impl Table {
    /// The whole of a profile.
    pub(super) fn root(value: Value) -> Result<Self, Mistake> {
        let Value::Object(entries) = value else { return Err("a profile is a table".to_owned()) };
        Ok(Self { path: String::new(), entries, known: Vec::new() })
    }

    fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.entries.remove(name)
    }

    /// The name of a knob with those of the tables that it is in.
    pub(super) fn path(&self, name: &str) -> String {
        format!("{}{name}", self.path)
    }

    fn must_be(&self, name: &str, what: &str) -> Mistake {
        format!("`{}` must be {what}", self.path(name))
    }

    pub(super) fn text(&mut self, name: &'static str) -> Result<Option<Box<str>>, Mistake> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) if is_plain(&text) => Ok(Some(text.into())),
            Some(_) => Err(self.must_be(name, "a text that is not empty and has no control characters")),
        }
    }

    /// A URL of which a part may be a variable.
    pub(super) fn url(&mut self, name: &'static str) -> Result<Option<Box<str>>, Mistake> {
        let url = self.text(name)?;
        url.map(|url| self.checked_url(name, url)).transpose()
    }

    pub(super) fn urls(&mut self, name: &'static str) -> Result<Vec<Box<str>>, Mistake> {
        self.texts(name)?.into_iter().map(|url| self.checked_url(name, url)).collect()
    }

    fn checked_url(&self, name: &str, url: Box<str>) -> Result<Box<str>, Mistake> {
        match Endpoint::parse(&sample(&url)) {
            Ok(_) => Ok(url),
            Err(error) => {
                let what = "an https:// URL, with a host and without user information or a fragment";
                Err(format!("{}: {error}", self.must_be(name, what)))
            }
        }
    }

    /// One of these words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        name: &'static str,
        words: &[(&str, T)],
    ) -> Result<Option<T>, Mistake> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let chosen = words.iter().find(|(word, _)| value == *word);
        chosen.map(|(_, value)| Some(*value)).ok_or_else(|| {
            let words: Vec<_> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            self.must_be(name, &words.join(" or "))
        })
    }

    pub(super) fn flag(&mut self, name: &'static str) -> Result<bool, Mistake> {
        match self.take(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(self.must_be(name, "true or false")),
        }
    }

    pub(super) fn seconds(&mut self, name: &'static str) -> Result<Option<u64>, Mistake> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => match value.as_u64() {
                Some(seconds) if seconds > 0 => Ok(Some(seconds)),
                _ => Err(self.must_be(name, "a whole number of seconds above zero")),
            },
        }
    }

    /// A text, a number or a flag, as a text.
    pub(super) fn scalar(&mut self, name: &'static str) -> Result<Option<Box<str>>, Mistake> {
        let Some(value) = self.take(name) else { return Ok(None) };
        as_text(value).map(Some).ok_or_else(|| self.must_be(name, "a text, a number, true or false"))
    }

    pub(super) fn texts(&mut self, name: &'static str) -> Result<Vec<Box<str>>, Mistake> {
        let Some(value) = self.take(name) else { return Ok(Vec::new()) };
        let what = "a list of texts that are not empty";
        let Value::Array(list) = value else { return Err(self.must_be(name, what)) };
        let text = |value: Value| {
            let text = value.as_str().filter(|text| is_plain(text));
            text.map(Box::from).ok_or_else(|| self.must_be(name, what))
        };
        list.into_iter().map(text).collect()
    }

    /// A table from names to texts; numbers and flags are taken for their texts.
    pub(super) fn pairs(&mut self, name: &'static str) -> Result<Pairs, Mistake> {
        self.table(name)?.rest()
    }

    /// Header fields, whose values may have variables in them.
    pub(super) fn fields(&mut self, name: &'static str) -> Result<Pairs, Mistake> {
        let pairs = self.pairs(name)?;
        let wrong = pairs.iter().find(|(name, value)| field(name, &sample(value)).is_err());
        let Some((wrong, _)) = wrong else { return Ok(pairs) };
        let wrong = format!("{name}.{wrong}");
        Err(self.must_be(&wrong, "a header field, and neither Authorization nor Content-Length"))
    }

    /// All that is left, by names of the author's own.
    fn rest(self) -> Result<Pairs, Mistake> {
        let Self { path, entries, .. } = self;
        let pair = |(name, value): (String, Value)| {
            let wrong = || {
                format!("`{path}{name}` must be a text without control characters, a number, true or false")
            };
            let value = as_text(value).filter(|_| is_plain(&name)).ok_or_else(wrong)?;
            Ok((name.into(), value))
        };
        entries.into_iter().map(pair).collect()
    }

    /// The table of this name, empty if it is not there.
    pub(super) fn table(&mut self, name: &'static str) -> Result<Self, Mistake> {
        let path = format!("{}{name}.", self.path);
        match self.take(name) {
            None => Ok(Self { path, entries: Map::new(), known: Vec::new() }),
            Some(Value::Object(entries)) => Ok(Self { path, entries, known: Vec::new() }),
            Some(_) => Err(self.must_be(name, "a table")),
        }
    }

    /// Nothing is left.
    pub(super) fn end(mut self) -> Result<(), Mistake> {
        let Some(unknown) = self.entries.keys().next() else { return Ok(()) };
        self.known.sort_unstable();
        let (knob, known) = (self.path(unknown), self.known.join(", "));
        Err(format!("there is no knob `{knob}`; beside it there are: {known}"))
    }
}

/// Names and texts, in their order.
pub(super) type Pairs = Vec<(Box<str>, Box<str>)>;

fn as_text(value: Value) -> Option<Box<str>> {
    match value {
        Value::String(text) if !text.chars().any(char::is_control) => Some(text.into()),
        Value::Number(number) => Some(number.to_string().into()),
        Value::Bool(flag) => Some(flag.to_string().into()),
        Value::String(_) | Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Not empty, and without control characters.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(char::is_control)
}
