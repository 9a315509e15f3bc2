//! OpenID Connect: who the user is, and when that ends.

pub mod initiated_login;
pub mod logout;
pub mod webfinger;

mod claims_request;

pub use claims_request::{Claim, ClaimsRequest};
