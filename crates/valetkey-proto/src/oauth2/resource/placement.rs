//! Where an access token stands in a request to an API (RFC 6750 §2).

use std::fmt;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Uri,
    header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH},
};

use crate::{
    error::{Error, ErrorKind, Reason, Result},
    form::{self, Form},
    secret::{AccessToken, Wiped, wiped},
};

/// Where an access token stands in a request, and what else an API wants in every one: for APIs that do not take the
/// `Authorization` field, or not as RFC 6750 §2.1 has it.
///
/// ```
/// use valetkey_proto::oauth2::resource::Placement;
///
/// let old = Placement::query("oauth_token")?.with_parameter("v", "20260101");
/// let other = Placement::header("OAuth")?.with_header("Client-Id", "app")?;
/// # let _ = (old, other);
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone)]
pub struct Placement {
    token: Token,
    headers: Vec<(HeaderName, HeaderValue)>,
    parameters: Form,
}

#[derive(Clone)]
enum Token {
    Header(Box<str>),
    Field(HeaderName),
    Form(Box<str>),
    Query(Box<str>),
}

impl Placement {
    /// In the `Authorization` field, by this scheme: `Bearer`, unless the API wants another word.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidValue`] unless the scheme is a word of letters, digits and hyphens.
    pub fn header(scheme: &str) -> Result<Self> {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if scheme.is_empty() || !scheme.bytes().all(is_word) {
            return Err(invalid("scheme of a token"));
        }
        Ok(Self::of(Token::Header(scheme.into())))
    }

    /// In a field of the API's own, alone: `X-Shopify-Access-Token`.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidValue`] if that is no name of a field.
    pub fn field(name: &str) -> Result<Self> {
        let name = HeaderName::try_from(name).map_err(|_| invalid("field of a token"))?;
        Ok(Self::of(Token::Field(name)))
    }

    /// In the form that is the body of the request, as this parameter: `access_token` in RFC 6750 §2.2. A request with
    /// another body is refused.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidValue`] for an empty name.
    ///
    /// # Security
    ///
    /// For APIs that can do nothing else: bodies are logged more often than `Authorization` fields.
    pub fn form(parameter: &str) -> Result<Self> {
        Ok(Self::of(Token::Form(named(parameter)?)))
    }

    /// In the URL, as this parameter: `access_token` in RFC 6750 §2.3.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidValue`] for an empty name.
    ///
    /// # Security
    ///
    /// For APIs that can do nothing else: URLs stand in logs and histories, with the token in them, and OAuth 2.1 §5.1 has
    /// done away with it.
    pub fn query(parameter: &str) -> Result<Self> {
        Ok(Self::of(Token::Query(named(parameter)?)))
    }

    fn of(token: Token) -> Self {
        Self { token, headers: Vec::new(), parameters: Form::new() }
    }

    /// Adds a header field to every request, in place of one that it has.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidValue`] if that is no field, or `Authorization`.
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self> {
        let name = HeaderName::try_from(name).map_err(|_| invalid("header of an API"))?;
        if name == AUTHORIZATION {
            return Err(invalid("header of an API"));
        }
        let value = HeaderValue::try_from(value).map_err(|_| invalid("header of an API"))?;
        self.headers.push((name, value));
        Ok(self)
    }

    /// Adds a parameter to the URL of every request.
    #[must_use]
    pub fn with_parameter(mut self, name: &str, value: &str) -> Self {
        self.parameters.push(name, value);
        self
    }

    /// Puts the token into a request; `body` is the body, if it can be changed.
    pub(crate) fn put(
        &self,
        token: &AccessToken,
        uri: &mut Uri,
        headers: &mut HeaderMap,
        body: Option<&mut Bytes>,
    ) -> Result<()> {
        if token.is_bound() {
            // RFC 9449 §7.1 has no other place for it.
            return Err(
                Error::new(ErrorKind::Config, Reason::InvalidValue).with_detail("placement of a bound token")
            );
        }
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
        let mut query = self.parameters.clone();
        match &self.token {
            Token::Header(scheme) => {
                let text = Wiped::new([scheme, " ", token.expose()].concat());
                headers.insert(AUTHORIZATION, sensitive(&text)?);
            }
            Token::Field(name) => drop(headers.insert(name, sensitive(token.expose())?)),
            Token::Query(name) => {
                if has_parameter(uri.query().unwrap_or_default(), name) {
                    return Err(Error::new(ErrorKind::Usage, Reason::AlreadyAuthorized));
                }
                query.push(name, token.expose());
                // RFC 6750 §2.3.
                headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
            }
            Token::Form(name) => append(name, token, headers, body)?,
        }
        *uri = form::with_query(uri, query.expose())?;
        Ok(())
    }
}

/// The value of a field that has a token in it.
fn sensitive(text: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_maybe_shared(wiped(text.as_bytes().to_vec()))
        .map_err(|_| invalid("field of a token"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Puts a token into a form (RFC 6750 §2.2).
fn append(name: &str, token: &AccessToken, headers: &mut HeaderMap, body: Option<&mut Bytes>) -> Result<()> {
    let no_form =
        || Error::new(ErrorKind::Usage, Reason::InvalidValue).with_detail("the token goes into a form");
    let body = body.filter(|_| form::is_form(headers)).ok_or_else(no_form)?;
    let text = std::str::from_utf8(body).map_err(|_| no_form())?;
    if has_parameter(text, name) {
        return Err(Error::new(ErrorKind::Usage, Reason::AlreadyAuthorized));
    }
    let mut form = Form::with_capacity(text.len() + token.expose().len() + name.len() + 2);
    if !text.is_empty() {
        form.push_encoded(text);
    }
    form.push(name, token.expose());
    *body = wiped(form.into_bytes());
    headers.remove(CONTENT_LENGTH);
    Ok(())
}

fn has_parameter(encoded: &str, name: &str) -> bool {
    form::pairs(encoded).is_ok_and(|pairs| pairs.iter().any(|(known, _)| **known == *name))
}

fn named(parameter: &str) -> Result<Box<str>> {
    if parameter.is_empty() { Err(invalid("parameter of a token")) } else { Ok(parameter.into()) }
}

fn invalid(what: &'static str) -> Error {
    Error::new(ErrorKind::Config, Reason::InvalidValue).with_detail(what)
}

impl fmt::Debug for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (place, name) = match &self.token {
            Token::Header(scheme) => ("header", &**scheme),
            Token::Field(name) => ("field", name.as_str()),
            Token::Form(name) => ("form", &**name),
            Token::Query(name) => ("query", &**name),
        };
        f.debug_struct("Placement").field(place, &name).finish_non_exhaustive()
    }
}
