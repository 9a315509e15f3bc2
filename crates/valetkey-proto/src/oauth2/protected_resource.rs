//! APIs, which OAuth calls protected resources: what they say about themselves (RFC 9728), and how they read the tokens
//! that they are shown (RFC 9068).

mod access_token;
mod identifier;
mod metadata;
mod presented;
mod refusal;
mod request;

pub use access_token::{AccessTokenClaims, AccessTokenVerifier};
pub use identifier::ResourceIdentifier;
pub use metadata::ResourceMetadata;
pub use presented::{Confirmation, PresentedToken};
pub use refusal::Refusal;
pub use request::ResourceMetadataRequest;
