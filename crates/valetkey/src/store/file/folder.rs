//! The files themselves.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions, TryLockError},
    io::{ErrorKind, Read, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use valetkey_proto::{Reason, Result, Timestamp, crypto::CryptoProvider, secret::Secret};
use zeroize::Zeroizing;

use crate::store::{Owner, Put, StoreKey, Stored, clock, deadline, failed, hashed};

/// A folder with records.
pub(super) struct Folder {
    path: PathBuf,
    /// The leases of this process, each with the file that the operating system has locked for it.
    leases: HashMap<StoreKey, Lease>,
}

struct Lease {
    owner: Owner,
    /// Until when others of this process leave it alone; other processes do as long as this one lives.
    until: Instant,
    _file: File,
}

/// The longest record that is read, in bytes.
const LONGEST: u64 = 1 << 20;
/// How long another program may write.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(5);

/// What a file holds: the version, the key, the generation, until when it is kept, and the text, a line each.
const VERSION: &str = "valetkey 1";

impl Folder {
    pub(super) fn open(path: PathBuf) -> Result<Self> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path).map_err(|error| cannot("make the folder", &path, &error))?;
        let metadata = fs::symlink_metadata(&path).map_err(|error| cannot("read", &path, &error))?;
        if !metadata.is_dir() {
            return Err(insecure(&path, "is no folder, or a link to one: name the folder itself"));
        }
        check_mode(&path, &metadata)?;
        Ok(Self { path, leases: HashMap::new() })
    }

    /// Where a record is. Names are hashed, because file systems differ in what they take and tell apart.
    fn place(&self, key: &StoreKey, extension: &str) -> PathBuf {
        let name = hashed(&CryptoProvider::ring(), key.as_str());
        let name = name.get(..32).unwrap_or_default();
        self.path.join(format!("{name}.{extension}"))
    }

    pub(super) fn load(&self, key: &StoreKey) -> Result<Option<Stored>> {
        let path = self.place(key, RECORD);
        let Some(record) = read(&path)? else { return Ok(None) };
        if record.key != *key {
            let what = "holds the record of another key: somebody has moved it; move it back, or away";
            return Err(unreadable(&path, what));
        }
        let now = Timestamp::from(clock::now());
        Ok(Some(record)
            .filter(|record| record.until.is_none_or(|until| now < until))
            .map(|record| record.stored))
    }

    pub(super) fn put(
        &mut self,
        key: &StoreKey,
        generation: u64,
        text: &Secret,
        lifetime: Option<Duration>,
    ) -> Result<Put> {
        let _lock = self.lock_to_write(key)?;
        let present = self.load(key)?.map_or(0, |stored| stored.generation);
        if present.checked_add(1) != Some(generation) {
            return Ok(Put::Conflict);
        }
        let until = deadline(clock::now().into(), lifetime).map_or(0, Timestamp::as_millis);
        let content = Zeroizing::new(
            [VERSION, key.as_str(), &generation.to_string(), &until.to_string(), text.expose(), ""]
                .join("\n"),
        );
        if content.len() as u64 > LONGEST {
            return Err(failed(Reason::TooLarge, "a record is longer than 1 MiB, which would not be read"));
        }
        self.replace(&self.place(key, RECORD), content.as_bytes())?;
        Ok(Put::Written)
    }

    pub(super) fn take(&mut self, key: &StoreKey) -> Result<Option<Stored>> {
        let _lock = self.lock_to_write(key)?;
        let stored = self.load(key)?;
        let path = self.place(key, RECORD);
        match fs::remove_file(&path) {
            Ok(()) => self.sync()?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(cannot("remove", &path, &error)),
        }
        Ok(stored)
    }

    pub(super) fn list(&self, prefix: &str) -> Result<Vec<StoreKey>> {
        let entries = fs::read_dir(&self.path).map_err(|error| cannot("read", &self.path, &error))?;
        let mut keys = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| cannot("read", &self.path, &error))?.path();
            if path.extension().is_some_and(|extension| extension == RECORD)
                && let Some(record) = read(&path)?
                && record.key.as_str().starts_with(prefix)
            {
                keys.push(record.key);
            }
        }
        keys.sort_unstable();
        Ok(keys)
    }

    pub(super) fn lease(&mut self, key: &StoreKey, owner: &Owner, time: Duration) -> Result<bool> {
        let now = clock::instant();
        // A time without end is a day, after which it is kept up or taken.
        let until = now.checked_add(time).unwrap_or(now + Duration::from_secs(86_400));
        if let Some(lease) = self.leases.get_mut(key) {
            let is_ours = lease.owner == *owner || lease.until <= now;
            if is_ours {
                (lease.owner, lease.until) = (owner.clone(), until);
            }
            return Ok(is_ours);
        }
        let path = self.place(key, LEASE);
        let file = open_lock(&path)?;
        match file.try_lock() {
            Ok(()) => {
                self.leases.insert(key.clone(), Lease { owner: owner.clone(), until, _file: file });
                Ok(true)
            }
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(cannot("lock", &path, &error)),
        }
    }

    pub(super) fn release(&mut self, key: &StoreKey, owner: &Owner) -> Result<()> {
        if self.leases.get(key).is_some_and(|lease| lease.owner == *owner) {
            // Closing it unlocks it. The file stays: who removed it could remove another's lock.
            self.leases.remove(key);
        }
        Ok(())
    }

    /// Keeps others from writing this record for as long as it is held.
    fn lock_to_write(&self, key: &StoreKey) -> Result<File> {
        let path = self.place(key, WRITING);
        let file = open_lock(&path)?;
        let begun = clock::instant();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if clock::instant() - begun < PATIENCE => clock::pause(LOOK),
                Err(TryLockError::WouldBlock) => {
                    let path = path.display();
                    let what = format!(
                        "{path} is locked by another program for 5 seconds: see that it does not hang"
                    );
                    return Err(failed(Reason::StoreFailed, what));
                }
                Err(TryLockError::Error(error)) => return Err(cannot("lock", &path, &error)),
            }
        }
    }

    /// Puts a new file in the place of one, whole or not at all.
    fn replace(&self, path: &Path, content: &[u8]) -> Result<()> {
        // The lock makes it ours: what is there was left by a program that died.
        let beside = path.with_extension("new");
        let _ = fs::remove_file(&beside);
        let written = private().create_new(true).open(&beside).and_then(|mut file| {
            file.write_all(content)?;
            file.sync_all()
        });
        let renamed = written.and_then(|()| fs::rename(&beside, path));
        renamed.map_err(|error| {
            let _ = fs::remove_file(&beside);
            cannot("write", path, &error)
        })?;
        self.sync()
    }

    /// Brings the names in the folder to the disk.
    fn sync(&self) -> Result<()> {
        #[cfg(unix)]
        File::open(&self.path)
            .and_then(|folder| folder.sync_all())
            .map_err(|error| cannot("bring to the disk", &self.path, &error))?;
        Ok(())
    }
}

