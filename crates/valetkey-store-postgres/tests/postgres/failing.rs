//! A PostgreSQL that goes, comes back, or refuses.

use std::time::Duration;

use tokio::runtime::Runtime;
use valetkey::store::{Put, Store, StoreKey};

use crate::{
    anew, by_hand,
    engine::{Writers, all_fail, assert_failed, assert_there, owner, pause, put},
    open,
    server::Server,
    with_option, with_postgres,
};

const DEADLINE: Duration = Duration::from_millis(700);

fn on_a_server<F: Future<Output = ()>>(test: impl FnOnce(Server) -> F) {
    Runtime::new().expect("a runtime").block_on(async {
        if let Some(server) = Server::start().await {
            test(server).await;
        }
    });
}

#[test]
fn a_server_that_is_stopped_or_killed_is_an_error_and_one_that_is_back_is_used() {
    on_a_server(async |mut server| {
        let store = anew(&server.url(), "t_").await.with_deadline(DEADLINE);
        let key = StoreKey::of(&["a"]);
        assert_eq!(put(&store, &key, 1, "first").await.unwrap(), Put::Written);
        server.kill();
        pause(300).await;
        all_fail(&store, DEADLINE, "cannot be reached").await;
        for outcome in [store.sweep().await.map(|_| ()), store.migrate().await] {
            assert_failed(&outcome.unwrap_err(), "cannot be reached");
        }
        server.restart().await;
        // The very next write is answered.
        assert_eq!(put(&store, &key, 2, "second").await.unwrap(), Put::Written);
        server.stop();
        all_fail(&store, DEADLINE, "cannot be reached").await;
        server.restart().await;
        assert_eq!(put(&store, &key, 3, "third").await.unwrap(), Put::Written);
        assert_eq!(store.load(&key).await.unwrap().unwrap().text.expose(), "third");
    });
}

#[test]
fn what_was_said_to_be_written_is_there_after_a_crash_in_the_middle() {
    on_a_server(async |mut server| {
        let store = anew(&server.url(), "t_").await;
        let writers = Writers::start(&store);
        writers.have_begun().await;
        pause(100).await;
        server.kill();
        let written = writers.stopped().await;
        server.restart().await;
        assert_there(&store, written).await;
    });
}

#[test]
fn a_server_that_does_not_answer_is_an_error_within_the_deadline() {
    on_a_server(async |server| {
        let store = anew(&server.url(), "t_").await.with_deadline(DEADLINE);
        let key = StoreKey::of(&["a"]);
        assert_eq!(put(&store, &key, 1, "first").await.unwrap(), Put::Written);
        // Its sessions hang, and then nobody is let in, either.
        let sessions = server.signal_sessions("STOP").await;
        assert!(sessions > 0);
        server.signal("STOP");
        all_fail(&store, DEADLINE, "did not answer within 700ms").await;
        server.signal("CONT");
        assert_eq!(
            put(&store, &key, 2, "second").await.unwrap(),
            Put::Written,
            "on a connection that does not hang"
        );
        server.signal_sessions("CONT").await;
        assert_eq!(store.load(&key).await.unwrap().unwrap().text.expose(), "second");
    });
}

#[test]
fn connections_that_are_closed_are_made_anew() {
    on_a_server(async |server| {
        let store = anew(&server.url(), "t_").await;
        let key = StoreKey::of(&["a"]);
        let end =
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'valetkey'";
        for generation in 1..=6 {
            assert_eq!(put(&store, &key, generation, "x").await.unwrap(), Put::Written);
            by_hand(&server.url(), end).await;
            if generation % 2 == 0 {
                // What may be repeated needs no time to hear of it.
                assert_eq!(store.load(&key).await.unwrap().unwrap().generation, generation);
            }
            pause(50).await;
        }
    });
}

