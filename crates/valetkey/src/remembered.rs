//! A failure that is the answer for a while.

use std::sync::PoisonError;

use valetkey_proto::{Error, Timestamp};

use crate::sync::{Mutex, MutexGuard};

/// Why nobody asks now, and until when.
#[derive(Default)]
pub(crate) struct Remembered(Mutex<Option<(Error, Timestamp)>>);

impl Remembered {
    pub(crate) fn remember(&self, error: &Error, until: Timestamp) {
        *self.lock() = Some((error.clone(), until));
    }

    /// The failure, if its time is not over.
    pub(crate) fn failure(&self, now: Timestamp) -> Option<(Error, Timestamp)> {
        self.lock().clone().filter(|(_, until)| now < *until)
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Error, Timestamp)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
