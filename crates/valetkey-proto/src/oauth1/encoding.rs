//! Percent-encoding as OAuth 1.0 has it (RFC 5849 §3.6), once and twice in one pass.

use crate::form::is_unreserved;

/// Encodes octets: the unreserved characters of RFC 3986 §2.3 stay as they are, and every other octet becomes `%XX`
/// (RFC 5849 §3.6). A space is `%20`.
///
/// ```
/// use valetkey_proto::oauth1::percent_encode;
///
/// assert_eq!(percent_encode("Ladies + Gentlemen~"), "Ladies%20%2B%20Gentlemen~");
/// assert_eq!(percent_encode("☃"), "%E2%98%83");
/// ```
#[must_use]
pub fn percent_encode(octets: impl AsRef<[u8]>) -> String {
    let octets = octets.as_ref();
    let mut out = Vec::with_capacity(octets.len());
    encode(&mut out, octets, Depth::Once);
    // It is ASCII.
    String::from_utf8(out).unwrap_or_default()
}

/// How often something is encoded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// As in a header, a query or a form.
    Once,
    /// As within the base string, where all parameters together are encoded once more (RFC 5849 §3.4.1.1).
    Twice,
}

/// Appends octets, encoded.
pub(super) fn encode(out: &mut Vec<u8>, octets: &[u8], depth: Depth) {
    // Most are plain, which is found out in a fraction of the time that it takes to write them one by one.
    if octets.iter().fold(true, |is_plain, &octet| is_plain & is_unreserved(octet)) {
        return out.extend_from_slice(octets);
    }
    append(out, LONGEST * octets.len(), |mut pen| {
        let mut rest = pen.plain(octets);
        while let Some((&octet, after)) = rest.split_first() {
            pen.write(octet, depth);
            rest = pen.plain(after);
        }
        (pen, ())
    });
}

/// What an octet becomes at most: `%25XX`.
pub(super) const LONGEST: usize = 5;

/// Appends what is written, at most so many octets. Room for all of them is made once, and not looked at again for
/// each.
///
/// The pen is handed over and back: lent, it would be kept in memory, and each octet would wait for the one before.
pub(super) fn append<T>(
    out: &mut Vec<u8>,
    most: usize,
    write: impl for<'a> FnOnce(Pen<'a>) -> (Pen<'a>, T),
) -> T {
    let start = out.len();
    out.resize(start + most, 0);
    let (pen, said) = write(Pen { room: out.get_mut(start..).unwrap_or_default() });
    let left = pen.room.len();
    out.truncate(start + most - left);
    said
}

/// Writes into room that was made.
pub(super) struct Pen<'a> {
    room: &'a mut [u8],
}

impl Pen<'_> {
    /// Writes what octets begin with that needs no encoding, and returns the rest.
    #[inline]
    pub(super) fn plain<'o>(&mut self, octets: &'o [u8]) -> &'o [u8] {
        let mut rest = octets;
        // Eight at a time, folded without a branch: most runs are longer than that.
        while let Some((eight, after)) = rest.split_first_chunk::<8>()
            && let [first, ..] = *eight
            && is_unreserved(first)
            && eight.iter().fold(true, |is_plain, &octet| is_plain & is_unreserved(octet))
        {
            self.put(*eight);
            rest = after;
        }
        while let Some((&octet, after)) = rest.split_first()
            && is_unreserved(octet)
        {
            self.put([octet]);
            rest = after;
        }
        rest
    }

    /// Writes the escapes that octets begin with, decoded and encoded anew, and returns the rest. In what is not ASCII
    /// there is one after the other.
    #[inline]
    pub(super) fn escapes<'o>(&mut self, octets: &'o [u8], depth: Depth) -> &'o [u8] {
        let mut rest = octets;
        while let [b'%', high, low, after @ ..] = rest
            && let Some(octet) = octet_of(*high, *low)
        {
            self.write(octet, depth);
            rest = after;
        }
        rest
    }

    /// Writes one octet, encoded.
    #[inline]
    pub(super) fn write(&mut self, octet: u8, depth: Depth) {
        if is_unreserved(octet) {
            return self.put([octet]);
        }
        let [mark, two, five, high, low] = escaped(octet);
        match depth {
            Depth::Once => self.put([mark, high, low]),
            Depth::Twice => self.put([mark, two, five, high, low]),
        }
    }

    /// Writes these octets as they are.
    #[inline]
    pub(super) fn put<const N: usize>(&mut self, octets: [u8; N]) {
        // There is always room: whoever appends says how much is written at most.
        if let Some((place, rest)) = std::mem::take(&mut self.room).split_first_chunk_mut() {
            *place = octets;
            self.room = rest;
        }
    }

    /// How much room is left.
    pub(super) fn left(&self) -> usize {
        self.room.len()
    }
}

/// `%25XX` for an octet.
fn escaped(octet: u8) -> [u8; LONGEST] {
    ESCAPED.get(usize::from(octet)).copied().unwrap_or_default()
}

#[expect(clippy::indexing_slicing, reason = "out of bounds, it would not compile")]
static ESCAPED: [[u8; LONGEST]; 256] = {
    const DIGITS: [u8; 16] = *b"0123456789ABCDEF";
    let mut table = [*b"%2500"; 256];
    let mut octet = 0;
    while octet < 256 {
        table[octet][3] = DIGITS[octet >> 4];
        table[octet][4] = DIGITS[octet & 15];
        octet += 1;
    }
    table
};

/// A name or a value of a query or form, decoded.
pub(super) fn decode(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((octet, after)) = first_octet(rest) {
        out.push(octet);
        rest = after;
    }
    out
}

/// Decodes the first octet. A `%` that begins no escape stands for itself.
#[inline]
pub(super) fn first_octet(raw: &[u8]) -> Option<(u8, &[u8])> {
    let (&first, rest) = raw.split_first()?;
    Some(match (first, rest) {
        (b'+', _) => (b' ', rest),
        (b'%', [high, low, after @ ..]) => {
            octet_of(*high, *low).map_or((first, rest), |octet| (octet, after))
        }
        _ => (first, rest),
    })
}

/// The octet of two hexadecimal digits.
#[inline]
fn octet_of(high: u8, low: u8) -> Option<u8> {
    let digit = |character| DIGIT.get(usize::from(character)).copied().unwrap_or(16);
    let (high, low) = (digit(high), digit(low));
    (high | low < 16).then_some(high << 4 | low)
}

/// By character; 16 for what is none.
#[expect(clippy::indexing_slicing, reason = "out of bounds, it would not compile")]
static DIGIT: [u8; 256] = {
    let mut table = [16; 256];
    let mut value = 0;
    while value < 16 {
        table[b"0123456789abcdef"[value] as usize] = value as u8;
        table[b"0123456789ABCDEF"[value] as usize] = value as u8;
        value += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_5849_3_6_octets_are_encoded_once() {
        assert_eq!(percent_encode("abcABC123-._~"), "abcABC123-._~");
        assert_eq!(percent_encode(" %+&=*\u{0}\u{80}"), "%20%25%2B%26%3D%2A%00%C2%80");
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        for raw in ["a b", "a+b", "a%20b", "%61%20%62"] {
            assert_eq!(decode(raw.as_bytes()), b"a b", "{raw}");
        }
        assert_eq!(decode(b"%zz%4%"), b"%zz%4%");
    }
}
