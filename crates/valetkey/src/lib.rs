#![doc = include_str!("../README.md")]

pub mod blocking;
mod client;
mod kept;
mod keys;
pub mod oauth1;
pub mod profile;
mod protected_resource;
mod remembered;
mod resource_server;
mod run;
#[cfg(all(test, shuttle))]
mod schedules;
mod session;
mod sessions;
mod slot;
pub mod source;
pub mod store;
mod sync;

pub use client::{
    Authorize, Client, ClientBuilder, ClientCredentials, Device, DeviceLogin, Extension, JwtBearer, Legacy,
    Logout, PasswordLogin, Registrar, SamlBearer, TokenExchange,
};
pub use protected_resource::ProtectedResource;
pub use resource_server::{ResourceServer, ResourceServerBuilder};
pub use run::{RemoteSigner, Runtime, run};
#[cfg(feature = "tracing")]
pub use session::TracingObserver;
pub use session::{
    Anomaly, Attached, Bearer, Narrow, NoReplay, Observer, Session, SessionEvent, TokenKeeper, Verdict,
};
pub use sessions::{KeepAlive, Sessions};
pub use valetkey_http::BoxError;
pub use valetkey_proto::{
    Advice, Error, ErrorCode, ErrorKind, ErrorResponse, Reason, Result, Retry, Signing, Timestamp, crypto,
    jose, oauth2, oauth2::token::TokenRecord, oidc, sasl, seal, secret,
};
