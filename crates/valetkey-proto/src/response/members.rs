//! JSON objects, read in one pass: no member twice, `null` is absent, unknown members are passed over.

use std::{borrow::Cow, cell::Cell, fmt};

use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};

use super::value::Text;
use crate::error::{Error, ErrorKind, Reason, Result};

/// Declares a struct of optional members and how it is read. `'de` is the lifetime of the text.
///
/// A member is named as its field, or as a text behind it: `purpose = "use": Text<'de>`. In a `strict struct`, `null`
/// is a value of the wrong type.
macro_rules! members {
    ($(#[$doc:meta])* struct $($rest:tt)*) => {
        $crate::response::members::members! { @declare lenient $(#[$doc])* $($rest)* }
    };
    ($(#[$doc:meta])* strict struct $($rest:tt)*) => {
        $crate::response::members::members! { @declare strict $(#[$doc])* $($rest)* }
    };
    (@value lenient $map:ident) => { $map.next_value()? };
    (@value strict $map:ident) => { Some($map.next_value()?) };
    (@name $member:ident) => { stringify!($member) };
    (@name $member:ident $text:literal) => { $text };
    (@declare $mode:ident $(#[$doc:meta])* $name:ident { $($member:ident $(= $text:literal)?: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Default)]
        struct $name<'de> {
            $($member: Option<$type>,)*
        }

        impl<'de> $crate::response::members::Members<'de> for $name<'de> {
            fn member<A: serde::de::MapAccess<'de>>(
                &mut self,
                name: &str,
                reading: &$crate::response::members::Reading,
                map: &mut A,
            ) -> std::result::Result<bool, A::Error> {
                let mut bit = 1_u64;
                $(
                    if name == $crate::response::members::members!(@name $member $($text)?) {
                        reading.once(bit, $crate::response::members::members!(@name $member $($text)?))?;
                        self.$member = $crate::response::members::members!(@value $mode map);
                        return Ok(true);
                    }
                    bit <<= 1;
                )*
                let _ = bit;
                Ok(false)
            }
        }
    };
}
pub(crate) use members;

/// A struct that [`members!`] declares.
pub(crate) trait Members<'de>: Default {
    /// Reads the value of a member of this name; `false` if it is none of ours and the value is unread.
    fn member<A: MapAccess<'de>>(
        &mut self,
        name: &str,
        reading: &Reading,
        map: &mut A,
    ) -> std::result::Result<bool, A::Error>;
}

/// Reads an object.
///
/// # Errors
///
/// `Protocol`: [`Reason::DuplicateParameter`] if a member occurs twice, known or not; [`Reason::Malformed`]
/// if the text is no JSON object or a member is of the wrong type. The error names the member if it is one
/// of ours, and never keeps serde's error, whose text quotes values.
pub(crate) fn read<'de, M: Members<'de>>(text: &'de str) -> Result<M> {
    let mut members = M::default();
    read_into(&mut members, text)?;
    Ok(members)
}

/// Reads an object into its place, so that it is not moved through all of serde's layers; says whether it has
/// other members than ours.
///
/// # Errors
///
/// As [`read`].
pub(crate) fn read_into<'de, M: Members<'de>>(members: &mut M, text: &'de str) -> Result<bool> {
    let reading = Reading::default();
    let mut json = serde_json::Deserializer::from_str(text);
    let object = Object { reading: &reading, members };
    object.deserialize(&mut json).and_then(|has_others| json.end().map(|()| has_others)).map_err(|_| {
        let error = Error::new(ErrorKind::Protocol, reading.flaw.get());
        match reading.at.get() {
            "" => error,
            name => error.with_detail(name),
        }
    })
}

/// Where the reader is, what it has seen, and what is wrong if it stops.
pub(crate) struct Reading {
    seen: Cell<u64>,
    at: Cell<&'static str>,
    flaw: Cell<Reason>,
}

impl Default for Reading {
    fn default() -> Self {
        Self { seen: Cell::new(0), at: Cell::new(""), flaw: Cell::new(Reason::Malformed) }
    }
}

impl Reading {
    /// Notes that the value of this member comes now, for the first time.
    pub(crate) fn once<E: serde::de::Error>(
        &self,
        bit: u64,
        name: &'static str,
    ) -> std::result::Result<(), E> {
        self.at.set(name);
        if self.seen.get() & bit != 0 {
            self.flaw.set(Reason::DuplicateParameter);
            return Err(E::custom(""));
        }
        self.seen.set(self.seen.get() | bit);
        Ok(())
    }
}

/// Fills in the members of an object, and says whether there are others.
struct Object<'r, M> {
    reading: &'r Reading,
    members: &'r mut M,
}

impl<'de, M: Members<'de>> DeserializeSeed<'de> for Object<'_, M> {
    type Value = bool;

    fn deserialize<D: serde::Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> std::result::Result<bool, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, M: Members<'de>> Visitor<'de> for Object<'_, M> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<bool, A::Error> {
        let mut others: Vec<Cow<'de, str>> = Vec::new();
        while let Some(Text(name)) = map.next_key()? {
            if !self.members.member(&name, self.reading, &mut map)? {
                others.push(name);
                map.next_value::<IgnoredAny>()?;
            }
            self.reading.at.set("");
        }
        others.sort_unstable();
        if others.iter().zip(others.iter().skip(1)).any(|(one, next)| one == next) {
            self.reading.flaw.set(Reason::DuplicateParameter);
            return Err(A::Error::custom(""));
        }
        Ok(!others.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    members! {
        struct Two {
            one: Text<'de>,
            two: bool,
        }
    }

    fn flaw(text: &str) -> (Reason, String) {
        let error = read::<Two<'_>>(text).map(|_| ()).unwrap_err();
        (error.reason(), error.to_string())
    }

    #[test]
    fn s_net_06_no_member_occurs_twice() {
        for text in [
            r#"{"one":"a","one":"a"}"#,
            r#"{"one":null,"one":"a"}"#,
            r#"{"one":"a","\u006fne":"a"}"#,
            r#"{"other":1,"x":[],"other":1}"#,
        ] {
            assert_eq!(flaw(text).0, Reason::DuplicateParameter, "{text}");
        }
        assert!(read::<Two<'_>>(r#"{"one":"a","One":"b","ONE":1}"#).is_ok(), "names have a case");
    }

    #[test]
    fn s_net_05_only_whole_objects_of_the_right_types() {
        for text in [
            "",
            "null",
            "[]",
            "\"x\"",
            "{",
            "{}x",
            "{} {}",
            "{\"one\":1}",
            "{\"two\":\"true\"}",
            "\u{feff}{}",
            "{\"one\":\"\\ud800\"}",
            "{'one':'a'}",
            "{\"one\":\"a\",}",
        ] {
            assert_eq!(flaw(text).0, Reason::Malformed, "{text}");
        }
        let (_, shown) = flaw(r#"{"two":"canary"}"#);
        assert!(shown.contains("two") && !shown.contains("canary"), "{shown}");
        assert_eq!(flaw(&format!("{{\"x\":{}", "[".repeat(200_000))).0, Reason::Malformed);
    }

    #[test]
    fn s_net_07_null_is_absent_and_others_are_counted() {
        let mut members = Two::default();
        let others = read_into(&mut members, r#"{"one":null,"two":true}"#).unwrap();
        assert!(members.one.is_none() && members.two == Some(true) && !others);
        let many = (0..10_000).map(|index| format!("\"k{index}\":{index},")).collect::<String>();
        let many = format!("{{{many}\"one\":\"\\u00e9\"}}");
        assert!(read_into(&mut Two::default(), &many).unwrap());
    }
}
