//! The signature base string (RFC 5849 §3.4.1), in one pass over the request.
//!
//! Every name and value is written once, as it stands in the base string, into one buffer; an index of the pieces is
//! sorted. Encoding once more keeps the order: it turns `%` into `%25` and leaves all else as it is.

use http::{
    HeaderMap, HeaderValue, Method, Uri,
    header::{CONTENT_ENCODING, CONTENT_TYPE, HOST},
};

use super::encoding::{Depth, encode, first_octet, push};
use crate::{
    endpoint::is_host_and_port,
    error::{Error, ErrorKind, Reason, Result},
    form::{MEDIA_TYPE, is_unreserved},
    secret::{Wipe, Wiped},
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
    path: &'a str,
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

/// The buffers in which a signature is made: used again and again, wiped when dropped.
#[derive(Default)]
pub(super) struct Scratch {
    /// Names and values, encoded twice.
    parameters: Wiped<Vec<u8>>,
    pieces: Vec<Piece>,
    /// The base string.
    pub(super) message: Wiped<Vec<u8>>,
    /// The parameters that are sent.
    pub(super) text: Wiped<Vec<u8>>,
}

/// Where a name and its value are in the buffer.
#[derive(Clone, Copy)]
struct Piece {
    /// What the name begins with: most names differ here already, and numbers are compared faster than texts. NUL
    /// stands for what is not there, and goes before all that is.
    start: [u8; 16],
    name: usize,
    value: usize,
    end: usize,
}

impl Piece {
    fn new(buffer: &[u8], name: usize, value: usize) -> Self {
        let mut start = [0; 16];
        let text = buffer.get(name..value).unwrap_or_default();
        for (to, from) in start.iter_mut().zip(text) {
            *to = *from;
        }
        Self { start, name, value, end: buffer.len() }
    }

    fn key(&self) -> u128 {
        u128::from_be_bytes(self.start)
    }
}

/// What there was among parameters.
pub(super) struct Taken {
    /// One of OAuth's own.
    pub(super) has_protocol: bool,
    /// A `%` that begins no escape, and stands for itself.
    pub(super) has_broken_escape: bool,
}

/// More than this is not kept between signatures: one large form should not cost memory for ever.
const MOST_KEPT: usize = 64 << 10;

impl Scratch {
    /// Empties it, and lets go of what is too large.
    pub(super) fn clear(&mut self) {
        self.pieces.clear();
        for buffer in [&mut self.parameters, &mut self.message, &mut self.text] {
            if buffer.capacity() > MOST_KEPT {
                buffer.wipe();
                **buffer = Vec::new();
            }
            buffer.clear();
        }
    }

    /// Takes the parameters of a query or form, in one pass: each is decoded, because there are many ways to write it,
    /// and encoded anew, because there is one to sign it.
    pub(super) fn take(&mut self, raw: &[u8]) -> Taken {
        let mut taken = Taken { has_protocol: false, has_broken_escape: false };
        let (mut rest, mut start, mut middle) = (raw, self.parameters.len(), None);
        loop {
            let at = rest.iter().position(|&octet| !is_unreserved(octet)).unwrap_or(rest.len());
            let (plain, tail) = rest.split_at(at);
            self.parameters.extend_from_slice(plain);
            match tail {
                [] => break,
                [b'&', after @ ..] => {
                    taken.has_protocol |= self.close(start, middle.take());
                    start = self.parameters.len();
                    rest = after;
                }
                [b'=', after @ ..] if middle.is_none() => {
                    middle = Some(self.parameters.len());
                    rest = after;
                }
                [first, ..] => {
                    let (octet, after) = first_octet(tail).unwrap_or((*first, &[]));
                    taken.has_broken_escape |= *first == b'%' && tail.len() - after.len() == 1;
                    push(&mut self.parameters, octet, Depth::Twice);
                    rest = after;
                }
            }
        }
        taken.has_protocol |= self.close(start, middle);
        taken
    }

    /// Ends a parameter, unless there is none; says whether it is OAuth's own.
    fn close(&mut self, start: usize, middle: Option<usize>) -> bool {
        if middle.is_none() && start == self.parameters.len() {
            return false;
        }
        let middle = middle.unwrap_or(self.parameters.len());
        self.pieces.push(Piece::new(&self.parameters, start, middle));
        self.parameters.get(start..middle).unwrap_or_default().starts_with(b"oauth_")
    }

    /// Adds a parameter.
    pub(super) fn add(&mut self, name: &[u8], value: &[u8]) {
        let start = self.parameters.len();
        encode(&mut self.parameters, name, Depth::Twice);
        let middle = self.parameters.len();
        encode(&mut self.parameters, value, Depth::Twice);
        self.pieces.push(Piece::new(&self.parameters, start, middle));
    }

    /// Adds parameters that were added to another one before.
    pub(super) fn add_all(&mut self, other: &Self) {
        let start = self.parameters.len();
        self.parameters.extend_from_slice(&other.parameters);
        let moved = |piece: &Piece| Piece {
            name: start + piece.name,
            value: start + piece.value,
            end: start + piece.end,
            ..*piece
        };
        self.pieces.extend(other.pieces.iter().map(moved));
    }

    /// Writes the base string of what was added.
    pub(super) fn write_message(&mut self, method: &Method, uri: &BaseUri<'_>) {
        let Self { parameters, pieces, message, .. } = self;
        let plain = parameters.len();
        uri.write(parameters);
        let of = |range| parameters.get(range).unwrap_or_default();
        pieces.sort_unstable_by(|one, other| {
            let names = || of(one.name..one.value).cmp(of(other.name..other.value));
            let names = one.key().cmp(&other.key()).then_with(names);
            names.then_with(|| of(one.value..one.end).cmp(of(other.value..other.end)))
        });
        message.reserve(parameters.len() + 6 * pieces.len() + 256);
        message.extend(method.as_str().bytes().map(|byte| byte.to_ascii_uppercase()));
        message.push(b'&');
        encode(message, of(plain..parameters.len()), Depth::Once);
        message.push(b'&');
        for (index, piece) in pieces.iter().enumerate() {
            if index > 0 {
                message.extend_from_slice(b"%26");
            }
            message.extend_from_slice(of(piece.name..piece.value));
            message.extend_from_slice(b"%3D");
            message.extend_from_slice(of(piece.value..piece.end));
        }
    }

    /// Takes a parameter out, and returns its value, encoded twice.
    pub(super) fn remove(&mut self, name: &[u8]) -> Option<Vec<u8>> {
        let Self { parameters, pieces, .. } = self;
        let of = |range| parameters.get(range).unwrap_or_default();
        let is_it = |piece: &Piece| of(piece.name..piece.value) == name;
        let value = pieces.iter().find(|piece| is_it(piece)).map(|piece| of(piece.value..piece.end).to_vec());
        pieces.retain(|piece| !is_it(piece));
        value
    }

    /// The names and values in the order of the base string, encoded twice.
    pub(super) fn parameters(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let of = |range| self.parameters.get(range).unwrap_or_default();
        self.pieces.iter().map(move |piece| (of(piece.name..piece.value), of(piece.value..piece.end)))
    }
}

pub(super) fn invalid(name: &'static str) -> Error {
    Error::new(ErrorKind::Usage, Reason::InvalidValue).with_detail(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(raw: &str) -> (Vec<(String, String)>, Taken) {
        let mut scratch = Scratch::default();
        let taken = scratch.take(raw.as_bytes());
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (scratch.parameters().map(|(name, value)| (text(name), text(value))).collect(), taken)
    }

    #[test]
    fn rfc_5849_3_4_1_3_1_however_it_is_written_it_is_signed_alike() {
        for raw in ["a b=c=d", "a+b=c%3dd", "&&a%20b=c=d&", "%61%20%62=%63=%64"] {
            let (pairs, taken) = taken(raw);
            assert_eq!(pairs, [("a%2520b".to_owned(), "c%253Dd".to_owned())], "{raw}");
            assert!(!taken.has_protocol && !taken.has_broken_escape);
        }
        let (pairs, _) = taken("%e2%98%83%7e&=&a=&=v");
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("%25E2%2598%2583~", ""), ("", ""), ("a", ""), ("", "v")]);
    }

    #[test]
    fn what_is_among_parameters_is_told() {
        for raw in ["a=%", "a=%4", "%zz", "a=%zz&b=1"] {
            assert!(taken(raw).1.has_broken_escape, "{raw}");
        }
        assert_eq!(taken("%zz%4%").0, [("%2525zz%25254%2525".to_owned(), String::new())]);
        for raw in ["oauth_", "a=1&oauth_token=x", "%6fauth_x&b"] {
            assert!(taken(raw).1.has_protocol, "{raw}");
        }
        assert!(!taken("a=oauth_token&xoauth_=1&OAUTH_TOKEN=1&oauth").1.has_protocol);
    }

    #[test]
    fn rfc_5849_3_4_1_3_2_names_are_sorted_by_all_their_bytes() {
        let mut scratch = Scratch::default();
        let raw = "aaaaaaaaaaaaaaaa=1&aaaaaaaaaaaaaaaab=1&aaaaaaaaaaaaaaaa-=1&aaaaaaaaaaaaaaaa=0&a~=1&a-=1&a=1&aa=1&=2";
        scratch.take(raw.as_bytes());
        let uri = BaseUri { scheme: "http", host: "h", port: None, path: "/" };
        scratch.write_message(&Method::GET, &uri);
        let names: Vec<_> = scratch.parameters().map(|(name, _)| String::from_utf8_lossy(name)).collect();
        let long = "aaaaaaaaaaaaaaaa";
        assert_eq!(names, ["", "a", "a-", "aa", long, long, &format!("{long}-"), &format!("{long}b"), "a~"]);
        let values: Vec<_> = scratch.parameters().map(|(_, value)| String::from_utf8_lossy(value)).collect();
        assert_eq!(values[4..6], ["0", "1"]);
    }

    #[test]
    fn numbers_have_their_digits() {
        for (number, digits) in [(0, "0"), (7, "7"), (65_535, "65535"), (u64::MAX, "18446744073709551615")] {
            assert_eq!(Decimal::of(number).as_bytes(), digits.as_bytes());
        }
    }
}
