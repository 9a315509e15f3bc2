//! A Redis that goes, comes back, or refuses.

use std::time::Duration;

use tokio::runtime::Runtime;
use valetkey::{
    ErrorKind, Reason,
    store::{Put, Store, StoreKey},
};
use valetkey_store_redis::RedisStore;

use crate::{
    by_hand,
    engine::{Writers, all_fail, assert_failed, assert_there, owner, pause, put},
    open, say,
    server::{Server, free_port},
    with_redis,
};

const DEADLINE: Duration = Duration::from_millis(500);
/// Every write is on the disk before it is answered.
pub(crate) const DURABLE: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "always"];

pub(crate) fn on_a_server<F: Future<Output = ()>>(arguments: &[&str], test: impl FnOnce(Server) -> F) {
    Runtime::new().expect("a runtime").block_on(async {
        if let Some(server) = Server::start(arguments).await {
            test(server).await;
        }
    });
}

#[test]
fn a_server_that_is_killed_is_an_error_and_one_that_is_back_is_used() {
    on_a_server(&DURABLE, async |mut server| {
        let store = open(&server.url(), "t").with_deadline(DEADLINE);
        let key = StoreKey::of(&["a"]);
        assert_eq!(put(&store, &key, 1, "first").await.unwrap(), Put::Written);
        server.kill();
        all_fail(&store, DEADLINE, "cannot be reached").await;
        server.restart().await;
        // The very next write is answered.
        assert_eq!(put(&store, &key, 2, "second").await.unwrap(), Put::Written);
        server.kill();
        server.restart().await;
        // Nobody asked meanwhile, and it is known all the same.
        pause(100).await;
        assert_eq!(put(&store, &key, 3, "third").await.unwrap(), Put::Written);
        assert_eq!(store.load(&key).await.unwrap().unwrap().text.expose(), "third");
    });
}

#[test]
fn what_was_said_to_be_written_is_there_after_a_crash_in_the_middle() {
    on_a_server(&DURABLE, async |mut server| {
        let store = open(&server.url(), "t").with_deadline(DEADLINE);
        let writers = Writers::start(&store);
        pause(300).await;
        server.kill();
        let written = writers.stopped().await;
        server.restart().await;
        assert_there(&store, written).await;
    });
}

#[test]
fn a_server_that_does_not_answer_is_an_error_within_the_deadline() {
    on_a_server(&[], async |server| {
        let store = open(&server.url(), "t").with_deadline(DEADLINE);
        let key = StoreKey::of(&["a"]);
        assert_eq!(put(&store, &key, 1, "first").await.unwrap(), Put::Written);
        server.signal("STOP");
        all_fail(&store, DEADLINE, "did not answer within 500ms").await;
        server.signal("CONT");
        pause(200).await;
        // It may have done what it was asked when it went on.
        let generation = store.load(&key).await.unwrap().map_or(0, |stored| stored.generation);
        assert_eq!(put(&store, &key, generation + 1, "next").await.unwrap(), Put::Written);
    });
}

