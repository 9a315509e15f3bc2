#![doc = include_str!("../README.md")]

mod clock;
mod data_key;
mod keyring;
mod open;

use std::{fmt, path::PathBuf, thread, time::Duration};

use async_trait::async_trait;
use futures_channel::oneshot;
use valetkey::{
    Error, ErrorKind, Reason, Result,
    secret::Secret,
    store::{Owner, Put, SealedStore, Store, StoreKey, Stored},
};

pub use self::keyring::Keyring;
pub use keyring_core;

/// Keeps records sealed in files, by a key of their own that the keyring has.
///
/// The keyring is asked when the store is opened, and not again: a keyring that is locked afterwards is in nobody's way.
///
/// ```no_run
/// use valetkey::store::{Store, StoreKey};
/// use valetkey_store_keyring::KeyringStore;
///
/// # async fn example(data_folder: std::path::PathBuf) -> valetkey::Result<()> {
/// let store = KeyringStore::builder("example-app", data_folder.join("grants")).open().await?;
/// let grants = store.list("grant/").await?;
/// # drop(grants);
/// # Ok(())
/// # }
/// ```
///
/// # Security
///
/// What is said of [`SealedStore`] and [`FileStore`](valetkey::store::FileStore) is true of this one. Besides, on Linux and
/// Windows a keyring that is open gives its entries to every program of the user: sealing keeps records from backups, from
/// other users, and from programs that read files but may not ask the keyring.
#[derive(Clone)]
pub struct KeyringStore(SealedStore);

impl KeyringStore {
    /// A store of this application, in this folder, which is made if it is not there. The keyring's entry has the name of the
    /// application: choose one that does not change.
    pub fn builder(application: impl Into<String>, folder: impl Into<PathBuf>) -> Builder {
        Builder {
            application: application.into(),
            folder: folder.into(),
            keyring: Keyring::system(),
            patience: Duration::from_secs(3),
        }
    }
}

/// How a [`KeyringStore`] is opened.
#[derive(Debug)]
pub struct Builder {
    application: String,
    folder: PathBuf,
    keyring: Keyring,
    patience: Duration,
}

impl Builder {
    /// Uses this keyring in place of the system's.
    #[must_use]
    pub fn keyring(mut self, keyring: Keyring) -> Self {
        self.keyring = keyring;
        self
    }

    /// How long opening may take, 3 seconds unless told: a keyring that is locked or hangs never answers.
    ///
    /// If the system asks the user to unlock the keyring, its dialog stays when the time is over, and opening again after the
    /// user has answered succeeds. A program that would rather wait for its user gives a minute or more.
    #[must_use]
    pub fn patience(mut self, time: Duration) -> Self {
        self.patience = time;
        self
    }

    /// Opens it: gets the key, or makes it if the folder is new. All of it is done on threads, without a runtime.
    ///
    /// # Errors
    ///
    /// `Store`, each with a text that says what to do next:
    /// - [`Reason::StoreFailed`]: the keyring is locked, absent, or does not answer in time, or files cannot be read or written;
    ///   the same call may succeed later;
    /// - [`Reason::SealBroken`]: the keyring no longer has the key that sealed the folder, or has another one. Nothing is
    ///   written over, and no new key is made: the program asks its user, and deletes the folder;
    /// - [`Reason::Malformed`] and [`Reason::StoreInsecure`]: as of [`FileStore`](valetkey::store::FileStore).
    ///
    /// `Config`: [`Reason::InvalidValue`] if the application's name is empty, has a control character, or more than 128 bytes.
    pub async fn open(self) -> Result<KeyringStore> {
        let (sender, receiver) = oneshot::channel();
        let open = move || {
            // Nobody waits any more? Then nobody has the store either.
            let _ = sender.send(self.open_blocking());
        };
        thread::Builder::new()
            .name("valetkey-keyring-open".to_owned())
            .spawn(open)
            .map_err(|error| failed(Reason::StoreFailed, format!("no thread for the keyring: {error}")))?;
        receiver.await.map_err(|_| {
            failed(Reason::StoreFailed, "the thread that asks the keyring has ended: try again")
        })?
    }

    /// [`open`](Self::open) for programs that have no futures. It blocks for as long as the keyring has time.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_blocking(self) -> Result<KeyringStore> {
        open::open(&self).map(KeyringStore)
    }
}

#[async_trait]
impl Store for KeyringStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>> {
        self.0.load(key).await
    }

    async fn put(
        &self,
        key: &StoreKey,
        generation: u64,
        text: &Secret,
        lifetime: Option<Duration>,
    ) -> Result<Put> {
        self.0.put(key, generation, text, lifetime).await
    }

    async fn take(&self, key: &StoreKey) -> Result<Option<Stored>> {
        self.0.take(key).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<StoreKey>> {
        self.0.list(prefix).await
    }

    async fn lease(&self, key: &StoreKey, owner: &Owner, time: Duration) -> Result<bool> {
        self.0.lease(key, owner, time).await
    }

    async fn release(&self, key: &StoreKey, owner: &Owner) -> Result<()> {
        self.0.release(key, owner).await
    }
}

impl fmt::Debug for KeyringStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyringStore").field(&self.0).finish()
    }
}

/// What opening fails with, in words that say what to do.
fn failed(reason: Reason, what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Store, reason).with_detail(what.into())
}
