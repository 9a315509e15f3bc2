//! Sessions in a folder on a disk that is full, that is only read, or that this user may not use, and beside programs that die.
//!
//! Each test starts itself anew where that is so. Where the machine lets nobody have a file system of their own, it says that it
//! is skipped.

use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use valetkey::{
    Client, Error, ErrorKind, Reason, Session, SessionEvent, Sessions,
    crypto::SystemRandom,
    secret::Secret,
    store::{FileStore, Owner, Put, Store, StoreKey},
};
use valetkey_testkit::{Place, Provider, block_on};

use crate::{Folder, machine::Machine};

const HOUR: Duration = Duration::from_secs(3600);
/// Says to this program, started anew, in which folder it is to do a test.
const INSIDE: &str = "VALETKEY_STORE_TROUBLE";

/// The folder for a test, in the program that was started for it; in any other one, that program is started.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn inside(name: &str, launcher: &[&str], setup: &str) -> Option<PathBuf> {
    if let Some(folder) = env::var_os(INSIDE) {
        return Some(folder.into());
    }
    let folder = Folder::new();
    fs::create_dir(&folder.0).unwrap();
    fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o700)).unwrap();
    let command = || {
        let mut command = Command::new(launcher.first().unwrap_or(&"env"));
        command.args(launcher.iter().skip(1)).args(["sh", "-ec"]).env(INSIDE, &folder.0);
        command
    };
    let can = command().arg(setup).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    if !can {
        eprintln!("skipped: {name}: `{setup}` is not possible here");
        return None;
    }
    let mut command = command();
    command.arg(format!("{setup}; exec \"$@\"")).arg("sh").arg(env::current_exe().unwrap());
    let output = command.args(["--exact", name, "--nocapture"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    None
}

/// A file system of the test's own, of 64 KiB, which is gone with the test.
const DISK: [&str; 4] = ["unshare", "--user", "--map-root-user", "--mount"];
const MOUNT: &str = "mount -t tmpfs -o size=64k,mode=700 tmpfs \"$VALETKEY_STORE_TROUBLE\"";

/// The client `app` of a provider, and its sessions in this folder: a program of its own.
fn program(provider: &Provider, folder: &Path) -> Sessions {
    Machine::of(provider).sessions(FileStore::open(folder).expect("a store"))
}

fn sign_in(client: &Client, provider: &Provider) -> Session {
    block_on(async {
        let (url, pending) = client.authorize().scope("read").start().await.unwrap();
        client.redeem(pending, provider.visit(&url).unwrap()).await.unwrap()
    })
}

fn save(account: &str, provider: &Provider, folder: &Path) -> Result<(), Error> {
    let session = sign_in(&Machine::of(provider).client(), provider);
    block_on(program(provider, folder).save(account, &session))
}

fn open(sessions: &Sessions) -> Session {
    block_on(sessions.open("alice")).unwrap().expect("she is signed in")
}

fn call(session: &Session, provider: &Provider) -> Result<u16, Error> {
    let request = http::Request::get(provider.api("me")).body(bytes::Bytes::new()).unwrap();
    block_on(session.send(request)).map(|response| response.status().as_u16())
}

/// An error of the store that says what to do.
#[track_caller]
fn assert_says(error: &Error, advice: &str) {
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Store, Reason::StoreFailed), "{error}");
    assert!(error.to_string().contains(advice), "{error}");
}

/// A store that takes no writes: what is there is used for as long as it is good, nothing is lost, and everything else says so.
fn nothing_is_written(provider: &Provider, folder: &Path, advice: &str, writes_again: impl FnOnce()) {
    let sessions = program(provider, folder);
    let session = open(&sessions);
    assert_eq!(call(&session, provider).unwrap(), 200);
    assert_says(&save("bob", provider, folder).unwrap_err(), advice);
    assert_says(&block_on(sessions.log_out("alice")).map(|_| ()).unwrap_err(), advice);
    assert_eq!(block_on(sessions.accounts()).unwrap(), ["alice"]);
    provider.advance(HOUR - Duration::from_secs(5));
    assert_eq!(call(&session, provider).unwrap(), 200, "it was early to renew");
    provider.advance(HOUR);
    let before = provider.count(Place::Token);
    for session in [&session, &open(&program(provider, folder))] {
        assert_says(&call(session, provider).unwrap_err(), advice);
    }
    assert_eq!(provider.count(Place::Token), before, "no refresh token is used that could not be replaced");
    writes_again();
    provider.advance(Duration::from_secs(60));
    assert_eq!(call(&session, provider).unwrap(), 200);
    save("bob", provider, folder).unwrap();
    assert_eq!(block_on(sessions.accounts()).unwrap(), ["alice", "bob"]);
}

/// Writes until nothing more can be written.
fn fill(folder: &Path) {
    let mut file = fs::File::create(folder.join("filler")).unwrap();
    while file.write_all(&[0; 512]).is_ok() {}
}

fn make_room(folder: &Path) {
    fs::remove_file(folder.join("filler")).unwrap();
}

#[test]
fn a_full_disk_takes_nothing_and_loses_nothing() {
    let Some(folder) = inside("trouble::a_full_disk_takes_nothing_and_loses_nothing", &DISK, MOUNT) else {
        return;
    };
    let provider = Provider::new();
    save("alice", &provider, &folder).unwrap();
    fill(&folder);
    nothing_is_written(&provider, &folder, "make room", || make_room(&folder));
}

