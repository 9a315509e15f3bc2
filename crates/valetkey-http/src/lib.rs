//! The seam between valetkey and an HTTP client.
//!
//! Both sides share the words of this crate and nothing else: the protocol crate hands out
//! [`Request`]s and takes [`Response`]s and [`Failure`]s; an adapter carries them over some HTTP
//! client by implementing [`Backend`]. [`backend_fn`] makes a backend of a closure, which is all that
//! most tests need.
//!
//! ```
//! use bytes::Bytes;
//! use valetkey_http::{Backend, Limits, backend_fn, block_on};
//!
//! let backend = backend_fn(|request: valetkey_http::Request, _limits: Limits| async move {
//!     assert_eq!(request.uri(), "https://api.example/");
//!     Ok(http::Response::new(Bytes::from_static(b"hello")))
//! });
//! let request = http::Request::get("https://api.example/").body(Bytes::new())?;
//! let response = block_on(backend.send(request, Limits::default()));
//! assert_eq!(response.expect("answered").body(), "hello");
//! # Ok::<(), http::Error>(())
//! ```

pub mod adapter;
mod address;
mod backend;
mod block_on;
mod failure;
mod limits;

pub use address::{Addresses, is_public, is_public_host};
pub use backend::{Backend, BackendFn, Task, backend_fn};
pub use block_on::block_on;
pub use failure::{BoxError, Failure, FailureKind, Phase, Sent};
pub use limits::Limits;

use bytes::Bytes;

/// A whole HTTP request, body included.
///
/// Do not print one with `Debug`: `http` prints bodies and the headers that are not marked sensitive.
pub type Request = http::Request<Bytes>;

/// A whole HTTP response, body included.
pub type Response = http::Response<Bytes>;

/// Marks, as an extension of a [`Response`], that its body ended because the connection was closed and
/// not by its framing (RFC 9112 §6.3, rule 8): whether it is complete cannot be known.
///
/// JSON tells by itself whether it was cut; a form-encoded body does not, so that the protocol crate
/// refuses one that carries this mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unframed;

impl Unframed {
    /// The mark, to be put into [`http::Response::extensions_mut`] by an adapter.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

impl Default for Unframed {
    fn default() -> Self {
        Self::new()
    }
}
