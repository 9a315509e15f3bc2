//! A store in a folder: one file a record, for the programs of one user on one machine.

mod folder;
mod worker;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use valetkey_proto::{Result, secret::Secret};

use self::{folder::Folder, worker::Worker};
use super::{Owner, Put, Store, StoreKey, Stored};

/// Keeps each record in a file of its own, which only the user can read (0600, in a folder of 0700).
///
/// A record is replaced as a whole: written beside, brought to the disk, and renamed over the old one; then the folder is
/// brought to the disk, too. Two programs that write at once, and two that renew one grant, are kept apart by locks of the
/// operating system on files beside, which end with the program that holds them.
///
/// Whatever is a link, belongs to nobody in particular or can be read by others is refused. A record that cannot be read is not
/// written over.
///
/// ```
/// use valetkey::store::{FileStore, Store, StoreKey};
/// # use valetkey::secret::Secret;
/// # let folder = std::env::temp_dir().join(format!("valetkey-doc-{}", std::process::id()));
/// # valetkey_testkit::block_on(async {
///
/// let store = FileStore::open(&folder)?;
/// store.put(&StoreKey::of(&["note"]), 1, &Secret::new("kept"), None).await?;
/// assert_eq!(FileStore::open(&folder)?.load(&StoreKey::of(&["note"])).await?.expect("it is there").text, Secret::new("kept"));
/// # Ok::<(), valetkey::Error>(())
/// # }).unwrap();
/// # std::fs::remove_dir_all(&folder).unwrap();
/// ```
///
/// # Security
///
/// The files hold the tokens as they are, and every program of the same user can read them: see
/// [`SealedStore`](super::SealedStore). On a file system of another machine (NFS, SMB) locks may keep nobody apart.
#[derive(Clone)]
pub struct FileStore {
    path: Arc<Path>,
    worker: Worker<Folder>,
}

impl FileStore {
    /// The store in this folder, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// `Store`: [`Reason::StoreInsecure`](crate::Reason::StoreInsecure) if it is a link, or others can read or write it;
    /// [`Reason::StoreFailed`](crate::Reason::StoreFailed) if it cannot be made or read.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let path: PathBuf = path.into();
        let folder = Folder::open(path.clone())?;
        Ok(Self { path: path.into(), worker: Worker::start(folder)? })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Reading and writing blocks, and is done on a thread of the store's, so that no executor waits for a disk.
#[async_trait]
impl Store for FileStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>> {
        let key = key.clone();
        self.worker.run(move |folder| folder.load(&key)).await
    }

    async fn put(
        &self,
        key: &StoreKey,
        generation: u64,
        text: &Secret,
        lifetime: Option<Duration>,
    ) -> Result<Put> {
        let (key, text) = (key.clone(), text.clone());
        self.worker.run(move |folder| folder.put(&key, generation, &text, lifetime)).await
    }

    async fn take(&self, key: &StoreKey) -> Result<Option<Stored>> {
        let key = key.clone();
        self.worker.run(move |folder| folder.take(&key)).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<StoreKey>> {
        let prefix = prefix.to_owned();
        self.worker.run(move |folder| folder.list(&prefix)).await
    }

    async fn lease(&self, key: &StoreKey, owner: &Owner, time: Duration) -> Result<bool> {
        let (key, owner) = (key.clone(), owner.clone());
        self.worker.run(move |folder| folder.lease(&key, &owner, time)).await
    }

    async fn release(&self, key: &StoreKey, owner: &Owner) -> Result<()> {
        let (key, owner) = (key.clone(), owner.clone());
        self.worker.run(move |folder| folder.release(&key, &owner)).await
    }
}

impl fmt::Debug for FileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStore").field("path", &self.path).finish_non_exhaustive()
    }
}
