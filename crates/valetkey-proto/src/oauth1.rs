//! OAuth 1.0a (RFC 5849): signed requests, and the three requests that get a user's credentials.
//!
//! ```text
//!   TemporaryCredentialsRequest ──Call──▶ TemporaryCredentials
//!                                                 │
//!   AuthorizationRequest ──start──▶ (AuthorizationUrl, PendingAuthorization)
//!                                          │ browser         │ kept: in memory, or sealed in a cookie
//!                                          ▼                 ▼
//!                       Callback, or a PIN ────▶ receive ──▶ AuthorizationResponse
//!                                                                   │
//!   Signer ◀── TokenCredentials ◀──Call── TokenCredentialsRequest ◀─┘
//! ```
//!
//! ```
//! use std::sync::Arc;
//! use bytes::Bytes;
//! use valetkey_proto::{
//!     Call, Env, Event, Flow, Party, Step, Timestamp,
//!     crypto::{CryptoProvider, SystemRandom},
//!     endpoint::{Endpoint, RedirectUri},
//!     oauth1::{AuthorizationRequest, ClientCredentials, Signer, TemporaryCredentialsRequest, TokenCredentialsRequest},
//! };
//!
//! # fn send(request: http::Request<Bytes>) -> http::Response<Bytes> {
//! #     http::Response::new(match request.uri().path() {
//! #         "/initiate" => "oauth_token=hh5s93j4hdidpola&oauth_token_secret=hdhd0244k9j7ao03&oauth_callback_confirmed=true",
//! #         _ => "oauth_token=nnch734d00sl2jdk&oauth_token_secret=pfkkdhi9sl3r4s00",
//! #     }.into())
//! # }
//! # fn run<F: Flow>(mut flow: F, env: &Env<'_>) -> valetkey_proto::Result<F::Output> {
//! #     let Step::Send(request, _) = flow.step(Event::Go, env)? else { unreachable!() };
//! #     let Step::Done(output) = flow.step(Event::Response(send(request)), env)? else { unreachable!() };
//! #     Ok(output)
//! # }
//! # let env = &Env { now: Timestamp::from_secs(1_700_000_000), random: &SystemRandom::new(), crypto: &CryptoProvider::ring() };
//! let client = Signer::new(ClientCredentials::new("dpf43f3p2l4k3l03", "kd94hf93k423kf44")?);
//! let party = Arc::new(Party::oauth1(client.clone()));
//!
//! let callback = RedirectUri::parse("https://printer.example.com/ready")?;
//! let initiate = TemporaryCredentialsRequest::new(Endpoint::parse("https://photos.example.net/initiate")?, callback);
//! let temporary = run(Call::new(initiate, party.clone()), env)?;
//!
//! let request = AuthorizationRequest::new(Endpoint::parse("https://photos.example.net/authorize")?);
//! let (url, pending) = request.start(temporary);
//! assert_eq!(url.as_str(), "https://photos.example.net/authorize?oauth_token=hh5s93j4hdidpola");
//!
//! // The user goes there, agrees, and comes back.
//! let received = pending.receive("/ready?oauth_token=hh5s93j4hdidpola&oauth_verifier=hfdp7dh39dks9884")?;
//! let token = TokenCredentialsRequest::new(Endpoint::parse("https://photos.example.net/token")?, received);
//! let signer = client.token(run(Call::new(token, party), env)?);
//! # let _ = signer;
//! # Ok::<(), valetkey_proto::Error>(())
//! ```

mod authorization;
mod base_string;
mod credentials;
mod encoding;
mod explanation;
mod pending;
mod problem;
mod request;
mod response;
mod scratch;
mod signature;
mod signer;
mod stamp;
mod temporary;
mod token;
mod transmission;

pub use authorization::Authorization;
pub use credentials::{ClientCredentials, TokenCredentials};
pub use encoding::percent_encode;
pub use explanation::{Difference, Explanation, Part};
pub use pending::{AuthorizationResponse, PendingAuthorization, Verifier};
pub use problem::Problem;
pub use request::AuthorizationRequest;
pub use response::Quirk;
pub use signature::{NamedKey, SignatureMethod};
pub use signer::Signer;
pub use stamp::Stamp;
pub use temporary::{TemporaryCredentials, TemporaryCredentialsRequest};
pub use token::TokenCredentialsRequest;
pub use transmission::Transmission;

pub use crate::oauth2::authorization::{AuthorizationUrl, Callback};

pub(crate) use signer::Protocol;
pub(crate) use transmission::{BodyMut, Target, Unfinished};
