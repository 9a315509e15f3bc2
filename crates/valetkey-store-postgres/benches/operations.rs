//! Operations a second of the store, and of the client below it alone, in one run; by hand:
//! `tests/interop/up.sh --postgres --no-servers -- cargo bench -p valetkey-store-postgres`.
#![expect(clippy::print_stdout, reason = "printing is what a bench does")]

#[path = "../../../benches/stores/beside.rs"]
mod beside;
#[path = "../src/statements.rs"]
#[expect(dead_code, reason = "some are not measured")]
mod statements;
#[path = "../../../benches/goals/stopwatch.rs"]
mod stopwatch;

use std::{
    env,
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::Duration,
};

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use tokio_postgres::{
    NoTls,
    types::{ToSql, Type},
};
use valetkey::{
    crypto::SystemRandom,
    secret::Secret,
    store::{Owner, Put, Store, StoreKey},
};
use valetkey_store_postgres::PostgresStore;

use beside::{CALLERS, TEXT, compare};
use statements::Statements;

const LEASE: Duration = Duration::from_secs(30);

fn main() {
    let Ok(url) = env::var("VALETKEY_POSTGRES_URL") else {
        return println!("skipped: VALETKEY_POSTGRES_URL is not set");
    };
    tokio::runtime::Runtime::new().expect("a runtime").block_on(all(&url));
}

async fn all(url: &str) {
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(url.parse().expect("a URL"), NoTls, recycling);
    // The same connections for both.
    let raw = &Pool::builder(manager).max_size(4).build().expect("a pool");
    let store = PostgresStore::new(raw.clone()).expect("a store");
    let store = &store.with_tables(None, "bench_").expect("names");
    store.migrate().await.expect("tables");
    let statements = &Statements::new(None, "bench_");
    let text = &"x".repeat(TEXT);
    let owner = &Owner::new(&SystemRandom::new()).expect("an owner");
    let key = &|at: usize| StoreKey::of(&["bench", &at.to_string()]);
    let written = &[const { AtomicU64::new(1) }; CALLERS];
    for at in 0..CALLERS {
        store.take(&key(at)).await.expect("taken");
        assert_eq!(
            store.put(&key(at), 1, &Secret::new(text.clone()), None).await.expect("put"),
            Put::Written
        );
        // The client alone has records of its own beside, in the same tables.
        ask(raw, &statements.put_first, &[&id(at), &NAME, &1_i64, text, &FOR_EVER]).await;
    }
    let load = async |at| assert!(store.load(&key(at)).await.expect("loaded").is_some());
    let put = async |at: usize| {
        let generation = written[at].fetch_add(1, Ordering::Relaxed) + 1;
        let put = store.put(&key(at), generation, &Secret::new(text.clone()), None).await;
        assert_eq!(put.expect("put"), Put::Written);
    };
    let select = "SELECT key, generation, text FROM bench_records WHERE id = $1";
    compare("load, and SELECT", load, async |at| ask(raw, select, &[&id(at)]).await).await;
    // What the store's statement costs whoever asks for it.
    compare("load, and its statement", load, async |at| ask(raw, &statements.load, &[&id(at)]).await).await;
    compare("load, and SELECT prepared", load, async |at| prepared(raw, select, &[&id(at)]).await).await;
    let update =
        "UPDATE bench_records SET generation = generation + 1, text = $2 WHERE id = $1 AND generation > 0";
    compare("put, and UPDATE", &put, async |at| ask(raw, update, &[&id(at), text]).await).await;
    compare("put, and UPDATE prepared", &put, async |at| prepared(raw, update, &[&id(at), text]).await).await;
    let raw_written = &[const { AtomicI64::new(0) }; CALLERS];
    for (at, written) in raw_written.iter().enumerate() {
        let client = raw.get().await.expect("a connection");
        let row = client.query_one("SELECT generation FROM bench_records WHERE id = $1", &[&id(at)]).await;
        written.store(row.expect("a record").get(0), Ordering::Relaxed);
    }
    compare("put, and its statement", &put, async |at| {
        let generation = raw_written[at].fetch_add(1, Ordering::Relaxed) + 1;
        ask(raw, &statements.put_next, &[&id(at), &NAME, &generation, text, &FOR_EVER]).await;
    })
    .await;
    let lease = async |at: usize| {
        assert!(store.lease(&key(at), owner, LEASE).await.expect("leased"));
        store.release(&key(at), owner).await.expect("released");
    };
    compare("lease and release, and INSERT and DELETE", &lease, async |at| {
        let insert =
            "INSERT INTO bench_leases VALUES ($1, $2, now() + interval '30 s') ON CONFLICT DO NOTHING";
        ask(raw, insert, &[&id(at), &owner.as_str()]).await;
        ask(raw, "DELETE FROM bench_leases WHERE id = $1", &[&id(at)]).await;
    })
    .await;
    compare("lease and release, and their statements", &lease, async |at| {
        ask(raw, &statements.lease, &[&id(at), &owner.as_str(), &30_000_i64]).await;
        ask(raw, &statements.release, &[&id(at), &owner.as_str()]).await;
    })
    .await;
    let tables = "DROP TABLE bench_records, bench_leases";
    raw.get().await.expect("a connection").batch_execute(tables).await.expect("no tables");
}

/// Where the client alone has its records.
fn id(at: usize) -> Vec<u8> {
    format!("{at:032}").into_bytes()
}

/// The name of the client's own records, which do not end.
const NAME: &str = "raw";
const FOR_EVER: Option<i64> = None;

/// Of the values of a statement, in the order that all of them have.
const TYPES: [Type; 5] = [Type::BYTEA, Type::TEXT, Type::INT8, Type::TEXT, Type::INT8];

async fn ask(raw: &Pool, statement: &str, values: &[&(dyn ToSql + Sync)]) {
    let values: Vec<_> = values.iter().copied().zip(TYPES).collect();
    raw.get().await.expect("a connection").query_typed(statement, &values).await.expect("an answer");
}

async fn prepared(raw: &Pool, statement: &str, values: &[&(dyn ToSql + Sync)]) {
    let client = raw.get().await.expect("a connection");
    let statement = client.prepare_cached(statement).await.expect("prepared");
    client.query(&statement, values).await.expect("an answer");
}
