//! Where a program keeps its tokens: told of every change before the new tokens are used.

use std::{
    fmt,
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::future::{Either, select};
use valetkey_http::{Backend, BoxError};
use valetkey_proto::oauth2::token::TokenRecord;

use super::Grant;
use crate::sync::{AtomicBool, Mutex};

/// Keeps the tokens of a session: in a file, a database, a keyring.
///
/// A server that rotates refresh tokens has forgotten the old one when it answers, so that the new one must be kept
/// before anything else: a session waits for the keeper before it uses what it got.
///
/// ```
/// use std::sync::Mutex;
/// use valetkey::{BoxError, TokenKeeper, TokenRecord};
///
/// /// Keeps them in memory.
/// struct Shelf(Mutex<Option<String>>);
///
/// #[async_trait::async_trait]
/// impl TokenKeeper for Shelf {
///     async fn keep(&self, record: &TokenRecord) -> Result<(), BoxError> {
///         *self.0.lock().unwrap() = Some(record.to_text().expose().to_owned());
///         Ok(())
///     }
/// }
/// ```
#[async_trait]
pub trait TokenKeeper: Send + Sync {
    /// Keeps a record in place of the one before. It may be called again with the same record.
    ///
    /// # Errors
    ///
    /// Whatever it fails with. It is tried three times; then the tokens are used all the same, because the old ones
    /// are worth nothing any more, and
    /// [`SessionEvent::NotKept`](crate::SessionEvent::NotKept) says so.
    async fn keep(&self, record: &TokenRecord) -> Result<(), BoxError>;
}

#[async_trait]
impl<K: TokenKeeper + ?Sized> TokenKeeper for Arc<K> {
    async fn keep(&self, record: &TokenRecord) -> Result<(), BoxError> {
        (**self).keep(record).await
    }
}

/// The keeper of a session, if it has one, and whether the present tokens are kept.
#[derive(Default)]
pub(super) struct Keeping {
    keeper: Mutex<Option<Arc<dyn TokenKeeper>>>,
    is_behind: AtomicBool,
}

/// How often keeping is tried, and how long it may take each time.
const TRIES: u32 = 3;
const DEADLINE: Duration = Duration::from_secs(10);
/// The wait before the second try; the third waits twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(500);

impl Keeping {
    pub(super) fn set(&self, keeper: Arc<dyn TokenKeeper>) {
        *self.keeper.lock().unwrap_or_else(PoisonError::into_inner) = Some(keeper);
    }

    /// Whether tokens are in use that are not kept.
    pub(super) fn is_behind(&self) -> bool {
        self.is_behind.load(Ordering::Relaxed)
    }

    /// Keeps a record; `false` if that failed.
    async fn keep(&self, record: &TokenRecord, backend: &Arc<dyn Backend>) -> bool {
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(keeper) = keeper else { return true };
        for attempt in 0..TRIES {
            if attempt > 0 {
                backend.sleep(FIRST_WAIT * attempt).await;
            }
            // A keeper that hangs must not hang the session.
            let kept = select(keeper.keep(record), backend.sleep(DEADLINE)).await;
            if matches!(kept, Either::Left((Ok(()), _))) {
                self.is_behind.store(false, Ordering::Relaxed);
                return true;
            }
        }
        self.is_behind.store(true, Ordering::Relaxed);
        false
    }
}

impl Grant {
    pub(super) fn keeping(&self) -> Option<&Keeping> {
        self.rare.get().map(|rare| &rare.keeping)
    }

    /// Has the keeper keep a record, if there is one; `false` if that failed.
    pub(super) async fn keep(&self, record: &TokenRecord) -> bool {
        match self.keeping() {
            Some(keeping) => keeping.keep(record, self.client.runtime().backend()).await,
            None => true,
        }
    }
}

impl fmt::Debug for Keeping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeping").field("is_behind", &self.is_behind).finish_non_exhaustive()
    }
}
