//! The other endpoints of a server.

pub mod introspection;
pub mod registration;
pub mod revocation;
mod shown;

pub use shown::ShownToken;
