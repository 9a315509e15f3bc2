//! `application/x-www-form-urlencoded`: the one writer, which keeps the order, and the one reader, which
//! refuses duplicates (RFC 6749 §3.1, §3.2, Appendix B).

use std::fmt;

use http::{HeaderMap, Uri, header::CONTENT_TYPE};

use crate::{
    error::{Error, ErrorKind, Reason, Result},
    secret::{Wipe, Wiped, same},
};

/// The media type of forms.
pub const MEDIA_TYPE: &str = "application/x-www-form-urlencoded";

/// Whether the fields of a message say that its body is a form.
pub(crate) fn is_form(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (types.next(), types.next()) else { return false };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(MEDIA_TYPE)
}

/// A form that is being written, in the order in which parameters are added. It is wiped when dropped.
///
/// ```
/// use valetkey_proto::form::Form;
///
/// let mut form = Form::new();
/// form.push("grant_type", "refresh_token").push("refresh_token", "5fb8|c3d4 é");
/// assert_eq!(form.expose(), "grant_type=refresh_token&refresh_token=5fb8%7Cc3d4+%C3%A9");
/// ```
#[derive(Clone, Default)]
pub struct Form(Wiped<String>);

impl Form {
    /// An empty form.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty form with room for this many bytes: growing would leave copies that are not wiped early.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Wiped::new(String::with_capacity(bytes)))
    }

    /// Adds a parameter. An empty value counts as none and adds nothing (RFC 6749 §3.2).
    pub fn push(&mut self, name: &str, value: &str) -> &mut Self {
        if !value.is_empty() {
            if !self.0.is_empty() {
                self.0.push('&');
            }
            encode(&mut self.0, name);
            self.0.push('=');
            encode(&mut self.0, value);
        }
        self
    }

    /// Adds a parameter whose value stands as it is, but for what would end it.
    pub(crate) fn push_raw(&mut self, name: &str, value: &str) {
        let mut written = String::with_capacity(value.len());
        for character in value.chars() {
            if character.is_ascii_graphic()
                && !matches!(character, '&' | '#' | '%' | '=' | '"' | '<' | '>' | '\\')
            {
                written.push(character);
            } else {
                encode(&mut written, character.encode_utf8(&mut [0; 4]));
            }
        }
        if !written.is_empty() {
            let mut parameter = String::new();
            encode(&mut parameter, name);
            parameter.push('=');
            parameter.push_str(&written);
            self.push_encoded(&parameter);
        }
    }

    /// Whether a parameter of this name was added.
    pub(crate) fn contains(&self, name: &str) -> bool {
        let mut encoded = String::new();
        encode(&mut encoded, name);
        self.contains_one_of(&[encoded.as_str()])
    }

    /// Whether a parameter of one of these names was added; the names are of unreserved characters.
    pub(crate) fn contains_one_of(&self, names: &[&str]) -> bool {
        let is_of =
            |piece: &str, name: &str| piece.strip_prefix(name).is_some_and(|rest| rest.starts_with('='));
        // The separators are encoded in names and values, so that each piece begins with a whole name.
        self.0.split('&').any(|piece| names.iter().any(|name| is_of(piece, name)))
    }

    /// Adds the parameters of another form.
    pub(crate) fn extend(&mut self, other: &Self) {
        if !other.0.is_empty() {
            self.push_encoded(&other.0);
        }
    }

    /// Adds parameters that are encoded already.
    pub(crate) fn push_encoded(&mut self, parameters: &str) {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.push_str(parameters);
    }

    /// Whether no parameter was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes written so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The encoded form itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The encoded form as bytes, without a copy.
    pub(crate) fn into_bytes(mut self) -> Vec<u8> {
        std::mem::take(&mut *self.0).into_bytes()
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Form([redacted])")
    }
}

/// Appends `text`, percent-encoded. Unreserved characters (RFC 3986 §2.3) stay as they are, because some
/// servers do not decode; a space becomes `+`.
pub(crate) fn encode(out: &mut String, text: &str) {
    // Nearly every name and value is plain. Folded, not cut short: an early exit makes each byte wait for the
    // last one.
    if text.bytes().fold(true, |plain, byte| plain & is_unreserved(byte)) {
        out.push_str(text);
        return;
    }
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            _ if is_unreserved(byte) => out.push(char::from(byte)),
            _ => {
                out.push('%');
                out.push(char::from(hex(byte >> 4)));
                out.push(char::from(hex(byte & 15)));
            }
        }
    }
}

/// The digit of half a byte.
pub(crate) fn hex(half: u8) -> u8 {
    if half < 10 { b'0' + half } else { b'A' - 10 + half }
}

/// RFC 3986 §2.3.
pub(crate) fn is_unreserved(byte: u8) -> bool {
    UNRESERVED.get(usize::from(byte)).is_some_and(|&unreserved| unreserved)
}

/// A table, because every byte that is sent is looked up, and in short texts comparing takes twice as long.
#[expect(clippy::indexing_slicing, reason = "out of bounds, it would not compile")]
static UNRESERVED: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte: u8 = 0;
    while byte < 0x80 {
        table[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        byte += 1;
    }
    table
};

