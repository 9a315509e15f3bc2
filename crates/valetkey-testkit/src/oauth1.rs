//! The OAuth 1.0a side of the provider (RFC 5849): whom it knows, its rules, and how it verifies.
//!
//! It stands beside OAuth 2 in the same [`Provider`](crate::Provider), with the same clock, transcript,
//! faults and users, below `/oauth1/`:
//!
//! | at | what | RFC 5849 |
//! |---|---|---|
//! | `/oauth1/request_token` | temporary credentials | §2.1 |
//! | `/oauth1/authorize` | the user says yes or no; the verifier goes to the callback, or on a page as a PIN | §2.2 |
//! | `/oauth1/access_token` | token credentials | §2.3 |
//! | `/oauth1/api`, `/oauth1/api/…` | a protected resource, any method; it answers what it saw as JSON | §3 |
//!
//! | client | secret | callbacks |
//! |---|---|---|
//! | `dpf43f3p2l4k3l03` | `kd94hf93k423kf44` | `https://client.test/cb`, anything on loopback, `oob` |
//! | `weird key+&=%` | `sécret &=+%/~` | the same; both are hard to encode |
//!
//! The base string and the signatures are computed here anew, from the request as it came, so that a client
//! which signs something else than it sends is found out.
//!
//! ```
//! use bytes::Bytes;
//! use http::Request;
//! use valetkey_http::{Backend, Limits};
//! use valetkey_testkit::{Provider, block_on};
//!
//! let provider = Provider::new();
//! let post = |endpoint: &str, more: &str| {
//!     // PLAINTEXT needs neither a nonce nor a timestamp (RFC 5849 §3.1).
//!     let header = format!(
//!         "OAuth oauth_consumer_key=\"dpf43f3p2l4k3l03\", oauth_signature_method=\"PLAINTEXT\", {more}"
//!     );
//!     let request = Request::post(provider.oauth1(endpoint)).header("authorization", header);
//!     let answer = block_on(provider.send(request.body(Bytes::new()).unwrap(), Limits::default())).unwrap();
//!     assert_eq!(answer.status(), 200);
//!     let pairs = form_urlencoded::parse(answer.body()).into_owned();
//!     pairs.collect::<std::collections::HashMap<_, _>>()
//! };
//!
//! let temporary = post(
//!     "request_token",
//!     "oauth_callback=\"https%3A%2F%2Fclient.test%2Fcb\", oauth_signature=\"kd94hf93k423kf44%26\"",
//! );
//! let token = &temporary["oauth_token"];
//! let callback = provider.visit(format!("{}?oauth_token={token}", provider.oauth1("authorize")))?;
//! let (_, verifier) = callback.split_once("&oauth_verifier=").unwrap();
//! let secret = &temporary["oauth_token_secret"];
//! let credentials = post(
//!     "access_token",
//!     &format!(
//!         "oauth_token=\"{token}\", oauth_verifier=\"{verifier}\", \
//!          oauth_signature=\"kd94hf93k423kf44%26{secret}\""
//!     ),
//! );
//! assert!(credentials.contains_key("oauth_token_secret"));
//! # Ok::<(), valetkey_testkit::VisitError>(())
//! ```

mod base_string;
mod key;
mod params;
mod refusal;
mod rules;
mod state;
#[cfg(test)]
mod tests;
mod verify;

pub use rules::{Confirmation, Denial, Errors, RegisteredClient, Rules, SignatureMethod};

pub(crate) use params::protocol_params;
pub(crate) use refusal::Refusal;
pub(crate) use rules::OUT_OF_BAND;
pub(crate) use state::{Credentials, Decision, Token};
pub(crate) use verify::{Caller, Purpose, verify};
