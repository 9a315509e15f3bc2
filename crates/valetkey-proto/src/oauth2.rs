//! OAuth 2.0 and 2.1: RFC 6749, its extensions, and draft-ietf-oauth-v2-1.

pub mod assertion;
pub mod authorization;
pub mod binding;
pub mod client;
pub mod endpoint;
pub mod grant;
pub mod profile;
pub mod protected_resource;
pub mod resource;
mod scope;
pub mod server;
pub mod token;

pub use scope::Scope;
