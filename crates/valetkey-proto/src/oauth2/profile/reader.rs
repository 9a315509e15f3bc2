//! What a provider answers otherwise: made into what RFC 6749 §5 has, before it is read.

use http::{HeaderValue, header::CONTENT_TYPE};
use serde_json::{Map, Value};
use valetkey_http::{Response, Unframed};

use super::data::{Mistake, Pairs, Table};
use crate::{
    form::Parameters,
    oauth2::token::Kept,
    record,
    response::{unique::Unique, value::LONGEST},
    secret::wiped,
};

/// How the answers of a token endpoint differ from the standard's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reader {
    /// The object that the tokens are in.
    path: Option<Path>,
    rename: Pairs,
    is_camel_case: bool,
    is_jsonp: bool,
    /// A member that has this value if it went well.
    ok: Option<(Path, Box<str>)>,
    error_code: Vec<Path>,
    error_description: Vec<Path>,
    /// What their codes are called in RFC 6749 §5.2.
    error_codes: Pairs,
    token_types: Pairs,
    token_type: Option<Box<str>>,
    is_in_milliseconds: bool,
    zero_is_never: bool,
    lifetime: Option<u64>,
    /// The access token is also what renews it.
    refreshes_by_access_token: bool,
    separator: Option<char>,
    keep: Vec<(Box<str>, Path)>,
}

/// The way to a value: names of members, or places in lists.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Path(Box<str>);

impl Path {
    fn of<'a>(&self, root: &'a Value) -> Option<&'a Value> {
        let step = |value: &'a Value, name: &str| match value {
            Value::Object(members) => members.get(name),
            Value::Array(values) => values.get(name.parse::<usize>().ok()?),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        };
        self.0.split('.').try_fold(root, step)
    }

    /// The value, if it is one that says something.
    fn text(&self, root: &Value) -> Option<String> {
        scalar(self.of(root)?).filter(|text| !matches!(text.as_str(), "" | "0" | "false"))
    }
}

/// A value as a text; none for what has parts.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

impl Reader {
    /// The knobs of answers.
    pub(super) fn read(table: &mut Table, separator: Option<char>) -> Result<Self, Mistake> {
        let path = |text: Option<Box<str>>| text.map(Path);
        let mut error = table.table("error")?;
        let list = |texts: Vec<Box<str>>| texts.into_iter().map(Path).collect();
        let (code, description) = (list(error.texts("code")?), list(error.texts("description")?));
        let error_codes = error.pairs("codes")?;
        error.end()?;
        let mut ok = table.table("ok")?;
        let ok_rule = match (ok.text("member")?, ok.scalar("value")?) {
            (None, None) => None,
            (Some(member), Some(value)) => Some((Path(member), value)),
            _ => return Err(format!("`{}` and `{}` go together", ok.path("member"), ok.path("value"))),
        };
        ok.end()?;
        let keep = table.pairs("keep")?.into_iter().map(|(name, path)| (name, Path(path))).collect();
        Ok(Self {
            path: path(table.text("path")?),
            rename: table.pairs("rename")?,
            is_camel_case: table.choice("case", &[("camel", true), ("snake", false)])?.unwrap_or(false),
            is_jsonp: table.flag("jsonp")?,
            ok: ok_rule,
            error_code: code,
            error_description: description,
            error_codes,
            token_types: table.pairs("token_types")?,
            token_type: table.text("token_type")?,
            is_in_milliseconds: table
                .choice("lifetime_unit", &[("ms", true), ("s", false)])?
                .unwrap_or(false),
            zero_is_never: table
                .choice("lifetime_zero", &[("never", true), ("at once", false)])?
                .unwrap_or(false),
            lifetime: table.seconds("lifetime")?,
            refreshes_by_access_token: table.flag("refreshes_by_access_token")?,
            separator,
            keep,
        })
    }

    /// Whether answers are read as they are.
    pub(super) fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// The answer in the standard's words, and what is kept of it besides. One that is no object stays as it is.
    pub(super) fn normalise(&self, response: &Response) -> Option<(Response, Kept)> {
        let text = std::str::from_utf8(response.body()).ok()?;
        // A form does not tell whether it was cut, and stays for who looks into that.
        let root = self.parse(text, response.extensions().get::<Unframed>().is_none())?;
        let (object, kept) = match self.error(&root) {
            Some(error) => (error, Kept::default()),
            None => (self.tokens(&root)?, self.kept(&root)),
        };
        let mut normal = Response::new(wiped(record::write(Value::Object(object)).into_bytes()));
        *normal.status_mut() = response.status();
        normal.headers_mut().clone_from(response.headers());
        normal.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *normal.extensions_mut() = response.extensions().clone();
        Some((normal, kept))
    }

