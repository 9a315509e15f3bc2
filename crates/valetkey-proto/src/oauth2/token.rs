//! Tokens: what the token endpoint answers (RFC 6749 §5), and what is kept of it.

mod kept;
mod part;
mod quirks;
mod record;
pub mod refresh;
mod response;
mod set;

pub use kept::Kept;
pub use quirks::{Quirk, Quirks};
pub use record::TokenRecord;
pub use response::{Strictness, TokenResponse, TokenType};
pub use set::{GrantedScope, TokenSet};
