//! Keyrings that refuse, forget or lie, and folders that somebody has been at. Nothing is written over in any case.

use std::{fs, sync::Arc};

use valetkey::{
    Reason,
    secret::Secret,
    store::{FileStore, Put, Store},
};
use valetkey_store_keyring::KeyringStore;
use valetkey_testkit::block_on;

use crate::{
    Folder,
    fake::{Fake, Mode},
    key, load, put, refused,
};

/// A folder with a record, and the keyring that has its key.
fn sealed() -> (Folder, Arc<Fake>) {
    let (folder, keyring) = (Folder::new(), Fake::new(Mode::Honest));
    put(&folder.open(&keyring).unwrap(), "alice", "canary");
    (folder, keyring)
}

/// Opening fails so, and leaves files and entries as they are.
#[track_caller]
fn refuses(folder: &Folder, keyring: &Arc<Fake>, reason: Reason, says: &str) {
    let before = (folder.files(), keyring.entries());
    refused(folder.open(keyring), reason, says);
    assert_eq!((folder.files(), keyring.entries()), before);
}

const ANEW: &str = "or delete the folder to sign in anew";

#[test]
fn s_tk_15_without_a_keyring_nothing_is_kept_and_nothing_in_plain() {
    let modes = [
        (Mode::Locked, "unlock or make one"),
        (Mode::Absent, "start it"),
        (Mode::Ambiguous, "delete those"),
        (Mode::Forgets, "the keyring refused"),
        (Mode::Garbles, "did not give back the key"),
        (Mode::NotText, "the keyring refused"),
        (Mode::Panics, "panicked"),
    ];
    for (mode, says) in modes {
        let (folder, keyring) = (Folder::new(), Fake::new(mode));
        refused(folder.open(&keyring), Reason::StoreFailed, says);
        assert!(folder.records("").is_empty() && folder.records("records").is_empty(), "{mode:?}");
        // It is a new folder still.
        keyring.become_(Mode::Honest);
        put(&folder.open(&keyring).unwrap(), "alice", "hers");
    }
}

#[test]
fn a_keyring_that_is_locked_or_lies_later_changes_nothing() {
    let modes = [
        (Mode::Locked, Reason::StoreFailed, "unlock or make one"),
        (Mode::Absent, Reason::StoreFailed, "start it"),
        (Mode::Panics, Reason::StoreFailed, "panicked"),
        (Mode::Garbles, Reason::SealBroken, ANEW),
        (Mode::NotText, Reason::SealBroken, ANEW),
    ];
    for (mode, reason, says) in modes {
        let (folder, keyring) = sealed();
        keyring.become_(mode);
        refuses(&folder, &keyring, reason, says);
        keyring.become_(Mode::Honest);
        assert_eq!(load(&folder.open(&keyring).unwrap(), "alice").unwrap().as_deref(), Some("canary"));
    }
}

#[test]
fn an_entry_that_is_another_key_or_none_is_not_used_and_not_replaced() {
    let other = "A".repeat(43);
    let entries = ["", "A", &other[..42], &other, "canary, somebody's password"];
    for entry in entries {
        let (folder, keyring) = sealed();
        keyring.change(Some(entry.as_bytes()));
        refuses(&folder, &keyring, Reason::SealBroken, "bring back the keyring's entry");
        refuses(&folder, &keyring, Reason::SealBroken, ANEW);
    }
}

#[test]
fn s_tk_15_a_key_that_is_gone_is_never_made_anew() {
    let (folder, keyring) = sealed();
    let store = folder.open(&keyring).unwrap();
    keyring.change(None);
    // Who has it open goes on.
    put(&store, "bob", "his");
    assert_eq!(load(&store, "alice").unwrap().as_deref(), Some("canary"));
    refuses(&folder, &keyring, Reason::SealBroken, "its entry was deleted");
    refuses(&folder, &keyring, Reason::SealBroken, ANEW);
    drop(store);
    // What it says is done.
    fs::remove_dir_all(&folder.0).unwrap();
    let store = folder.open(&keyring).unwrap();
    assert_eq!(load(&store, "alice").unwrap(), None);
}

#[test]
fn a_folder_from_another_machine_is_said_to_be_one() {
    let (folder, keyring) = sealed();
    refuses(&folder, &Fake::new(Mode::Honest), Reason::SealBroken, "comes from another user or machine");
    // Where it came from, and where its key is, it opens.
    assert_eq!(load(&folder.open(&keyring).unwrap(), "alice").unwrap().as_deref(), Some("canary"));
}

