//! JSON of any shape in which no object has a name twice, which `serde_json::Value` alone would pass over.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

/// Such a value.
pub(crate) struct Unique(pub(crate) Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Unique;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E>(self) -> Result<Unique, E> {
                Ok(Unique(Value::Null))
            }

            fn visit_bool<E>(self, flag: bool) -> Result<Unique, E> {
                Ok(Unique(flag.into()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Unique, E> {
                Ok(Unique(number.into()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Unique, E> {
                Ok(Unique(number.into()))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Unique, E> {
                Ok(Unique(number.into()))
            }

            fn visit_str<E>(self, text: &str) -> Result<Unique, E> {
                Ok(Unique(text.into()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Unique, A::Error> {
                let mut values = Vec::new();
                while let Some(Unique(value)) = list.next_element()? {
                    values.push(value);
                }
                Ok(Unique(Value::Array(values)))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unique, A::Error> {
                let mut members = Map::new();
                while let Some(name) = map.next_key::<String>()? {
                    let Unique(value) = map.next_value()?;
                    if members.insert(name, value).is_some() {
                        return Err(A::Error::custom("a name is said twice"));
                    }
                }
                Ok(Unique(Value::Object(members)))
            }
        }
        deserializer.deserialize_any(Read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s_net_06_no_object_has_a_name_twice_however_deep() {
        let text = r#"{"a":[1,-2,2.5,null,true,"x",{"b":{}}],"c":{"b":"\u00e9"}}"#;
        let Unique(value) = serde_json::from_str(text).expect("each name once");
        assert_eq!(value, serde_json::from_str::<Value>(text).expect("JSON"));
        for text in [r#"{"a":1,"a":1}"#, r#"[{"a":{"b":1,"\u0062":null}}]"#] {
            assert!(serde_json::from_str::<Unique>(text).is_err(), "{text}");
        }
    }
}
