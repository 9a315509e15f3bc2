#![doc = include_str!("../README.md")]

mod client;
mod run;
mod session;
mod slot;

pub use client::{Authorize, Client, ClientBuilder, ClientCredentials};
pub use run::{RemoteSigner, Runtime, run};
pub use session::Session;
pub use valetkey_proto::{
    Advice, Error, ErrorCode, ErrorKind, ErrorResponse, Reason, Result, Timestamp, oauth2, seal, secret,
};
