//! The store.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use redis::{Client, ConnectionAddr, Value};
use valetkey::{
    Error, ErrorKind, Reason, Result,
    secret::Secret,
    store::{Owner, Put, Store, StoreKey, Stored},
};

use crate::{
    fault::failed,
    link::{Ask, Link},
    record::{self, LONGEST},
    scripts,
};

/// Keeps grants in Redis 6 or later, or in Valkey: for programs of more than one process or machine.
///
/// It has one connection, which all callers share, is made when it is first needed and made anew when it was lost. A write, a
/// lease and giving it back are one script each, which touches one key; so two handles are two processes, wherever they are.
///
/// ```no_run
/// use valetkey::store::{Store, StoreKey};
/// use valetkey_store_redis::RedisStore;
///
/// # async fn example() -> valetkey::Result<()> {
/// let store = RedisStore::open("rediss://user:password@redis.example/0")?.with_namespace("shop");
/// let keys = store.list("grant/").await?;
/// # Ok(())
/// # }
/// ```
///
/// # Security
///
/// Redis sees the tokens as they are, and so does everybody who can read it or its files: put a
/// [`SealedStore`](valetkey::store::SealedStore) before it. `redis://` sends them over the network unencrypted; `rediss://`
/// does not. Buffers of the client below are not wiped.
#[derive(Clone)]
pub struct RedisStore {
    link: Arc<Link>,
    namespace: Arc<str>,
    deadline: Duration,
}

/// What names begin with unless something else is said.
const NAMESPACE: &str = "valetkey";
/// How long an answer may take.
const DEADLINE: Duration = Duration::from_secs(5);
/// The most names in a list.
const MOST: usize = 100_000;
/// How many names Redis looks at in one step.
const STEP: usize = 1000;

impl RedisStore {
    /// The store at this URL: `redis://`, `rediss://` (TLS, by the roots of the system) or `unix:`. It connects when it is first
    /// used. To be called on a runtime of tokio; what it gives is used on any executor.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidUrl`]; [`Reason::StoreFailed`] where no runtime of tokio is.
    pub fn open(url: &str) -> Result<Self> {
        // What is wrong with it is not said by its text, which may have a password.
        let client = Client::open(url).map_err(|_| {
            Error::new(ErrorKind::Config, Reason::InvalidUrl).with_detail(
                "the URL of Redis: it is redis://user:password@host:port/database, or rediss:// for TLS",
            )
        })?;
        Self::new(&client)
    }

    /// The store that this client leads to: with roots or a certificate of the program's, say. It connects when it is first
    /// used.
    ///
    /// If the program has chosen no default provider of cryptography for rustls, and the client has TLS, *ring* is set as such.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::StoreFailed`] where no runtime of tokio is.
    pub fn new(client: &Client) -> Result<Self> {
        if matches!(client.get_connection_info().addr(), ConnectionAddr::TcpTls { .. }) {
            // The client below uses the default one, and panics where rustls cannot tell which that is.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        Ok(Self { link: Arc::new(Link::new(client)?), namespace: NAMESPACE.into(), deadline: DEADLINE })
    }

    /// What the names of its keys begin with, in place of `valetkey`.
    #[must_use]
    pub fn with_namespace(self, namespace: &str) -> Self {
        Self { namespace: namespace.into(), ..self }
    }

    /// How long each question may take until it fails, with connecting, in place of five seconds.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    fn record(&self, key: &StoreKey) -> String {
        format!("{}{}", self.records(), key.as_str())
    }

    /// What the names of records begin with.
    fn records(&self) -> String {
        format!("{}:record:", self.namespace)
    }

    fn lease_of(&self, key: &StoreKey) -> String {
        format!("{}:lease:{}", self.namespace, key.as_str())
    }

    async fn ask(&self, about: &StoreKey, ask: Ask<'_>) -> Result<Value> {
        self.link.ask(self.deadline, ask, Some(about)).await
    }

