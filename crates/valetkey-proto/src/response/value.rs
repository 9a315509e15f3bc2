//! The values of JSON members, as leniently as providers need it.

use std::{borrow::Cow, fmt, ops::Deref};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// A string, borrowed from the text wherever it has no escapes.
pub(crate) struct Text<'de>(pub(crate) Cow<'de, str>);

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Read)
    }
}

/// A list of strings, nothing else.
pub(crate) struct Texts(pub(crate) Vec<Box<str>>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self)
    }
}

/// The longest lifetime that is kept, in seconds: ten years of 365 days.
pub(crate) const LONGEST: u64 = 10 * 365 * 24 * 3600;

/// A lifetime in seconds, however it is written. It never wraps: more than ten years are ten years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seconds {
    /// A number.
    Whole(u64),
    /// A number with a fraction, which is left out.
    Fraction(u64),
    /// A number in a string.
    Text(u64),
    /// Less than nothing.
    Negative,
    /// Neither a number nor a string of one.
    Unusable,
}

impl Seconds {
    /// Reads a number in a string.
    pub(crate) fn of(text: &str) -> Self {
        match (text.parse::<u64>(), text.parse::<f64>()) {
            (Ok(seconds), _) => Self::Text(seconds.min(LONGEST)),
            (Err(_), Ok(number)) => match Self::number(number) {
                Self::Whole(seconds) | Self::Fraction(seconds) => Self::Text(seconds),
                unusable @ (Self::Text(_) | Self::Negative | Self::Unusable) => unusable,
            },
            (Err(_), Err(_)) => Self::Unusable,
        }
    }

    fn number(number: f64) -> Self {
        if number.is_nan() {
            return Self::Unusable;
        }
        if number < 0.0 {
            return Self::Negative;
        }
        // A cast of a float saturates.
        let seconds = (number as u64).min(LONGEST);
        if number.fract() == 0.0 || number.is_infinite() {
            Self::Whole(seconds)
        } else {
            Self::Fraction(seconds)
        }
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Seconds;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a lifetime")
            }

            fn visit_u64<E>(self, number: u64) -> Result<Seconds, E> {
                Ok(Seconds::Whole(number.min(LONGEST)))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Seconds, E> {
                Ok(u64::try_from(number)
                    .map_or(Seconds::Negative, |number| Seconds::Whole(number.min(LONGEST))))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Seconds, E> {
                Ok(Seconds::number(number))
            }

            fn visit_str<E>(self, text: &str) -> Result<Seconds, E> {
                Ok(Seconds::of(text))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Seconds, E> {
                Ok(Seconds::Unusable)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Seconds, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Seconds::Unusable)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Seconds, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Seconds::Unusable)
            }
        }
        deserializer.deserialize_any(Read)
    }
}

/// A scope: a string, or a list of them.
pub(crate) enum ScopeText<'de> {
    Text(Cow<'de, str>),
    List(String),
}

impl<'de> Deserialize<'de> for ScopeText<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = ScopeText<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a scope")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<ScopeText<'de>, E> {
                Ok(ScopeText::Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<ScopeText<'de>, E> {
                Ok(ScopeText::Text(Cow::Owned(text.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<ScopeText<'de>, A::Error> {
                let mut joined = String::new();
                while let Some(Text(text)) = seq.next_element()? {
                    if !joined.is_empty() {
                        joined.push(' ');
                    }
                    joined.push_str(&text);
                }
                Ok(ScopeText::List(joined))
            }
        }
        deserializer.deserialize_any(Read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s_tk_11_lifetimes_never_wrap() {
        for (text, expected) in [
            ("3600", Seconds::Whole(3600)),
            ("0", Seconds::Whole(0)),
            ("3600.0", Seconds::Whole(3600)),
            ("3600.5", Seconds::Fraction(3600)),
            ("\"3600\"", Seconds::Text(3600)),
            ("\"3600.9\"", Seconds::Text(3600)),
            ("-1", Seconds::Negative),
            ("\"-1\"", Seconds::Negative),
            ("1e300", Seconds::Whole(LONGEST)),
            ("9223372036854775808", Seconds::Whole(LONGEST)),
            ("18446744073709551616", Seconds::Whole(LONGEST)),
            ("\"99999999999999999999\"", Seconds::Text(LONGEST)),
            ("\"NaN\"", Seconds::Unusable),
            ("\"inf\"", Seconds::Text(LONGEST)),
            ("\"soon\"", Seconds::Unusable),
            ("true", Seconds::Unusable),
            ("[3600]", Seconds::Unusable),
            ("{\"s\":1}", Seconds::Unusable),
        ] {
            assert_eq!(serde_json::from_str::<Seconds>(text).expect(text), expected, "{text}");
        }
    }
}
