//! What opening does where all is well, or becomes so.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    sync::{Arc, atomic::Ordering},
    thread,
    time::Duration,
};

use valetkey::{
    ErrorKind, Reason,
    store::{Store, suite},
};
use valetkey_store_keyring::{Keyring, KeyringStore};
use valetkey_testkit::block_on;

use crate::{
    APPLICATION, Folder,
    fake::{Fake, Handle, Mode},
    load, put, refused,
};

#[test]
fn it_does_what_stores_do() {
    let (folder, keyring) = (Folder::new(), Fake::new(Mode::Honest));
    let [one, other] = [(), ()].map(|()| folder.open(&keyring).unwrap());
    block_on(suite::all(&one, &other));
}

#[test]
fn s_tk_15_files_are_sealed_and_the_users_alone_and_the_key_is_small() {
    let (folder, keyring) = (Folder::new(), Fake::new(Mode::Honest));
    put(&folder.open(&keyring).unwrap(), "alice", "canary");
    assert_eq!(load(&folder.open(&keyring).unwrap(), "alice").unwrap().as_deref(), Some("canary"));
    let entries = keyring.entries();
    let [((service, user), secret)] = entries.iter().collect::<Vec<_>>()[..] else { panic!("{entries:?}") };
    assert_eq!(service, APPLICATION);
    // Windows keeps 2560 bytes at most, two of them for each of these; KDE's keyring keeps text alone.
    assert_eq!(secret.len(), 43);
    assert!(secret.is_ascii());
    assert!(user.starts_with("valetkey data key "));
    for (path, content) in folder.files() {
        let has = |what: &[u8]| content.windows(what.len()).any(|window| window == what);
        assert!(!has(b"canary") && !has(secret), "{}", path.display());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
    }
    for path in [folder.0.clone(), folder.0.join("records")] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o700);
    }
}

#[test]
fn of_many_who_open_a_new_folder_at_once_one_makes_the_key() {
    for _ in 0..8 {
        let (folder, keyring) = (Folder::new(), Fake::new(Mode::Honest));
        let stores: Vec<_> = thread::scope(|scope| {
            let opening: Vec<_> =
                (0..6).map(|_| scope.spawn(|| folder.open(&keyring).expect("a store"))).collect();
            opening.into_iter().map(|opening| opening.join().unwrap()).collect()
        });
        assert_eq!(keyring.entries().len(), 1);
        put(&stores[0], "alice", "hers");
        for store in &stores {
            assert_eq!(load(store, "alice").unwrap().as_deref(), Some("hers"));
        }
    }
}

#[test]
fn each_folder_has_a_key_of_its_own() {
    let (one, other, keyring) = (Folder::new(), Folder::new(), Fake::new(Mode::Honest));
    put(&one.open(&keyring).unwrap(), "alice", "hers");
    let store = other.open(&keyring).unwrap();
    assert_eq!(keyring.entries().len(), 2);
    let [from] = &one.records("records")[..] else { panic!("one record") };
    fs::copy(from, other.0.join("records").join(from.file_name().unwrap())).unwrap();
    assert_eq!(load(&store, "alice").unwrap_err().reason(), Reason::SealBroken);
}

#[test]
fn a_keyring_is_not_asked_once_a_store_is_open() {
    let (folder, keyring) = (Folder::new(), Fake::new(Mode::Honest));
    let store = folder.open(&keyring).unwrap();
    let asked = keyring.asked.load(Ordering::Relaxed);
    keyring.become_(Mode::Hangs);
    put(&store, "alice", "hers");
    assert_eq!(load(&store, "alice").unwrap().as_deref(), Some("hers"));
    assert_eq!(keyring.asked.load(Ordering::Relaxed), asked);
}

#[tokio::test]
async fn no_runtime_waits_for_a_keyring_that_never_answers() {
    let (folder, keyring) = (Folder::new(), Fake::new(Mode::Hangs));
    let mut opening = Box::pin(folder.with(&keyring).patience(Duration::from_millis(400)).open());
    let mut ticks = 0;
    let outcome = loop {
        tokio::select! {
            outcome = &mut opening => break outcome,
            () = tokio::task::yield_now() => ticks += 1,
        }
    };
    refused(outcome, Reason::StoreFailed, "has not answered for 400ms: unlock it");
    assert!(ticks > 10, "others of the one thread had {ticks} turns");
}

#[test]
fn a_keyring_that_hangs_holds_one_thread_and_serves_when_it_answers() {
    let (folder, keyring) = (Folder::new(), Fake::new(Mode::Hangs));
    let shared = Keyring::of(Arc::new(Handle(Arc::clone(&keyring))));
    let builder = || {
        KeyringStore::builder(APPLICATION, &folder.0)
            .keyring(shared.clone())
            .patience(Duration::from_millis(50))
    };
    for _ in 0..5 {
        refused(builder().open_blocking(), Reason::StoreFailed, "has not answered for 50ms");
    }
    assert_eq!(keyring.asked.load(Ordering::Relaxed), 1, "the second one waits for the first one");
    assert_eq!(folder.records(""), [] as [std::path::PathBuf; 0], "no key, no marker");
    keyring.become_(Mode::Honest);
    let store = builder().patience(Duration::from_secs(60)).open_blocking().unwrap();
    put(&store, "alice", "hers");
}

#[test]
fn a_name_that_no_keyring_takes_is_refused_before_anything_is_done() {
    for name in ["", "a\nb", "a\0", &"x".repeat(129)] {
        let (folder, keyring) = (Folder::new(), Fake::new(Mode::Honest));
        let builder = KeyringStore::builder(name, &folder.0)
            .keyring(Keyring::of(Arc::new(Handle(Arc::clone(&keyring)))));
        let error = builder.open_blocking().unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::InvalidValue));
        assert!(!folder.0.exists() && keyring.asked.load(Ordering::Relaxed) == 0);
    }
}

#[test]
fn nothing_that_is_printed_is_secret() {
    let (folder, keyring) = (Folder::new(), Fake::new(Mode::Honest));
    let builder = folder.with(&keyring);
    let printed = format!("{builder:?}");
    let store = builder.open_blocking().unwrap();
    put(&store, "alice", "canary");
    assert!(block_on(store.list("grant/")).unwrap().len() == 1);
    let secret = String::from_utf8(keyring.entries().into_values().next().unwrap()).unwrap();
    let printed = format!("{printed} {store:?} {store:#?}");
    assert!(printed.contains("KeyringStore") && !printed.contains("canary") && !printed.contains(&secret));
}
