//! The other endpoints of a server.

pub mod registration;
pub mod revocation;
mod shown;

pub use shown::ShownToken;
