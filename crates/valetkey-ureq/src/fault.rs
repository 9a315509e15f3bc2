//! What ureq's, rustls's and the system's errors mean in the words of the seam.

use std::io;

use ureq::{Error, Timeout};
use valetkey_http::{Failure, FailureKind, Phase, Sent};

use crate::connect::Unconnected;

/// A failure before the response's head was there, of a request that got as far as `sent` says.
pub(crate) fn before_head(error: Error, sent: Sent) -> Failure {
    let kind = match error {
        Error::Other(inner) => {
            return match inner.downcast::<Unconnected>() {
                Ok(unconnected) => Failure::from(*unconnected),
                Err(inner) => Failure::new(sent, FailureKind::Other).with_source(inner),
            };
        }
        // Its text is the URI.
        Error::BadUri(_) => return Failure::new(Sent::Nothing, FailureKind::Config),
        Error::Http(_) => return Failure::new(Sent::Nothing, FailureKind::Config).with_source(error),
        _ => match timeout(&error, false) {
            Some(FailureKind::Timeout(Phase::Idle)) => FailureKind::Timeout(Phase::Head),
            Some(timeout) => timeout,
            None => kind(&error, FailureKind::Closed),
        },
    };
    Failure::new(sent, kind).with_source(error)
}

/// A failure while the body arrived; `exchange` puts the status in the place of `Maybe`.
pub(crate) fn in_body(error: Error) -> Failure {
    let kind = timeout(&error, false).unwrap_or_else(|| kind(&error, FailureKind::Truncated));
    Failure::new(Sent::Maybe, kind).with_source(error)
}

/// Which deadline passed, if one did.
pub(crate) fn timeout(error: &Error, is_connecting: bool) -> Option<FailureKind> {
    let Error::Timeout(timeout) = error else { return None };
    Some(FailureKind::Timeout(match timeout {
        Timeout::Global | Timeout::PerCall => Phase::Total,
        Timeout::Resolve | Timeout::Connect => Phase::Connect,
        _ if is_connecting => Phase::Connect,
        Timeout::PerRead | Timeout::RecvBody => Phase::Idle,
        _ => Phase::Head,
    }))
}

fn kind(error: &Error, ended_early: FailureKind) -> FailureKind {
    match error {
        Error::Io(error) if is_tls(error) => FailureKind::Tls,
        Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => ended_early,
        Error::Io(_) => FailureKind::Closed,
        Error::Rustls(_) => FailureKind::Tls,
        Error::Protocol(_) => FailureKind::Protocol,
        // There is no more input, and it ends in the middle of a chunk.
        Error::BodyStalled => ended_early,
        Error::LargeResponseHeader(..) => FailureKind::TooLarge,
        Error::RedirectFailed | Error::TooManyRedirects => FailureKind::Redirected,
        _ => FailureKind::Other,
    }
}

/// `io::Error::source` skips the error it wraps.
fn is_tls(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>())
}
