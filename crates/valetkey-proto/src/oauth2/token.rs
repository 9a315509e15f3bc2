//! Tokens: what the token endpoint answers (RFC 6749 §5), and what is kept of it.

mod kept;
mod quirks;
mod record;
mod response;
mod set;

pub use kept::Kept;
pub use quirks::{Quirk, Quirks};
pub use record::TokenRecord;
pub use response::{Strictness, TokenResponse, TokenType};
pub use set::{GrantedScope, TokenSet};
