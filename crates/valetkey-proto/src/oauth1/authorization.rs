//! The `Authorization` field of OAuth 1.0 (RFC 5849 §3.5.1), written and read.

use std::fmt;

use http::HeaderValue;

use super::{
    base_string::invalid,
    credentials::check,
    encoding::decode,
    transmission::{SCHEME, Transmission, header},
};
use crate::{
    error::{Error, ErrorKind, Reason, Result},
    header::Challenge,
    secret::{Secret, wiped},
};

/// The protocol parameters of one request, as its `Authorization` field has them: for servers, and for looking at
/// what was sent. To sign, use a [`Signer`](super::Signer).
///
/// ```
/// use valetkey_proto::oauth1::Authorization;
///
/// let header = r#"OAuth realm="Photos", oauth_token="hh5s%2093", oauth_signature="""#;
/// let authorization = Authorization::parse(header)?;
/// assert_eq!(authorization.realm(), Some("Photos"));
/// assert_eq!(authorization.get("oauth_token"), Some("hh5s 93"));
/// assert_eq!(authorization.get("oauth_signature"), Some(""));
/// assert_eq!(authorization.to_header()?, header);
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Authorization {
    realm: Option<Box<str>>,
    parameters: Vec<(Box<str>, Secret)>,
}

impl Authorization {
    /// Without parameters.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Names a realm.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::InvalidValue`] if it has a control character or is not ASCII.
    pub fn with_realm(mut self, realm: &str) -> Result<Self> {
        if !realm.is_ascii() {
            return Err(invalid("realm"));
        }
        check(realm, "realm")?;
        self.realm = Some(realm.into());
        Ok(self)
    }

    /// Adds a parameter.
    #[must_use]
    pub fn with_parameter(mut self, name: &str, value: impl Into<Secret>) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }

    /// Reads the value of a field.
    ///
    /// # Errors
    ///
    /// `Protocol`: [`Reason::Malformed`] if it is of another scheme, its parameters cannot be read, occur twice or
    /// are not UTF-8; [`Reason::TooLarge`] beyond 16 KiB or 32 parameters.
    pub fn parse(value: &str) -> Result<Self> {
        let malformed = || Error::new(ErrorKind::Protocol, Reason::Malformed).with_detail("Authorization");
        let mut credentials = Challenge::parse(value.as_bytes())?.into_iter();
        let (Some(credentials), None) = (credentials.next(), credentials.next()) else {
            return Err(malformed());
        };
        if !credentials.is("OAuth") || credentials.token68().is_some() {
            return Err(malformed());
        }
        let mut authorization = Self::new();
        for (name, value) in credentials.parameters() {
            if name == "realm" {
                authorization.realm = Some(value.into());
                continue;
            }
            let decoded = |text: &str| {
                // A `+` is itself here: fields are not form-encoded.
                String::from_utf8(decode(text.replace('+', "%2B").as_bytes())).map_err(|_| malformed())
            };
            authorization.parameters.push((decoded(name)?.into(), Secret::new(decoded(value)?)));
        }
        Ok(authorization)
    }

    /// The realm, if one is named.
    #[must_use]
    pub fn realm(&self) -> Option<&str> {
        self.realm.as_deref()
    }

    /// The value of a parameter, decoded.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| **known == *name).map(|(_, value)| value.expose())
    }

    /// The parameters in their order, decoded, without the realm.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parameters.iter().map(|(name, value)| (&**name, value.expose()))
    }

    /// The value of the field, marked sensitive.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::InvalidValue`] if a realm that was read cannot be written.
    pub fn to_header(&self) -> Result<HeaderValue> {
        let mut text = SCHEME.to_vec();
        if let Some(realm) = &self.realm {
            Transmission::write_realm(&mut text, realm);
        }
        for (name, value) in self.parameters() {
            Transmission::Header.write(&mut text, name.as_bytes(), value.as_bytes());
        }
        header(wiped(text))
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.parameters.iter().map(|(name, _)| name).collect();
        f.debug_struct("Authorization").field("realm", &self.realm).field("parameters", &names).finish()
    }
}
