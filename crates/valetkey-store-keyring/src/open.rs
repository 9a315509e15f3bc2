//! Finding the key of a folder, or making it, once.

use std::{path::Path, time::Duration};

use keyring_core::Error as Failure;
use valetkey::{
    Error, ErrorKind, Reason, Result,
    blocking::block_on,
    crypto::SystemRandom,
    secret::Secret,
    store::{FileStore, Owner, Put, SealedStore, Store, StoreKey},
};
use zeroize::Zeroizing;

use crate::{Builder, clock, clock::Deadline, data_key::DataKey, failed};

const LONGEST_NAME: usize = 128;
/// The folder of the records, below that of the marker.
const RECORDS: &str = "records";
const LOOK: Duration = Duration::from_millis(20);
/// Of no matter: the lock is the operating system's, and ends with the program.
const LEASE: Duration = Duration::from_secs(600);

pub(crate) fn open(builder: &Builder) -> Result<SealedStore> {
    let name = &builder.application;
    if name.is_empty() || name.len() > LONGEST_NAME || name.contains(char::is_control) {
        let error = Error::new(ErrorKind::Config, Reason::InvalidValue);
        return Err(error.with_detail("name of the application, of a keyring's entry"));
    }
    let folder = Folder {
        builder,
        deadline: Deadline::after(builder.patience),
        marker: FileStore::open(&builder.folder)?,
        records: FileStore::open(builder.folder.join(RECORDS))?,
    };
    let key = match folder.key_id()? {
        Some(id) => folder.find(id)?,
        None => folder.first()?,
    };
    Ok(SealedStore::new(folder.records, key.sealing()))
}

/// A folder that has a key, says which, or is to have one.
struct Folder<'a> {
    builder: &'a Builder,
    deadline: Deadline,
    /// Has one record, which says whose folder it is, and the id of its key.
    marker: FileStore,
    records: FileStore,
}

impl Folder<'_> {
    /// The id of the key that sealed the folder, if one did.
    fn key_id(&self) -> Result<Option<String>> {
        let Some(stored) = block_on(self.marker.load(&marker()))? else { return Ok(None) };
        let Some((application, id)) = stored.text.expose().split_once('\n') else {
            return Err(
                self.failed(Reason::Malformed, "does not say which key it has: move it away to sign in anew")
            );
        };
        if application != self.builder.application {
            return Err(self.failed(
                Reason::StoreFailed,
                "is another application's, or this one's under a former name: use that name, or another folder",
            ));
        }
        Ok(Some(id.to_owned()))
    }

    /// Gets the key from the keyring. It is never made anew: what it sealed would be lost.
    fn find(&self, id: String) -> Result<DataKey> {
        let (application, user) = (self.builder.application.clone(), user(&id));
        let found = self.builder.keyring.ask(&self.deadline, move |keyring| {
            match keyring.build(&application, &user, None)?.get_password() {
                Ok(text) => Ok(Some(DataKey::parse(&Zeroizing::new(text)))),
                Err(Failure::BadEncoding(_) | Failure::BadDataFormat(..)) => Ok(Some(None)),
                Err(Failure::NoEntry) => Ok(None),
                Err(failure) => Err(failure),
            }
        })?;
        match found {
            Some(Some(key)) if key.id() == id => Ok(key),
            Some(_) => Err(self.failed(
                Reason::SealBroken,
                "was sealed by another key than the keyring has under its name; both are left as they are: bring back the \
                 keyring's entry, or delete the folder to sign in anew",
            )),
            None => Err(self.failed(
                Reason::SealBroken,
                "was sealed by a key that this keyring has not: its entry was deleted, or the folder comes from another \
                 user or machine; bring back the entry, or delete the folder to sign in anew",
            )),
        }
    }

    /// Makes the key, unless somebody else does at the same time.
    fn first(&self) -> Result<DataKey> {
        let owner = Owner::new(&SystemRandom::new())?;
        while !block_on(self.marker.lease(&marker(), &owner, LEASE))? {
            if self.deadline.left().is_zero() {
                return Err(self.failed(
                    Reason::StoreFailed,
                    "is being made ready by another program, which waits for the keyring: try again",
                ));
            }
            clock::pause(LOOK);
        }
        let key = match self.key_id()? {
            Some(id) => self.find(id),
            None => self.make(),
        };
        block_on(self.marker.release(&marker(), &owner))?;
        key
    }

    /// Makes the key. The keyring has it before the marker names it, and the marker does before anything is sealed by it.
    fn make(&self) -> Result<DataKey> {
        if !block_on(self.records.list(""))?.is_empty() {
            return Err(self.failed(
                Reason::SealBroken,
                "has records, and nothing that says which key sealed them: bring back its other files, or delete it to \
                 sign in anew",
            ));
        }
        let key = DataKey::generate()?;
        let (application, id, text) = (self.builder.application.clone(), key.id(), key.text());
        let user = user(&id);
        let kept = self.builder.keyring.ask(&self.deadline, move |keyring| {
            let entry = keyring.build(&application, &user, None)?;
            entry.set_password(&text)?;
            let kept = Zeroizing::new(entry.get_password()?);
            Ok(DataKey::parse(&kept).is_some_and(|kept| kept.text() == text))
        })?;
        if !kept {
            let what = "the keyring did not give back the key that it was given: choose another store";
            return Err(failed(Reason::StoreFailed, what));
        }
        let says = Secret::new(format!("{}\n{id}", self.builder.application));
        match block_on(self.marker.put(&marker(), 1, &says, None))? {
            Put::Written => Ok(key),
            Put::Conflict => Err(self.failed(Reason::StoreFailed, "was changed without its lock: try again")),
        }
    }

    fn failed(&self, reason: Reason, what: &str) -> Error {
        let folder: &Path = &self.builder.folder;
        failed(reason, format!("{} {what}", folder.display()))
    }
}

fn marker() -> StoreKey {
    StoreKey::of(&["keyring"])
}

/// Whose password the key is: each folder has an entry of its own, so that no two programs write the same one.
fn user(id: &str) -> String {
    format!("valetkey data key {id}")
}
