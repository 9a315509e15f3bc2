//! How much one exchange may cost, bytes and time, and where it may go.

use std::time::Duration;

use crate::Addresses;

/// The bounds of one send, asked for by the protocol and merged with the deadlines of the client.
///
/// ```
/// # use std::time::Duration;
/// let mut limits = valetkey_http::Limits::default();
/// limits.total = Duration::from_secs(5);
/// assert!(limits.body_bytes >= 256 * 1024);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Most bytes of response head (names and values of all header fields). Default 64 KiB.
    pub head_bytes: usize,
    /// Most bytes of response body; more is [`FailureKind::TooLarge`](crate::FailureKind::TooLarge).
    /// Default 256 KiB.
    pub body_bytes: usize,
    /// Longest time until a connection stands, TLS included. Default 5 s.
    pub connect: Duration,
    /// Longest time from the send until the response head is there. Default 15 s.
    pub head: Duration,
    /// Longest silence between two pieces of the body. Default 10 s.
    pub idle: Duration,
    /// Longest time for the whole exchange. Default 30 s.
    pub total: Duration,
    /// Send on a connection of its own, and never reuse it.
    ///
    /// Asked for by requests that must not be sent twice (a code, a rotating refresh token): a server
    /// that closes an idle connection just as the request leaves would make its outcome unknown.
    pub fresh: bool,
    /// The addresses that it may go to. Default any.
    ///
    /// With [`Addresses::Public`], a host that [is not public](crate::is_public_host) is
    /// [`FailureKind::AddressRefused`](crate::FailureKind::AddressRefused), and so is a name that is found to lead
    /// nowhere else. A backend looks the name up once, connects to an address that it checked, and uses no connection
    /// that it made without checking. One that cannot says so; behind a proxy, addresses are the proxy's to refuse.
    pub addresses: Addresses,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: 64 << 10,
            body_bytes: 256 << 10,
            connect: Duration::from_secs(5),
            head: Duration::from_secs(15),
            idle: Duration::from_secs(10),
            total: Duration::from_secs(30),
            fresh: false,
            addresses: Addresses::Any,
        }
    }
}
