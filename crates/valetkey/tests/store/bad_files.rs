//! A folder that somebody or something else has been at.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use valetkey::{
    Error, ErrorKind, Reason,
    store::{FileStore, Store, StoreKey},
};
use valetkey_testkit::block_on;

use crate::{Folder, put};

fn key() -> StoreKey {
    StoreKey::of(&["grant", "alice"])
}

/// The file of a record in a folder that has one.
fn record(folder: &Folder) -> PathBuf {
    let mut paths = fs::read_dir(&folder.0).unwrap().map(|entry| entry.unwrap().path());
    paths.find(|path| path.extension().is_some_and(|extension| extension == "record")).expect("a record")
}

fn mode(path: &PathBuf, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Reads, writes and takes, which all must fail alike, and leave the file as it is.
fn refuse(folder: &Folder, reason: Reason, says: &str) {
    let path = record(folder);
    let before = (fs::symlink_metadata(&path).unwrap().file_type(), fs::read(&path).ok());
    let store = folder.open();
    let outcomes: [Error; 3] = [
        block_on(store.load(&key())).unwrap_err(),
        put(&store, &key(), 2, "mine").unwrap_err(),
        block_on(store.take(&key())).unwrap_err(),
    ];
    for error in outcomes {
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Store, reason), "{error}");
        assert!(error.to_string().contains(says) && !error.to_string().contains("canary"), "{error}");
    }
    assert_eq!((fs::symlink_metadata(&path).unwrap().file_type(), fs::read(&path).ok()), before);
}

fn folder() -> Folder {
    let folder = Folder::new();
    put(&folder.open(), &key(), 1, "canary").unwrap();
    folder
}

#[test]
fn s_tk_15_wide_permissions_and_links_are_refused() {
    let wide = folder();
    mode(&record(&wide), 0o644);
    refuse(&wide, Reason::StoreInsecure, "chmod 600");
    let linked = folder();
    let (path, elsewhere) = (record(&linked), linked.0.join("elsewhere"));
    fs::rename(&path, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
    refuse(&linked, Reason::StoreInsecure, "link");
    let directory = folder();
    let path = record(&directory);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    refuse(&directory, Reason::StoreInsecure, "is no file");
    for permissions in [0o755, 0o770, 0o701] {
        let open = Folder::new();
        drop(open.open());
        mode(&open.0, permissions);
        let error = FileStore::open(&open.0).unwrap_err();
        assert!(
            error.reason() == Reason::StoreInsecure && error.to_string().contains("chmod 700"),
            "{error}"
        );
    }
    let link = Folder::new();
    std::os::unix::fs::symlink(&linked.0, &link.0).unwrap();
    assert_eq!(FileStore::open(&link.0).unwrap_err().reason(), Reason::StoreInsecure);
    fs::remove_file(&link.0).unwrap();
}

#[test]
fn what_cannot_be_read_is_left_as_it_is() {
    for (change, says) in [
        (&(|text: &str| text[..text.len() - 1].to_owned()) as &dyn Fn(&str) -> String, "was cut"),
        (&|text| text[..text.len() / 2].to_owned(), "was cut"),
        (&|_| String::new(), "was cut"),
        (&|text| text.replacen("valetkey 1", "valetkey 2", 1), "newer version"),
        (&|text| text.replacen("\n1\n", "\n-1\n", 1), "no record"),
        (&|text| text.replacen("\n1\n", "\n18446744073709551616\n", 1), "no record"),
        (&|text| text.replacen("alice", "bob", 1), "another key"),
        (&|text| text.replacen("grant/alice", "../alice", 1), "no record"),
        (&|_| "{\"access_token\":\"canary\"}\n".to_owned(), "no record"),
        (&|_| "x".repeat(2 << 20), "longer than 1 MiB"),
    ] {
        let folder = folder();
        let path = record(&folder);
        let text = fs::read_to_string(&path).unwrap();
        let changed = change(&text);
        assert_ne!(text, changed);
        fs::write(&path, changed).unwrap();
        refuse(&folder, Reason::Malformed, says);
        if says != "another key" {
            assert_eq!(block_on(folder.open().list("")).unwrap_err().reason(), Reason::Malformed);
        }
    }
    let binary = folder();
    fs::write(record(&binary), b"valetkey 1\n\xff\xfe\n").unwrap();
    refuse(&binary, Reason::Malformed, "no text");
}

#[test]
fn a_program_that_died_while_it_wrote_is_in_nobodys_way() {
    let folder = folder();
    fs::write(record(&folder).with_extension("new"), "half a rec").unwrap();
    put(&folder.open(), &key(), 2, "newer").unwrap();
    assert_eq!(block_on(folder.open().load(&key())).unwrap().unwrap().text.expose(), "newer");
}

#[test]
fn a_folder_that_cannot_be_made_or_is_gone_says_so() {
    let folder = folder();
    let error = FileStore::open(record(&folder).join("below")).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Store, Reason::StoreFailed));
    let store = folder.open();
    fs::remove_dir_all(&folder.0).unwrap();
    assert_eq!(block_on(store.load(&key())).unwrap(), None);
    let error = put(&store, &key(), 1, "x").unwrap_err();
    assert!(error.reason() == Reason::StoreFailed && error.to_string().contains("cannot open"), "{error}");
}
