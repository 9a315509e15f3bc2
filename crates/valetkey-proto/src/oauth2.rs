//! OAuth 2.0 and 2.1: RFC 6749, its extensions, and draft-ietf-oauth-v2-1.

pub mod assertion;
pub mod authorization;
pub mod binding;
pub mod client;
mod details;
pub mod endpoint;
pub mod grant;
mod indicator;
pub mod profile;
pub mod protected_resource;
mod requested;
pub mod resource;
mod scope;
pub mod server;
pub mod step_up;
pub mod token;

pub use details::{AuthorizationDetail, AuthorizationDetails};
pub use indicator::ResourceIndicator;
pub use requested::Requested;
pub use scope::Scope;
