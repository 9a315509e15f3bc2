//! A failure that is the answer for a while.

use std::{sync::PoisonError, time::Duration};

use valetkey_proto::{Error, Timestamp, Window};

use crate::sync::{Mutex, MutexGuard};

/// Why nobody asks now, and when.
#[derive(Default)]
pub(crate) struct Remembered(Mutex<Option<(Error, Window)>>);

impl Remembered {
    /// For this time from now on.
    pub(crate) fn remember(&self, error: &Error, now: Timestamp, time: Duration) {
        *self.lock() = Some((error.clone(), Window { from: now, until: now + time }));
    }

    /// The failure and until when it is the answer, if its time is not over. A clock that was set back ends it.
    pub(crate) fn failure(&self, now: Timestamp) -> Option<(Error, Timestamp)> {
        let (error, Window { from, until }) = self.lock().clone()?;
        (from <= now && now < until).then_some((error, until))
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Error, Window)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use valetkey_proto::{ErrorKind, Reason};

    use super::*;

    #[test]
    fn r_clock_a_server_is_not_left_alone_by_a_clock_that_was_set_back() {
        let (remembered, now) = (Remembered::default(), Timestamp::from_secs(10_000));
        let error = Error::new(ErrorKind::Server, Reason::ServerFailed);
        remembered.remember(&error, now, Duration::from_secs(60));
        for (at, is_remembered) in
            [(10_000, true), (10_059, true), (10_060, false), (9_999, false), (6_400, false)]
        {
            assert_eq!(remembered.failure(Timestamp::from_secs(at)).is_some(), is_remembered, "{at}");
        }
    }
}
