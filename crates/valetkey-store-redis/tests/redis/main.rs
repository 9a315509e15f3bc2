//! The store on a real Redis: what all stores do, and what it may find there. Skipped, aloud, where `VALETKEY_REDIS_URL` is not
//! set; then also no server of a test's own is started.

mod engine;
mod failing;
mod found;
#[path = "../../../valetkey/tests/client/machine.rs"]
mod machine;
mod server;
mod sessions;

use std::{env, time::Duration};

use redis::aio::MultiplexedConnection;
use tokio::runtime::Runtime;
use valetkey::{
    ErrorKind,
    seal::{SealingKey, SealingKeys},
    secret::Secret,
    store::{Put, SealedStore, Store, StoreKey, suite},
};
use valetkey_store_redis::RedisStore;

use engine::{owner, pause, put};

/// The Redis to try.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn url() -> Option<String> {
    let url = env::var("VALETKEY_REDIS_URL").ok();
    if url.is_none() {
        eprintln!(
            "skipped: VALETKEY_REDIS_URL is not set; tests/interop/up.sh --redis --no-servers -- sets it"
        );
    }
    url
}

/// Runs a test that has a Redis, if there is one.
fn with_redis<F: Future<Output = ()>>(test: impl FnOnce(String) -> F) {
    if let Some(url) = url() {
        Runtime::new().expect("a runtime").block_on(test(url));
    }
}

fn open(url: &str, namespace: &str) -> RedisStore {
    RedisStore::open(url).expect("a store").with_namespace(namespace)
}

/// A connection to do things by hand.
async fn by_hand(url: &str) -> MultiplexedConnection {
    redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.expect("a connection")
}

async fn say(hand: &mut MultiplexedConnection, words: &[&str]) -> redis::Value {
    redis::cmd(words[0]).arg(&words[1..]).query_async(hand).await.expect("an answer")
}

#[test]
fn redis_does_what_stores_do() {
    with_redis(async |url| {
        suite::all(&open(&url, "t-suite"), &open(&url, "t-suite")).await;
        let keys = || SealingKeys::new(SealingKey::new([1; 32]));
        let sealed = || SealedStore::new(open(&url, "t-sealed"), keys());
        suite::all(&sealed(), &sealed()).await;
    });
}

#[test]
fn it_is_used_on_any_executor_and_opened_on_tokio() {
    let Some(url) = url() else { return };
    let error = RedisStore::open(&url).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("tokio"), "{error}");
    let runtime = Runtime::new().unwrap();
    let (one, other) = {
        let _on = runtime.enter();
        (open(&url, "t-elsewhere"), open(&url, "t-elsewhere"))
    };
    futures_executor::block_on(suite::all(&one, &other));
}

#[test]
fn what_is_over_is_forgotten_and_a_lease_ends() {
    with_redis(async |url| {
        let (one, other) = (open(&url, "t-time"), open(&url, "t-time"));
        let (key, mut hand) = (StoreKey::of(&["pending"]), by_hand(&url).await);
        say(&mut hand, &["DEL", "t-time:record:pending", "t-time:lease:pending"]).await;
        let short = Some(Duration::from_millis(300));
        assert_eq!(one.put(&key, 1, &Secret::new("x"), short).await.unwrap(), Put::Written);
        let (first, second) = (owner(), owner());
        assert!(one.lease(&key, &first, Duration::from_millis(300)).await.unwrap());
        assert!(!other.lease(&key, &second, Duration::from_secs(60)).await.unwrap());
        assert!(one.load(&key).await.unwrap().is_some());
        pause(400).await;
        assert_eq!(one.load(&key).await.unwrap(), None);
        assert_eq!(one.list("").await.unwrap(), []);
        assert_eq!(put(&one, &key, 1, "y").await.unwrap(), Put::Written);
        assert!(other.lease(&key, &second, Duration::from_secs(60)).await.unwrap());
        assert!(!one.lease(&key, &first, Duration::from_secs(60)).await.unwrap());
        // A write without a lifetime ends one that was written before, and the other way round.
        assert_eq!(one.put(&key, 2, &Secret::new("z"), short).await.unwrap(), Put::Written);
        assert_eq!(put(&one, &key, 3, "kept").await.unwrap(), Put::Written);
        assert_eq!(say(&mut hand, &["PTTL", "t-time:record:pending"]).await, redis::Value::Int(-1));
        // Times that no engine has.
        for time in [Duration::ZERO, Duration::MAX] {
            assert!(other.lease(&key, &second, time).await.unwrap());
        }
        assert_eq!(one.put(&key, 4, &Secret::new("a"), Some(Duration::MAX)).await.unwrap(), Put::Written);
        assert!(one.load(&key).await.unwrap().is_some());
    });
}

