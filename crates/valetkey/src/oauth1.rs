//! OAuth 1.0a (RFC 5849): the client and the session, and a signer for requests that others send.
//!
//! ```
//! use valetkey::oauth1::{Client, ClientCredentials};
//! use valetkey_testkit::{Provider, block_on};
//!
//! # block_on(async {
//! let provider = Provider::new();
//! let client = Client::builder(provider.clone())
//!     .credentials(ClientCredentials::new("dpf43f3p2l4k3l03", "kd94hf93k423kf44")?)
//!     .temporary_credentials(&provider.oauth1("request_token"))
//!     .authorization(&provider.oauth1("authorize"))
//!     .token_credentials(&provider.oauth1("access_token"))
//!     .redirect_uri("https://client.test/cb")
//!     .api(&provider.oauth1("api"))
//!     .build()?;
//!
//! let (url, pending) = client.authorize().start().await?;
//! let callback = provider.visit(&url).expect("the user approves");
//! let session = client.redeem(pending, &callback).await?;
//!
//! let request = http::Request::get(provider.oauth1("api/photos")).body(bytes::Bytes::new()).expect("a request");
//! assert_eq!(session.send(request).await?.status(), 200);
//! # Ok::<(), valetkey::Error>(())
//! # }).unwrap();
//! ```

mod client;
mod nonces;
mod session;
mod signer;

pub use client::{Authorize, Client, ClientBuilder};
pub use session::Session;
pub use signer::Signer;
pub use valetkey_proto::oauth1::{
    AuthorizationUrl, Callback, ClientCredentials, NamedKey, PendingAuthorization, Quirk, SignatureMethod,
    TokenCredentials, Transmission, Verifier,
};
