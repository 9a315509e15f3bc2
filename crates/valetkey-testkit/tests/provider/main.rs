//! The provider itself, by requests made by hand.

mod apis;
mod assertion;
mod common;
mod dpop;
mod flows;
mod grants;