/// The most parameters that a form or a callback may have.
pub const MAX_PARAMETERS: usize = 64;

/// The parameters of a form or a query, decoded, each at most once; wiped when dropped.
///
/// An empty value counts as none (RFC 6749 §3.1), but still as an occurrence.
pub struct Parameters(Vec<(Wiped<String>, Wiped<String>)>);

impl Parameters {
    /// Reads an encoded form or query.
    ///
    /// # Errors
    ///
    /// `Protocol`: [`Reason::DuplicateParameter`] if a name occurs twice after decoding,
    /// [`Reason::TooLarge`] beyond [`MAX_PARAMETERS`], [`Reason::Malformed`] if the text is not UTF-8 after
    /// decoding or has a broken `%` sequence.
    pub fn parse(text: &str) -> Result<Self> {
        let mut pairs: Vec<(Wiped<String>, Wiped<String>)> = Vec::new();
        for piece in text.split('&').filter(|piece| !piece.is_empty()) {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            if pairs.iter().any(|(known, _)| *known == name) {
                return Err(Error::new(ErrorKind::Protocol, Reason::DuplicateParameter));
            }
            if pairs.len() == MAX_PARAMETERS {
                return Err(Error::new(ErrorKind::Protocol, Reason::TooLarge).with_detail("parameters"));
            }
            pairs.push((name, value));
        }
        Ok(Self(pairs))
    }

    /// The value of a parameter; an empty one is none.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| **known == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// Whether a parameter occurs, be it empty.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| **known == name)
    }

    /// Whether a parameter has exactly this value, compared in constant time.
    pub(crate) fn is(&self, name: &str, value: &[u8]) -> bool {
        self.get(name).is_some_and(|known| same(known.as_bytes(), value))
    }

    /// The names and values, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name.as_str())).finish()
    }
}

/// The names and values of an encoded form, decoded, in their order.
///
/// # Errors
///
/// As [`Parameters::parse`], but for what occurs twice or too often.
pub(crate) fn pairs(text: &str) -> Result<Vec<(Wiped<String>, Wiped<String>)>> {
    let pair = |piece: &str| {
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        Ok((decode(name)?, decode(value)?))
    };
    text.split('&').filter(|piece| !piece.is_empty()).map(pair).collect()
}

/// A URL with these encoded parameters added to its query.
pub(crate) fn with_query(uri: &Uri, parameters: &str) -> Result<Uri> {
    if parameters.is_empty() {
        return Ok(uri.clone());
    }
    let mut text = Wiped::new(uri.to_string());
    text.push(if uri.query().is_some() { '&' } else { '?' });
    text.push_str(parameters);
    Uri::try_from(text.as_str()).map_err(|_| Error::new(ErrorKind::Usage, Reason::InvalidUrl))
}

/// Decodes one name or value.
fn decode(text: &str) -> Result<Wiped<String>> {
    let malformed = || Error::new(ErrorKind::Protocol, Reason::Malformed).with_detail("form encoding");
    if !text.contains(['%', '+']) {
        return Ok(Wiped::new(text.to_owned()));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
                let (high, low) = (digit(rest.next()), digit(rest.next()));
                let (Some(high), Some(low)) = (high, low) else { return Err(malformed()) };
                u8::try_from(high * 16 + low).map_err(|_| malformed())?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).map(Wiped::new).map_err(|error| {
        error.into_bytes().wipe();
        malformed()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s_net_06_duplicates_are_refused_after_decoding() {
        for text in ["code=a&code=b", "code=a&c%6Fde=a", "x&x=", "a=1&b=2&a=", "%C3%A9=1&é=2"] {
            let error = Parameters::parse(text).unwrap_err();
            assert_eq!(error.reason(), Reason::DuplicateParameter, "{text}");
        }
    }

    #[test]
    fn s_net_07_empty_is_absent_but_occurs() {
        let parameters = Parameters::parse("&state=&&code=a+b%2b&x").unwrap();
        assert_eq!(parameters.get("state"), None);
        assert!(parameters.contains("state") && parameters.contains("x") && !parameters.contains("y"));
        assert_eq!(parameters.get("code"), Some("a b+"));
    }

    #[test]
    fn s_az_16_bounds_and_broken_encodings() {
        let many = (0..MAX_PARAMETERS).map(|index| format!("{index}=x&")).collect::<String>();
        assert!(Parameters::parse(&many).is_ok());
        assert_eq!(Parameters::parse(&format!("{many}y=1")).unwrap_err().reason(), Reason::TooLarge);
        for text in ["a=%", "a=%4", "a=%zz", "a=%ff", "a=%+1", "%C3=x"] {
            assert_eq!(Parameters::parse(text).unwrap_err().reason(), Reason::Malformed, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let hostile = "ä&=%+ \u{0}\r\n~*'\u{10ffff}";
        let mut form = Form::new();
        form.push(hostile, hostile).push("empty", "").push("b", "2");
        let parameters = Parameters::parse(form.expose()).unwrap();
        assert_eq!(parameters.iter().collect::<Vec<_>>(), [(hostile, hostile), ("b", "2")]);
        assert!(!format!("{form:?} {parameters:?}").contains('2'));
    }
}
