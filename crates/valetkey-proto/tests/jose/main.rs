//! Keys, signatures, encryption and tokens in JSON, as programs see them: what is taken, and what must be refused.

mod encryption;
mod keys;
mod kinds;
mod signatures;
mod support;
mod tokens;
mod writing;
