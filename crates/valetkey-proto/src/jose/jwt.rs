//! Tokens (RFC 7519): one writer, one validator, and the table of kinds that both go by.

mod claims;
mod hash;
mod kind;
mod proof;
mod read;
mod replay;
mod token;
mod validator;
mod writer;

pub use self::{
    claims::ClaimSet,
    hash::{TokenHash, token_hash},
    kind::Kind,
    replay::ReplayGuard,
    token::Jwt,
    validator::{Expected, ProofOf, Validator},
    writer::Writer,
};
pub(crate) use self::{
    read::{Audience, NumericDate},
    writer::{request_object, unsigned_request_object},
};
