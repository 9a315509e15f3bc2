//! The bodies of the fuzz targets: each takes any bytes, hands them to one reader of hostile input, and
//! panics if something that must always hold does not.
//!
//! They go through the public API alone, so that what they find can happen to a program. The inputs are laid
//! out as lines of text, so that a corpus file can be written and read by people.
#![forbid(unsafe_code)]

mod answers;
mod browser;
mod calls;
mod jose;
mod urls;
mod world;

pub use answers::{challenge, error_response, metadata, resource_metadata, sasl, stored, token_response};
pub use browser::{callback, form, sealed};
pub use calls::call;
pub use jose::{jwe, jwt, keys};
pub use urls::urls;

/// A fuzz target.
pub type Target = fn(&[u8]);

/// All targets, by the names of their binaries and of their folders in `corpus/`.
pub const TARGETS: [(&str, Target); 15] = [
    ("call", call),
    ("callback", callback),
    ("challenge", challenge),
    ("error_response", error_response),
    ("form", form),
    ("jwe", jwe),
    ("jwt", jwt),
    ("keys", keys),
    ("metadata", metadata),
    ("resource_metadata", resource_metadata),
    ("sasl", sasl),
    ("sealed", sealed),
    ("stored", stored),
    ("token_response", token_response),
    ("urls", urls),
];
