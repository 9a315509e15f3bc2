//! The user's trip to the server and back (RFC 6749 §4.1, RFC 9700 §2.1).
//!
//! ```text
//!   AuthorizationRequest ──start──▶ (AuthorizationUrl, PendingAuthorization)
//!                                          │ browser         │ kept: in memory, or sealed in a cookie
//!                                          ▼                 ▼
//!                                      Callback ────▶ receive ──▶ AuthorizationResponse
//! ```

mod pending;
mod pkce;
mod request;
mod request_object;
mod response;
mod response_type;
mod targets;
mod wishes;

pub use pending::{Nonce, PendingAuthorization, State};
pub use pkce::{CodeChallenge, CodeChallengeMethod, CodeVerifier};
pub use request::{AuthorizationRequest, AuthorizationUrl};
pub use request_object::{AuthorizationStart, HostedObject, RequestObject};
pub use response::{AuthorizationResponse, AwaitedIdToken, Callback};
pub use response_type::{ResponseMode, ResponseType};
pub use wishes::{Display, Prompt};

pub(crate) use pending::check_age;
pub(crate) use request::with_joint;
