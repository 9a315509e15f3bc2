//! A server that has asked to be left alone.

use std::time::Duration;

use valetkey_proto::{Advice, Error};

use super::Client;

/// For how long all sessions of a client leave the server alone at most because one of them was told to. That one does for
/// as long as it was told: it may have been about its user alone.
const LONGEST: Duration = Duration::from_secs(60);

impl Client {
    /// Takes note of a failure with which the server asked to be left alone for a time: 429 (RFC 6585 §4), or 503.
    pub(crate) fn note_busy(&self, error: &Error) {
        let status = error.status().map(|status| status.as_u16());
        if let (Some(429 | 503), Advice::RetryAfter(time)) = (status, error.advice()) {
            self.0.busy.remember(error, self.0.runtime.now(), time.min(LONGEST));
        }
    }

    /// Why the server is left alone now, and for how long.
    pub(crate) fn busy(&self) -> Option<Error> {
        let now = self.0.runtime.now();
        let (error, until) = self.0.busy.failure(now)?;
        Some(error.with_retry_after(until - now))
    }
}
