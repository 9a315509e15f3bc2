//! Registering as a client (RFC 7591, OpenID Connect Registration 1.0), and managing that (RFC 7592).
//!
//! ```text
//!   RegistrationMetadata ──RegistrationRequest──▶ Registration ──▶ ClientMetadata: sign users in
//!                                                  │  ▲     │
//!                                     to_text, parse  └─────┴── ReadRequest, UpdateRequest, DeleteRequest
//! ```

mod metadata;
mod record;
mod registered;
mod request;

pub(crate) use metadata::MAX_REQUEST_URI;
pub use metadata::{ApplicationType, RegistrationMetadata};
pub use registered::Registration;
pub use request::{DeleteRequest, ReadRequest, RegistrationRequest, UpdateRequest};
