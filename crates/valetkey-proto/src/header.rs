//! `WWW-Authenticate`: the challenges of a server (RFC 9110 §11.6.1), read in linear time.

use http::{HeaderMap, header::WWW_AUTHENTICATE};

use crate::error::{Error, ErrorCode, ErrorKind, Reason, Result};

/// The most bytes of `WWW-Authenticate` that are read.
const MAX_BYTES: usize = 16 << 10;
/// The most challenges that are read.
const MAX_CHALLENGES: usize = 16;
/// The most parameters of one challenge.
const MAX_PARAMETERS: usize = 32;

/// One challenge: a scheme, and either parameters or a token68.
///
/// ```
/// use valetkey_proto::header::Challenge;
///
/// let mut headers = http::HeaderMap::new();
/// headers.insert("www-authenticate", "Bearer error=\"invalid_token\", DPoP algs=\"ES256\"".parse()?);
/// let challenges = Challenge::parse_all(&headers).expect("well-formed");
/// assert!(challenges[0].is("bearer"));
/// assert_eq!(challenges[0].parameter("error"), Some("invalid_token"));
/// assert_eq!(challenges[1].scheme(), "dpop");
/// # Ok::<(), http::header::InvalidHeaderValue>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    scheme: Box<str>,
    token68: Option<Box<str>>,
    parameters: Vec<(Box<str>, Box<str>)>,
}

impl Challenge {
    /// Reads all `WWW-Authenticate` fields, in their order; none is an empty list.
    ///
    /// # Errors
    ///
    /// `Protocol`: [`Reason::Malformed`] if a field is not a list of challenges, or a parameter occurs twice
    /// in one (RFC 9110 §11.2); [`Reason::TooLarge`] beyond 16 KiB, 16 challenges or 32 parameters.
    pub fn parse_all(headers: &HeaderMap) -> Result<Vec<Self>> {
        let mut challenges = Vec::new();
        let mut bytes = 0;
        for value in headers.get_all(WWW_AUTHENTICATE) {
            bytes += value.len();
            if bytes > MAX_BYTES {
                return Err(Error::new(ErrorKind::Protocol, Reason::TooLarge).with_detail("WWW-Authenticate"));
            }
            Cursor { rest: value.as_bytes() }.challenges(&mut challenges)?;
        }
        Ok(challenges)
    }

    /// Reads one field value. Credentials (RFC 9110 §11.6.2) are written like a challenge.
    pub(crate) fn parse(value: &[u8]) -> Result<Vec<Self>> {
        let mut challenges = Vec::new();
        if value.len() > MAX_BYTES {
            return Err(Error::new(ErrorKind::Protocol, Reason::TooLarge));
        }
        Cursor { rest: value }.challenges(&mut challenges)?;
        Ok(challenges)
    }

    /// The scheme in lower case.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Whether the scheme is this one, in whatever case.
    #[must_use]
    pub fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// The token68 of a challenge that has one in place of parameters.
    #[must_use]
    pub fn token68(&self) -> Option<&str> {
        self.token68.as_deref()
    }

    /// The value of a parameter; names are compared without case.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }

    /// The parameters in their order, names in lower case.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parameters.iter().map(|(name, value)| (&**name, &**value))
    }

    /// The OAuth error code of the challenge (RFC 6750 §3).
    #[must_use]
    pub fn error(&self) -> Option<ErrorCode> {
        self.parameter("error").map(ErrorCode::from)
    }

    /// Whether it demands a nonce in the DPoP proof (RFC 9449 §9).
    #[must_use]
    pub fn demands_nonce(&self) -> bool {
        self.is("DPoP") && self.error() == Some(ErrorCode::UseDpopNonce)
    }
}

