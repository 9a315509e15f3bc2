//! Stores: what all of them do, and what a folder, or a key, may be found as.

mod bad_files;
#[path = "../client/machine.rs"]
mod machine;
mod trouble;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU32, Ordering},
    },
    time::{Duration, SystemTime},
};

use valetkey::{
    ErrorKind, Reason,
    crypto::SystemRandom,
    seal::{SealingKey, SealingKeys},
    secret::Secret,
    store::{FileStore, MemoryStore, Owner, Put, SealedStore, Store, StoreKey, suite},
};
use valetkey_testkit::block_on;

/// A folder of its own for each test, gone at its end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("valetkey-store-{}-{number}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn open(&self) -> FileStore {
        FileStore::open(&self.0).expect("a store")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn keys(byte: u8) -> SealingKeys {
    SealingKeys::new(SealingKey::new([byte; 32]))
}

fn put(store: &dyn Store, key: &StoreKey, generation: u64, text: &str) -> valetkey::Result<Put> {
    block_on(store.put(key, generation, &Secret::new(text), None))
}

#[test]
fn every_store_does_what_stores_do() {
    let memory = MemoryStore::new();
    block_on(suite::all(&memory, &memory.clone()));
    let folder = Folder::new();
    block_on(suite::all(&folder.open(), &folder.open()));
    let sealed = |store: &MemoryStore| SealedStore::new(store.clone(), keys(1));
    let memory = MemoryStore::new();
    block_on(suite::all(&sealed(&memory), &sealed(&memory)));
    let folder = Folder::new();
    let sealed = || SealedStore::new(folder.open(), keys(1));
    block_on(suite::all(&sealed(), &sealed()));
}

#[test]
fn s_tk_15_files_are_the_users_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    put(&folder.open(), &StoreKey::of(&["a"]), 1, "canary").unwrap();
    let mode = |path: &PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder.0), 0o700);
    for entry in std::fs::read_dir(&folder.0).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn a_record_is_there_for_the_next_program_and_nothing_is_left_beside() {
    let folder = Folder::new();
    let key = StoreKey::of(&["grant"]);
    for generation in 1..=5 {
        let store = folder.open();
        assert_eq!(put(&store, &key, generation, &generation.to_string()).unwrap(), Put::Written);
    }
    let stored = block_on(folder.open().load(&key)).unwrap().unwrap();
    assert_eq!((stored.generation, stored.text.expose()), (5, "5"));
    let names = std::fs::read_dir(&folder.0).unwrap().map(|entry| entry.unwrap().path());
    let extensions: Vec<_> = names.map(|path| path.extension().unwrap().to_owned()).collect();
    assert!(extensions.iter().all(|extension| extension != "new"), "{extensions:?}");
}

#[test]
fn what_could_not_be_read_back_is_not_written() {
    let folder = Folder::new();
    let key = StoreKey::of(&["long"]);
    put(&folder.open(), &key, 1, &"x".repeat(1_000_000)).unwrap();
    let error = put(&folder.open(), &key, 2, &"x".repeat(2_000_000)).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Store, Reason::TooLarge));
    assert_eq!(block_on(folder.open().load(&key)).unwrap().unwrap().generation, 1);
}

#[test]
fn what_is_over_is_forgotten_and_a_lease_ends() {
    let time = Arc::new(AtomicI64::new(0));
    let clock = {
        let time = Arc::clone(&time);
        move || SystemTime::UNIX_EPOCH + Duration::from_secs(time.load(Ordering::Relaxed).unsigned_abs())
    };
    let store = MemoryStore::with_clock(clock);
    let key = StoreKey::of(&["pending"]);
    let owner = || Owner::new(&SystemRandom::new()).unwrap();
    let (first, second) = (owner(), owner());
    block_on(async {
        store.put(&key, 1, &Secret::new("x"), Some(Duration::from_secs(600))).await.unwrap();
        assert!(store.lease(&key, &first, Duration::from_secs(30)).await.unwrap());
        time.store(29, Ordering::Relaxed);
        assert!(!store.lease(&key, &second, Duration::from_secs(30)).await.unwrap());
        time.store(30, Ordering::Relaxed);
        assert!(store.lease(&key, &second, Duration::from_secs(30)).await.unwrap());
        assert!(!store.lease(&key, &first, Duration::from_secs(30)).await.unwrap());
        time.store(599, Ordering::Relaxed);
        assert_eq!(store.list("").await.unwrap(), std::slice::from_ref(&key));
        time.store(600, Ordering::Relaxed);
        assert_eq!(store.load(&key).await.unwrap(), None);
        assert_eq!(store.list("").await.unwrap(), []);
        assert_eq!(store.take(&key).await.unwrap(), None);
        assert_eq!(store.put(&key, 1, &Secret::new("y"), None).await.unwrap(), Put::Written);
    });
}

#[test]
fn records_that_are_moved_or_changed_do_not_open() {
    let below = MemoryStore::new();
    let store = SealedStore::new(below.clone(), keys(1));
    let (alice, bob) = (StoreKey::of(&["alice"]), StoreKey::of(&["bob"]));
    put(&store, &alice, 1, "alice's").unwrap();
    put(&store, &alice, 2, "alice's newer").unwrap();
    let sealed = block_on(below.load(&alice)).unwrap().unwrap();
    assert!(!sealed.text.expose().contains("alice"));
    // Somebody moves it to another account, or gives it another number.
    put(&below, &bob, 1, sealed.text.expose()).unwrap();
    put(&below, &bob, 2, sealed.text.expose()).unwrap();
    put(&below, &alice, 3, sealed.text.expose()).unwrap();
    for key in [&alice, &bob] {
        let error = block_on(store.load(key)).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Store, Reason::SealBroken));
        assert!(error.to_string().contains("bring back the key"), "{error}");
        assert!(block_on(store.take(key)).is_err());
        assert!(block_on(below.load(key)).unwrap().is_some(), "what does not open is not taken away");
    }
    // A key that is changed opens what the former one sealed, and another one does not.
    put(&store, &StoreKey::of(&["carol"]), 1, "carol's").unwrap();
    let changed = SealedStore::new(below.clone(), keys(2).with_former(SealingKey::new([1; 32])));
    let carol = block_on(changed.load(&StoreKey::of(&["carol"]))).unwrap().unwrap();
    assert_eq!(carol.text.expose(), "carol's");
    let other = SealedStore::new(below, keys(3));
    assert!(block_on(other.load(&StoreKey::of(&["carol"]))).is_err());
}
