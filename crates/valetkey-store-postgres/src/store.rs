//! The store.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use deadpool_postgres::Pool;
use tokio_postgres::{Row, types::Type};
use valetkey::{
    Error, ErrorKind, Reason, Result,
    crypto::{CryptoProvider, Digest, HashAlgorithm},
    secret::Secret,
    store::{Owner, Put, Store, StoreKey, Stored},
};

use crate::{
    connect,
    fault::failed,
    link::{Ask, Link},
    statements::{LONGEST, LONGEST_PREFIX, Statements},
};

/// Keeps grants in PostgreSQL 11 or later: for programs of more than one process or machine.
///
/// Each question is one statement, on a connection that it has for itself until it is answered, and no longer. A lease is a row
/// and no lock: nothing is held while somebody asks an authorization server.
///
/// ```no_run
/// use valetkey::store::{Store, StoreKey};
/// use valetkey_store_postgres::PostgresStore;
///
/// # async fn example() -> valetkey::Result<()> {
/// let store = PostgresStore::open("postgres://user:password@db.example/shop")?;
/// store.migrate().await?;
/// let keys = store.list("grant/").await?;
/// # Ok(())
/// # }
/// ```
///
/// # Security
///
/// PostgreSQL sees the tokens as they are, and so does everybody who can read the tables, backups or the log of a server that
/// logs parameters: put a [`SealedStore`](valetkey::store::SealedStore) before it. Buffers of the client below are not wiped.
#[derive(Clone)]
pub struct PostgresStore {
    link: Arc<Link>,
    statements: Arc<Statements>,
    deadline: Duration,
}

/// What the names of tables begin with unless something else is said.
const PREFIX: &str = "valetkey_";
/// How long an answer may take.
const DEADLINE: Duration = Duration::from_secs(5);
/// The most names in a list.
const MOST: usize = 100_000;

impl PostgresStore {
    /// The store at this URL, with up to four connections, which are made when they are first needed. To be called on a runtime
    /// of tokio; what it gives is used on any executor.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidUrl`]; [`Reason::StoreFailed`] where no runtime of tokio is, or no root certificates are.
    ///
    /// # Security
    ///
    /// A server on another machine must have TLS, with a certificate of the system's roots for its name, unless the URL says
    /// `sslmode=disable`. One on this machine is reached without, unless the URL says `sslmode=require`.
    pub fn open(url: &str) -> Result<Self> {
        Self::new(connect::pool(url)?)
    }

    /// The store that this pool of the program's leads to: with other roots, passwords that change, or what else a
    /// [`Connect`](deadpool_postgres::Connect) does. No more connections are used than it has.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::StoreFailed`] where no runtime of tokio is.
    pub fn new(pool: Pool) -> Result<Self> {
        let statements = Arc::new(Statements::new(None, PREFIX));
        Ok(Self { link: Arc::new(Link::new(pool)?), statements, deadline: DEADLINE })
    }

    /// Keeps everything in tables of this schema, in place of the one that the server finds by itself, whose names begin with
    /// this, in place of `valetkey_`.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidValue`] if they are too long for PostgreSQL (the schema 63 bytes, the prefix 45), or have a NUL.
    pub fn with_tables(self, schema: Option<&str>, prefix: &str) -> Result<Self> {
        let fits = |name: &str, longest| name.len() <= longest && !name.contains('\0');
        if !fits(prefix, LONGEST_PREFIX)
            || !schema.is_none_or(|schema| !schema.is_empty() && fits(schema, 63))
        {
            let error = Error::new(ErrorKind::Config, Reason::InvalidValue);
            return Err(error.with_detail("the schema or the prefix of tables"));
        }
        Ok(Self { statements: Arc::new(Statements::new(schema, prefix)), ..self })
    }

    /// How long each question may take until it fails, with connecting, in place of five seconds.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Makes the tables if they are not there; any number of programs may call it at once. The schema must be there.
    ///
    /// # Errors
    ///
    /// `Store`: [`Reason::StoreFailed`] if the user may not, or the engine cannot be asked.
    pub async fn migrate(&self) -> Result<()> {
        self.ask(Ask::Together(&self.statements.migrate)).await?;
        Ok(())
    }

    /// Removes what is over, and says how much it was. What is over is nothing to everybody else, and takes up room until
    /// somebody calls this: once a day will do.
    ///
    /// # Errors
    ///
    /// `Store`: the engine cannot be asked.
    pub async fn sweep(&self) -> Result<usize> {
        let mut removed = 0;
        for statement in &self.statements.sweep {
            removed += self.ask(Ask::Again(statement, &[])).await?.len();
        }
        Ok(removed)
    }

