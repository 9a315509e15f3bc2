//! OAuth 1.0a (RFC 5849): signed requests, and the three requests that get a user's credentials.

mod authorization;
mod base_string;
mod credentials;
mod encoding;
mod explanation;
mod signature;
mod signer;
mod stamp;
mod transmission;

pub use authorization::Authorization;
pub use credentials::{ClientCredentials, TokenCredentials};
pub use encoding::percent_encode;
pub use explanation::{Difference, Explanation, Part};
pub use signature::{NamedKey, SignatureMethod};
pub use signer::Signer;
pub use stamp::Stamp;
pub use transmission::Transmission;

pub(crate) use signer::Protocol;
pub(crate) use transmission::{BodyMut, Target, Unfinished};