    /// The object of an answer, be it JSON, a call of JavaScript with JSON, or a form.
    fn parse(&self, text: &str, may_be_form: bool) -> Option<Value> {
        let mut text = text.trim_start_matches('\u{feff}').trim();
        if self.is_jsonp
            && let (Some(begin), Some(end)) = (text.find('('), text.rfind(')'))
        {
            text = text.get(begin + 1..end)?.trim();
        }
        if text.starts_with('{') {
            return serde_json::from_str(text).ok().map(|Unique(root)| root);
        }
        let form = Parameters::parse(text).ok().filter(|form| may_be_form && self.is_answer(form))?;
        let member = |(name, value): (&str, &str)| (name.to_owned(), Value::from(value));
        Some(Value::Object(form.iter().map(member).collect()))
    }

    /// Whether a form says something of tokens: any text is a form of some kind, and so is a page of HTML.
    fn is_answer(&self, form: &Parameters) -> bool {
        let renamed =
            self.rename.iter().filter(|(_, ours)| **ours == *"access_token").map(|(theirs, _)| theirs);
        let errors = self.error_code.iter().map(|Path(path)| path);
        form.contains("access_token")
            || form.contains("error")
            || renamed.chain(errors).any(|name| form.contains(name))
    }

    /// The error that an answer is, whatever its status.
    fn error(&self, root: &Value) -> Option<Map<String, Value>> {
        let first = |paths: &[Path]| paths.iter().find_map(|path| path.text(root));
        let failed = || {
            let (member, value) = self.ok.as_ref()?;
            let said = member.of(root).and_then(scalar)?;
            (said != **value).then_some(said)
        };
        let standard = || Path("error".into()).text(root);
        let code = first(&self.error_code).or_else(standard).or_else(failed)?;
        let known = self.error_codes.iter().find(|(theirs, _)| **theirs == *code);
        let code = known.map_or(code, |(_, ours)| ours.to_string());
        let description =
            first(&self.error_description).or_else(|| Path("error_description".into()).text(root));
        let mut error = Map::new();
        error.insert("error".to_owned(), code.into());
        if let Some(description) = description {
            error.insert("error_description".to_owned(), description.into());
        }
        Some(error)
    }

    /// The members of a token response.
    fn tokens(&self, root: &Value) -> Option<Map<String, Value>> {
        let object = match &self.path {
            // An answer without it is read as it is: the refresh of some providers has another shape than the grant.
            Some(path) => path.of(root).filter(|value| value.is_object()).unwrap_or(root),
            None => root,
        };
        let mut members = object.as_object()?.clone();
        if self.is_camel_case {
            members = members.into_iter().map(|(name, value)| (snake_case(&name), value)).collect();
        }
        for (theirs, ours) in &self.rename {
            if let Some(value) = members.remove(&**theirs) {
                members.entry(&**ours).or_insert(value);
            }
        }
        self.type_token(&mut members);
        self.time_token(&mut members);
        if let (Some(separator), Some(Value::String(scope))) = (self.separator, members.get_mut("scope")) {
            *scope = scope.replace(separator, " ");
        }
        if let (true, false, Some(token)) = (
            self.refreshes_by_access_token,
            members.contains_key("refresh_token"),
            members.get("access_token").cloned(),
        ) {
            members.insert("refresh_token".to_owned(), token);
        }
        Some(members)
    }

    fn type_token(&self, members: &mut Map<String, Value>) {
        let named = members.get("token_type").and_then(Value::as_str).map(str::to_owned);
        match (named, &self.token_type) {
            (Some(named), _) => {
                let known = self.token_types.iter().find(|(theirs, _)| theirs.eq_ignore_ascii_case(&named));
                if let Some((_, ours)) = known {
                    members.insert("token_type".to_owned(), (&**ours).into());
                }
            }
            (None, Some(usual)) => drop(members.insert("token_type".to_owned(), (&**usual).into())),
            (None, None) => {}
        }
    }

    fn time_token(&self, members: &mut Map<String, Value>) {
        let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
        let seconds = members.get("expires_in").and_then(number);
        match seconds {
            Some(0) if self.zero_is_never => drop(members.remove("expires_in")),
            Some(time) if self.is_in_milliseconds => {
                members.insert("expires_in".to_owned(), (time / 1000).min(LONGEST).into());
            }
            Some(_) | None => {}
        }
        let is_said = members.get("expires_in").is_some_and(|value| !value.is_null());
        if let (false, Some(lifetime)) = (is_said || seconds.is_some(), self.lifetime) {
            members.insert("expires_in".to_owned(), lifetime.into());
        }
    }

    fn kept(&self, root: &Value) -> Kept {
        let mut kept = Kept::default();
        for (name, path) in &self.keep {
            if let Some(value) = path.of(root).filter(|value| !value.is_null()) {
                kept.keep(name, &scalar(value).unwrap_or_else(|| value.to_string()));
            }
        }
        kept
    }
}

fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for character in name.chars() {
        if character.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
    }
    snake
}