const RECORD: &str = "record";
const LEASE: &str = "lease";
const WRITING: &str = "writing";

struct Record {
    key: StoreKey,
    until: Option<Timestamp>,
    stored: Stored,
}

/// Reads a file; `None` if it is not there.
fn read(path: &Path) -> Result<Option<Record>> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot("read", path, &error)),
    };
    if !metadata.is_file() {
        return Err(insecure(path, "is no file, or a link to one: move it away"));
    }
    check_mode(path, &metadata)?;
    if metadata.len() > LONGEST {
        return Err(unreadable(path, "is longer than 1 MiB"));
    }
    let mut text = Zeroizing::new(String::with_capacity(metadata.len() as usize + 1));
    let read = File::open(path).and_then(|file| file.take(LONGEST).read_to_string(&mut text));
    match read {
        Ok(_) => {}
        // It was renamed over or taken meanwhile, and whoever did that has the newer one.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == ErrorKind::InvalidData => return Err(unreadable(path, "is no text")),
        Err(error) => return Err(cannot("read", path, &error)),
    }
    parse(&text).map(Some).ok_or_else(|| {
        let is_newer = text.starts_with("valetkey ") && !text.starts_with(VERSION);
        unreadable(path, if is_newer { "was written by a newer version" } else { "is no record, or was cut" })
    })
}

fn parse(text: &str) -> Option<Record> {
    // The last line ends, so that a record which was cut is none.
    let mut lines = text.strip_suffix('\n')?.splitn(5, '\n');
    lines.next().filter(|version| *version == VERSION)?;
    let key = StoreKey::parse(lines.next()?).ok()?;
    let generation = lines.next()?.parse().ok()?;
    let until = lines.next()?.parse().ok().map(Timestamp::from_millis)?;
    let stored = Stored { generation, text: Secret::new(lines.next()?) };
    Some(Record { key, until: Some(until).filter(|until| until.as_millis() != 0), stored })
}

/// Opens a file beside a record, to be locked. It is never removed.
fn open_lock(path: &Path) -> Result<File> {
    if fs::symlink_metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(insecure(path, "is no file, or a link to one: move it away"));
    }
    private().create(true).truncate(false).open(path).map_err(|error| cannot("open", path, &error))
}

/// How files are made: for the user alone.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Whether nobody else can read or write it.
#[cfg(unix)]
fn check_mode(path: &Path, metadata: &fs::Metadata) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if metadata.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    let mode = if metadata.is_dir() { "700" } else { "600" };
    Err(insecure(path, &format!("can be read or written by others: chmod {mode} it")))
}

#[cfg(not(unix))]
fn check_mode(_: &Path, _: &fs::Metadata) -> Result<()> {
    Ok(())
}

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> valetkey_proto::Error {
    let advice = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => "make room for it",
        ErrorKind::ReadOnlyFilesystem => "keep the store where it can be written to",
        ErrorKind::PermissionDenied => {
            "let this user read and write it and its folder, or choose another folder"
        }
        ErrorKind::NotFound => "see that nobody has removed the folder, and open the store anew",
        _ => "see that it is a folder, or a file in one, that this program can read and write",
    };
    failed(Reason::StoreFailed, format!("cannot {what} {}: {error}; {advice}", path.display()))
}

fn insecure(path: &Path, what: &str) -> valetkey_proto::Error {
    failed(Reason::StoreInsecure, format!("{} {what}", path.display()))
}

fn unreadable(path: &Path, what: &str) -> valetkey_proto::Error {
    failed(
        Reason::Malformed,
        format!("{} {what}; it is left as it is: move it away to sign in anew", path.display()),
    )
}
