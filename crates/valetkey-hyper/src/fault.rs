//! What hyper's, rustls's and the system's errors mean in the words of the seam.

use std::{error::Error, io};

use valetkey_http::{Failure, FailureKind};

/// The part of the exchange in which an error came up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Before the response's head was there.
    Head,
    /// While its body arrived.
    Body,
}

/// Finds what an error is, by its type and those of its causes.
pub(crate) fn kind(error: &(dyn Error + 'static), part: Part) -> FailureKind {
    let mut found = FailureKind::Other;
    let mut cause = Some(error);
    while let Some(error) = cause {
        // No connection: the connector has said why.
        if let Some(failure) = error.downcast_ref::<Failure>() {
            return failure.kind();
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return io_kind(error, part);
        }
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            if let Some(kind) = hyper_kind(error, part) {
                return kind;
            }
            // An HTTP/2 stream or connection that was reset, or a message that nobody asked for: unless
            // a cause says otherwise, the exchange ended early.
            found = FailureKind::Closed;
        }
        cause = error.source();
    }
    found
}

fn hyper_kind(error: &hyper::Error, part: Part) -> Option<FailureKind> {
    if error.is_parse() {
        // hyper tells this one apart for servers only. Were the text another one day, it would be
        // `Protocol`: a test notices.
        let too_large = error.to_string() == "message head is too large";
        Some(if too_large { FailureKind::TooLarge } else { FailureKind::Protocol })
    } else if error.is_incomplete_message() {
        Some(ended_early(part))
    } else if error.is_user() {
        Some(FailureKind::Config)
    } else {
        None
    }
}

fn io_kind(error: &io::Error, part: Part) -> FailureKind {
    // `io::Error::source` skips the error it wraps.
    if error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) {
        return FailureKind::Tls;
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ended_early(part),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => FailureKind::Protocol,
        _ => FailureKind::Closed,
    }
}

fn ended_early(part: Part) -> FailureKind {
    match part {
        Part::Head => FailureKind::Closed,
        Part::Body => FailureKind::Truncated,
    }
}