    async fn ask(&self, ask: Ask<'_>) -> Result<Vec<Row>> {
        self.link.ask(self.deadline, ask).await
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn load(&self, key: &StoreKey) -> Result<Option<Stored>> {
        let id = id(key);
        let rows = self.ask(Ask::Again(&self.statements.load, &[(&id.as_ref(), Type::BYTEA)])).await?;
        rows.first().map(|row| stored(key, row)).transpose()
    }

    async fn put(
        &self,
        key: &StoreKey,
        generation: u64,
        text: &Secret,
        lifetime: Option<Duration>,
    ) -> Result<Put> {
        // No other can follow one that is kept.
        let Some(number) = i64::try_from(generation).ok().filter(|number| *number > 0) else {
            return Ok(Put::Conflict);
        };
        let text = text.expose();
        if text.len() > LONGEST {
            return Err(failed(Reason::StoreFailed, "a record is at most 1 MiB long"));
        }
        if text.contains('\0') {
            return Err(failed(Reason::StoreFailed, "a text with NUL is none that PostgreSQL keeps"));
        }
        let statement = if number == 1 { &self.statements.put_first } else { &self.statements.put_next };
        let (id, lifetime) = (id(key), lifetime.map(millis));
        let written = self
            .ask(Ask::Once(
                statement,
                &[
                    (&id.as_ref(), Type::BYTEA),
                    (&key.as_str(), Type::TEXT),
                    (&number, Type::INT8),
                    (&text, Type::TEXT),
                    (&lifetime, Type::INT8),
                ],
            ))
            .await?;
        if written.is_empty() {
            // What cannot be read is an error and not another's.
            self.load(key).await?;
            return Ok(Put::Conflict);
        }
        Ok(Put::Written)
    }

    async fn take(&self, key: &StoreKey) -> Result<Option<Stored>> {
        let id = id(key);
        let values = [(&id.as_ref() as _, Type::BYTEA), (&key.as_str() as _, Type::TEXT)];
        let rows = self.ask(Ask::Once(&self.statements.take, &values)).await?;
        if rows.is_empty() {
            self.load(key).await?;
        }
        rows.first().map(|row| stored(key, row)).transpose()
    }

    async fn list(&self, prefix: &str) -> Result<Vec<StoreKey>> {
        // What no name has, none begins with; and the server takes no NUL.
        if !prefix.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(Vec::new());
        }
        let values = [(&prefix as _, Type::TEXT), (&(MOST as i64 + 1) as _, Type::INT8)];
        let rows = self.ask(Ask::Again(&self.statements.list, &values)).await?;
        if rows.len() > MOST {
            let what = format!("more than {MOST} names begin so: list them by longer beginnings");
            return Err(failed(Reason::StoreFailed, what));
        }
        let name = |row: &Row| {
            let name = row.try_get(0).map_err(|_| failed(Reason::Malformed, "name of a record"))?;
            StoreKey::parse(name)
        };
        let mut keys = rows.iter().map(name).collect::<Result<Vec<_>>>()?;
        keys.sort_unstable();
        Ok(keys)
    }

    async fn lease(&self, key: &StoreKey, owner: &Owner, time: Duration) -> Result<bool> {
        let (id, time) = (id(key), millis(time));
        let values =
            [(&id.as_ref() as _, Type::BYTEA), (&owner.as_str() as _, Type::TEXT), (&time as _, Type::INT8)];
        let rows = self.ask(Ask::Again(&self.statements.lease, &values)).await?;
        Ok(!rows.is_empty())
    }

    async fn release(&self, key: &StoreKey, owner: &Owner) -> Result<()> {
        let id = id(key);
        let values = [(&id.as_ref() as _, Type::BYTEA), (&owner.as_str() as _, Type::TEXT)];
        self.ask(Ask::Again(&self.statements.release, &values)).await?;
        Ok(())
    }
}

/// What a name is found by.
fn id(key: &StoreKey) -> Digest {
    CryptoProvider::ring().hash.digest(HashAlgorithm::Sha256, key.as_str().as_bytes())
}

/// Reads a row of the key, the generation, the text unless it is too long, and its length.
fn stored(key: &StoreKey, row: &Row) -> Result<Stored> {
    let unreadable = |what: &str| {
        let name = key.as_str();
        let what = format!("{name} {what}; it is left as it is: move it away to sign in anew");
        failed(Reason::Malformed, what)
    };
    let none = |_| unreadable("is no record");
    if row.try_get::<_, Option<&str>>(0).map_err(none)? != Some(key.as_str()) {
        return Err(unreadable("holds the record of another key"));
    }
    let generation: Option<i64> = row.try_get(1).map_err(none)?;
    let generation = generation.and_then(|number| u64::try_from(number).ok()).filter(|number| *number > 0);
    if row.try_get::<_, Option<i32>>(3).map_err(none)?.is_some_and(|length| length as usize > LONGEST) {
        return Err(unreadable("is longer than 1 MiB"));
    }
    let text: Option<&str> = row.try_get(2).map_err(none)?;
    let (Some(generation), Some(text)) = (generation, text) else {
        return Err(unreadable("is no record"));
    };
    Ok(Stored { generation, text: Secret::new(text) })
}

/// A time that PostgreSQL takes: at least a millisecond, at most a century.
fn millis(time: Duration) -> i64 {
    const CENTURY: i64 = 100 * 366 * 24 * 60 * 60 * 1000;
    i64::try_from(time.as_millis()).unwrap_or(CENTURY).clamp(1, CENTURY)
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("link", &self.link)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
