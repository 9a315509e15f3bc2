//! Edits of JWK sets.

use bytes::Bytes;
use serde_json::{Value, json};

/// A change to a JWK set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyEdit {
    /// Removes a member of each key.
    Without(&'static str),
    /// Sets a member of each key to this text.
    Set(&'static str, &'static str),
    /// Leaves only the keys for this algorithm.
    Only(&'static str),
    /// Removes all keys for this algorithm.
    Drop(&'static str),
    /// Puts a key before the others, as JSON text.
    First(&'static str),
    /// Puts so many RSA keys of others before the others.
    Decoys(usize),
}

/// The set with these changes, in their order. What is none is left alone.
pub(super) fn edit_keys(body: &[u8], edits: &[KeyEdit]) -> Bytes {
    let set = serde_json::from_slice::<Value>(body).ok();
    let Some(Value::Array(mut keys)) = set.and_then(|mut set| set.get_mut("keys").map(Value::take)) else {
        return Bytes::copy_from_slice(body);
    };
    for edit in edits {
        match *edit {
            KeyEdit::Without(name) => {
                keys.iter_mut().filter_map(Value::as_object_mut).for_each(|key| drop(key.remove(name)));
            }
            KeyEdit::Set(name, text) => keys.iter_mut().for_each(|key| key[name] = text.into()),
            KeyEdit::Only(algorithm) => keys.retain(|key| key["alg"] == algorithm),
            KeyEdit::Drop(algorithm) => keys.retain(|key| key["alg"] != algorithm),
            KeyEdit::First(text) => keys.insert(0, serde_json::from_str(text).unwrap_or_default()),
            KeyEdit::Decoys(count) => {
                let mut decoys: Vec<_> = (0..count).map(decoy).collect();
                decoys.append(&mut keys);
                keys = decoys;
            }
        }
    }
    json!({ "keys": keys }).to_string().into()
}

/// A well-formed key that signs nothing.
fn decoy(number: usize) -> Value {
    let mut key = crate::keys::rs256().public();
    key["kid"] = format!("decoy-{number}").into();
    key["alg"] = "RS256".into();
    key["use"] = "sig".into();
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_edited() {
        let body = br#"{"keys":[{"alg":"RS256","kid":"a"},{"alg":"ES256","kid":"b"}]}"#;
        let edited = |edits: &[KeyEdit]| String::from_utf8(edit_keys(body, edits).to_vec()).unwrap();
        assert_eq!(
            edited(&[KeyEdit::Only("ES256"), KeyEdit::Without("kid")]),
            r#"{"keys":[{"alg":"ES256"}]}"#
        );
        assert_eq!(edited(&[KeyEdit::Drop("RS256"), KeyEdit::Drop("ES256")]), r#"{"keys":[]}"#);
        let first = edited(&[KeyEdit::Drop("RS256"), KeyEdit::Set("use", "enc"), KeyEdit::First("{}")]);
        assert_eq!(first, r#"{"keys":[{},{"alg":"ES256","kid":"b","use":"enc"}]}"#);
        assert_eq!(edited(&[KeyEdit::Decoys(3)]).matches("decoy-").count(), 3);
        assert_eq!(edit_keys(b"no set", &[]), "no set");
    }
}
