//! PEM (RFC 7468): the blocks of a text.

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::secret::Wiped;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// A block: its label, and what stands between its lines.
pub(super) struct Block<'a> {
    pub(super) label: &'a str,
    text: &'a str,
}

/// The blocks of a text, whatever stands between them. One that does not end is none.
pub(super) fn blocks(text: &str) -> impl Iterator<Item = Block<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (_, after) = rest.split_once(BEGIN)?;
        let (label, after) = after.split_once(DASHES)?;
        let (text, after) = after.split_once(END)?;
        rest = after.strip_prefix(label)?.strip_prefix(DASHES)?;
        Some(Block { label, text })
    })
}

impl Block<'_> {
    /// Whether there are header fields, as OpenSSL writes them for encrypted keys.
    pub(super) fn has_headers(&self) -> bool {
        self.text.contains(':')
    }

    /// The bytes; `None` unless it is base64.
    pub(super) fn decode(&self) -> Option<Wiped<Vec<u8>>> {
        let mut base64 = Wiped::new(Vec::with_capacity(self.text.len()));
        base64.extend(self.text.bytes().filter(|byte| !byte.is_ascii_whitespace()));
        let mut bytes = Wiped::new(vec![0; base64.len()]);
        let length = STANDARD.decode_slice(&*base64, &mut bytes).ok()?;
        bytes.truncate(length);
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_found_among_other_text() {
        let text = "Bag Attributes\n-----BEGIN A-----\nYWJj\n-----END A-----\r\n\n-----BEGIN B C-----\nx: y\n\nYQ==\n-----END B C-----\n-----BEGIN D-----\nYQ==";
        let found: Vec<_> = blocks(text).map(|block| (block.label, block.has_headers())).collect();
        assert_eq!(found, [("A", false), ("B C", true)]);
        let first = blocks(text).next().unwrap();
        assert_eq!(*first.decode().unwrap(), b"abc");
        for text in ["", BEGIN, "-----BEGIN A-----", "-----BEGIN A-----\n-----END B-----"] {
            assert_eq!(blocks(text).count(), 0, "{text}");
        }
        let block = blocks("-----BEGIN A-----\n*\n-----END A-----").next().unwrap();
        assert!(block.decode().is_none());
    }
}
