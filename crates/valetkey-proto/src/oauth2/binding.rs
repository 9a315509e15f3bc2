//! Tokens that are bound to a key (RFC 9449): nobody can use them without it.

mod dpop;
mod kept;
mod nonces;
mod proof;

pub use dpop::Dpop;
pub use kept::KeptKey;
pub use nonces::Nonces;
pub use proof::Proof;

pub(crate) use dpop::DPOP;
pub(crate) use nonces::{At, Learned};