#[test]
fn a_wrong_user_is_said_and_its_password_not_shown() {
    on_a_server(async |server| {
        for (user, password) in [("valetkey", "canary"), ("nobody", "canary"), ("valetkey", "")] {
            let store = open(&server.url_of(user, password), "t_").with_deadline(DEADLINE);
            assert!(!format!("{store:?}").contains("canary"), "{store:?}");
            all_fail(&store, DEADLINE, "password").await;
        }
        let nowhere = server.url().replace("/postgres", "/nowhere");
        assert_failed(&open(&nowhere, "t_").migrate().await.unwrap_err(), "database is not there");
        // Who may read alone is told what is missing.
        let owners = anew(&server.url(), "t_").await;
        let key = StoreKey::of(&["a"]);
        assert_eq!(put(&owners, &key, 1, "x").await.unwrap(), Put::Written);
        by_hand(
            &server.url(),
            "CREATE ROLE reader LOGIN PASSWORD 'canary'; GRANT SELECT ON t_records, t_leases TO reader;
             CREATE ROLE enough LOGIN PASSWORD 'canary';
             GRANT SELECT, INSERT, UPDATE, DELETE ON t_records, t_leases TO enough",
        )
        .await;
        let store = open(&server.url_of("reader", "canary"), "t_");
        assert!(store.load(&key).await.unwrap().is_some());
        assert_failed(&put(&store, &key, 2, "canary").await.unwrap_err(), "INSERT, UPDATE");
        let store = open(&server.url_of("enough", "canary"), "t_");
        valetkey::store::suite::all(&store, &store.clone()).await;
    });
}

#[test]
fn a_server_that_only_reads_takes_no_writes_and_says_so() {
    with_postgres(async |url| {
        let store = anew(&url, "t_reads_").await;
        let key = StoreKey::of(&["a"]);
        assert_eq!(put(&store, &key, 1, "x").await.unwrap(), Put::Written);
        let reader = open(&with_option(&url, "default_transaction_read_only=on"), "t_reads_");
        assert_eq!(reader.load(&key).await.unwrap().unwrap().text.expose(), "x");
        for outcome in [
            put(&reader, &key, 1, "canary").await.map(|_| ()),
            put(&reader, &key, 2, "canary").await.map(|_| ()),
            reader.take(&key).await.map(|_| ()),
            reader.lease(&key, &owner(), DEADLINE).await.map(|_| ()),
            reader.release(&key, &owner()).await,
        ] {
            assert_failed(&outcome.unwrap_err(), "connect to the primary");
        }
        let hurried = open(&with_option(&url, "statement_timeout=1"), "t_reads_");
        let lock = "BEGIN; LOCK TABLE t_reads_records; SELECT pg_sleep(1); COMMIT";
        let (locked, error) = tokio::join!(by_hand(&url, lock), async {
            pause(300).await;
            hurried.load(&key).await.unwrap_err()
        });
        let () = locked;
        assert_failed(&error, "statement_timeout");
    });
}

/// The variable that names roots in place of the system's, and the one that has the URL for the process that is given them.
const ROOTS: &str = "SSL_CERT_FILE";
const INNER: &str = "VALETKEY_POSTGRES_TLS_URL";

#[test]
fn tls_is_spoken_with_a_server_that_is_known_and_no_other() {
    if let Ok(url) = std::env::var(INNER) {
        return Runtime::new().unwrap().block_on(async {
            let store = open(&url, "t_");
            store.migrate().await.unwrap();
            valetkey::store::suite::all(&store, &open(&url, "t_")).await;
        });
    }
    on_a_server(async |mut server| {
        let url = format!("{}?sslmode=require", server.url());
        // One that has no TLS is not spoken to without.
        all_fail(&open(&url, "t_").with_deadline(DEADLINE), DEADLINE, "TLS").await;
        let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        server.certify(&certified.cert.pem(), &certified.signing_key.serialize_pem());
        server.stop();
        server.restart().await;
        // The roots of the system know nothing of it.
        all_fail(&open(&url, "t_").with_deadline(DEADLINE), DEADLINE, "TLS").await;
        let roots = std::env::temp_dir().join(format!("valetkey-postgres-roots-{}", std::process::id()));
        std::fs::write(&roots, certified.cert.pem()).unwrap();
        let name = "failing::tls_is_spoken_with_a_server_that_is_known_and_no_other";
        let inner = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name])
            .env(ROOTS, &roots)
            .env(INNER, &url)
            .output()
            .unwrap();
        std::fs::remove_file(roots).unwrap();
        let said = String::from_utf8_lossy(&inner.stdout);
        assert!(inner.status.success() && said.contains("1 passed"), "{said}");
    });
}
