//! An OAuth provider in this process, to test a login without a socket.
//!
//! [`Provider`] is a whole provider of OAuth 2.0, OAuth 1.0a and OpenID Connect that is also a
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
//! | `/token` | [grants](Grant) that are registered one by one: token exchange, SAML assertions, passwords | RFC 8693, 7522, 6749 |
//! | `/revoke` | revocation | RFC 7009 |
//! | `/api/me`, `/api/admin`, `/api/echo` | resources; `admin` wants the scope `admin` | RFC 6750 |
//! | all of these | codes and tokens bound to keys, with nonces, if [asked for](ProviderBuilder::dpop) | RFC 9449 |
//! | all of these, and below | ID tokens by every response type and mode, if [asked for](ProviderBuilder::openid) | OpenID Connect Core |
//! | `/jwks`, `/userinfo`, `/claims` | its keys; JSON or a JWT about the user; distributed claims | OpenID Connect Core |
//! | `/register` | registration, and its management | RFC 7591, 7592 |
//! | `/logout` | logout by the client; and [others](Provider::back_channel_logouts) are [told](Provider::front_channel_logouts) | OpenID Connect RP-Initiated, Back-Channel and Front-Channel Logout |
//! | `/.well-known/webfinger` | the provider of an account | RFC 7033 |
//! | `/.well-known/oauth-protected-resource/api/…` | what the APIs say of themselves, if [asked for](ProviderBuilder::resource_metadata) | RFC 9728 |
//! | `/token` | access tokens that an API can read, if [asked for](ProviderBuilder::jwt_access_tokens) | RFC 9068 |
//! | `/oauth1/…` | OAuth 1.0a, with clients of its own: [`oauth1`] | RFC 5849 |
//!
//! The provider is strict where a lenient one would hide a client's mistake: a code is good for one
//! attempt, so is an assertion, a rotated refresh token that comes again ends its grant, and parameters that
//! occur twice are refused. It shares no code with the client that it tests.
//!
//! # OpenID Connect
//!
//! A provider is one of OpenID Connect when it is [asked to be](ProviderBuilder::openid); all clients may then use all
//! [response types](ResponseType). What a client [registers](RegisteredClient::id_token_signed_by) decides by
//! what its ID tokens are signed, what its users are called, and how it learns of logouts. An answer that the browser
//! posts is had by [`posted`](Provider::posted).
//!
//! ```
//! use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
//! use valetkey_testkit::{OpenId, Provider};
//!
//! let provider = Provider::builder().openid(OpenId::new()).build();
//! let post = provider.posted(
//!     "https://issuer.test/authorize?response_type=code+id_token&response_mode=form_post&client_id=app\
//!      &scope=openid&nonce=n1&state=s1&redirect_uri=https%3A%2F%2Fclient.test%2Fcb",
//! )?;
//! let answer: Vec<(String, String)> = form_urlencoded::parse(post.body()).into_owned().collect();
//! let id_token = &answer.iter().find(|(name, _)| name == "id_token").unwrap().1;
//! let claims = URL_SAFE_NO_PAD.decode(id_token.split('.').nth(1).unwrap()).unwrap();
//! let claims: serde_json::Value = serde_json::from_slice(&claims)?;
//! assert_eq!((&claims["sub"], &claims["nonce"]), (&"alice".into(), &"n1".into()));
//!
//! // The user signs out, and the client is told, if it wants to be.
//! provider.sign_out();
//! assert!(provider.back_channel_logouts().is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! It has no page for session management, no endpoints for mutual TLS, and delivers no logout by itself: what it
//! would send is for the test to hand over.
//!
//! # Tokens for one API, and APIs that want more
//!
//! Tokens are for the resources that were asked for (RFC 8707), and for the authorization details (RFC 9396), which come
//! back with the token and in what the provider says about it. `/api/demanding` wants what its query says, until the token
//! has it: a `scope` (RFC 6750 §3.1), one of `acr_values` and a `max_age` (RFC 9470); with `always` it is never content.
//!
//! # The conformance suite
//!
//! [`modules`] has the modules by which the OpenID Foundation tests clients, by the suite's own names: each a row that
//! says what the provider does, what the client is to try, and what must come of it. A [`Run`] is one of them by one
//! response type and mode, and sets up the provider for it.
//!
//! ```
//! use valetkey_testkit::{Expect, Module, Task, Verdict, modules};
//!
//! let module = modules().find(|module| module.name == "oidcc-client-test-invalid-iss").unwrap();
//! assert_eq!(module.task, Task::LogIn);
//! assert!(matches!(module.verdict, Verdict::Must(Expect::Rejected { .. })));
//! for run in module.runs().filter(|run| run.response_type.has_id_token()) {
//!     let provider = run.provider().build();
//!     // … the client `Module::CLIENT` signs in, and refuses the ID token. It made no use of it:
//!     # provider.visit(format!("https://issuer.test/authorize?response_type={}&response_mode=fragment\
//!     #      &client_id={}&scope=openid&nonce=n&redirect_uri=https%3A%2F%2Fclient.test%2Fcb",
//!     #      run.response_type.name().replace(' ', "+"), Module::CLIENT))?;
//!     provider.assert_no_call_after_fault();
//! }
//! # Ok::<(), valetkey_testkit::VisitError>(())
//! ```
//!
//! # What goes wrong
//!
//! A [`Fault`] is a row of data: where it happens, what happens, and what a correct client does about it.
//! [`faults`] is the table, from an issuer that differs by a slash to a body without an end, and one loop
//! tests them all. The endpoints know nothing of it. What only clients with assertions, DPoP or OpenID Connect can
//! meet says so by its [`feature`](Fault::feature).
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

mod access_token;
mod assertion;
mod builder;
mod clock;
mod conformance;
mod dpop;
mod endpoint;
mod fault;
mod grant;
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
mod targets;
mod transcript;
mod user;
mod wire;

pub use assertion::ServiceAccount;
pub use builder::ProviderBuilder;
pub use conformance::{Module, Plan, Run, Task, Verdict, modules};
pub use dpop::{Dpop, DpopNonces};
pub use fault::{Body, Effect, Expect, Fault, Feature, JwtEdit, KeyEdit, Member, Param, fault, faults};
pub use grant::Grant;
pub use openid::{ClaimSource, OpenId, ResponseMode, ResponseType, SubjectType, TokenPlacement};
pub use provider::Provider;
pub use random::SeededRandom;
pub use run::{Spawning, turn};
#[cfg(feature = "serve")]
pub use serve::Served;
pub use settings::{
    Audience, AuthMethod, HMAC_SECRET, RegisteredClient, SERVICE_ACCOUNT, SPECIAL_SECRET, WellKnown,
};
pub use transcript::{Entry, Mark, Place};
pub use user::{User, VisitError};
#[doc(inline)]
pub use valetkey_http::block_on;
