//! What a server says about itself: RFC 8414, and the OAuth part of OpenID Connect Discovery.

mod discovery;
mod issuer;
mod jwks;
mod metadata;
mod signer;
mod template;

pub use discovery::{Discovery, MetadataRequest};
pub use issuer::{Issuer, WellKnown};
pub use jwks::JwksRequest;
pub use metadata::ServerMetadata;
pub use signer::MetadataSigner;
pub use template::IssuerTemplate;
