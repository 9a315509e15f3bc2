//! What reqwest's, hyper's, rustls's and the system's errors mean in the words of the seam.

use std::{error::Error, io};

use valetkey_http::{Failure, FailureKind, Phase, Sent};

use crate::resolve::Refused;

/// A failure before the response's head was there.
pub(crate) fn before_head(error: reqwest::Error) -> Failure {
    // Without a connection nothing was sent. With one, reqwest does not know.
    let (sent, kind) = match () {
        () if error.is_connect() => (Sent::Nothing, of_connecting(&error)),
        () if error.is_builder() => (Sent::Nothing, FailureKind::Config),
        () if error.is_redirect() => (Sent::Maybe, FailureKind::Redirected),
        () => (Sent::Maybe, kind(&error, FailureKind::Closed)),
    };
    with_source(Failure::new(sent, kind), error)
}

/// A failure while the body arrived; `exchange` puts the status in the place of `Maybe`.
pub(crate) fn in_body(error: reqwest::Error) -> Failure {
    let kind = kind(&error, FailureKind::Truncated);
    with_source(Failure::new(Sent::Maybe, kind), error)
}

fn of_connecting(error: &reqwest::Error) -> FailureKind {
    if error.is_timeout() {
        FailureKind::Timeout(Phase::Connect)
    } else if causes(error).any(|cause| cause.is::<Refused>()) {
        FailureKind::AddressRefused
    } else if error.is_dns() {
        FailureKind::Resolve
    } else if causes(error).any(is_tls) {
        FailureKind::Tls
    } else {
        FailureKind::Connect
    }
}

fn kind(error: &reqwest::Error, ended_early: FailureKind) -> FailureKind {
    if error.is_timeout() {
        // A deadline of the client's own, of which reqwest does not say what it was for.
        return FailureKind::Timeout(Phase::Total);
    }
    let mut found = FailureKind::Other;
    for cause in causes(error) {
        if is_tls(cause) {
            return FailureKind::Tls;
        }
        if let Some(error) = cause.downcast_ref::<hyper::Error>() {
            if error.is_parse_too_large() {
                return FailureKind::TooLarge;
            } else if error.is_parse() {
                return FailureKind::Protocol;
            } else if error.is_incomplete_message() {
                return ended_early;
            }
            // Unless a cause says otherwise, the exchange ended early: an HTTP/2 stream was reset, say.
            found = FailureKind::Closed;
        } else if let Some(error) = cause.downcast_ref::<io::Error>() {
            return match error.kind() {
                io::ErrorKind::UnexpectedEof => ended_early,
                io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => FailureKind::Protocol,
                _ => FailureKind::Closed,
            };
        }
    }
    found
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

#[cfg(feature = "rustls")]
fn is_tls(error: &(dyn Error + 'static)) -> bool {
    // `io::Error::source` skips the error it wraps, of which there may be several around one another.
    match error.downcast_ref::<io::Error>() {
        Some(outer) => outer.get_ref().is_some_and(|inner| is_tls(inner)),
        None => error.is::<rustls::Error>() || error.is::<rustls::pki_types::InvalidDnsNameError>(),
    }
}

/// Other libraries' errors are not known here.
#[cfg(not(feature = "rustls"))]
fn is_tls(_: &(dyn Error + 'static)) -> bool {
    false
}

/// Adds the cause, unless it would print a URL: the error's own is taken from it, but not from those below.
fn with_source(failure: Failure, error: reqwest::Error) -> Failure {
    let error = error.without_url();
    let shows_url = |cause: &(dyn Error + 'static)| {
        cause.downcast_ref::<reqwest::Error>().is_some_and(|error| error.url().is_some())
    };
    if causes(&error).any(shows_url) { failure } else { failure.with_source(error) }
}
