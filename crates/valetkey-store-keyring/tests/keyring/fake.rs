//! A keyring in memory that fails as it is told.

use std::{
    any::Any,
    collections::BTreeMap,
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use keyring_core::{
    Entry, Error, Result,
    api::{Credential, CredentialApi, CredentialStoreApi},
};
use valetkey_store_keyring::keyring_core;

/// What it does when it is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    #[default]
    Honest,
    /// Never answers, until it is told to do otherwise.
    Hangs,
    Locked,
    Absent,
    /// Says that it has written, and has not.
    Forgets,
    /// Gives back something else than it was given.
    Garbles,
    NotText,
    Ambiguous,
    Panics,
}

#[derive(Debug, Default)]
pub(crate) struct Fake {
    mode: Mutex<Mode>,
    changed: Condvar,
    entries: Mutex<BTreeMap<(String, String), Vec<u8>>>,
    /// How many times it was asked anything.
    pub(crate) asked: AtomicUsize,
}

impl Fake {
    pub(crate) fn new(mode: Mode) -> Arc<Self> {
        Arc::new(Self { mode: Mutex::new(mode), ..Self::default() })
    }

    pub(crate) fn become_(&self, mode: Mode) {
        *self.mode.lock().expect("a mode") = mode;
        self.changed.notify_all();
    }

    /// Its entries: of which service and user, and what they hold.
    pub(crate) fn entries(&self) -> BTreeMap<(String, String), Vec<u8>> {
        self.entries.lock().expect("entries").clone()
    }

    /// Puts this in the place of the one entry.
    pub(crate) fn change(&self, to: Option<&[u8]>) {
        let mut entries = self.entries.lock().expect("entries");
        let (name, _) = entries.pop_first().expect("an entry");
        assert!(entries.is_empty(), "more than one entry");
        if let Some(to) = to {
            entries.insert(name, to.to_vec());
        }
    }

    fn mode(&self) -> Result<Mode> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mode = self.mode.lock().expect("a mode");
        let mode = *self.changed.wait_while(mode, |mode| *mode == Mode::Hangs).expect("a mode");
        match mode {
            Mode::Locked => Err(Error::NoStorageAccess("canary".into())),
            Mode::Absent => Err(Error::PlatformFailure("canary".into())),
            Mode::Ambiguous => Err(Error::Ambiguous(Vec::new())),
            Mode::Panics => panic!("as it was told"),
            other => Ok(other),
        }
    }
}

/// An entry of it. `keyring-core` hands out stores by reference, so an entry has one of its own.
#[derive(Debug)]
struct Item {
    keyring: Arc<Fake>,
    name: (String, String),
}

/// What a program hands over: the keyring, and itself once more for its entries.
#[derive(Debug)]
pub(crate) struct Handle(pub(crate) Arc<Fake>);

impl CredentialStoreApi for Handle {
    fn vendor(&self) -> String {
        "test".to_owned()
    }

    fn id(&self) -> String {
        "test".to_owned()
    }

    fn build(
        &self,
        service: &str,
        user: &str,
        _: Option<&std::collections::HashMap<&str, &str>>,
    ) -> Result<Entry> {
        let name = (service.to_owned(), user.to_owned());
        Ok(Entry::new_with_credential(Arc::new(Item { keyring: Arc::clone(&self.0), name })))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl CredentialApi for Item {
    fn set_secret(&self, secret: &[u8]) -> Result<()> {
        if self.keyring.mode()? != Mode::Forgets {
            let mut entries = self.keyring.entries.lock().expect("entries");
            assert!(entries.insert(self.name.clone(), secret.to_vec()).is_none(), "written over");
        }
        Ok(())
    }

    fn get_secret(&self) -> Result<Vec<u8>> {
        let mode = self.keyring.mode()?;
        let secret = self.keyring.entries().remove(&self.name).ok_or(Error::NoEntry)?;
        Ok(match mode {
            Mode::Garbles => secret.iter().rev().copied().collect(),
            Mode::NotText => vec![0xff; 32],
            _ => secret,
        })
    }

    fn delete_credential(&self) -> Result<()> {
        panic!("nothing is deleted")
    }

    fn get_credential(&self) -> Result<Option<Arc<Credential>>> {
        Ok(None)
    }

    fn get_specifiers(&self) -> Option<(String, String)> {
        Some(self.name.clone())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
