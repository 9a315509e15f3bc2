//! Where grants are kept, so that they outlive a program, and are shared by processes and machines.
//!
//! A [`Store`] keeps texts under keys, each with the number of times that it was written. A write names the one that it
//! follows, so that of two who write at once one hears of the other. Everything else follows of that: the lease that keeps two
//! from using one refresh token at once, taking over what a sibling renewed, and going on after a crash.

mod clock;
mod file;
mod key;
mod memory;
mod sealed;
pub mod suite;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use valetkey_proto::{
    Error, ErrorKind, Reason, Result, Timestamp,
    crypto::{CryptoProvider, HashAlgorithm},
    random,
    secret::Secret,
};

pub use file::FileStore;
pub use key::StoreKey;
pub use memory::MemoryStore;
pub use sealed::SealedStore;

/// Keeps texts under keys. Write one for an engine of your own, and have [`suite`] try it.
///
/// A session waits for it: it gives up by itself on an engine that does not answer, within some seconds.
///
/// Whatever it fails with is an [`Error`] of the kind `Store` whose text says what to do next. What cannot be read is never
/// written over: it may be somebody's only copy.
///
/// ```
/// use valetkey::store::{MemoryStore, Put, Store, StoreKey};
/// # use valetkey::{oauth2::{client::ClientId, server::Issuer}, secret::Secret};
/// # valetkey_testkit::block_on(async {
///
/// let store = MemoryStore::new();
/// let key = StoreKey::grant(&Issuer::parse("https://as.example")?, &ClientId::parse("app")?, "alice");
/// assert_eq!(store.put(&key, 1, &Secret::new("tokens"), None).await?, Put::Written);
/// // Somebody else has written meanwhile: nothing is lost.
/// assert_eq!(store.put(&key, 1, &Secret::new("others"), None).await?, Put::Conflict);
/// assert_eq!(store.load(&key).await?.expect("it is there").text, Secret::new("tokens"));
/// # Ok::<(), valetkey::Error>(())
/// # }).unwrap();
/// ```
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// What is kept under this key.
    ///
    /// # Errors
    ///
    /// `Store`: what is kept cannot be read, or the engine cannot be asked.
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>>;

    /// Writes this text as the `generation`-th under this key, if the one before is kept there; the first one, if nothing is.
    /// When it returns [`Put::Written`], the text outlives a crash of the program, and of the machine where the engine can do
    /// that. After `lifetime`, it may be forgotten.
    ///
    /// # Errors
    ///
    /// `Store`: it is not known to be written. It may be all the same: whoever needs to know loads it.
    async fn put(
        &self,
        key: &StoreKey,
        generation: u64,
        text: &Secret,
        lifetime: Option<Duration>,
    ) -> Result<Put>;

    /// Takes what is kept under this key away, and gives it to whoever was first.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    async fn take(&self, key: &StoreKey) -> Result<Option<Stored>>;

    /// The keys that begin with this text, in order.
    ///
    /// # Errors
    ///
    /// `Store`: the engine cannot be asked.
    async fn list(&self, prefix: &str) -> Result<Vec<StoreKey>>;

    /// Takes the lease of this key for this time, or keeps it if this owner has it: `false` if somebody else has. An owner that
    /// died loses it when the time is over, or at once where the engine can tell.
    ///
    /// # Errors
    ///
    /// `Store`: the engine cannot be asked. That is not `false`.
    async fn lease(&self, key: &StoreKey, owner: &Owner, time: Duration) -> Result<bool>;

    /// Gives the lease of this key back, if this owner has it.
    ///
    /// # Errors
    ///
    /// `Store`: the engine cannot be asked. The lease then ends with its time.
    async fn release(&self, key: &StoreKey, owner: &Owner) -> Result<()>;
}

#[async_trait]
impl<S: Store + ?Sized> Store for Arc<S> {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>> {
        (**self).load(key).await
    }

    async fn put(
        &self,
        key: &StoreKey,
        generation: u64,
        text: &Secret,
        lifetime: Option<Duration>,
    ) -> Result<Put> {
        (**self).put(key, generation, text, lifetime).await
    }

    async fn take(&self, key: &StoreKey) -> Result<Option<Stored>> {
        (**self).take(key).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<StoreKey>> {
        (**self).list(prefix).await
    }

    async fn lease(&self, key: &StoreKey, owner: &Owner, time: Duration) -> Result<bool> {
        (**self).lease(key, owner, time).await
    }

    async fn release(&self, key: &StoreKey, owner: &Owner) -> Result<()> {
        (**self).release(key, owner).await
    }
}

/// What is kept under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by authors of stores")]
pub struct Stored {
    /// How often it was written.
    pub generation: u64,
    /// The text.
    pub text: Secret,
}

/// What came of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a write that is not known is an error")]
pub enum Put {
    /// It is written.
    Written,
    /// Something else is kept there than the one before, or nothing.
    Conflict,
}

/// Whoever has a lease: nobody else has the same name.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Owner(Box<str>);

impl Owner {
    /// A name of 256 random bits.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::RandomFailed`].
    pub fn new(random: &dyn random::SecureRandom) -> Result<Self> {
        Ok(Self(drawn(random)?.into()))
    }

    /// Reads what [`as_str`](Self::as_str) gave: for who releases what a program that has died has left.
    ///
    /// ```
    /// use valetkey::{crypto::SystemRandom, store::Owner};
    ///
    /// let owner = Owner::new(&SystemRandom::new())?;
    /// assert_eq!(Owner::parse(owner.as_str())?, owner);
    /// assert!(Owner::parse("somebody").is_err());
    /// # Ok::<(), valetkey::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `Store`: [`Reason::Malformed`] if that is something else.
    pub fn parse(name: &str) -> Result<Self> {
        let (drawn, number) = name.split_once('-').unwrap_or((name, "0"));
        let is_drawn = drawn.len() == 64 && drawn.bytes().all(|byte| byte.is_ascii_hexdigit());
        match number.parse::<u64>() {
            Ok(_) if is_drawn => Ok(Self(name.into())),
            _ => Err(Error::new(ErrorKind::Store, Reason::Malformed).with_detail("name of an owner")),
        }
    }

    /// One of the many that have this name in theirs.
    pub(crate) fn numbered(&self, number: u64) -> Self {
        Self(format!("{}-{number}", self.0).into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // As much as tells owners apart: who knows all of it can take its leases.
        let (drawn, number) = self.0.split_once('-').unwrap_or((&self.0, ""));
        f.debug_tuple("Owner").field(&drawn.get(..8).unwrap_or_default()).field(&number).finish()
    }
}

/// 256 random bits, in hexadecimal digits: what nobody else has, or can guess.
pub(crate) fn drawn(random: &dyn random::SecureRandom) -> Result<String> {
    let mut bytes = [0; 32];
    random.fill(&mut bytes)?;
    Ok(hexadecimal(&bytes))
}

/// A name that says nothing of what it is made of.
pub(crate) fn hashed(crypto: &CryptoProvider, text: &str) -> String {
    hexadecimal(crypto.hash.digest(HashAlgorithm::Sha256, text.as_bytes()).as_ref())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Until when something is kept that is written at this time.
fn deadline(now: Timestamp, lifetime: Option<Duration>) -> Option<Timestamp> {
    lifetime.map(|lifetime| now + lifetime)
}

/// What a store fails with, in words that say what to do.
fn failed(reason: Reason, what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Store, reason).with_detail(what.into())
}
