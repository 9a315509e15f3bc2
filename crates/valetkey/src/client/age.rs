//! How long what a server published is used.

use std::time::Duration;

use valetkey_proto::{Error, ErrorKind, Timestamp};

/// How long it is used without asking again.
const FRESH: Duration = Duration::from_secs(600);
/// How long it is used while the server cannot be asked.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// How long a server that could not be asked is left alone.
const PAUSE: Duration = Duration::from_secs(60);

/// When something was asked for; `None` if it was not, and so does not age.
#[derive(Clone, Copy)]
pub(super) struct Age(Option<Timestamp>);

impl Age {
    pub(super) const ENDLESS: Self = Self(None);

    pub(super) fn of(asked: Timestamp) -> Self {
        Self(Some(asked))
    }

    pub(super) fn is_fresh(self, now: Timestamp) -> bool {
        // A clock that was stepped back makes it look young for too long: ask again.
        self.0.is_none_or(|asked| asked <= now && now - asked < FRESH)
    }

    /// Whether it is still good although asking again ended with this error.
    pub(super) fn survives(self, error: &Error, now: Timestamp) -> bool {
        is_outage(error) && self.0.is_none_or(|asked| now - asked < LONGEST)
    }
}

fn is_outage(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Transport | ErrorKind::Timeout | ErrorKind::Server)
}

/// How long a server that could not be asked is left alone. Whatever else is wrong is asked for anew: it may be mended
/// at any time, and sign-ins are rare.
pub(super) fn pause_after(error: &Error, _: u32) -> Option<Duration> {
    Some(if is_outage(error) { PAUSE } else { Duration::ZERO })
}