    /// The bytes of a record, up to one more than may be.
    async fn bytes(&self, key: &StoreKey) -> Result<Vec<u8>> {
        let mut command = redis::cmd("GETRANGE");
        command.arg(self.record(key)).arg(0).arg(LONGEST);
        let value = self.ask(key, Ask::Again(command)).await?;
        bytes(value).ok_or_else(unexpected)
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>> {
        record::parse(key, &self.bytes(key).await?)
    }

    async fn put(
        &self,
        key: &StoreKey,
        generation: u64,
        text: &Secret,
        lifetime: Option<Duration>,
    ) -> Result<Put> {
        let Some(before) = generation.checked_sub(1) else { return Ok(Put::Conflict) };
        let content = Secret::new(record::head(generation) + text.expose());
        if content.expose().len() > LONGEST {
            return Err(failed(Reason::StoreFailed, "a record is at most 1 MiB long"));
        }
        let mut script = scripts::PUT.key(self.record(key));
        script.arg(record::head(before)).arg(content.expose());
        script.arg(lifetime.map_or_else(String::new, |lifetime| millis(lifetime).to_string()));
        let value = self.ask(key, Ask::RunOnce(&script)).await?;
        if value == Value::Int(1) {
            return Ok(Put::Written);
        }
        let head = bytes(value).ok_or_else(unexpected)?;
        record::generation(key, &String::from_utf8_lossy(&head))?;
        Ok(Put::Conflict)
    }

    /// Of those who have read the same record, one deletes it; and what cannot be read is not deleted.
    async fn take(&self, key: &StoreKey) -> Result<Option<Stored>> {
        loop {
            let bytes = self.bytes(key).await?;
            let Some(stored) = record::parse(key, &bytes)? else { return Ok(None) };
            let mut script = scripts::DELETE.key(self.record(key));
            script.arg(&bytes);
            if self.ask(key, Ask::RunOnce(&script)).await? == Value::Int(1) {
                return Ok(Some(stored));
            }
            // Somebody else has written or taken it meanwhile.
        }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<StoreKey>> {
        let records = self.records();
        let pattern = format!("{}*", escaped(&format!("{records}{prefix}")));
        let (mut cursor, mut keys) = ("0".to_owned(), Vec::new());
        loop {
            let mut command = redis::cmd("SCAN");
            command.arg(&cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(STEP);
            let value = self.link.ask(self.deadline, Ask::Again(command), None).await?;
            let (next, names): (String, Vec<String>) =
                redis::from_redis_value(value).map_err(|_| unexpected())?;
            for name in names {
                let name = name.strip_prefix(&records).ok_or_else(unexpected)?;
                keys.push(StoreKey::parse(name)?);
            }
            if keys.len() > MOST {
                let what = format!("more than {MOST} names begin so: list them by longer beginnings");
                return Err(failed(Reason::StoreFailed, what));
            }
            if next == "0" {
                break;
            }
            cursor = next;
        }
        keys.sort_unstable();
        // It may name one twice when it grows or shrinks.
        keys.dedup();
        Ok(keys)
    }

    async fn lease(&self, key: &StoreKey, owner: &Owner, time: Duration) -> Result<bool> {
        let mut script = scripts::LEASE.key(self.lease_of(key));
        script.arg(owner.as_str()).arg(millis(time));
        let value = self.ask(key, Ask::RunAgain(&script)).await?;
        Ok(value == Value::Int(1))
    }

    async fn release(&self, key: &StoreKey, owner: &Owner) -> Result<()> {
        let mut script = scripts::DELETE.key(self.lease_of(key));
        script.arg(owner.as_str());
        self.ask(key, Ask::RunAgain(&script)).await?;
        Ok(())
    }
}

/// A time that Redis takes: at least a millisecond, at most a century.
fn millis(time: Duration) -> u64 {
    const CENTURY: u64 = 100 * 366 * 24 * 60 * 60 * 1000;
    u64::try_from(time.as_millis()).unwrap_or(CENTURY).clamp(1, CENTURY)
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        _ => None,
    }
}

/// A pattern that stands for this text alone.
fn escaped(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern
}

fn unexpected() -> Error {
    failed(Reason::StoreFailed, "what answers is no Redis: see the URL")
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("link", &self.link)
            .field("namespace", &self.namespace)
            .field("deadline", &self.deadline)
            .finish()
    }
}