#[test]
fn r_sf_only_the_clock_of_redis_ends_a_lease() {
    with_redis(async |url| {
        let (store, key) = (open(&url, "t-clock"), StoreKey::of(&["a"]));
        let mut hand = by_hand(&url).await;
        say(&mut hand, &["DEL", "t-clock:lease:a"]).await;
        let (first, second) = (owner(), owner());
        assert!(store.lease(&key, &first, Duration::from_secs(3600)).await.unwrap());
        // There it is over, whatever the time is here.
        say(&mut hand, &["PEXPIRE", "t-clock:lease:a", "1"]).await;
        pause(10).await;
        assert!(store.lease(&key, &second, Duration::from_secs(3600)).await.unwrap());
        // Who lost it does not give the other's back.
        store.release(&key, &first).await.unwrap();
        assert!(!store.lease(&key, &first, Duration::from_secs(3600)).await.unwrap());
        // One that never ends was not written by a store.
        say(&mut hand, &["PERSIST", "t-clock:lease:a"]).await;
        assert!(store.lease(&key, &first, Duration::from_secs(1)).await.unwrap());
        say(&mut hand, &["DEL", "t-clock:lease:a"]).await;
    });
}

#[test]
fn names_have_every_character_and_namespaces_are_apart() {
    with_redis(async |url| {
        let every: String = (0..=255).filter_map(char::from_u32).collect();
        let names = [every.as_str(), "*", "?", "[a-z]", "\\", "a:b", "\u{1f511}", &"n".repeat(2000)];
        let stores = ["t-n", "t-?", "t-[mn]", "t-\\*", "t-é\n\0", ""].map(|namespace| open(&url, namespace));
        for store in &stores {
            for key in store.list("").await.unwrap() {
                store.take(&key).await.unwrap();
            }
        }
        let mut keys: Vec<_> = names.iter().map(|name| StoreKey::of(&["k", name])).collect();
        keys.sort();
        for (at, store) in stores.iter().enumerate() {
            for key in &keys {
                assert_eq!(put(store, key, 1, &at.to_string()).await.unwrap(), Put::Written);
            }
        }
        for (at, store) in stores.iter().enumerate() {
            assert_eq!(store.list("").await.unwrap(), keys);
            assert_eq!(store.list("k/[").await.unwrap(), []);
            assert_eq!(store.list("k/*").await.unwrap(), []);
            for key in &keys {
                assert_eq!(store.take(key).await.unwrap().unwrap().text.expose(), at.to_string());
            }
        }
    });
}

#[test]
fn a_list_of_many_is_whole() {
    with_redis(async |url| {
        let store = open(&url, "t-many");
        let keys: Vec<_> = (0..3000).map(|at| StoreKey::of(&["many", &format!("{at:05}")])).collect();
        futures_util::future::join_all(keys.iter().map(|key| put(&store, key, 1, "x"))).await;
        assert_eq!(store.list("many/").await.unwrap(), keys);
        futures_util::future::join_all(keys.iter().map(|key| store.take(key))).await;
        assert_eq!(store.list("").await.unwrap(), []);
    });
}
