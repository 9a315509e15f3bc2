//! OAuth and OpenID Connect as pure state machines: no I/O, no clock, no entropy, no async.
//!
//! A [`Flow`] is told what happened ([`Event`]) and says what to do next ([`Step`]): send this request, have this
//! signed, wait, done. Time, randomness and cryptography are handed in with every step ([`Env`]). Whatever can
//! send a request can drive it; the crate `valetkey` has the async driver, and a client on top.
//!
//! ```
//! use valetkey_proto::{
//!     Call, Env, Event, Flow, Party, Step, Timestamp,
//!     crypto::{CryptoProvider, SystemRandom},
//!     oauth2::{
//!         client::{ClientAuth, ClientMetadata},
//!         grant::ClientCredentialsGrant,
//!         server::{Issuer, ServerMetadata},
//!     },
//! };
//!
//! let issuer = Issuer::parse("https://as.example")?;
//! let server = ServerMetadata::new(issuer.clone()).with_token_endpoint("https://as.example/token")?;
//! let client = ClientMetadata::new("s6BhdRkqt3")?.with_auth(ClientAuth::secret_basic("7Fjfp0ZBr1KtDRbnfVdmIw"));
//! let party = Party::client(issuer, client.id(), client.auth())?;
//!
//! let mut call = Call::new(ClientCredentialsGrant::new(&server, &client)?, party.into());
//! let env = Env { now: Timestamp::from_secs(0), random: &SystemRandom::new(), crypto: &CryptoProvider::ring() };
//! let Step::Send(request, _) = call.step(Event::Go, &env)? else { unreachable!("it begins by asking") };
//! assert_eq!(request.uri(), "https://as.example/token");
//! assert_eq!(request.body(), "grant_type=client_credentials");
//!
//! // Send it with whatever you like, and hand in what came back.
//! let mut response = http::Response::new(r#"{"access_token":"2YotnFZFEjr1zCsicMWpAA","token_type":"Bearer"}"#.into());
//! response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
//! let Step::Done(tokens) = call.step(Event::Response(response), &env)? else { unreachable!("it is answered") };
//! assert_eq!(tokens.access_token().expose(), "2YotnFZFEjr1zCsicMWpAA");
//! # Ok::<(), valetkey_proto::Error>(())
//! ```
//!
//! # The map
//!
//! * [`Flow`], [`Event`], [`Step`], [`Env`]: the shape of every machine
//! * [`Exchange`], [`Call`], [`Party`], [`Retry`], [`Draft`]: one request and its answer; authentication, retries
//! * [`Error`], [`ErrorKind`], [`Reason`]: the one error
//! * [`oauth2::server`]: metadata, discovery, issuers · [`oauth2::client`]: what we are to a server
//! * [`oauth2::authorization`]: the user's trip · [`oauth2::grant`]: codes, refresh tokens, client credentials
//! * [`oauth2::assertion`]: what a program signs itself, as a grant or a token
//! * [`oauth2::token`]: what is answered and kept · [`oauth2::resource`]: calling an API
//! * [`oidc`]: who the user is: ID tokens, UserInfo, logouts, WebFinger
//! * [`jose`]: keys, signatures and tokens in JSON: JWK, JWS, JWE, JWT
//! * [`oauth2::endpoint`]: the other endpoints: registration
//! * [`oauth1`]: OAuth 1.0a, signatures and sign-ins · [`sasl`]: tokens for IMAP, POP and SMTP
//! * [`secret`], [`seal`], [`endpoint`], [`form`], [`header`], [`time`], [`random`], [`crypto`]: what all of it is made of
#![cfg_attr(
    not(test),
    warn(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::wildcard_enum_match_arm
    )
)]

mod call;
pub mod crypto;
mod draft;
pub mod endpoint;
mod error;
mod flow;
pub mod form;
pub mod header;
pub mod jose;
pub mod oauth1;
pub mod oauth2;
pub mod oidc;
mod party;
pub mod random;
mod record;
mod response;
pub mod sasl;
pub mod seal;
pub mod secret;
pub mod time;

pub use call::{Call, Exchange, Retry};
pub use draft::{Draft, Place};
pub use error::{Advice, Error, ErrorCode, ErrorKind, ErrorResponse, Reason, Result};
pub use flow::{Demand, Env, Event, Flow, Signing, Step};
pub use party::Party;
pub use time::{Timestamp, Window};
