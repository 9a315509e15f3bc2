//! Edits of JSON objects and of callbacks, on their text, so that even broken text can be made.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::{Member, Param};

/// Edits a JSON object. A body that is none is left alone.
pub(super) fn edit_members(body: &[u8], edits: &[Member]) -> Bytes {
    let Ok(object) = serde_json::from_slice::<Map<String, Value>>(body) else {
        return Bytes::copy_from_slice(body);
    };
    let text = |value: Value| value.to_string().into_bytes();
    let mut members: Vec<(String, Vec<u8>)> =
        object.into_iter().map(|(name, value)| (name, text(value))).collect();
    for edit in edits {
        match *edit {
            Member::Set(name, value) => set(&mut members, name, value.to_vec()),
            Member::Remove(name) => members.retain(|(known, _)| known != name),
            Member::Add(name, value) => members.push((name.to_owned(), value.to_vec())),
        }
    }
    let mut object = Vec::from(*b"{");
    for (index, (name, value)) in members.iter().enumerate() {
        if index > 0 {
            object.push(b',');
        }
        object.extend_from_slice(format!("\"{name}\":").as_bytes());
        object.extend_from_slice(value);
    }
    object.push(b'}');
    object.into()
}

/// Sets the value of the first of this name, or adds it at the end.
fn set<V>(pairs: &mut Vec<(String, V)>, name: &str, value: V) {
    match pairs.iter_mut().find(|(known, _)| known == name) {
        Some(pair) => pair.1 = value,
        None => pairs.push((name.to_owned(), value)),
    }
}

/// A JSON object as a form.
pub(super) fn as_form(body: &[u8]) -> Bytes {
    let object: Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (name, value) in &object {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        form.append_pair(name, &text);
    }
    form.finish().into()
}

/// The query of a callback.
pub(super) fn query_of(callback: &str) -> &str {
    callback.split_once('?').map_or("", |(_, query)| query)
}

/// Edits the parameters of a callback; `earlier` is the query of the login before it.
pub(super) fn edit_callback(callback: &str, edits: &[Param], earlier: Option<&str>) -> String {
    let (uri, query) = callback.split_once('?').unwrap_or((callback, ""));
    let mut params = parsed(query);
    let mut joint = '?';
    for edit in edits {
        match *edit {
            Param::Set(name, value) => set(&mut params, name, value.to_owned()),
            Param::Remove(name) => params.retain(|(known, _)| known != name),
            Param::Add(name, value) => params.push((name.to_owned(), value.to_owned())),
            Param::Repeat(name) => {
                let again = params.iter().find(|(known, _)| known == name).cloned();
                params.extend(again);
            }
            Param::IntoFragment => joint = '#',
            Param::OfAnotherLogin => match earlier {
                Some(earlier) => params = parsed(earlier),
                None => {
                    set(&mut params, "code", String::from("code-of-another-login"));
                    set(&mut params, "state", String::from("state-of-another-login"));
                }
            },
        }
    }
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(&params);
    format!("{uri}{joint}{}", query.finish())
}

fn parsed(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_edited_as_text() {
        let body = br#"{"a":1,"b":"x"}"#;
        let edited = |edits: &[Member]| String::from_utf8(edit_members(body, edits).to_vec()).unwrap();
        assert_eq!(edited(&[Member::Set("a", b"\"1\""), Member::Remove("b")]), r#"{"a":"1"}"#);
        assert_eq!(edited(&[Member::Add("\\u0061", b"2")]), r#"{"a":1,"b":"x","\u0061":2}"#);
        assert_eq!(edit_members(b"no object", &[Member::Remove("a")]), "no object");
        assert_eq!(as_form(br#"{"a":1,"b":"x y"}"#), "a=1&b=x+y");
    }

    #[test]
    fn callbacks_are_edited() {
        let edit = |edits: &[Param]| edit_callback("https://c.test/cb?code=c&state=s", edits, None);
        assert_eq!(edit(&[Param::Remove("code"), Param::Set("state", "")]), "https://c.test/cb?state=");
        assert_eq!(edit(&[Param::Repeat("state")]), "https://c.test/cb?code=c&state=s&state=s");
        assert_eq!(edit(&[Param::IntoFragment]), "https://c.test/cb#code=c&state=s");
        assert!(edit(&[Param::OfAnotherLogin]).ends_with("state=state-of-another-login"));
        let replayed = edit_callback("https://c.test/cb?code=c", &[Param::OfAnotherLogin], Some("code=old"));
        assert_eq!(replayed, "https://c.test/cb?code=old");
    }
}
