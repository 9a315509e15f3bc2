//! A piece of a text that is kept elsewhere.

use std::ops::Range;

/// Where a piece stands in its text; or the piece itself, if it is written with escapes there.
#[derive(Clone, Debug)]
pub(super) enum Span {
    Within(Range<usize>),
    Own(Box<str>),
}

impl Span {
    /// Finds a piece that the JSON reader borrowed from this text, and copies one that it did not.
    pub(super) fn of(text: &str, piece: &str) -> Self {
        let start = (piece.as_ptr() as usize).wrapping_sub(text.as_ptr() as usize);
        let range = start..start.saturating_add(piece.len());
        if text.get(range.clone()) == Some(piece) { Self::Within(range) } else { Self::Own(piece.into()) }
    }

    /// The piece.
    pub(super) fn get<'a>(&'a self, text: &'a str) -> &'a str {
        match self {
            Self::Within(range) => text.get(range.clone()).unwrap_or_default(),
            Self::Own(piece) => piece,
        }
    }
}
