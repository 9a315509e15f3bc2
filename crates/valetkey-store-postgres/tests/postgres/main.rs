//! The store on a real PostgreSQL: what all stores do, and what it may find there. Skipped, aloud, where `VALETKEY_POSTGRES_URL`
//! is not set; then also no server of a test's own is started.

#[path = "../../../valetkey-store-redis/tests/redis/engine.rs"]
mod engine;
mod failing;
mod found;
mod server;

use std::{env, time::Duration};

use deadpool_postgres::{Manager, Pool};
use tokio::runtime::Runtime;
use tokio_postgres::NoTls;
use valetkey::{
    ErrorKind, Reason,
    seal::{SealingKey, SealingKeys},
    secret::Secret,
    store::{Put, SealedStore, Store, StoreKey, suite},
};
use valetkey_store_postgres::PostgresStore;

use engine::{assert_failed, owner, pause, put};

/// The PostgreSQL to try.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn url() -> Option<String> {
    let url = env::var("VALETKEY_POSTGRES_URL").ok();
    if url.is_none() {
        eprintln!(
            "skipped: VALETKEY_POSTGRES_URL is not set; tests/interop/up.sh --postgres --no-servers -- sets it"
        );
    }
    url
}

/// Runs a test that has a PostgreSQL, if there is one.
fn with_postgres<F: Future<Output = ()>>(test: impl FnOnce(String) -> F) {
    if let Some(url) = url() {
        Runtime::new().expect("a runtime").block_on(test(url));
    }
}

fn open(url: &str, prefix: &str) -> PostgresStore {
    PostgresStore::open(url).expect("a store").with_tables(None, prefix).expect("names")
}