#[test]
fn records_without_a_marker_are_not_taken_over() {
    let (folder, keyring) = sealed();
    let [marker] = &folder.records("")[..] else { panic!("one marker") };
    let away = folder.0.join("away");
    fs::rename(marker, &away).unwrap();
    // What it locks with is made once.
    refused(folder.open(&keyring), Reason::SealBroken, "bring back its other files");
    refuses(&folder, &keyring, Reason::SealBroken, "bring back its other files");
    fs::rename(&away, marker).unwrap();
    assert_eq!(load(&folder.open(&keyring).unwrap(), "alice").unwrap().as_deref(), Some("canary"));
    // Nor are those that were never sealed.
    let plain = Folder::new();
    let files = FileStore::open(plain.0.join("records")).unwrap();
    block_on(files.put(&key("alice"), 1, &Secret::new("canary"), None)).unwrap();
    fs::set_permissions(&plain.0, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    refused(plain.open(&Fake::new(Mode::Honest)), Reason::SealBroken, "nothing that says which key");
    assert!(plain.records("").is_empty());
}

#[test]
fn an_entry_without_a_marker_is_left_where_it_is() {
    // A program died between the two: the folder is new still, and has another key.
    let (folder, keyring) = (Folder::new(), Fake::new(Mode::Honest));
    drop(folder.open(&keyring).unwrap());
    let former = keyring.entries();
    let [marker] = &folder.records("")[..] else { panic!("one marker") };
    fs::remove_file(marker).unwrap();
    put(&folder.open(&keyring).unwrap(), "alice", "hers");
    let entries = keyring.entries();
    assert!(entries.len() == 2 && former.iter().all(|(name, secret)| entries.get(name) == Some(secret)));
}

#[test]
fn a_marker_that_was_changed_is_left_as_it_is() {
    for (from, to, reason, says) in [
        ("valetkey-test\n", "", Reason::Malformed, "does not say which key"),
        ("valetkey-test\n", "another\n", Reason::StoreFailed, "another application's"),
        ("valetkey-test\n", "valetkey-test\nx", Reason::SealBroken, ANEW),
        ("valetkey 1\n", "valetkey 9\n", Reason::Malformed, "newer version"),
        ("\n1\n", "\nx\n", Reason::Malformed, "no record"),
    ] {
        let (folder, keyring) = sealed();
        let [marker] = &folder.records("")[..] else { panic!("one marker") };
        let content = fs::read_to_string(marker).unwrap();
        assert_eq!(content.matches(from).count(), 1, "{content}");
        fs::write(marker, content.replace(from, to)).unwrap();
        refuses(&folder, &keyring, reason, says);
    }
}

#[test]
fn the_folder_of_one_application_is_not_anothers() {
    let (folder, keyring) = sealed();
    let another = KeyringStore::builder("another", &folder.0);
    refused(another.open_blocking(), Reason::StoreFailed, "use that name, or another folder");
    assert_eq!(load(&folder.open(&keyring).unwrap(), "alice").unwrap().as_deref(), Some("canary"));
}

#[test]
fn records_that_are_moved_between_accounts_by_hand_do_not_open() {
    let (folder, keyring) = sealed();
    let store = folder.open(&keyring).unwrap();
    let [hers] = &folder.records("records")[..] else { panic!("one record") };
    put(&store, "bob", "his");
    let his = folder.records("records").into_iter().find(|path| path != hers).expect("another record");
    let sealed = fs::read_to_string(hers).unwrap();
    for (content, reason, says) in [
        (sealed.clone(), Reason::Malformed, "another key"),
        (sealed.replace("alice", "bob"), Reason::SealBroken, "bring back the key"),
    ] {
        fs::write(&his, &content).unwrap();
        let error = load(&store, "bob").unwrap_err();
        assert!(error.reason() == reason && error.to_string().contains(says), "{error}");
        let put = block_on(store.put(&key("bob"), 1, &Secret::new("mine"), None));
        assert!(!matches!(put, Ok(Put::Written)));
        assert_eq!(fs::read_to_string(&his).unwrap(), content);
    }
    assert_eq!(load(&store, "alice").unwrap().as_deref(), Some("canary"));
}
