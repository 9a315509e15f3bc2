//! The signature base string (RFC 5849 §3.4.1), in one pass over the request.
//!
//! Every parameter is written once, as it stands in the base string, into one buffer; an index of the pieces is sorted,
//! and they are copied in its order. Encoding once more keeps the order: it turns `%` into `%25` and leaves all else
//! as it is.

use http::Method;

use super::{
    base_string::BaseUri,
    encoding::{Depth, LONGEST, Pen, append, encode, first_octet},
};
use crate::secret::{Wipe, Wiped};

/// The buffers in which a signature is made: used again and again, wiped when dropped.
#[derive(Default)]
pub(super) struct Scratch {
    /// The parameters, encoded twice: `name%3Dvalue%26` each.
    parameters: Wiped<Vec<u8>>,
    pieces: Vec<Piece>,
    /// The base string.
    pub(super) message: Wiped<Vec<u8>>,
    /// The parameters that are sent.
    pub(super) text: Wiped<Vec<u8>>,
}

/// `=` and `&` as they stand in the base string.
const EQUALS: [u8; 3] = *b"%3D";
const AND: [u8; 3] = *b"%26";

/// Where a parameter is in the buffer.
#[derive(Clone, Copy)]
struct Piece {
    /// What the name begins with: most names differ here already, and numbers are compared faster than texts. NUL
    /// stands for what is not there, and goes before all that is.
    key: u128,
    name: usize,
    /// The end of the name, where [`EQUALS`] stands.
    middle: usize,
    /// The end of the value, where [`AND`] stands.
    end: usize,
}

impl Piece {
    fn new(buffer: &[u8], name: usize, middle: usize, end: usize) -> Self {
        let text = buffer.get(name..).unwrap_or_default();
        let start = text.first_chunk::<16>().copied().unwrap_or_else(|| {
            let mut start = [0; 16];
            start.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
            start
        });
        // What comes behind a short name is none of it.
        let behind = u32::try_from(8 * (middle - name)).ok().and_then(|bits| u128::MAX.checked_shr(bits));
        let key = u128::from_be_bytes(start) & !behind.unwrap_or_default();
        Self { key, name, middle, end }
    }

    fn value(&self) -> usize {
        self.middle + EQUALS.len()
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
        let (start, known) = (self.parameters.len(), self.pieces.len());
        // A lone `&` may end a parameter without a value: six octets for one.
        let most = (LONGEST + 1) * (raw.len() + 1);
        let Self { parameters, pieces, .. } = self;
        let has_broken_escape = append(parameters, most, |pen| {
            // Pieces without their keys, which can be read when all is written.
            take(raw, start, pen, |name, middle, end| pieces.push(Piece { key: 0, name, middle, end }))
        });
        let mut has_protocol = false;
        for piece in pieces.get_mut(known..).unwrap_or_default() {
            *piece = Piece::new(parameters, piece.name, piece.middle, piece.end);
            let name = parameters.get(piece.name..piece.middle).unwrap_or_default();
            has_protocol |= name.starts_with(b"oauth_");
        }
        Taken { has_protocol, has_broken_escape }
    }

    /// Adds a parameter.
    pub(super) fn add(&mut self, name: &[u8], value: &[u8]) {
        let Self { parameters, pieces, .. } = self;
        let start = parameters.len();
        encode(parameters, name, Depth::Twice);
        let middle = parameters.len();
        parameters.extend_from_slice(&EQUALS);
        encode(parameters, value, Depth::Twice);
        let end = parameters.len();
        parameters.extend_from_slice(&AND);
        pieces.push(Piece::new(parameters, start, middle, end));
    }

    /// Adds parameters that were added to another one before.
    pub(super) fn add_all(&mut self, other: &Self) {
        let start = self.parameters.len();
        self.parameters.extend_from_slice(&other.parameters);
        let moved = |piece: &Piece| Piece {
            name: start + piece.name,
            middle: start + piece.middle,
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
            let names = || of(one.name..one.middle).cmp(of(other.name..other.middle));
            let names = one.key.cmp(&other.key).then_with(names);
            names.then_with(|| of(one.value()..one.end).cmp(of(other.value()..other.end)))
        });
        message.reserve(LONGEST * parameters.len() + 256);
        message.extend(method.as_str().bytes().map(|byte| byte.to_ascii_uppercase()));
        message.push(b'&');
        encode(message, of(plain..parameters.len()), Depth::Once);
        message.push(b'&');
        for piece in &*pieces {
            message.extend_from_slice(of(piece.name..piece.end + AND.len()));
        }
        if !pieces.is_empty() {
            // Between the parameters, and not behind the last.
            let length = message.len() - AND.len();
            message.truncate(length);
        }
    }

    /// Takes a parameter out, and returns its value, encoded twice.
    pub(super) fn remove(&mut self, name: &[u8]) -> Option<Vec<u8>> {
        let Self { parameters, pieces, .. } = self;
        let of = |range| parameters.get(range).unwrap_or_default();
        let is_it = |piece: &Piece| of(piece.name..piece.middle) == name;
        let value =
            pieces.iter().find(|piece| is_it(piece)).map(|piece| of(piece.value()..piece.end).to_vec());
        pieces.retain(|piece| !is_it(piece));
        value
    }

    /// The names and values in the order of the base string, encoded twice.
    pub(super) fn parameters(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let of = |range| self.parameters.get(range).unwrap_or_default();
        self.pieces.iter().map(move |piece| (of(piece.name..piece.middle), of(piece.value()..piece.end)))
    }
}

/// Writes each parameter as it stands in the base string, and tells where, in a buffer in which the pen is at `start`.
/// Says whether there was a broken escape.
fn take<'a>(
    raw: &[u8],
    start: usize,
    mut pen: Pen<'a>,
    mut tell: impl FnMut(usize, usize, usize),
) -> (Pen<'a>, bool) {
    let total = start + pen.left();
    let (mut name, mut middle, mut has_broken_escape) = (start, None, false);
    let mut rest = pen.plain(raw);
    while let (Some(&first), Some((octet, after))) = (rest.first(), first_octet(rest)) {
        match first {
            b'%' if rest.len() - after.len() == 3 => {
                rest = pen.escapes(rest, Depth::Twice);
                rest = pen.plain(rest);
                continue;
            }
            b'&' => {
                pen = end(pen, total, name, middle.take(), &mut tell);
                name = total - pen.left();
            }
            b'=' if middle.is_none() => {
                middle = Some(total - pen.left());
                pen.put(EQUALS);
            }
            _ => {
                has_broken_escape |= first == b'%';
                pen.write(octet, Depth::Twice);
            }
        }
        rest = pen.plain(after);
    }
    (end(pen, total, name, middle, &mut tell), has_broken_escape)
}

/// Ends a parameter, unless there is none.
fn end<'a>(
    mut pen: Pen<'a>,
    total: usize,
    name: usize,
    middle: Option<usize>,
    tell: &mut impl FnMut(usize, usize, usize),
) -> Pen<'a> {
    let here = total - pen.left();
    if middle.is_none() && here == name {
        return pen;
    }
    let middle = middle.unwrap_or_else(|| {
        pen.put(EQUALS);
        here
    });
    tell(name, middle, total - pen.left());
    pen.put(AND);
    pen
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
}
