//! An OAuth provider in this process, to test a login without a socket.
//!
//! [`Provider`] is a whole provider of OAuth 2.0 and OAuth 1.0a that is also a
//! [`Backend`](valetkey_http::Backend): give it to a client in place of an HTTP client, and every request is
//! answered here. There is no port, no certificate, no runtime and no waiting. Time is virtual: it begins at a fixed date and moves only when
//! the client sleeps, when an answer is slow, or when the test says so. Randomness is seeded. So a test
//! is the same every time, down to the bytes, and an hour passes in a microsecond.
//!
//! # A login by hand
//!
//! What a client does, request by request. A client library does the same by itself, and
//! [`visit`](Provider::visit) is then the only line that remains.
//!
//! ```
//! use std::time::Duration;
//!
//! use bytes::Bytes;
//! use http::Request;
//! use valetkey_http::{Backend, Limits};
//! use valetkey_testkit::{Place, Provider, block_on};
//!
//! let provider = Provider::new();
//! let send = |request| block_on(provider.send(request, Limits::default()));
//!
//! // The user's browser opens the URL, the user approves, and the browser ends at the client.
//! let callback = provider.visit(
//!     "https://issuer.test/authorize?response_type=code&client_id=app&state=s1&scope=read\
//!      &redirect_uri=https%3A%2F%2Fclient.test%2Fcb",
//! )?;
//! let code = callback.split(['?', '&']).find_map(|pair| pair.strip_prefix("code=")).unwrap();
//!
//! // The client redeems the code …
//! let form = format!(
//!     "grant_type=authorization_code&code={code}&redirect_uri=https%3A%2F%2Fclient.test%2Fcb\
//!      &client_id=app&client_secret=app-secret"
//! );
//! let request = Request::post("https://issuer.test/token")
//!     .header("content-type", "application/x-www-form-urlencoded")
//!     .body(Bytes::from(form))?;
//! let tokens: serde_json::Value = serde_json::from_slice(send(request)?.body())?;
//! let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
//!
//! // … and uses the token, until an hour has passed.
//! let me = || Request::get(provider.api("me")).header("authorization", &bearer).body(Bytes::new());
//! assert_eq!(send(me()?)?.status(), 200);
//! provider.advance(Duration::from_secs(3600));
//! assert_eq!(send(me()?)?.status(), 401);
//! assert_eq!(provider.count(Place::Resource), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Who is who
//!
//! | client | secret | for |
//! |---|---|---|
//! | `app` | `app-secret` | a web application; redirect URI `https://client.test/cb` |
//! | `special` | [`SPECIAL_SECRET`] | the same, with a secret that is hard to encode |
//! | `service` | `service-secret` | the client credentials grant |
//! | `native` | none | redirect URIs `http://127.0.0.1:*/cb`, `http://[::1]:*/cb`, `com.example.app:/cb` |
//! | `signed` | any key of [`keys`] | as `app`, by `private_key_jwt` |
//! | `hmac` | [`HMAC_SECRET`] | as `app`, by `client_secret_jwt` |
//!
//! The users are `alice`, who sits at the browser, and `bob`. All of it can be changed by
//! [`Provider::builder`].
//!
//! # What is there
//!
//! | at | what | by |
//! |---|---|---|
//! | `/.well-known/…` | metadata | RFC 8414, OpenID Connect Discovery |
//! | `/authorize` | the code flow, PKCE with S256, `iss` in the callback | RFC 6749, 7636, 9207 |
//! | `/token` | codes, refresh tokens with rotation, client credentials | RFC 6749, 9700 |
//! | `/token` | JWTs of clients and of service accounts, such as [`SERVICE_ACCOUNT`] | RFC 7523 |
//! | `/revoke` | revocation | RFC 7009 |
//! | `/api/me`, `/api/admin`, `/api/echo` | resources; `admin` wants the scope `admin` | RFC 6750 |
//! | all of these | codes and tokens bound to keys, with nonces, if [asked for](ProviderBuilder::dpop) | RFC 9449 |
//! | `/oauth1/…` | OAuth 1.0a, with clients of its own: [`oauth1`] | RFC 5849 |
//!
//! The provider is strict where a lenient one would hide a client's mistake: a code is good for one
//! attempt, so is an assertion, a rotated refresh token that comes again ends its grant, and parameters that
//! occur twice are refused. It shares no code with the client that it tests.
//!
//! # What goes wrong
//!
//! A [`Fault`] is a row of data: where it happens, what happens, and what a correct client does about it.
//! [`faults`] is the table, from an issuer that differs by a slash to a body without an end, and one loop
//! tests them all. The endpoints know nothing of it. What only clients with assertions or DPoP can meet says so
//! by its [`feature`](Fault::feature).
//!
//! ```
//! use valetkey_testkit::{Provider, fault};
//!
//! let provider = Provider::builder().fault(fault("iss-wrong")).build();
//! let callback = provider.visit(
//!     "https://issuer.test/authorize?response_type=code&client_id=app&state=s1\
//!      &redirect_uri=https%3A%2F%2Fclient.test%2Fcb",
//! )?;
//! assert!(callback.ends_with("iss=https%3A%2F%2Fevil.test"));
//!
//! // … the client receives the callback and must go no further:
//! let mark = provider.mark();
//! provider.assert_quiet_since(mark);
//! # Ok::<(), valetkey_testkit::VisitError>(())
//! ```
//!
//! # On a port
//!
//! With the feature `serve`, `Provider::serve` puts the same provider on a port of `127.0.0.1`, for a real
//! browser, a client in another process, or an HTTP client that is to meet the same faults. With
//! [`User::interactive`] it shows a page with two buttons.

mod assertion;
mod builder;
mod clock;
mod conformance;
mod dpop;
mod endpoint;
mod fault;
mod jose;
pub mod keys;
mod message;
pub mod oauth1;
mod openid;
mod provider;
mod random;
mod run;
mod script;
#[cfg(feature = "serve")]
mod serve;
mod settings;
mod state;
mod transcript;
mod user;
mod wire;

pub use assertion::ServiceAccount;
pub use builder::ProviderBuilder;
pub use conformance::{Module, Plan, Run, Task, Verdict, modules};
pub use dpop::{Dpop, DpopNonces};
pub use fault::{Body, Effect, Expect, Fault, Feature, JwtEdit, KeyEdit, Member, Param, fault, faults};
pub use openid::{ClaimSource, OpenId, ResponseMode, ResponseType, SubjectType, TokenPlacement};
pub use provider::Provider;
pub use random::SeededRandom;
pub use run::Spawning;
#[cfg(feature = "serve")]
pub use serve::Served;
pub use settings::{
    Audience, AuthMethod, HMAC_SECRET, RegisteredClient, SERVICE_ACCOUNT, SPECIAL_SECRET, WellKnown,
};
pub use transcript::{Entry, Mark, Place};
pub use user::{User, VisitError};
#[doc(inline)]
pub use valetkey_http::block_on;