/// With tables that are made anew.
async fn anew(url: &str, prefix: &str) -> PostgresStore {
    by_hand(url, &format!(r#"DROP TABLE IF EXISTS "{prefix}records", "{prefix}leases""#)).await;
    let store = open(url, prefix);
    store.migrate().await.expect("tables");
    store
}

/// Does something by hand.
async fn by_hand(url: &str, statements: &str) {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("a connection");
    let connection = tokio::spawn(connection);
    client.batch_execute(statements).await.expect("done");
    drop(client);
    let _ = connection.await;
}

/// A URL with an option of the server for its connections.
fn with_option(url: &str, option: &str) -> String {
    format!("{url}?options=-c%20{}", option.replace('=', "%3D"))
}

#[test]
fn postgres_does_what_stores_do() {
    with_postgres(async |url| {
        let store = anew(&url, "t_suite_").await;
        suite::all(&store, &open(&url, "t_suite_")).await;
        let keys = || SealingKeys::new(SealingKey::new([1; 32]));
        anew(&url, "t_sealed_").await;
        let sealed = || SealedStore::new(open(&url, "t_sealed_"), keys());
        suite::all(&sealed(), &sealed()).await;
        // Where the server takes more care, too.
        for isolation in ["repeatable\\ read", "serializable"] {
            let url = with_option(&url, &format!("default_transaction_isolation={isolation}"));
            suite::all(&open(&url, "t_suite_"), &open(&url, "t_suite_")).await;
        }
    });
}

#[test]
fn it_is_used_on_any_executor_and_opened_on_tokio() {
    let Some(url) = url() else { return };
    let error = PostgresStore::open(&url).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("tokio"), "{error}");
    let runtime = Runtime::new().unwrap();
    let one = runtime.block_on(anew(&url, "t_elsewhere_"));
    let other = {
        let _on = runtime.enter();
        open(&url, "t_elsewhere_")
    };
    futures_executor::block_on(suite::all(&one, &other));
}

#[test]
fn tables_are_made_once_by_many_and_have_every_name() {
    with_postgres(async |url| {
        by_hand(&url, r#"DROP SCHEMA IF EXISTS "a ""b"" é" CASCADE; CREATE SCHEMA "a ""b"" é""#).await;
        let longest = "\"p.;'".repeat(9);
        let opened = || {
            let store = PostgresStore::open(&url).unwrap();
            store.with_tables(Some("a \"b\" é"), &longest).unwrap()
        };
        let stores: Vec<_> = (0..8).map(|_| opened()).collect();
        let migrations = futures_util::future::join_all(stores.iter().map(PostgresStore::migrate)).await;
        assert!(migrations.iter().all(Result::is_ok), "{migrations:?}");
        stores[0].migrate().await.expect("it does nothing more");
        suite::all(&stores[0], &stores[1]).await;
        let error = PostgresStore::open(&url).unwrap().with_tables(None, &"x".repeat(46)).unwrap_err();
        assert_eq!(error.reason(), Reason::InvalidValue);
        assert!(PostgresStore::open(&url).unwrap().with_tables(Some("a\0"), "").is_err());
        let missing = PostgresStore::open(&url).unwrap().with_tables(Some("not_there"), "").unwrap();
        assert_failed(&missing.migrate().await.unwrap_err(), "CREATE SCHEMA");
    });
}

#[test]
fn what_is_over_is_forgotten_and_a_lease_ends() {
    with_postgres(async |url| {
        let (one, other) = (anew(&url, "t_time_").await, open(&url, "t_time_"));
        let key = StoreKey::of(&["pending"]);
        let short = Duration::from_millis(300);
        assert_eq!(one.put(&key, 1, &Secret::new("x"), Some(short)).await.unwrap(), Put::Written);
        let (first, second) = (owner(), owner());
        assert!(one.lease(&key, &first, short).await.unwrap());
        assert!(!other.lease(&key, &second, Duration::from_secs(60)).await.unwrap());
        assert!(one.load(&key).await.unwrap().is_some());
        pause(400).await;
        assert_eq!(one.load(&key).await.unwrap(), None);
        assert_eq!(one.take(&key).await.unwrap(), None);
        assert_eq!(one.list("").await.unwrap(), []);
        assert_eq!(put(&one, &key, 2, "y").await.unwrap(), Put::Conflict);
        assert_eq!(put(&one, &key, 1, "y").await.unwrap(), Put::Written);
        assert!(other.lease(&key, &second, Duration::from_secs(60)).await.unwrap());
        assert!(!one.lease(&key, &first, Duration::from_secs(60)).await.unwrap());
        // A write without a lifetime ends one that was written before.
        assert_eq!(one.put(&key, 2, &Secret::new("z"), Some(short)).await.unwrap(), Put::Written);
        assert_eq!(put(&one, &key, 3, "kept").await.unwrap(), Put::Written);
        // Times that no engine has.
        let pending = StoreKey::of(&["other"]);
        assert_eq!(
            one.put(&pending, 1, &Secret::new("a"), Some(Duration::ZERO)).await.unwrap(),
            Put::Written
        );
        for time in [Duration::MAX, Duration::ZERO] {
            assert!(other.lease(&key, &second, time).await.unwrap());
        }
        pause(400).await;
        assert_eq!(one.sweep().await.unwrap(), 2, "a record and a lease");
        assert_eq!(one.sweep().await.unwrap(), 0);
        assert_eq!(one.load(&key).await.unwrap().unwrap().text.expose(), "kept");
        assert_eq!(one.put(&key, 4, &Secret::new("a"), Some(Duration::MAX)).await.unwrap(), Put::Written);
        assert!(one.load(&key).await.unwrap().is_some());
    });
}

#[test]
fn names_have_every_character_and_every_length() {
    with_postgres(async |url| {
        let store = anew(&url, "t_names_").await;
        let every: String = (0..=255).filter_map(char::from_u32).collect();
        let long = (0..1200).map(|at: u32| (at.wrapping_mul(2_654_435_761)).to_string()).collect::<String>();
        let names = [every.as_str(), "*", "%", "_", "\\", "a:b", "\u{1f511}", &long[..7900]];
        let mut keys: Vec<_> = names.iter().map(|name| StoreKey::of(&["k", name])).collect();
        keys.sort();
        for key in &keys {
            assert_eq!(put(&store, key, 1, key.as_str()).await.unwrap(), Put::Written);
            assert!(store.lease(key, &owner(), Duration::from_secs(1)).await.unwrap());
        }
        assert_eq!(store.list("").await.unwrap(), keys);
        assert_eq!(store.list("k/").await.unwrap(), keys);
        for none in ["k/_", "k/\\", "k/é", "\0", "'", "k/~~"] {
            let listed = store.list(none).await.unwrap();
            assert!(listed.iter().all(|key| key.as_str().starts_with(none)), "{none}: {listed:?}");
        }
        for key in &keys {
            for length in [key.as_str().len(), 520] {
                let beginning = key.as_str().get(..length).unwrap_or(key.as_str());
                assert!(store.list(beginning).await.unwrap().contains(key), "{beginning}");
            }
            assert_eq!(store.take(key).await.unwrap().unwrap().text.expose(), key.as_str());
        }
    });
}

#[test]
fn nothing_of_a_session_is_left_on_a_connection() {
    with_postgres(async |url| {
        anew(&url, "t_proxy_").await;
        // One connection, as a proxy gives to one transaction after the other.
        let pool = Pool::builder(Manager::new(url.parse().unwrap(), NoTls)).max_size(1).build().unwrap();
        let store = PostgresStore::new(pool.clone()).unwrap().with_tables(None, "t_proxy_").unwrap();
        store.migrate().await.unwrap();
        suite::all(&store, &store.clone()).await;
        let client = pool.get().await.unwrap();
        let rows = client
            .query_typed(
                "SELECT (SELECT count(*) FROM pg_prepared_statements),
                   (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'),
                   (SELECT count(*) FROM pg_settings WHERE source = 'session')",
                &[],
            )
            .await
            .unwrap();
        let left: Vec<i64> = (0..3).map(|column| rows[0].get(column)).collect();
        assert_eq!(left, [0, 0, 0], "prepared statements, locks, settings");
    });
}