#[test]
fn connections_that_are_closed_and_scripts_that_are_forgotten_are_made_anew() {
    on_a_server(&[], async |server| {
        let store = open(&server.url(), "t");
        let (key, mut hand) = (StoreKey::of(&["a"]), by_hand(&server.url()).await);
        for generation in 1..=6 {
            assert_eq!(put(&store, &key, generation, "x").await.unwrap(), Put::Written);
            say(&mut hand, &["SCRIPT", "FLUSH"]).await;
            say(&mut hand, &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
            if generation % 2 == 0 {
                // What may be repeated needs no time to hear of it.
                assert_eq!(store.load(&key).await.unwrap().unwrap().generation, generation);
            }
            pause(50).await;
        }
    });
}

#[test]
fn a_wrong_password_is_said_and_not_shown() {
    on_a_server(&["--requirepass", "right"], async |server| {
        let url = |user: &str| server.url().replace("127", &format!("{user}127"));
        for user in [":canary@", "somebody:canary@", ""] {
            let store = open(&url(user), "t").with_deadline(DEADLINE);
            assert!(!format!("{store:?}").contains("canary"), "{store:?}");
            all_fail(&store, DEADLINE, "user and password").await;
        }
        let store = open(&url(":right@"), "t");
        assert_eq!(put(&store, &StoreKey::of(&["a"]), 1, "x").await.unwrap(), Put::Written);
        // Who may read alone is told what is missing.
        let mut hand = by_hand(&url(":right@")).await;
        let acl = ["ACL", "SETUSER", "reader", "on", ">canary", "~*", "+@read", "+hello"];
        say(&mut hand, &acl).await;
        let store = open(&url("reader:canary@"), "t");
        assert!(store.load(&StoreKey::of(&["a"])).await.unwrap().is_some());
        assert_failed(&put(&store, &StoreKey::of(&["a"]), 2, "canary").await.unwrap_err(), "EVALSHA");
        // What the README says is enough.
        let acl = "ACL SETUSER enough on >canary ~t:* +getrange +get +set +del +pttl +scan +evalsha +script|load +hello";
        say(&mut hand, &acl.split(' ').collect::<Vec<_>>()).await;
        let store = open(&url("enough:canary@"), "t");
        valetkey::store::suite::all(&store, &store.clone()).await;
    });
}

#[test]
fn a_replica_and_a_full_server_take_no_writes_and_say_so() {
    on_a_server(&[], async |server| {
        let store = open(&server.url(), "t");
        let key = StoreKey::of(&["a"]);
        assert_eq!(put(&store, &key, 1, "x").await.unwrap(), Put::Written);
        let of = format!("127.0.0.1 {}", server.port());
        let replica = Server::start(&["--replicaof", &of]).await.expect("a replica");
        let reader = open(&replica.url(), "t");
        for _ in 0..200 {
            if reader.load(&key).await.is_ok_and(|stored| stored.is_some()) {
                break;
            }
            pause(50).await;
        }
        assert_eq!(reader.load(&key).await.unwrap().unwrap().text.expose(), "x");
        for outcome in [
            put(&reader, &key, 2, "canary").await.map(|_| ()),
            reader.take(&key).await.map(|_| ()),
            reader.lease(&key, &owner(), DEADLINE).await.map(|_| ()),
        ] {
            assert_failed(&outcome.unwrap_err(), "connect to the primary");
        }
        // It becomes the primary, and is used as such.
        say(&mut by_hand(&replica.url()).await, &["REPLICAOF", "NO", "ONE"]).await;
        assert_eq!(put(&reader, &key, 2, "y").await.unwrap(), Put::Written);

        let mut hand = by_hand(&server.url()).await;
        say(&mut hand, &["CONFIG", "SET", "maxmemory", "1"]).await;
        assert_failed(&put(&store, &key, 2, "canary").await.unwrap_err(), "raise maxmemory");
        assert_eq!(store.load(&key).await.unwrap().unwrap().generation, 1, "what is there is read");
    });
}

#[test]
fn urls_are_checked_and_not_shown() {
    with_redis(async |_| {
        for url in ["canary", "http://canary", "redis://user:canary@", "redis://h:canary/", ""] {
            let error = RedisStore::open(url).unwrap_err();
            assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::InvalidUrl), "{url}");
            assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
        }
    });
}

#[test]
fn tls_is_spoken_with_a_server_that_is_known_and_no_other() {
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let folder = std::env::temp_dir().join(format!("valetkey-redis-tls-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let [certificate, key] = ["certificate", "key"].map(|name| folder.join(name).display().to_string());
    std::fs::write(&certificate, certified.cert.pem()).unwrap();
    std::fs::write(&key, certified.signing_key.serialize_pem()).unwrap();
    let tls = free_port().to_string();
    let arguments = ["--tls-port", &tls, "--tls-cert-file", &certificate, "--tls-key-file", &key];
    let arguments = [&arguments[..], &["--tls-auth-clients", "no"]].concat();
    on_a_server(&arguments, async |_server| {
        let url = format!("rediss://127.0.0.1:{tls}/0");
        let roots =
            redis::TlsCertificates { client_tls: None, root_cert: Some(certified.cert.pem().into_bytes()) };
        let client = redis::Client::build_with_tls(url.as_str(), roots).unwrap();
        let store = RedisStore::new(&client).unwrap();
        valetkey::store::suite::all(&store, &store.clone()).await;
        // The roots of the system know nothing of it.
        all_fail(&RedisStore::open(&url).unwrap().with_deadline(DEADLINE), DEADLINE, "cannot be reached")
            .await;
    });
    std::fs::remove_dir_all(folder).unwrap();
}
