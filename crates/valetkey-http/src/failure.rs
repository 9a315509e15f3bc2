//! What an adapter says when no whole response came back.

use std::{error::Error, fmt};

use http::StatusCode;

/// An error of any type, as the cause of a [`Failure`].
pub type BoxError = Box<dyn Error + Send + Sync>;

/// How far a request got. Every decision about sending it again rests on this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "whoever decides about a retry must decide all three cases")]
pub enum Sent {
    /// The server cannot have acted on the request. An adapter says so only when that is certain.
    Nothing,
    /// The server may have acted on it.
    Maybe,
    /// The server began to answer, with this status.
    Answered(StatusCode),
}

/// What went wrong. The adapters map the errors of their clients onto these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// The backend cannot send what it was given, or was set up wrongly.
    Config,
    /// The host name could not be resolved.
    Resolve,
    /// The host has no address that [`Limits`](crate::Limits) allow; it was not connected to.
    AddressRefused,
    /// No connection could be made.
    Connect,
    /// TLS failed: the handshake, the certificate or the host name.
    Tls,
    /// A deadline passed.
    Timeout(Phase),
    /// The connection was closed before the response was complete.
    Closed,
    /// The response is not HTTP.
    Protocol,
    /// The body is shorter than the response said.
    Truncated,
    /// The head or the body is larger than [`Limits`](crate::Limits) allow.
    TooLarge,
    /// The HTTP client followed a redirect although it must not.
    Redirected,
    /// The HTTP client panicked; the adapter caught it.
    Panicked,
    /// The attempt was given up while it was under way, so that its outcome is unknown.
    Abandoned,
    /// Anything else.
    Other,
}

/// The part of an exchange in which a deadline passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Making the connection, TLS included.
    Connect,
    /// Waiting for the response head.
    Head,
    /// Waiting for the next piece of the body.
    Idle,
    /// The whole exchange.
    Total,
}

/// A send that brought no whole response: how far it got, what went wrong, and why.
///
/// Its text never contains the URL of the request, which can carry secrets; adapters keep URLs out of
/// the sources too.
///
/// ```
/// use valetkey_http::{Failure, FailureKind, Sent};
///
/// let failure = Failure::new(Sent::Nothing, FailureKind::Connect)
///     .with_source(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
/// assert_eq!(failure.to_string(), "no connection could be made (nothing was sent)");
/// ```
#[derive(Debug)]
pub struct Failure {
    sent: Sent,
    kind: FailureKind,
    source: Option<BoxError>,
}

impl Failure {
    /// A failure of this kind, after the request got this far.
    #[must_use]
    pub fn new(sent: Sent, kind: FailureKind) -> Self {
        Self { sent, kind, source: None }
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Says anew how far the request got.
    #[must_use]
    pub fn with_sent(mut self, sent: Sent) -> Self {
        self.sent = sent;
        self
    }

    /// How far the request got.
    #[must_use]
    pub fn sent(&self) -> Sent {
        self.sent
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    /// Whether a deadline passed.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self.kind, FailureKind::Timeout(_))
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            FailureKind::Config => "the backend cannot send this request",
            FailureKind::Resolve => "the host name could not be resolved",
            FailureKind::AddressRefused => "the host has no address that is allowed",
            FailureKind::Connect => "no connection could be made",
            FailureKind::Tls => "TLS failed",
            FailureKind::Timeout(Phase::Connect) => "no connection in time",
            FailureKind::Timeout(Phase::Head) => "no response in time",
            FailureKind::Timeout(Phase::Idle) => "the response stalled",
            FailureKind::Timeout(Phase::Total) => "the exchange took too long",
            FailureKind::Closed => "the connection was closed",
            FailureKind::Protocol => "the response is not HTTP",
            FailureKind::Truncated => "the response is shorter than it said",
            FailureKind::TooLarge => "the response is too large",
            FailureKind::Redirected => "the HTTP client followed a redirect",
            FailureKind::Panicked => "the HTTP client panicked",
            FailureKind::Abandoned => "the attempt was given up under way",
            FailureKind::Other => "the HTTP client failed",
        })?;
        match self.sent {
            Sent::Nothing => f.write_str(" (nothing was sent)"),
            Sent::Maybe => f.write_str(" (the server may have acted)"),
            Sent::Answered(status) => write!(f, " (the server answered {})", status.as_u16()),
        }
    }
}
