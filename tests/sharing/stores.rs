//! The store that the processes share.

use std::{env, path::PathBuf, sync::Arc};

use valetkey::{
    Result,
    store::{FileStore, Store},
};

/// A store by its address, one row a kind.
///
/// # Panics
///
/// If there is no such kind.
pub(crate) fn open(address: &str) -> Result<Arc<dyn Store>> {
    Ok(match address.split_once(':') {
        Some(("file", path)) => Arc::new(FileStore::open(path)?),
        _ => panic!("no kind of store: {address}"),
    })
}

/// Where the store of a run is: what `VALETKEY_SHARING_STORE` says, or else a folder for this run alone.
pub(crate) struct Address {
    pub(crate) text: String,
    /// To be removed.
    folder: Option<PathBuf>,
}

impl Address {
    /// `run` tells those of one program apart.
    pub(crate) fn of_environment(run: &str) -> Self {
        if let Ok(text) = env::var("VALETKEY_SHARING_STORE") {
            return Self { text, folder: None };
        }
        let folder = env::temp_dir().join(format!("valetkey-sharing-{}-{run}", std::process::id()));
        Self { text: format!("file:{}", folder.display()), folder: Some(folder) }
    }
}

impl Drop for Address {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}
