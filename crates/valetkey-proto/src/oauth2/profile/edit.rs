//! What a provider wants otherwise in a request: names, parameters, and where they stand.

use bytes::Bytes;
use http::{HeaderValue, Method, header::CONTENT_TYPE};
use serde_json::{Map, Value};
use valetkey_http::Request;

use super::data::{Mistake, Pairs, Table};
use crate::{
    error::Result,
    form::{self, Form},
    record,
    secret::{Wiped, wiped},
};

/// Where the parameters of a request stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Body {
    #[default]
    Form,
    Json,
    /// In the URL, and there is no body.
    Query,
}

/// How one kind of request differs from the standard's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Edit {
    rename: Pairs,
    omit: Vec<Box<str>>,
    parameters: Pairs,
    grant_type: Option<Box<str>>,
    method: Option<Verb>,
    body: Option<Body>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Get,
    Post,
}

/// How scopes are written.
#[derive(Clone, Debug, Default)]
pub(super) struct Scopes {
    pub(super) separator: Option<char>,
    /// Whether their characters stand in a URL as they are.
    pub(super) is_raw: bool,
}

impl Scopes {
    pub(super) fn read(table: &mut Table) -> std::result::Result<Self, Mistake> {
        let separator = match table.text("scope_separator")? {
            None => None,
            Some(text) => {
                let mut characters = text.chars();
                match (characters.next(), characters.next()) {
                    (Some(' '), None) => None,
                    (Some(one), None) if one.is_ascii_graphic() => Some(one),
                    _ => {
                        return Err(format!(
                            "`{}` must be one visible character",
                            table.path("scope_separator")
                        ));
                    }
                }
            }
        };
        let is_raw = table.choice("scope_encoding", &[("raw", true), ("form", false)])?.unwrap_or(false);
        Ok(Self { separator, is_raw })
    }
}

type Parameters = Vec<(Wiped<String>, Wiped<String>)>;

impl Edit {
    /// The knobs of every kind of request.
    pub(super) fn read(table: &mut Table) -> std::result::Result<Self, Mistake> {
        Ok(Self {
            rename: table.pairs("rename")?,
            omit: table.texts("omit")?,
            parameters: table.pairs("parameters")?,
            ..Self::default()
        })
    }

    /// The knobs of a request for tokens, besides.
    pub(super) fn read_token(table: &mut Table) -> std::result::Result<Self, Mistake> {
        let mut edit = Self::read(table)?;
        edit.method = table.choice("method", &[("GET", Verb::Get), ("POST", Verb::Post)])?;
        edit.body =
            table.choice("body", &[("form", Body::Form), ("json", Body::Json), ("query", Body::Query)])?;
        if edit.method == Some(Verb::Get) && matches!(edit.body, Some(Body::Form | Body::Json)) {
            return Err(format!("`{}` has no body if the method is GET", table.path("body")));
        }
        Ok(edit)
    }

    /// The knobs of a request for new tokens. What it does not say of names and shape is as in one for the first.
    pub(super) fn read_refresh(table: &mut Table, token: &Self) -> std::result::Result<Self, Mistake> {
        let mut edit = Self::read_token(table)?;
        edit.grant_type = table.text("grant_type")?;
        Ok(edit.inherit(token))
    }

    fn inherit(mut self, token: &Self) -> Self {
        if self.rename.is_empty() {
            self.rename.clone_from(&token.rename);
        }
        if self.omit.is_empty() {
            self.omit.clone_from(&token.omit);
        }
        self.method = self.method.or(token.method);
        self.body = self.body.or(token.body);
        self
    }

    pub(super) fn texts_mut(&mut self) -> impl Iterator<Item = &mut Box<str>> {
        self.parameters.iter_mut().map(|(_, value)| value)
    }

    /// Whether requests are as they are.
    pub(super) fn is_none(&self) -> bool {
        *self == Self::default()
    }

    fn shape(&self) -> (Method, Body) {
        match (self.method, self.body) {
            (Some(Verb::Get), _) => (Method::GET, Body::Query),
            (Some(Verb::Post) | None, body) => (Method::POST, body.unwrap_or_default()),
        }
    }

    /// The method by which a form is sent.
    pub(super) fn method(&self) -> Method {
        self.shape().0
    }

    /// The parameters of an encoded form, as the provider wants them.
    fn edited(&self, form: &str, scopes: &Scopes) -> Result<Parameters> {
        let mut pairs = form::pairs(form)?;
        pairs.retain(|(name, _)| !self.omit.iter().any(|omitted| **omitted == **name));
        for (name, value) in &mut pairs {
            if let (true, Some(separator)) = (**name == "scope", scopes.separator) {
                let tokens: Vec<_> = value.split_ascii_whitespace().collect();
                *value = Wiped::new(tokens.join(separator.encode_utf8(&mut [0; 4])));
            }
            if let (true, Some(grant_type)) = (**name == "grant_type", &self.grant_type) {
                *value = Wiped::new(grant_type.to_string());
            }
            if let Some((_, other)) = self.rename.iter().find(|(known, _)| **known == **name) {
                *name = Wiped::new(other.to_string());
            }
        }
        for (name, value) in &self.parameters {
            pairs.retain(|(known, _)| **known != **name);
            pairs.push((Wiped::new(name.to_string()), Wiped::new(value.to_string())));
        }
        Ok(pairs)
    }

    /// The parameters of an encoded form in a URL.
    pub(super) fn query(&self, form: &str, scopes: &Scopes) -> Result<Form> {
        let mut query = Form::with_capacity(form.len() + 64);
        let scope = self.renamed("scope");
        for (name, value) in self.edited(form, scopes)? {
            if scopes.is_raw && **name == *scope {
                query.push_raw(&name, &value);
            } else {
                query.push(&name, &value);
            }
        }
        Ok(query)
    }

    fn renamed<'a>(&'a self, name: &'a str) -> &'a str {
        self.rename.iter().find(|(known, _)| **known == *name).map_or(name, |(_, other)| other)
    }

    /// Writes a request whose parameters are this form.
    pub(super) fn write(&self, form: &Form, scopes: &Scopes, request: &mut Request) -> Result<()> {
        let (method, body) = self.shape();
        match body {
            Body::Form => {
                let form = self.query(form.expose(), scopes)?;
                let media_type = HeaderValue::from_static(form::MEDIA_TYPE);
                request.headers_mut().insert(CONTENT_TYPE, media_type);
                *request.body_mut() = wiped(form.into_bytes());
            }
            Body::Json => {
                let json = object(self.edited(form.expose(), scopes)?);
                request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                *request.body_mut() = wiped(record::write(Value::Object(json)).into_bytes());
            }
            Body::Query => {
                let query = self.query(form.expose(), scopes)?;
                *request.uri_mut() = form::with_query(request.uri(), query.expose())?;
                *request.body_mut() = Bytes::new();
            }
        }
        *request.method_mut() = method;
        Ok(())
    }
}

/// Parameters as the members of an object; those that occur several times become a list.
fn object(pairs: Parameters) -> Map<String, Value> {
    let mut object = Map::new();
    for (name, value) in pairs {
        let value = Value::from(value.as_str());
        match object.get_mut(name.as_str()) {
            None => drop(object.insert(name.to_string(), value)),
            Some(Value::Array(values)) => values.push(value),
            Some(known) => *known = Value::Array(vec![known.take(), value]),
        }
    }
    object
}