/// What is left of one field value.
#[derive(Clone, Copy)]
struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// `#challenge`: a list whose elements themselves contain commas.
    fn challenges(mut self, challenges: &mut Vec<Challenge>) -> Result<()> {
        self.skip(|byte| is_blank(byte) || byte == b',');
        if self.rest.is_empty() {
            return Err(malformed());
        }
        while !self.rest.is_empty() {
            if challenges.len() == MAX_CHALLENGES {
                return Err(Error::new(ErrorKind::Protocol, Reason::TooLarge).with_detail("challenges"));
            }
            challenges.push(self.challenge()?);
            self.skip(|byte| is_blank(byte) || byte == b',');
        }
        Ok(())
    }

    fn challenge(&mut self) -> Result<Challenge> {
        let scheme = self.token()?;
        let mut challenge = Challenge { scheme: lower(scheme), token68: None, parameters: Vec::new() };
        let has_blank = self.rest.first().copied().is_some_and(is_blank);
        if !self.at_end_of_element() && !has_blank {
            return Err(malformed());
        }
        self.skip(is_blank);
        if let Some(token68) = self.token68() {
            challenge.token68 = Some(text(token68).into());
            return Ok(challenge);
        }
        if !self.at_end_of_element() {
            self.parameters(&mut challenge.parameters)?;
        } else if has_blank && let Some(parameter) = self.next_parameter() {
            // A list may begin with empty elements (RFC 9110 §5.6.1), and the blank says that it has begun.
            *self = parameter;
            self.parameters(&mut challenge.parameters)?;
        }
        Ok(challenge)
    }

    /// `auth-param` until the list turns to another challenge.
    fn parameters(&mut self, parameters: &mut Vec<(Box<str>, Box<str>)>) -> Result<()> {
        loop {
            let name = lower(self.token()?);
            self.skip(is_blank);
            if !self.eat(b'=') || parameters.iter().any(|(known, _)| *known == name) {
                return Err(malformed());
            }
            if parameters.len() == MAX_PARAMETERS {
                return Err(
                    Error::new(ErrorKind::Protocol, Reason::TooLarge).with_detail("challenge parameters")
                );
            }
            self.skip(is_blank);
            let value = if self.eat(b'"') { self.quoted()? } else { text(self.token()?).into() };
            parameters.push((name, value));
            self.skip(is_blank);
            if !self.at_end_of_element() {
                return Err(malformed());
            }
            let Some(next) = self.next_parameter() else { return Ok(()) };
            *self = next;
        }
    }

    /// Behind the comma, if the same challenge goes on there: with `token BWS "="`. A token and a blank
    /// begin the next one.
    fn next_parameter(mut self) -> Option<Self> {
        self.skip(|byte| is_blank(byte) || byte == b',');
        let mut name = self;
        name.token().ok()?;
        name.skip(is_blank);
        name.eat(b'=').then_some(self)
    }

    /// `token68`, if the element is one: it ends the element, which a parameter never does.
    fn token68(&mut self) -> Option<&'a [u8]> {
        let is_token68 = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
        let mut ahead = *self;
        ahead.skip(is_token68);
        if ahead.rest.len() == self.rest.len() {
            return None;
        }
        ahead.skip(|byte| byte == b'=');
        let (token68, _) = self.rest.split_at_checked(self.rest.len() - ahead.rest.len())?;
        ahead.skip(is_blank);
        ahead.at_end_of_element().then(|| {
            *self = ahead;
            token68
        })
    }

    /// The rest of a `quoted-string`, behind its opening quote.
    fn quoted(&mut self) -> Result<Box<str>> {
        let mut value = Vec::new();
        loop {
            match self.next().ok_or_else(malformed)? {
                b'"' => return Ok(text(&value).into()),
                b'\\' => value.push(self.next().ok_or_else(malformed)?),
                byte => value.push(byte),
            }
        }
    }

    fn token(&mut self) -> Result<&'a [u8]> {
        let length = self.rest.iter().position(|&byte| !is_token(byte)).unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at_checked(length).ok_or_else(malformed)?;
        self.rest = rest;
        if token.is_empty() { Err(malformed()) } else { Ok(token) }
    }

    fn next(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.rest.first() == Some(&byte);
        if found {
            self.next();
        }
        found
    }

    fn skip(&mut self, skipped: impl Fn(u8) -> bool) {
        while self.rest.first().copied().is_some_and(&skipped) {
            self.next();
        }
    }

    fn at_end_of_element(&self) -> bool {
        matches!(self.rest.first(), None | Some(b','))
    }
}

/// `tchar` (RFC 9110 §5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn lower(token: &[u8]) -> Box<str> {
    text(token).to_ascii_lowercase().into()
}

/// Old servers send Latin-1 in quoted strings (`obs-text`); what is not UTF-8 becomes U+FFFD.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn malformed() -> Error {
    Error::new(ErrorKind::Protocol, Reason::Malformed).with_detail("WWW-Authenticate")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn parse(field: &[u8]) -> Result<Vec<Challenge>> {
        let mut headers = HeaderMap::new();
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_bytes(field).unwrap());
        Challenge::parse_all(&headers)
    }

    #[test]
    fn s_tk_23_several_challenges_of_every_form() {
        let challenges =
            parse(b", Negotiate YWJj==, Bearer, Basic realm = \"a, b=\\\"c\\\"\" ,charset=UTF-8, X ,,y=1")
                .unwrap();
        let schemes: Vec<_> = challenges.iter().map(Challenge::scheme).collect();
        assert_eq!(schemes, ["negotiate", "bearer", "basic", "x"]);
        assert_eq!(challenges[0].token68(), Some("YWJj=="));
        assert_eq!(challenges[2].parameter("REALM"), Some("a, b=\"c\""));
        assert_eq!(challenges[2].parameter("charset"), Some("UTF-8"));
        assert_eq!(challenges[3].parameters().collect::<Vec<_>>(), [("y", "1")]);
    }

    #[test]
    fn s_tk_23_junk_is_refused_or_read_but_never_more_than_the_caps() {
        for field in [
            &b"Bearer realm=\"x"[..],
            b"=",
            b"Bearer a=1, a=2",
            b"Bearer a=1 b=2",
            b"\"x\"",
            b"Bearer x=\"\\",
        ] {
            assert_eq!(parse(field).unwrap_err().reason(), Reason::Malformed, "{}", text(field));
        }
        assert!(parse(b"Bearer realm=\"\xe9\"").is_ok(), "Latin-1");
        for junk in [",", "\"", "\\", "a,", "a=1,", "a b=\"", "a ", " ="] {
            let _ = parse(junk.repeat((MAX_BYTES - 1) / junk.len()).as_bytes());
            let error = parse(junk.repeat(64 << 10).as_bytes()).unwrap_err();
            assert_eq!(error.reason(), Reason::TooLarge);
        }
        let parameters = (0..=MAX_PARAMETERS).map(|index| format!("p{index}=1,")).collect::<String>();
        assert_eq!(parse(format!("Bearer {parameters}").as_bytes()).unwrap_err().reason(), Reason::TooLarge);
        assert_eq!(parse("a,".repeat(MAX_CHALLENGES + 1).as_bytes()).unwrap_err().reason(), Reason::TooLarge);
    }
}
