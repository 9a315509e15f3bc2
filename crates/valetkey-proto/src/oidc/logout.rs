//! The end of a session: asked for by the client, or told to it.
//!
//! * [`LogoutRequest`]: the client sends the user to the server to sign out (OpenID Connect RP-Initiated Logout 1.0)
//! * [`BackChannel`]: the server tells the client, by a request of its own (Back-Channel Logout 1.0)
//! * [`FrontChannel`]: the server has the browser tell the client (Front-Channel Logout 1.0)

mod back_channel;
mod front_channel;
mod rp_initiated;

pub use back_channel::{BackChannel, LogoutToken};
pub use front_channel::FrontChannel;
pub use rp_initiated::{LogoutRequest, PendingLogout};

pub use crate::jose::jwt::ReplayGuard;
