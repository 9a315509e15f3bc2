//! OpenID Connect: who the user is.
//!
//! A server that is asked for the scope `openid` answers with an ID token, a signed statement of who has signed in.
//! [`IdTokenVerifier`] verifies it with the server's keys ([`JwksRequest`](crate::oauth2::server::JwksRequest)) and makes
//! an [`IdToken`] of it; nothing else does. Whoever has one may ask for more about the user ([`UserInfoRequest`]).

mod claims;
mod id_token;
mod user_info;
mod verifier;

pub use self::{
    claims::Claims,
    id_token::IdToken,
    user_info::{UserInfo, UserInfoRequest},
    verifier::IdTokenVerifier,
};
