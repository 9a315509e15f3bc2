//! The system's keyring on Linux, as a program sees it: each program is a process, whose environment names the bus.

mod bus;
mod service;

use std::{
    env,
    io::Write,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use valetkey::store::suite;
use valetkey_store_keyring::KeyringStore;
use valetkey_testkit::block_on;

use self::{
    bus::Bus,
    service::{Mode, SecretService},
};
use crate::{APPLICATION, Folder, load, put};

/// What a program of the tests does: its part, its folder, its patience in milliseconds.
#[test]
#[ignore = "run by the tests of this file, in a process of its own"]
fn program() {
    let variable = |name| env::var(name).expect("a variable");
    let patience = Duration::from_millis(variable("PATIENCE").parse().expect("a number"));
    let builder = || KeyringStore::builder(APPLICATION, variable("FOLDER")).patience(patience);
    let store = match builder().open_blocking() {
        Ok(store) => store,
        Err(error) => return println!("refused: {error}"),
    };
    match &*variable("PART") {
        "suite" => block_on(suite::all(&store, &builder().open_blocking().expect("a store"))),
        "write" => put(&store, &variable("NAME"), "canary"),
        part => assert_eq!(part, "open"),
    }
    let kept = load(&store, &variable("NAME")).expect("it can be read");
    println!("opened: {kept:?}");
}

/// A user's machine: where programs run, on this bus.
struct Machine<'a> {
    folder: &'a Folder,
    bus: Option<&'a str>,
    patience: u32,
}

impl Machine<'_> {
    fn start(&self, part: &str, name: &str) -> Child {
        let mut command = Command::new(env::current_exe().expect("this program"));
        command
            .args(["--ignored", "--exact", "secret_service::program", "--nocapture"])
            .env_clear()
            .envs(self.bus.map(|address| ("DBUS_SESSION_BUS_ADDRESS", address)))
            .envs([("PART", part), ("NAME", name), ("PATIENCE", &self.patience.to_string())])
            .env("FOLDER", &self.folder.0)
            .stdout(Stdio::piped());
        command.spawn().expect("it runs")
    }

    /// What it says at its end, which it comes to by itself.
    fn run(&self, part: &str, name: &str) -> String {
        said(self.start(part, name))
    }

    #[track_caller]
    fn refuses(&self, part: &str, says: &str) {
        let said = self.run(part, "alice");
        assert!(said.contains("refused: ") && said.contains(says) && !said.contains("canary"), "{said}");
    }
}

fn said(program: Child) -> String {
    let output = program.wait_with_output().expect("its output");
    let said = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success(), "{said}");
    said
}

fn machine<'a>(folder: &'a Folder, service: &'a SecretService) -> Machine<'a> {
    Machine { folder, bus: Some(&service.bus.address), patience: 20_000 }
}

#[test]
fn programs_have_their_store_by_the_secret_service() {
    let Some(service) = SecretService::start(Mode::Open) else { return };
    let folder = Folder::new();
    let machine = machine(&folder, &service);
    assert!(machine.run("suite", "alice").contains("opened: None"));
    assert!(machine.run("write", "alice").contains("opened: Some(\"canary\")"));
    assert!(machine.run("open", "alice").contains("opened: Some(\"canary\")"));
    let state = service.state.lock().unwrap();
    let [(attributes, secret)] = &state.items[..] else { panic!("one item") };
    assert_eq!((attributes["service"].as_str(), secret.len(), state.prompts), (APPLICATION, 43, 0));
}

#[test]
fn of_two_programs_that_begin_at_once_one_makes_the_key() {
    let Some(service) = SecretService::start(Mode::Open) else { return };
    let folder = Folder::new();
    let machine = machine(&folder, &service);
    let programs: Vec<_> = ["a", "b", "c", "d"].map(|name| machine.start("write", name)).into();
    for program in programs {
        let said = said(program);
        assert!(said.contains("opened: Some(\"canary\")"), "{said}");
    }
    assert_eq!(service.state.lock().unwrap().items.len(), 1);
    assert!(machine.run("open", "c").contains("opened: Some(\"canary\")"));
}

/// What goes wrong before a key is made, and after it was.
fn fails(mode: Mode, patience: u32, [at_first, later]: [Option<&str>; 2]) {
    let Some(service) = SecretService::start(Mode::Open) else { return };
    let (new, old) = (Folder::new(), Folder::new());
    assert!(machine(&old, &service).run("write", "alice").contains("opened: Some"));
    let before = (old.files(), service.state.lock().unwrap().items.clone());
    service.become_(mode);
    if let Some(says) = at_first {
        Machine { patience, ..machine(&new, &service) }.refuses("write", says);
        assert!(new.records("").is_empty() && new.records("records").is_empty(), "{mode:?}");
    }
    if let Some(says) = later {
        Machine { patience, ..machine(&old, &service) }.refuses("open", says);
        assert_eq!(old.files(), before.0, "{mode:?}");
        assert_eq!(service.state.lock().unwrap().items[..1], before.1, "{mode:?}");
    }
    service.become_(Mode::Open);
    assert!(machine(&old, &service).run("open", "alice").contains("opened: Some"), "{mode:?}");
}

