//! OAuth and OpenID Connect as pure state machines: no I/O, no clock, no entropy, no async.

pub mod random;
pub mod time;

pub use time::Timestamp;