#[test]
fn a_disk_that_is_full_when_tokens_come_costs_no_grant() {
    let name = "trouble::a_disk_that_is_full_when_tokens_come_costs_no_grant";
    let Some(folder) = inside(name, &DISK, MOUNT) else { return };
    let provider = Provider::new();
    save("alice", &provider, &folder).unwrap();
    let told = Arc::new(AtomicBool::new(false));
    let hears = Arc::clone(&told);
    let machine = Machine::of(&provider);
    let observer = move |event: &SessionEvent| {
        hears.fetch_or(matches!(event, SessionEvent::NotKept { .. }), Ordering::Relaxed);
    };
    let client = block_on(machine.builder().observer(observer).build()).unwrap();
    let session = open(&client.sessions(FileStore::open(&folder).unwrap()));
    provider.advance(2 * HOUR);
    let full = folder.clone();
    machine.meanwhile(async move { fill(&full) });
    assert_eq!(call(&session, &provider).unwrap(), 200, "the tokens are used");
    assert!(told.load(Ordering::Relaxed), "that they are not kept is told");
    make_room(&folder);
    // The next renewal is by what it has, and not by what the folder has.
    provider.advance(2 * HOUR);
    assert_eq!(call(&session, &provider).unwrap(), 200);
    assert_eq!(open(&program(&provider, &folder)).record(), session.record(), "and it is kept again");
}

#[test]
fn read_only_home_is_read_and_said() {
    let Some(folder) = inside("trouble::read_only_home_is_read_and_said", &DISK, MOUNT) else { return };
    let provider = Provider::new();
    save("alice", &provider, &folder).unwrap();
    let remount = |how: &str| {
        let options = format!("remount,{how}");
        assert!(Command::new("mount").args(["-o", &options]).arg(&folder).status().unwrap().success());
    };
    remount("ro");
    assert_says(
        &FileStore::open(folder.join("new")).unwrap_err(),
        "keep the store where it can be written to",
    );
    nothing_is_written(&provider, &folder, "keep the store where it can be written to", || remount("rw"));
}

#[test]
fn a_folder_or_record_of_wrong_permissions_is_left_and_said() {
    // Whom everything is permitted gives that up first.
    let is_root = fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0);
    let launcher = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"];
    let launcher = if is_root { &launcher[..] } else { &[] };
    let name = "trouble::a_folder_or_record_of_wrong_permissions_is_left_and_said";
    let Some(folder) = inside(name, launcher, ":") else { return };
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let provider = Provider::new();
    save("alice", &provider, &folder).unwrap();
    mode(&folder, 0o500);
    assert_says(&FileStore::open(folder.join("new")).unwrap_err(), "let this user");
    nothing_is_written(&provider, &folder, "let this user", || mode(&folder, 0o700));
    let session = open(&program(&provider, &folder));
    let record = record_of(&folder, "alice");
    let text = fs::read(&record).unwrap();
    mode(&record, 0o000);
    for error in [
        save("alice", &provider, &folder).unwrap_err(),
        block_on(program(&provider, &folder).open("alice")).map(|_| ()).unwrap_err(),
        block_on(program(&provider, &folder).log_out("alice")).map(|_| ()).unwrap_err(),
    ] {
        assert_says(&error, "let this user");
    }
    mode(&record, 0o600);
    assert_eq!(fs::read(&record).unwrap(), text);
    assert_eq!(call(&session, &provider).unwrap(), 200);
}

/// The file of an account's record.
fn record_of(folder: &Path, account: &str) -> PathBuf {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut records = paths.filter(|path| path.extension().is_some_and(|extension| extension == "record"));
    let is_its = |path: &PathBuf| fs::read_to_string(path).unwrap().contains(&format!("/{account}\n"));
    records.find(is_its).expect("a record")
}

#[test]
fn a_lock_held_by_a_dead_process_is_nobodys() {
    const NAME: &str = "trouble::a_lock_held_by_a_dead_process_is_nobodys";
    let (key, owner) = (StoreKey::of(&["a"]), || Owner::new(&SystemRandom::new()).unwrap());
    if let Some(folder) = env::var_os(INSIDE) {
        // Holds the lease and the right to write, and says so, until it is killed.
        let folder = PathBuf::from(folder);
        let store = FileStore::open(&folder).unwrap();
        assert!(block_on(store.lease(&key, &owner(), HOUR)).unwrap());
        let mut paths = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let writing = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "writing");
        let lock = fs::File::open(paths.find(writing).expect("a lock")).unwrap();
        lock.lock().unwrap();
        std::io::stdout().write_all(b"\nheld\n").unwrap();
        std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).unwrap();
        return;
    }
    let folder = Folder::new();
    let store = folder.open();
    let put = |generation| block_on(store.put(&key, generation, &Secret::new("x"), None));
    assert_eq!(put(1).unwrap(), Put::Written);
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", NAME, "--nocapture"]).env(INSIDE, &folder.0);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line == "held"));
    assert!(!block_on(store.lease(&key, &owner(), HOUR)).unwrap(), "it lives");
    assert_says(&put(2).unwrap_err(), "locked by another program for 5 seconds: see that it does not hang");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(block_on(store.lease(&key, &owner(), HOUR)).unwrap());
    assert_eq!(put(2).unwrap(), Put::Written);
}

#[test]
fn two_clocks_an_hour_apart_share_a_folder() {
    for ahead in [3600, -3600] {
        let (folder, provider) = (Folder::new(), Provider::new());
        save("alice", &provider, &folder.0).unwrap();
        let wrong = Machine::of(&provider);
        wrong.is_ahead(ahead);
        let sessions = [program(&provider, &folder.0), wrong.sessions(folder.open())];
        let sessions = sessions.map(|sessions| open(&sessions));
        for _ in 0..3 {
            let before = provider.count(Place::Token);
            for _ in 0..5 {
                assert!(sessions.iter().all(|session| call(session, &provider).unwrap() == 200));
            }
            assert!(provider.count(Place::Token) <= before + 2);
            provider.advance(HOUR);
        }
    }
}
