//! The other endpoints of a server.

pub mod registration;
