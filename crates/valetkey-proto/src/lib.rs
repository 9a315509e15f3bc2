//! OAuth and OpenID Connect as pure state machines: no I/O, no clock, no entropy, no async.
#![cfg_attr(
    not(test),
    warn(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::wildcard_enum_match_arm
    )
)]

mod call;
pub mod crypto;
mod draft;
pub mod endpoint;
mod error;
mod flow;
pub mod form;
pub mod header;
pub mod oauth2;
mod party;
pub mod random;
mod response;
pub mod secret;
pub mod time;

pub use call::{Call, Exchange, Retry};
pub use draft::{Draft, Place};
pub use error::{Advice, Error, ErrorCode, ErrorKind, ErrorResponse, Reason, Result};
pub use flow::{Demand, Env, Event, Flow, Signing, Step};
pub use party::Party;
pub use time::Timestamp;
