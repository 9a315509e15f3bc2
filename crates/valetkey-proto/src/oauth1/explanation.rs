//! What is signed of a request, to be compared with what a server says (RFC 5849 §3.4.1).

use std::fmt;

use http::header::AUTHORIZATION;
use valetkey_http::Request;

use super::{Authorization, Signer, base_string::Subject, encoding::decode};
use crate::{crypto::CryptoProvider, error::Result, secret::Secret};

/// How the signature of one request comes about.
///
/// It shows what is sent, tokens and verifiers included, and never a secret: do not keep it in a log.
///
/// ```
/// use bytes::Bytes;
/// use valetkey_proto::{Timestamp, crypto::CryptoProvider, oauth1::{ClientCredentials, Signer, Stamp}};
///
/// let signer = Signer::new(ClientCredentials::new("key", "secret")?);
/// let crypto = CryptoProvider::ring();
/// let request = http::Request::get("https://api.example/1/?b=%20&a").body(Bytes::new()).expect("a request");
/// let request = signer.sign_with(request, Stamp::new(Timestamp::from_secs(1), "n")?, &crypto)?;
///
/// let explanation = signer.explain(&request, &crypto)?;
/// assert_eq!(explanation.base_string_uri(), "https://api.example/1/");
/// assert!(explanation.normalized_parameters().starts_with("a=&b=%20&oauth_consumer_key=key&"));
/// assert_eq!(explanation.signing_key(), "[6 bytes]&[0 bytes]");
/// assert_eq!(explanation.is_right(), Some(true));
///
/// let theirs = explanation.base_string().replace("GET", "POST");
/// let difference = explanation.difference(&theirs).expect("another method");
/// assert_eq!(difference.to_string(), "the base strings differ from byte 0 on, in the method");
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
pub struct Explanation {
    base_string_uri: String,
    parameters: Vec<(String, String)>,
    base_string: String,
    signing_key: String,
    carried: Option<Secret>,
    computed: Option<Secret>,
}

impl Signer {
    /// Explains what is signed of this request as it is, with the protocol parameters that it has: sign it first.
    /// Where a server says what it computed, [`Explanation::difference`] finds where that differs.
    ///
    /// # Errors
    ///
    /// As [`Signer::sign`], of which nothing that the request already carries; `Protocol`: as
    /// [`Authorization::parse`].
    pub fn explain(&self, request: &Request, crypto: &CryptoProvider) -> Result<Explanation> {
        let subject = Subject::of(request.method(), request.uri(), request.headers(), request.body())?;
        let uri = subject.base_uri(self.own_host())?;
        let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let header =
            header.filter(|value| value.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("OAuth ")));
        let authorization = header.map(Authorization::parse).transpose()?.unwrap_or_default();
        let key = self.own_secrets().key();
        let mut halves = key.split(|&byte| byte == b'&').map(<[u8]>::len);
        let (client, token) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
        let mut explanation = self.with_scratch(|scratch| {
            scratch.take(subject.query());
            scratch.take(subject.form());
            for (name, value) in authorization.parameters() {
                scratch.add(name.as_bytes(), value.as_bytes());
            }
            let carried = scratch.remove(b"oauth_signature").map(|value| plain(&value));
            scratch.write_message(subject.method, &uri);
            let mut base_string_uri = Vec::new();
            uri.write(&mut base_string_uri);
            Explanation {
                base_string_uri: text(&base_string_uri),
                parameters: scratch.parameters().map(|(name, value)| (plain(name), plain(value))).collect(),
                base_string: text(&scratch.message),
                signing_key: format!("[{client} bytes]&[{token} bytes]"),
                carried: carried.map(Secret::new),
                computed: None,
            }
        });
        explanation.computed = self.signature(&explanation.base_string, crypto).ok();
        Ok(explanation)
    }
}

impl Explanation {
    /// Where the request goes, as it is signed (RFC 5849 §3.4.1.2).
    #[must_use]
    pub fn base_string_uri(&self) -> &str {
        &self.base_string_uri
    }

    /// All parameters that are signed, decoded, in the order in which they are (RFC 5849 §3.4.1.3).
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// All parameters that are signed, encoded and joined (RFC 5849 §3.4.1.3.2).
    #[must_use]
    pub fn normalized_parameters(&self) -> String {
        text(&decode(self.base_string.splitn(3, '&').nth(2).unwrap_or_default().as_bytes()))
    }

    /// The base string (RFC 5849 §3.4.1.1).
    #[must_use]
    pub fn base_string(&self) -> &str {
        &self.base_string
    }

    /// The shape of the key: how long the client's and the token's secret are, each encoded (RFC 5849 §3.4.2). A
    /// length that is one too many is a line end, and one that is 0 a secret that was forgotten.
    #[must_use]
    pub fn signing_key(&self) -> &str {
        &self.signing_key
    }

    /// Whether the signature that the request carries is the one of this signer; `None` if it carries none, or the
    /// key is elsewhere. A method whose signatures are random is never right.
    #[must_use]
    pub fn is_right(&self) -> Option<bool> {
        Some(self.carried.as_ref()? == self.computed.as_ref()?)
    }

    /// Where the base string that a server computed begins to differ.
    #[must_use]
    pub fn difference(&self, theirs: &str) -> Option<Difference> {
        if self.base_string == theirs {
            return None;
        }
        let (ours, theirs) = (self.base_string.as_bytes(), theirs.as_bytes());
        let at = ours.iter().zip(theirs).take_while(|(one, other)| one == other).count();
        let before = ours.get(..at).unwrap_or_default();
        let part = match before.iter().filter(|&&byte| byte == b'&').count() {
            0 => Part::Method,
            1 => Part::Uri,
            _ => Part::Parameter(self.parameter_at(at)),
        };
        Some(Difference { at, part })
    }

    /// The name of the parameter at this place of the base string.
    fn parameter_at(&self, at: usize) -> Box<str> {
        let before = self.base_string.get(..at).unwrap_or(&self.base_string);
        let index = before.matches("%26").count();
        self.parameters.get(index).map_or("", |(name, _)| name).into()
    }
}

/// Where two base strings begin to differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    at: usize,
    part: Part,
}

/// A part of the base string (RFC 5849 §3.4.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "RFC 5849 §3.4.1.1 has these three")]
pub enum Part {
    /// The method.
    Method,
    /// The base string URI.
    Uri,
    /// The parameter of this name.
    Parameter(Box<str>),
}

impl Difference {
    /// The first byte that differs.
    #[must_use]
    pub fn at(&self) -> usize {
        self.at
    }

    /// In which part it is.
    #[must_use]
    pub fn part(&self) -> &Part {
        &self.part
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the base strings differ from byte {} on, in ", self.at)?;
        match &self.part {
            Part::Method => f.write_str("the method"),
            Part::Uri => f.write_str("the base string URI"),
            Part::Parameter(name) => write!(f, "the parameter `{}`", name.escape_debug()),
        }
    }
}

impl fmt::Debug for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.parameters.iter().map(|(name, _)| name).collect();
        f.debug_struct("Explanation")
            .field("base_string_uri", &self.base_string_uri)
            .field("parameters", &names)
            .field("signing_key", &self.signing_key)
            .finish_non_exhaustive()
    }
}

/// Undoes the encoding of the base string.
fn plain(twice: &[u8]) -> String {
    text(&decode(&decode(twice)))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
