//! Stores whose key a keyring has: one in the test, which does what it is told, and a Secret Service on a bus of its own.

mod fake;
mod hostile;
mod opening;
#[cfg(target_os = "linux")]
mod secret_service;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use valetkey::{
    Error, ErrorKind, Reason, Result,
    secret::Secret,
    store::{Put, Store, StoreKey},
};
use valetkey_store_keyring::{Builder, Keyring, KeyringStore};
use valetkey_testkit::block_on;

use self::fake::{Fake, Handle};

const APPLICATION: &str = "valetkey-test";

/// A folder of its own for each test, gone at its end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("valetkey-keyring-{}-{number}", std::process::id())))
    }

    /// How it is opened with this keyring.
    fn with(&self, keyring: &Arc<Fake>) -> Builder {
        let keyring = Keyring::of(Arc::new(Handle(Arc::clone(keyring))));
        KeyringStore::builder(APPLICATION, &self.0).keyring(keyring).patience(Duration::from_secs(60))
    }

    fn open(&self, keyring: &Arc<Fake>) -> Result<KeyringStore> {
        self.with(keyring).open_blocking()
    }

    /// Every file below it, and what it holds.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        collect(&self.0, &mut files);
        files
    }

    /// The files that hold records, of the marker or of the program.
    fn records(&self, below: &str) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.0.join(below)).expect("a folder");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "record")).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn collect(folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.insert(path.clone(), fs::read(path).expect("a file"));
        }
    }
}

fn key(name: &str) -> StoreKey {
    StoreKey::of(&["grant", name])
}

fn put(store: &KeyringStore, name: &str, text: &str) {
    let put = block_on(store.put(&key(name), 1, &Secret::new(text), None));
    assert_eq!(put.expect("it can be written"), Put::Written);
}

fn load(store: &KeyringStore, name: &str) -> Result<Option<String>> {
    Ok(block_on(store.load(&key(name)))?.map(|stored| stored.text.expose().to_owned()))
}

/// What a program gets that cannot have its store: of this reason, with words that say what to do next.
#[track_caller]
fn refused(outcome: Result<KeyringStore>, reason: Reason, says: &str) -> Error {
    let error = outcome.expect_err("no store");
    let text = error.to_string();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Store, reason), "{text}");
    assert!(text.contains(says) && !text.contains("canary"), "{text}");
    error
}