const LATE: Option<&str> = Some("has not answered for 300ms: unlock it");
const ABSENT: Option<&str> = Some("start it (on Linux, a Secret Service");
const LOCKED: Option<&str> = Some("unlock or make one");

#[test]
fn a_service_that_never_answers_is_given_up() {
    fails(Mode::HangsAtOnce, 300, [LATE, LATE]);
    fails(Mode::HangsAtSecrets, 300, [LATE, LATE]);
}

#[test]
fn a_service_that_is_locked_or_has_no_collection_is_said_to_be() {
    fails(Mode::Ignored, 300, [LATE, LATE]);
    fails(Mode::Dismissed, 20_000, [LOCKED, LOCKED]);
    fails(Mode::Empty, 20_000, [LOCKED, None]);
}

#[test]
fn a_service_that_answers_nonsense_is_refused() {
    fails(Mode::WrongTypes, 20_000, [ABSENT, ABSENT]);
    fails(Mode::Insults, 20_000, [ABSENT, ABSENT]);
    fails(Mode::Noise, 20_000, [Some("refused: "), Some("refused: ")]);
}

#[test]
fn a_dialog_that_is_answered_opens_the_store() {
    let Some(service) = SecretService::start(Mode::Unlocks) else { return };
    let folder = Folder::new();
    assert!(machine(&folder, &service).run("write", "alice").contains("opened: Some"));
    service.become_(Mode::Unlocks);
    assert!(machine(&folder, &service).run("open", "alice").contains("opened: Some"));
    assert_eq!(service.state.lock().unwrap().prompts, 2);
}

#[test]
fn a_key_that_the_service_lost_is_not_made_anew() {
    let Some(service) = SecretService::start(Mode::Open) else { return };
    let folder = Folder::new();
    let machine = machine(&folder, &service);
    assert!(machine.run("write", "alice").contains("opened: Some"));
    let items = std::mem::take(&mut service.state.lock().unwrap().items);
    machine.refuses("open", "its entry was deleted");
    assert!(service.state.lock().unwrap().items.is_empty());
    service.state.lock().unwrap().items = items;
    assert!(machine.run("open", "alice").contains("opened: Some"));
}

#[test]
fn a_machine_without_a_bus_or_a_service_says_so() {
    let folder = Folder::new();
    let machine = |bus| Machine { folder: &folder, bus, patience: 20_000 };
    for bus in ["unix:path=/nowhere/bus", "tcp:host=127.0.0.1,port=1", "nonsense", ""] {
        machine(Some(bus)).refuses("open", "start it");
    }
    if let Some(bus) = Bus::start() {
        machine(Some(&bus.address)).refuses("open", "start it");
    }
    assert!(folder.records("").is_empty());
}

/// The one of GNOME, where it is installed.
#[test]
fn gnomes_keyring_has_the_key() {
    let Some(bus) = Bus::start() else { return };
    let (home, folder) = (Folder::new(), Folder::new());
    std::fs::create_dir(&home.0).unwrap();
    let daemon = Command::new("gnome-keyring-daemon")
        .args(["--unlock", "--foreground", "--components=secrets"])
        .env_clear()
        .envs([("HOME", &home.0), ("XDG_RUNTIME_DIR", &home.0)])
        .env("DBUS_SESSION_BUS_ADDRESS", &bus.address)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut daemon) = daemon else { return println!("skipped: there is no gnome-keyring-daemon") };
    daemon.stdin.take().expect("its input").write_all(b"password").expect("it is read");
    let machine = Machine { folder: &folder, bus: Some(&bus.address), patience: 20_000 };
    // It has no name on the bus until it has made its collection.
    let mut said = machine.run("suite", "alice");
    for _ in 0..50 {
        if said.contains("opened: ") {
            break;
        }
        #[expect(clippy::disallowed_methods, reason = "another process has to begin")]
        thread::sleep(Duration::from_millis(100));
        said = machine.run("suite", "alice");
    }
    let kept = [machine.run("write", "alice"), machine.run("open", "alice")];
    let _ = daemon.kill();
    let _ = daemon.wait();
    assert!(said.contains("opened: None"), "{said}");
    assert!(kept.iter().all(|said| said.contains("opened: Some(\"canary\")")), "{kept:?}");
}
