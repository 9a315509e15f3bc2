//! OpenID Connect: who the user is, and when that ends.
//!
//! A server that is asked for the scope `openid` answers with an ID token, a signed statement of who has signed in.
//! [`IdTokenVerifier`] verifies it with the server's keys ([`JwksRequest`](crate::oauth2::server::JwksRequest)) and makes
//! an [`IdToken`] of it; nothing else does. Whoever has one may ask for more about the user ([`UserInfoRequest`]).
//!
//! [`webfinger`] finds the server of a user, [`initiated_login`] lets others begin a sign-in, and [`logout`] ends one.

pub mod initiated_login;
pub mod logout;
pub mod webfinger;

mod claim_source;
mod claims;
mod claims_request;
mod id_token;
mod user_info;
mod verifier;

pub use self::{
    claim_source::{ClaimSource, ClaimsOfOthersRequest},
    claims::Claims,
    claims_request::{Claim, ClaimsRequest},
    id_token::IdToken,
    user_info::{UserInfo, UserInfoRequest},
    verifier::IdTokenVerifier,
};
