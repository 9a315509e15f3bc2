//! The two codes, and where the user types one of them (RFC 8628 §3.2).

use std::{fmt, time::Duration};

use valetkey_http::Response;

use crate::{
    endpoint::Endpoint,
    error::{Error, ErrorKind, Reason, Result},
    response::{
        from_parts, json,
        members::{members, read},
        value::{Seconds, Text},
    },
    secret::Secret,
    time::Timestamp,
};

/// How often is asked unless the server says so (RFC 8628 §3.2).
const INTERVAL: Duration = Duration::from_secs(5);
/// Nobody is asked more often, whatever they say.
const LEAST_INTERVAL: Duration = Duration::from_secs(1);
/// The longest code that is shown to a user, in bytes; those that can be typed have eight or nine.
const MAX_USER_CODE: usize = 64;

/// What the user is to be shown, and what the device asks with.
///
/// # Security
///
/// Show the code also where the user gets the whole URL, as a picture for instance: the user compares it with the one on
/// the page, and so sees whose device it is that they let in (RFC 8628 §3.3.1, §5.4).
#[derive(Clone)]
pub struct DeviceAuthorizationResponse {
    device_code: Secret,
    user_code: Box<str>,
    verification_uri: Box<str>,
    verification_uri_complete: Option<Box<str>>,
    asked: Timestamp,
    expires_at: Timestamp,
    interval: Duration,
}

members! {
    struct Wire {
        device_code: Text<'de>,
        user_code: Text<'de>,
        verification_uri: Text<'de>,
        // As Google has it.
        verification_url: Text<'de>,
        verification_uri_complete: Text<'de>,
        expires_in: Seconds,
        interval: Seconds,
        error: Text<'de>,
        error_description: Text<'de>,
        error_uri: Text<'de>,
    }
}

impl DeviceAuthorizationResponse {
    /// Reads the answer to a request that was handed out at this time.
    pub(super) fn parse(response: &Response, asked: Timestamp) -> Result<Self> {
        let wire: Wire<'_> = read(json(response)?)?;
        // Some say no with 200.
        let [error, description, uri] = [&wire.error, &wire.error_description, &wire.error_uri];
        if let Some(refused) = from_parts(error.as_deref(), description.as_deref(), uri.as_deref()) {
            let error = Error::new(ErrorKind::Denied, Reason::RequestDenied).with_response(refused);
            return Err(error.with_status(response.status()));
        }
        let device_code = needed(wire.device_code, "device_code")?;
        let uri = needed(wire.verification_uri.or(wire.verification_url), "verification_uri")?;
        let lifetime = seconds(wire.expires_in.ok_or_else(|| missing("expires_in"))?, "expires_in")?;
        let interval = wire.interval.map(|time| seconds(time, "interval")).transpose()?;
        Ok(Self {
            device_code: Secret::new(&*device_code),
            user_code: user_code(&needed(wire.user_code, "user_code")?)?,
            verification_uri: page(&uri, "verification_uri")?,
            verification_uri_complete: wire
                .verification_uri_complete
                .map(|uri| page(&uri, "verification_uri_complete"))
                .transpose()?,
            asked,
            expires_at: asked + lifetime,
            interval: interval.unwrap_or(INTERVAL).max(LEAST_INTERVAL),
        })
    }

    /// What the device asks with.
    #[must_use]
    pub fn device_code(&self) -> &Secret {
        &self.device_code
    }

    /// What the user types: visible ASCII and blanks, at most 64.
    #[must_use]
    pub fn user_code(&self) -> &str {
        &self.user_code
    }

    /// Where the user types it: `https`, or `http` on loopback.
    #[must_use]
    pub fn verification_uri(&self) -> &str {
        &self.verification_uri
    }

    /// The same with the code in it, if the server has that: for a picture that a telephone reads.
    #[must_use]
    pub fn verification_uri_complete(&self) -> Option<&str> {
        self.verification_uri_complete.as_deref()
    }

    /// When the request for it was handed out.
    #[must_use]
    pub fn asked_at(&self) -> Timestamp {
        self.asked
    }

    /// Until when the codes are good.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// The least time between two polls, at first. One second at least.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.interval
    }
}

fn missing(name: &'static str) -> Error {
    Error::new(ErrorKind::Protocol, Reason::MissingParameter).with_detail(name)
}

fn malformed(name: &'static str) -> Error {
    Error::new(ErrorKind::Protocol, Reason::Malformed).with_detail(name)
}

fn needed<'a>(text: Option<Text<'a>>, name: &'static str) -> Result<Text<'a>> {
    text.filter(|text| !text.is_empty()).ok_or_else(|| missing(name))
}

/// A time, rounded up: nobody is asked too early.
fn seconds(time: Seconds, name: &'static str) -> Result<Duration> {
    match time {
        Seconds::Whole(secs) | Seconds::Text(secs) => Ok(Duration::from_secs(secs)),
        Seconds::Fraction(secs) => Ok(Duration::from_secs(secs + 1)),
        Seconds::Negative | Seconds::Unusable => Err(malformed(name)),
    }
}

/// What a terminal shows as it is, and a user can type.
fn user_code(text: &str) -> Result<Box<str>> {
    if text.len() > MAX_USER_CODE {
        return Err(Error::new(ErrorKind::Protocol, Reason::TooLarge).with_detail("user_code"));
    }
    if !text.bytes().all(|byte| matches!(byte, 0x20..=0x7e)) {
        return Err(malformed("user_code"));
    }
    Ok(text.into())
}

/// A page that a browser may be sent to. It may have a fragment, unlike what requests are sent to.
fn page(text: &str, name: &'static str) -> Result<Box<str>> {
    let (url, fragment) = text.split_once('#').unwrap_or((text, ""));
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\\\"<>#".contains(&byte);
    let is_short = fragment.len() <= url.len() + 1024;
    if !fragment.bytes().all(is_plain) || !is_short {
        return Err(Error::new(ErrorKind::Protocol, Reason::InvalidUrl).with_detail(name));
    }
    Endpoint::parse(url).map_err(|error| error.restated_by(ErrorKind::Protocol).with_detail(name))?;
    Ok(text.into())
}

/// It shows neither code.
impl fmt::Debug for DeviceAuthorizationResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceAuthorizationResponse")
            .field("verification_uri", &self.verification_uri)
            .field("expires_at", &self.expires_at)
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}
