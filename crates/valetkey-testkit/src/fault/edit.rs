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

/// The parameters of a callback, as they stand in its query or its fragment.
pub(super) fn query_of(callback: &str) -> &str {
    split(callback).2
}

/// A callback's address, what joins its parameters to it, and those.
fn split(callback: &str) -> (&str, char, &str) {
    let joint = if callback.contains('#') { '#' } else { '?' };
    let (uri, params) = callback.split_once(joint).unwrap_or((callback, ""));
    (uri, joint, params)
}

/// Changes the parameters of a callback where they stand.
pub(super) fn edit_location(callback: &str, edit: impl Fn(&mut Vec<(String, String)>)) -> String {
    let (uri, joint, params) = split(callback);
    let mut params = parsed(params);
    edit(&mut params);
    format!("{uri}{joint}{}", written(&params))
}

/// Edits the parameters of a callback that is posted.
pub(super) fn edit_posted(mut params: Vec<(String, String)>, edits: &[Param]) -> Vec<(String, String)> {
    edit_params(&mut params, edits, None);
    params
}

/// Edits the parameters of a callback; `earlier` is the query of the login before it.
pub(super) fn edit_callback(callback: &str, edits: &[Param], earlier: Option<&str>) -> String {
    let edited = edit_location(callback, |params| edit_params(params, edits, earlier));
    if edits.contains(&Param::IntoFragment) { edited.replacen('?', "#", 1) } else { edited }
}

/// Edits a form.
pub(super) fn edit_form(body: &[u8], edits: &[Param]) -> Bytes {
    let mut params = form_urlencoded::parse(body).into_owned().collect();
    edit_params(&mut params, edits, None);
    written(&params).into()
}

/// A form as a JSON object of texts.
pub(super) fn as_json(body: &[u8]) -> Bytes {
    let members = form_urlencoded::parse(body).into_owned();
    let object: Map<String, Value> = members.map(|(name, value)| (name, value.into())).collect();
    Value::from(object).to_string().into()
}

fn edit_params(params: &mut Vec<(String, String)>, edits: &[Param], earlier: Option<&str>) {
    for edit in edits {
        match *edit {
            Param::Set(name, value) => set(params, name, value.to_owned()),
            Param::Remove(name) => params.retain(|(known, _)| known != name),
            Param::Add(name, value) => params.push((name.to_owned(), value.to_owned())),
            Param::Repeat(name) => {
                let again = params.iter().find(|(known, _)| known == name).cloned();
                params.extend(again);
            }
            Param::Rename(from, to) => {
                for (known, _) in params.iter_mut().filter(|(known, _)| known == from) {
                    to.clone_into(known);
                }
            }
            // The parameters themselves stay as they are.
            Param::IntoFragment => {}
            Param::OfAnotherLogin => match earlier {
                Some(earlier) => *params = parsed(earlier),
                None => {
                    let is_oauth1 = params.iter().any(|(name, _)| name == "oauth_token");
                    let names = if is_oauth1 { ["oauth_token", "oauth_verifier"] } else { ["code", "state"] };
                    names.iter().for_each(|name| set(params, name, format!("{name}-of-another-login")));
                }
            },
        }
    }
}

fn written(params: &Vec<(String, String)>) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish()
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
        assert_eq!(as_json(b"a=1&b=x+y"), r#"{"a":"1","b":"x y"}"#);
        assert_eq!(edit_form(b"a=1&b=2", &[Param::Remove("a"), Param::Repeat("b")]), "b=2&b=2");
    }

    #[test]
    fn callbacks_are_edited() {
        let edit = |edits: &[Param]| edit_callback("https://c.test/cb?code=c&state=s", edits, None);
        assert_eq!(edit(&[Param::Remove("code"), Param::Set("state", "")]), "https://c.test/cb?state=");
        assert_eq!(edit(&[Param::Repeat("state")]), "https://c.test/cb?code=c&state=s&state=s");
        assert_eq!(edit(&[Param::IntoFragment]), "https://c.test/cb#code=c&state=s");
        assert!(edit(&[Param::OfAnotherLogin]).ends_with("state=state-of-another-login"));
        assert_eq!(edit(&[Param::Rename("code", "c")]), "https://c.test/cb?c=c&state=s");
        let replayed = edit_callback("https://c.test/cb?code=c", &[Param::OfAnotherLogin], Some("code=old"));
        assert_eq!(replayed, "https://c.test/cb?code=old");
    }
}
