//! The stores that processes share.

use std::{env, fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use valetkey::{
    Result,
    seal::{SealingKey, SealingKeys},
    store::{FileStore, SealedStore, Store},
};
use valetkey_store_postgres::PostgresStore;
use valetkey_store_redis::RedisStore;

/// A kind of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Engine {
    File,
    SealedFile,
    Redis,
    Postgres,
}

/// Where a store is.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Address {
    engine: Engine,
    /// A folder, or a URL.
    place: String,
}

/// What the names of keys and tables of these tests begin with.
const NAMESPACE: &str = "sharing_";

impl Engine {
    pub(crate) const ALL: [Self; 4] = [Self::File, Self::SealedFile, Self::Redis, Self::Postgres];

    /// The variable of the environment that says where it is; `None` for one that is here anyway.
    pub(crate) fn variable(self) -> Option<&'static str> {
        match self {
            Self::File | Self::SealedFile => None,
            Self::Redis => Some("VALETKEY_REDIS_URL"),
            Self::Postgres => Some("VALETKEY_POSTGRES_URL"),
        }
    }

    /// Whether there is one to try.
    pub(crate) fn is_here(self) -> bool {
        self.variable().is_none_or(|variable| env::var_os(variable).is_some())
    }

    /// One for a run, which this tells apart from others of this program.
    pub(crate) fn address(self, run: &str) -> Address {
        let place = match self.variable() {
            Some(variable) => env::var(variable).expect("it is here"),
            None => {
                let name = format!("valetkey-sharing-{}-{run}", std::process::id());
                env::temp_dir().join(name).display().to_string()
            }
        };
        Address { engine: self, place }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "file",
            Self::SealedFile => "sealed_file",
            Self::Redis => "redis",
            Self::Postgres => "postgres",
        })
    }
}

impl Address {
    /// Opens it, on a runtime of tokio.
    pub(crate) fn open(&self) -> Result<Arc<dyn Store>> {
        Ok(match self.engine {
            Engine::File => Arc::new(FileStore::open(&self.place)?),
            Engine::SealedFile => {
                let keys = SealingKeys::new(SealingKey::new([7; 32]));
                Arc::new(SealedStore::new(FileStore::open(&self.place)?, keys))
            }
            Engine::Redis => Arc::new(RedisStore::open(&self.place)?.with_namespace(NAMESPACE)),
            Engine::Postgres => Arc::new(self.tables()?),
        })
    }

    fn tables(&self) -> Result<PostgresStore> {
        PostgresStore::open(&self.place)?.with_tables(None, NAMESPACE)
    }

    /// Makes what must be there before it is used.
    pub(crate) async fn prepare(&self) -> Result<()> {
        if self.engine == Engine::Postgres { self.tables()?.migrate().await } else { Ok(()) }
    }

    /// Removes what was made for this run alone.
    pub(crate) fn remove(&self) {
        if self.engine.variable().is_none() {
            let _ = std::fs::remove_dir_all(&self.place);
        }
    }
}
