//! What no knob can say: code of the program's, between the protocol and the wire.

use std::fmt;

use valetkey_http::{Request, Response};

use crate::error::Result;

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RequestKind {
    /// To get tokens, by any grant but a refresh token.
    Token,
    /// To renew them by a refresh token.
    Refresh,
    /// To get a code for a user elsewhere (RFC 8628 §3.1).
    DeviceAuthorization,
    /// To have a token revoked (RFC 7009).
    Revocation,
    /// To ask what a token is (RFC 7662).
    Introspection,
    /// To use an API.
    Resource,
}

/// A step of the program's on the way to the server and back, for a provider that no knob describes.
///
/// Hooks run in the order in which they were added, when a request is complete, each time that it is sent, and when its
/// answer came, before it is read. They are synchronous, and cannot send anything themselves.
///
/// ```
/// use valetkey_http::{Request, Response};
/// use valetkey_proto::{Result, oauth2::profile::{Hook, RequestKind}};
///
/// /// A provider that wants to know the version of its own API.
/// #[derive(Debug)]
/// struct Version;
///
/// impl Hook for Version {
///     fn name(&self) -> &str {
///         "version"
///     }
///
///     fn request(&self, kind: RequestKind, request: &mut Request) -> Result<()> {
///         if kind == RequestKind::Resource {
///             request.headers_mut().insert("x-version", http::HeaderValue::from_static("2"));
///         }
///         Ok(())
///     }
/// }
/// ```
///
/// # Security
///
/// A hook sees secrets, tokens and codes, and what it does to a request is not checked.
pub trait Hook: fmt::Debug + Send + Sync {
    /// Its name, by which a profile may say that it is needed.
    fn name(&self) -> &str;

    /// Changes a request that is complete. One with a DPoP proof must keep its method and URL, which the proof covers.
    ///
    /// # Errors
    ///
    /// Whatever ends the request before it is sent.
    fn request(&self, kind: RequestKind, request: &mut Request) -> Result<()> {
        let _ = (kind, request);
        Ok(())
    }

    /// Changes the answer to a request for tokens before it is read.
    ///
    /// # Errors
    ///
    /// Whatever the answer then is.
    fn response(&self, kind: RequestKind, response: &mut Response) -> Result<()> {
        let _ = (kind, response);
        Ok(())
    }
}
