//! Tokens: what the token endpoint answers (RFC 6749 §5), and what is kept of it.

mod quirks;
mod record;
mod response;
mod set;

pub use quirks::{Quirk, Quirks};
pub use record::TokenRecord;
pub use response::{Strictness, TokenResponse, TokenType};
pub use set::{GrantedScope, TokenSet};
