//! A Secret Service that fails as it is told: as much of the freedesktop.org specification (0.2) as clients here need.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use aes::{
    Aes128,
    cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit, block_padding::Pkcs7},
};
use ring::hkdf;
use zbus::{
    ObjectServer, blocking, fdo, interface,
    object_server::SignalEmitter,
    zvariant::{ObjectPath, OwnedObjectPath, OwnedValue, Value},
};

use super::bus::Bus;

const ROOT: &str = "/org/freedesktop/secrets";
const COLLECTION: &str = "/org/freedesktop/secrets/collection/login";
const SESSION: &str = "/org/freedesktop/secrets/session/1";
const PROMPT: &str = "/org/freedesktop/secrets/prompt/1";

/// What it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Open,
    /// Never answers the first call.
    HangsAtOnce,
    /// Never gives a secret out.
    HangsAtSecrets,
    /// Is locked, and nobody answers its dialog.
    Ignored,
    /// Is locked, and its dialog is dismissed.
    Dismissed,
    /// Is locked, and its dialog is answered.
    Unlocks,
    /// Has no default collection.
    Empty,
    /// Answers with values of other types.
    WrongTypes,
    /// Answers with a secret that was encrypted by nobody.
    Noise,
    /// Answers with an error of its own words.
    Insults,
}

pub(crate) struct State {
    pub(crate) mode: Mode,
    locked: bool,
    /// For the one session, or each of them: the last client's.
    key: [u8; 16],
    /// What each item has: attributes and secret.
    pub(crate) items: Vec<(HashMap<String, String>, Vec<u8>)>,
    pub(crate) prompts: usize,
}

type Shared = Arc<Mutex<State>>;

/// A secret on its way: session, parameters, value, media type.
type Secret = (OwnedObjectPath, Vec<u8>, Vec<u8>, String);

/// A running service, on a bus of its own.
pub(crate) struct SecretService {
    pub(crate) bus: Bus,
    pub(crate) state: Shared,
    _connection: blocking::Connection,
}

impl SecretService {
    pub(crate) fn start(mode: Mode) -> Option<Self> {
        let bus = Bus::start()?;
        let state = State { mode, locked: false, key: [0; 16], items: Vec::new(), prompts: 0 };
        let state = Arc::new(Mutex::new(state));
        let connection = blocking::connection::Builder::address(bus.address.as_str())
            .and_then(|builder| builder.name("org.freedesktop.secrets"))
            .and_then(|builder| builder.serve_at(ROOT, Service(Arc::clone(&state))))
            .and_then(|builder| builder.serve_at(COLLECTION, Collection(Arc::clone(&state))))
            .and_then(|builder| builder.serve_at(PROMPT, Prompt(Arc::clone(&state))))
            .and_then(|builder| builder.build())
            .expect("a service");
        let service = Self { bus, state, _connection: connection };
        service.become_(mode);
        Some(service)
    }

    pub(crate) fn become_(&self, mode: Mode) {
        let mut state = self.state.lock().expect("a state");
        state.mode = mode;
        state.locked = matches!(mode, Mode::Ignored | Mode::Dismissed | Mode::Unlocks);
    }
}

fn path(text: &str) -> OwnedObjectPath {
    ObjectPath::try_from(text).expect("a path").into()
}

fn item(number: usize) -> OwnedObjectPath {
    path(&format!("{COLLECTION}/{number}"))
}

/// What is shared with a client whose public number this is: the service's secret number is 1, so that its public one is 2.
fn agree(public: &[u8]) -> [u8; 16] {
    struct Length;
    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            16
        }
    }
    let padded = [vec![0; 128 - public.len()], public.to_vec()].concat();
    let mut key = [0; 16];
    let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(&padded);
    secret.expand(&[], Length).and_then(|okm| okm.fill(&mut key)).expect("a key");
    key
}

struct Service(Shared);

#[interface(name = "org.freedesktop.Secret.Service")]
impl Service {
    async fn open_session(
        &self,
        algorithm: &str,
        input: OwnedValue,
    ) -> fdo::Result<(OwnedValue, OwnedObjectPath)> {
        let mode = self.0.lock().expect("a state").mode;
        match mode {
            Mode::HangsAtOnce => std::future::pending().await,
            Mode::Insults => return Err(fdo::Error::Failed("canary".to_owned())),
            _ => {}
        }
        assert_eq!(algorithm, "dh-ietf1024-sha256-aes128-cbc-pkcs7", "a secret goes over the bus as it is");
        let public = Vec::<u8>::try_from(input).expect("a number");
        self.0.lock().expect("a state").key = agree(&public);
        let answer = if mode == Mode::WrongTypes { Value::from("canary") } else { Value::from(vec![2_u8]) };
        Ok((answer.try_into().expect("a value"), path(SESSION)))
    }

