//! Operations a second of the store, and of the client below it alone, in one run; by hand:
//! `tests/interop/up.sh --redis --no-servers -- cargo bench -p valetkey-store-redis`.
#![expect(clippy::print_stdout, reason = "printing is what a bench does")]

#[path = "../../../benches/stores/beside.rs"]
mod beside;
#[path = "../src/scripts.rs"]
mod scripts;
#[path = "../../../benches/goals/stopwatch.rs"]
mod stopwatch;

use std::{
    env,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use redis::aio::MultiplexedConnection;
use valetkey::{
    crypto::SystemRandom,
    secret::Secret,
    store::{Owner, Put, Store, StoreKey},
};
use valetkey_store_redis::RedisStore;

use beside::{CALLERS, TEXT, compare};

const LEASE: Duration = Duration::from_secs(30);

fn main() {
    let Ok(url) = env::var("VALETKEY_REDIS_URL") else {
        return println!("skipped: VALETKEY_REDIS_URL is not set");
    };
    tokio::runtime::Runtime::new().expect("a runtime").block_on(all(&url));
}

async fn all(url: &str) {
    let store = &RedisStore::open(url).expect("a store").with_namespace("bench");
    let client = redis::Client::open(url).expect("a client");
    let raw = &client.get_multiplexed_async_connection().await.expect("a connection");
    let text = &"x".repeat(TEXT);
    let owner = &Owner::new(&SystemRandom::new()).expect("an owner");
    let key = &|at: usize| StoreKey::of(&["bench", &at.to_string()]);
    let name = &|at: usize| format!("bench:raw:{at}");
    let written = &[const { AtomicU64::new(1) }; CALLERS];
    for at in 0..CALLERS {
        store.take(&key(at)).await.expect("taken");
        assert_eq!(
            store.put(&key(at), 1, &Secret::new(text.clone()), None).await.expect("put"),
            Put::Written
        );
        ask(raw, redis::cmd("SET").arg(name(at)).arg(text)).await;
    }
    compare(
        "load, and GET",
        async |at| assert!(store.load(&key(at)).await.expect("loaded").is_some()),
        async |at| {
            let text: String =
                redis::cmd("GET").arg(name(at)).query_async(&mut raw.clone()).await.expect("an answer");
            assert_eq!(text.len(), TEXT);
        },
    )
    .await;
    let put = async |at: usize| {
        let generation = written[at].fetch_add(1, Ordering::Relaxed) + 1;
        let put = store.put(&key(at), generation, &Secret::new(text.clone()), None).await;
        assert_eq!(put.expect("put"), Put::Written);
    };
    compare("put, and SET", &put, async |at| ask(raw, redis::cmd("SET").arg(name(at)).arg(text)).await).await;
    // What a write by comparison costs whoever asks for it.
    compare("put, and its script by the client alone", &put, async |at| {
        let mut script = scripts::PUT.key(name(at));
        script.arg(text.get(..8)).arg(text).arg("");
        run(raw, &script).await;
    })
    .await;
    let lease = async |at: usize| {
        assert!(store.lease(&key(at), owner, LEASE).await.expect("leased"));
        store.release(&key(at), owner).await.expect("released");
    };
    let lease_name = &|at: usize| format!("bench:raw-lease:{at}");
    compare("lease and release, and SET NX PX and DEL", &lease, async |at| {
        let name = lease_name(at);
        ask(raw, redis::cmd("SET").arg(&name).arg(owner.as_str()).arg("NX").arg("PX").arg(30_000)).await;
        ask(raw, redis::cmd("DEL").arg(&name)).await;
    })
    .await;
    compare("lease and release, and their scripts", &lease, async |at| {
        run(raw, scripts::LEASE.key(lease_name(at)).arg(owner.as_str()).arg(30_000)).await;
        run(raw, scripts::DELETE.key(lease_name(at)).arg(owner.as_str())).await;
    })
    .await;
    for at in 0..CALLERS {
        store.take(&key(at)).await.expect("taken");
        ask(raw, redis::cmd("DEL").arg(name(at))).await;
    }
}

async fn ask(raw: &MultiplexedConnection, command: &mut redis::Cmd) {
    let () = command.query_async(&mut raw.clone()).await.expect("an answer");
}

async fn run(raw: &MultiplexedConnection, script: &redis::ScriptInvocation<'_>) {
    let done: i64 = script.invoke_async(&mut raw.clone()).await.expect("an answer");
    assert_eq!(done, 1);
}
