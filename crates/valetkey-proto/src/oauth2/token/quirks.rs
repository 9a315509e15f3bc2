//! What had to be forgiven.

use std::fmt;

/// Declares the quirks once: variant, and the order in which they are listed.
macro_rules! quirks {
    ($($(#[$doc:meta])* $variant:ident,)*) => {
        /// Something in a token response that RFC 6749 §5.1 does not allow, and that cannot be used for an attack.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Quirk {
            $($(#[$doc])* $variant,)*
        }

        const ALL: &[Quirk] = &[$(Quirk::$variant,)*];
    };
}

quirks! {
    /// The status was a 2xx other than 200.
    Status,
    /// The body was JSON, and its media type said otherwise or nothing.
    MediaType,
    /// The body was form-encoded.
    FormEncoded,
    /// The body began with a byte order mark.
    ByteOrderMark,
    /// There was no `token_type`; it is taken for `Bearer`.
    MissingTokenType,
    /// `expires_in` was a string.
    LifetimeText,
    /// `expires_in` had a fraction.
    LifetimeFraction,
    /// `expires_in` was negative; the token is taken for expired.
    LifetimeNegative,
    /// `expires_in` was neither a number nor a string of one; the lifetime is unknown.
    LifetimeUnusable,
    /// The lifetime was called `expires`.
    LifetimeName,
    /// `scope` was a list.
    ScopeList,
    /// `scope` had blanks at an end, or several in a row.
    ScopeBlanks,
}

/// The quirks of one response.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Quirks(u32);

impl Quirks {
    pub(super) fn note(&mut self, quirk: Quirk) {
        self.0 |= 1 << quirk as u32;
    }

    /// Whether there was nothing to forgive.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether this quirk is among them.
    #[must_use]
    pub fn contains(self, quirk: Quirk) -> bool {
        self.0 & (1 << quirk as u32) != 0
    }

    /// The quirks, in the order of their declaration.
    pub fn iter(self) -> impl Iterator<Item = Quirk> {
        ALL.iter().copied().filter(move |&quirk| self.contains(quirk))
    }
}

impl fmt::Debug for Quirks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
