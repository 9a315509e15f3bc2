//! What of a request is signed, and the base string URI (RFC 5849 §3.4.1.2).

use http::{
    HeaderMap, HeaderValue, Method, Uri,
    header::{CONTENT_ENCODING, CONTENT_TYPE, HOST},
};

use crate::{
    endpoint::is_host_and_port,
    error::{Error, ErrorKind, Reason, Result},
    form::MEDIA_TYPE,
};

/// What of a request is signed.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) method: &'a Method,
    pub(super) uri: &'a Uri,
    /// The `Host` field, if the request has its own.
    pub(super) host: Option<&'a HeaderValue>,
    pub(super) entity: Entity<'a>,
}

/// The body of a request.
#[derive(Clone, Copy)]
pub(super) enum Entity<'a> {
    /// No body, and no media type.
    None,
    /// A form, whose parameters are signed.
    Form(&'a [u8]),
    /// Something else, which is not (RFC 5849 §3.4.1.3.1).
    Other(&'a [u8]),
}

impl<'a> Subject<'a> {
    /// A request as it will be sent.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::InvalidValue`] if the body is no form, and is said to be one.
    pub(super) fn of(
        method: &'a Method,
        uri: &'a Uri,
        headers: &'a HeaderMap,
        body: &'a [u8],
    ) -> Result<Self> {
        let entity = match headers.get(CONTENT_TYPE) {
            Some(value) if is_form_type(value) => {
                // Folded, not cut short: an early exit would keep the loop from vectorising.
                let is_visible = body.iter().fold(true, |visible, octet| visible & octet.is_ascii_graphic());
                if headers.contains_key(CONTENT_ENCODING) || !is_visible {
                    return Err(invalid("form body"));
                }
                Entity::Form(body)
            }
            None if body.is_empty() => Entity::None,
            Some(_) | None => Entity::Other(body),
        };
        Ok(Self { method, uri, host: headers.get(HOST), entity })
    }

    pub(super) fn form(&self) -> &'a [u8] {
        match self.entity {
            Entity::Form(form) => form,
            Entity::None | Entity::Other(_) => b"",
        }
    }

    pub(super) fn query(&self) -> &'a [u8] {
        self.uri.query().unwrap_or_default().as_bytes()
    }

    /// The base string URI (RFC 5849 §3.4.1.2); `host` stands in for what the request says.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::InvalidUrl`] unless the URL is absolute `http` or `https` with a host and a port.
    pub(super) fn base_uri(&self, host: Option<&'a str>) -> Result<BaseUri<'a>> {
        let error = || Error::new(ErrorKind::Usage, Reason::InvalidUrl);
        let scheme = match self.uri.scheme_str() {
            Some(scheme) if scheme.eq_ignore_ascii_case("https") => "https",
            Some(scheme) if scheme.eq_ignore_ascii_case("http") => "http",
            Some(_) | None => return Err(error().with_detail("scheme")),
        };
        let authority = match (host, self.host) {
            (Some(host), _) => Some(host),
            (None, Some(host)) => host.to_str().ok(),
            (None, None) => self.uri.authority().map(|authority| authority.as_str()),
        };
        let authority = authority.ok_or_else(|| error().with_detail("host"))?;
        // The authority is host and port alone, whoever is asked for.
        let authority = authority.rsplit_once('@').map_or(authority, |(_, authority)| authority);
        let (host, port) = split_authority(authority).ok_or_else(|| error().with_detail("host"))?;
        let default = if scheme == "https" { 443 } else { 80 };
        Ok(BaseUri { scheme, host, port: port.filter(|&port| port != default), path: self.uri.path() })
    }
}

/// Whether a media type is that of forms, whatever its parameters.
fn is_form_type(value: &HeaderValue) -> bool {
    let essence = value.as_bytes().split(|&byte| byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(MEDIA_TYPE.as_bytes())
}

/// A host and a port out of `host [":" port]`; none if it is something else, or the port is 0.
pub(super) fn split_authority(authority: &str) -> Option<(&str, Option<u16>)> {
    if !is_host_and_port(authority) {
        return None;
    }
    let end = authority.find(']').map_or(0, |at| at + 1);
    let (host, port) = match authority.get(end..)?.find(':') {
        Some(at) => (authority.get(..end + at)?, authority.get(end + at + 1..)?),
        None => (authority, ""),
    };
    let port = port.parse::<u16>().ok();
    (port != Some(0)).then_some((host, port))
}

/// Where a request goes, as it is signed.
#[derive(Clone, Copy)]
pub(super) struct BaseUri<'a> {
    pub(super) scheme: &'static str,
    pub(super) host: &'a str,
    pub(super) port: Option<u16>,
    pub(super) path: &'a str,
}

impl BaseUri<'_> {
    /// Appends it, not encoded.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.scheme.as_bytes());
        out.extend_from_slice(b"://");
        out.extend(self.host.bytes().map(|byte| byte.to_ascii_lowercase()));
        if let Some(port) = self.port {
            out.push(b':');
            out.extend_from_slice(Decimal::of(u64::from(port)).as_bytes());
        }
        out.extend_from_slice(self.path.as_bytes());
    }
}

/// A number in decimal digits, without an allocation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decimal {
    digits: [u8; 20],
    start: usize,
}

impl Decimal {
    pub(super) fn of(mut number: u64) -> Self {
        let mut decimal = Self { digits: [b'0'; 20], start: 20 };
        for digit in decimal.digits.iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
            decimal.start -= 1;
            if number == 0 {
                break;
            }
        }
        decimal
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.digits.get(self.start..).unwrap_or_default()
    }
}

pub(super) fn invalid(name: &'static str) -> Error {
    Error::new(ErrorKind::Usage, Reason::InvalidValue).with_detail(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_digits() {
        for (number, digits) in [(0, "0"), (7, "7"), (65_535, "65535"), (u64::MAX, "18446744073709551615")] {
            assert_eq!(Decimal::of(number).as_bytes(), digits.as_bytes());
        }
    }
}