    fn search_items(
        &self,
        attributes: HashMap<String, String>,
    ) -> (Vec<OwnedObjectPath>, Vec<OwnedObjectPath>) {
        let state = self.0.lock().expect("a state");
        let matches = |(has, _): &(HashMap<String, String>, Vec<u8>)| {
            ["service", "username"].iter().all(|name| has.get(*name) == attributes.get(*name))
        };
        let found = state.items.iter().enumerate().filter(|(_, item)| matches(item));
        let found = found.map(|(number, _)| item(number)).collect();
        if state.locked { (Vec::new(), found) } else { (found, Vec::new()) }
    }

    fn unlock(&self, objects: Vec<OwnedObjectPath>) -> (Vec<OwnedObjectPath>, OwnedObjectPath) {
        if self.0.lock().expect("a state").locked { (Vec::new(), path(PROMPT)) } else { (objects, path("/")) }
    }

    fn read_alias(&self, name: &str) -> OwnedObjectPath {
        let is_there = name == "default" && self.0.lock().expect("a state").mode != Mode::Empty;
        path(if is_there { COLLECTION } else { "/" })
    }
}

struct Collection(Shared);

#[interface(name = "org.freedesktop.Secret.Collection")]
impl Collection {
    #[zbus(property)]
    fn locked(&self) -> bool {
        self.0.lock().expect("a state").locked
    }

    async fn create_item(
        &self,
        properties: HashMap<String, OwnedValue>,
        secret: Secret,
        _replace: bool,
        #[zbus(object_server)] server: &ObjectServer,
    ) -> (OwnedObjectPath, OwnedObjectPath) {
        let attributes = properties["org.freedesktop.Secret.Item.Attributes"].try_clone().expect("a value");
        let attributes = HashMap::<String, String>::try_from(attributes).expect("attributes");
        let number = {
            let mut state = self.0.lock().expect("a state");
            let iv: [u8; 16] = secret.1.as_slice().try_into().expect("an IV");
            let cipher = cbc::Decryptor::<Aes128>::new(&state.key.into(), &iv.into());
            let plain = cipher.decrypt_padded_vec::<Pkcs7>(&secret.2).expect("it was encrypted");
            state.items.push((attributes, plain));
            state.items.len() - 1
        };
        server.at(item(number), Item(Arc::clone(&self.0), number)).await.expect("an item");
        (item(number), path("/"))
    }
}

struct Item(Shared, usize);

#[interface(name = "org.freedesktop.Secret.Item")]
impl Item {
    #[zbus(property)]
    fn locked(&self) -> bool {
        self.0.lock().expect("a state").locked
    }

    async fn get_secret(&self, session: OwnedObjectPath) -> Secret {
        if self.0.lock().expect("a state").mode == Mode::HangsAtSecrets {
            std::future::pending().await
        }
        let state = self.0.lock().expect("a state");
        if state.mode == Mode::Noise {
            return (session, vec![1; 3], b"canary".to_vec(), "text/plain".to_owned());
        }
        let cipher = cbc::Encryptor::<Aes128>::new(&state.key.into(), &[7; 16].into());
        let value = cipher.encrypt_padded_vec::<Pkcs7>(&state.items[self.1].1);
        (session, vec![7; 16], value, "text/plain".to_owned())
    }
}

struct Prompt(Shared);

#[interface(name = "org.freedesktop.Secret.Prompt")]
impl Prompt {
    async fn prompt(
        &self,
        _window: &str,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> fdo::Result<()> {
        let dismissed = {
            let mut state = self.0.lock().expect("a state");
            state.prompts += 1;
            if state.mode == Mode::Ignored {
                return Ok(());
            }
            state.locked = state.mode == Mode::Dismissed;
            state.locked
        };
        Self::completed(&emitter, dismissed, Value::from("")).await?;
        Ok(())
    }

    #[zbus(signal)]
    async fn completed(emitter: &SignalEmitter<'_>, dismissed: bool, result: Value<'_>) -> zbus::Result<()>;
}
