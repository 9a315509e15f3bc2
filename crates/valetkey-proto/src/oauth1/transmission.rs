//! Where the protocol parameters go (RFC 5849 §3.5): written as they are signed, the signature last.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Uri,
    header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE},
    uri::PathAndQuery,
};

use super::{
    base_string::invalid,
    encoding::{Depth, encode},
};
use crate::{
    error::{Error, ErrorKind, Reason, Result},
    form::{Form, MEDIA_TYPE},
    secret::{Wiped, wiped},
};

/// Where the protocol parameters go: one place for all of them (RFC 5849 §3.5).
///
/// ```
/// use valetkey_proto::oauth1::{ClientCredentials, Signer, Transmission};
///
/// let signer = Signer::new(ClientCredentials::new("key", "secret")?).transmission(Transmission::Query);
/// # let _ = signer;
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "RFC 5849 §3.5 has these three")]
pub enum Transmission {
    /// The `Authorization` field (RFC 5849 §3.5.1), which the server must take.
    #[default]
    Header,
    /// The form in the body (RFC 5849 §3.5.2).
    Body,
    /// The query (RFC 5849 §3.5.3). It ends up in logs and histories.
    Query,
}

/// The scheme of the `Authorization` field.
pub(super) const SCHEME: &[u8] = b"OAuth ";

impl Transmission {
    /// Appends a parameter, encoded.
    pub(super) fn write(self, text: &mut Vec<u8>, name: &[u8], value: &[u8]) {
        match self {
            Self::Header => {
                if text.len() > SCHEME.len() {
                    text.extend_from_slice(b", ");
                }
                encode(text, name, Depth::Once);
                text.extend_from_slice(b"=\"");
                encode(text, value, Depth::Once);
                text.push(b'"');
            }
            Self::Body | Self::Query => {
                if !text.is_empty() {
                    text.push(b'&');
                }
                encode(text, name, Depth::Once);
                text.push(b'=');
                encode(text, value, Depth::Once);
            }
        }
    }

    /// Appends the realm, which is no parameter and not signed (RFC 5849 §3.5.1, RFC 9110 §5.6.4).
    pub(super) fn write_realm(text: &mut Vec<u8>, realm: &str) {
        text.extend_from_slice(b"realm=\"");
        for byte in realm.bytes() {
            if matches!(byte, b'"' | b'\\') {
                text.push(b'\\');
            }
            text.push(byte);
        }
        text.push(b'"');
    }

    /// Appends the signature.
    pub(super) fn write_signature(self, text: &mut Vec<u8>, signature: &[u8]) {
        self.write(text, b"oauth_signature", signature);
    }
}

/// The signature that a key made, as it is sent (RFC 5849 §3.4.2).
pub(super) struct SignatureText {
    bytes: [u8; MOST],
    length: usize,
}

/// 512 bytes in base64.
const MOST: usize = 684;

impl SignatureText {
    pub(super) fn of(signature: &[u8]) -> Result<Self> {
        let mut text = Self { bytes: [0; MOST], length: 0 };
        let too_long =
            |_| Error::new(ErrorKind::Config, Reason::SigningFailed).with_detail("signature too long");
        text.length = STANDARD.encode_slice(signature, &mut text.bytes).map_err(too_long)?;
        Ok(text)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// The parts of a request that signing may change.
pub(crate) struct Target<'a> {
    pub(crate) uri: &'a mut Uri,
    pub(crate) headers: &'a mut HeaderMap,
    pub(crate) body: BodyMut<'a>,
}

/// A body, as a form that is being written or as bytes.
pub(crate) enum BodyMut<'a> {
    Form(&'a mut Form),
    Bytes(&'a mut Bytes),
}

impl Target<'_> {
    /// Puts the parameters, complete with the signature, into their place.
    pub(super) fn put(self, transmission: Transmission, text: &[u8]) -> Result<()> {
        match transmission {
            Transmission::Header => {
                self.headers.insert(AUTHORIZATION, header(wiped(text.to_vec()))?);
            }
            Transmission::Query => *self.uri = with_query(self.uri, text)?,
            Transmission::Body => match self.body {
                BodyMut::Form(form) => {
                    form.push_encoded(std::str::from_utf8(text).map_err(|_| invalid("body"))?);
                }
                BodyMut::Bytes(body) => {
                    *body = with_form(body, text);
                    self.headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(MEDIA_TYPE));
                    if self.headers.contains_key(CONTENT_LENGTH) {
                        self.headers.insert(CONTENT_LENGTH, body.len().into());
                    }
                }
            },
        }
        Ok(())
    }
}

/// The value of the `Authorization` field, marked sensitive.
pub(super) fn header(text: Bytes) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_maybe_shared(text).map_err(|_| invalid("Authorization"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The URL with more in its query; what was there keeps its bytes.
fn with_query(uri: &Uri, text: &[u8]) -> Result<Uri> {
    let too_long = || Error::new(ErrorKind::Usage, Reason::InvalidUrl).with_detail("query");
    let mut parts = uri.clone().into_parts();
    let path = parts.path_and_query.as_ref().map_or("/", PathAndQuery::as_str);
    let mut longer = Vec::with_capacity(path.len() + 1 + text.len());
    longer.extend_from_slice(path.as_bytes());
    match path.split_once('?') {
        None => longer.push(b'?'),
        Some((_, "")) => {}
        Some(_) => longer.push(b'&'),
    }
    longer.extend_from_slice(text);
    parts.path_and_query = Some(PathAndQuery::from_maybe_shared(wiped(longer)).map_err(|_| too_long())?);
    Uri::from_parts(parts).map_err(|_| too_long())
}

/// The form with more in it; what was there keeps its bytes.
fn with_form(body: &[u8], text: &[u8]) -> Bytes {
    let mut longer = Vec::with_capacity(body.len() + 1 + text.len());
    longer.extend_from_slice(body);
    if !body.is_empty() {
        longer.push(b'&');
    }
    longer.extend_from_slice(text);
    wiped(longer)
}

/// Parameters that wait for a signature from elsewhere.
pub(crate) struct Unfinished {
    pub(super) text: Wiped<Vec<u8>>,
    pub(super) transmission: Transmission,
}

impl Unfinished {
    /// Takes the signature, and puts all of it into its place.
    pub(crate) fn finish(mut self, signature: &[u8], target: Target<'_>) -> Result<()> {
        let signature = SignatureText::of(signature)?;
        self.transmission.write_signature(&mut self.text, signature.as_bytes());
        target.put(self.transmission, &self.text)
    }
}
