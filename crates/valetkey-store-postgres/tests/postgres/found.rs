//! What somebody else has put there.

use std::time::Duration;

use valetkey::{
    Reason,
    secret::Secret,
    store::{Put, Store, StoreKey},
};

use crate::{
    anew, by_hand,
    engine::{assert_failed, owner, put},
    open, with_postgres,
};

#[test]
fn what_cannot_be_read_is_left_as_it_is() {
    with_postgres(async |url| {
        let (store, key) = (anew(&url, "t_found_").await, StoreKey::of(&["a"]));
        by_hand(
            &url,
            "ALTER TABLE t_found_records DROP CONSTRAINT t_found_records_generation_check,
               ALTER generation DROP NOT NULL, ALTER text DROP NOT NULL, ALTER key DROP NOT NULL",
        )
        .await;
        for (junk, says) in [
            ("generation = -1", "is no record"),
            ("generation = 0", "is no record"),
            ("generation = NULL", "is no record"),
            ("text = NULL", "is no record"),
            ("text = repeat('canary', 1000000)", "1 MiB"),
            ("key = 'b'", "another key"),
            ("key = NULL", "another key"),
        ] {
            by_hand(&url, "DELETE FROM t_found_records").await;
            assert_eq!(put(&store, &key, 1, "canary").await.unwrap(), Put::Written);
            by_hand(&url, &format!("UPDATE t_found_records SET {junk}")).await;
            for outcome in [
                store.load(&key).await.map(|_| ()),
                put(&store, &key, 1, "mine").await.map(|_| ()),
                store.take(&key).await.map(|_| ()),
            ] {
                let error = outcome.unwrap_err();
                assert_eq!(error.reason(), Reason::Malformed, "{junk}: {error}");
                assert!(error.to_string().contains(says) && !error.to_string().contains("canary"), "{error}");
            }
            // Another one is not in its place, either.
            by_hand(
                &url,
                &format!("DELETE FROM t_found_records WHERE NOT ({})", junk.replace("= NULL", "IS NULL")),
            )
            .await;
            assert!(store.load(&key).await.is_err(), "it is left as it is");
        }
    });
}

#[test]
fn r_sf_only_the_clock_of_postgres_ends_a_lease() {
    with_postgres(async |url| {
        let (store, key) = (anew(&url, "t_clock_").await, StoreKey::of(&["a"]));
        let (first, second) = (owner(), owner());
        assert!(store.lease(&key, &first, Duration::from_secs(1)).await.unwrap());
        // Written by somebody whose clock is an hour ahead of this one's, or behind.
        by_hand(&url, "UPDATE t_clock_leases SET until = now() + interval '1 hour'").await;
        assert!(!store.lease(&key, &second, Duration::from_secs(60)).await.unwrap());
        by_hand(&url, "UPDATE t_clock_leases SET until = now() - interval '1 hour'").await;
        assert!(store.lease(&key, &second, Duration::from_secs(60)).await.unwrap());
        // Who lost it does not give the other's back.
        store.release(&key, &first).await.unwrap();
        assert!(!store.lease(&key, &first, Duration::from_secs(60)).await.unwrap());
        // One that never ends was not written by a store.
        by_hand(&url, "ALTER TABLE t_clock_leases ALTER until DROP NOT NULL, ALTER owner DROP NOT NULL")
            .await;
        for junk in ["until = 'infinity'", "until = NULL", "until = '-infinity', owner = NULL"] {
            by_hand(&url, &format!("UPDATE t_clock_leases SET {junk}")).await;
            assert!(store.lease(&key, &first, Duration::from_secs(60)).await.unwrap(), "{junk}");
            assert!(!store.lease(&key, &second, Duration::from_secs(60)).await.unwrap(), "{junk}");
        }
    });
}

#[test]
fn tables_that_are_missing_or_others_are_said() {
    with_postgres(async |url| {
        let key = StoreKey::of(&["a"]);
        assert_failed(&open(&url, "t_missing_").load(&key).await.unwrap_err(), "migrate()");
        assert_failed(&put(&open(&url, "t_missing_"), &key, 1, "canary").await.unwrap_err(), "migrate()");
        let store = anew(&url, "t_others_").await;
        assert_eq!(put(&store, &key, 1, "canary").await.unwrap(), Put::Written);
        by_hand(&url, "ALTER TABLE t_others_records ALTER generation TYPE numeric").await;
        assert_eq!(store.load(&key).await.unwrap_err().reason(), Reason::Malformed);
        by_hand(&url, "ALTER TABLE t_others_records DROP COLUMN text").await;
        assert_failed(&store.load(&key).await.unwrap_err(), "others than migrate() makes");
    });
}

#[test]
fn a_name_that_is_none_is_said() {
    with_postgres(async |url| {
        let store = anew(&url, "t_none_").await;
        assert_eq!(put(&store, &StoreKey::of(&["a"]), 1, "x").await.unwrap(), Put::Written);
        by_hand(&url, "UPDATE t_none_records SET key = 'a b'").await;
        assert_eq!(store.list("").await.unwrap_err().reason(), Reason::Malformed);
        by_hand(&url, "DELETE FROM t_none_records").await;
        assert_eq!(store.list("").await.unwrap(), []);
    });
}

#[test]
fn a_record_is_a_mebibyte_at_most_and_has_no_nul() {
    with_postgres(async |url| {
        let (store, key) = (anew(&url, "t_large_").await, StoreKey::of(&["a"]));
        assert_failed(&put(&store, &key, 1, &"x".repeat((1 << 20) + 1)).await.unwrap_err(), "1 MiB");
        assert_failed(&put(&store, &key, 1, "canary\0").await.unwrap_err(), "NUL");
        let text = Secret::new("x".repeat(1 << 20));
        assert_eq!(store.put(&key, 1, &text, None).await.unwrap(), Put::Written);
        assert_eq!(store.load(&key).await.unwrap().unwrap().text, text);
        // A number that no row has follows nothing.
        assert_eq!(put(&store, &key, u64::MAX, "x").await.unwrap(), Put::Conflict);
        by_hand(&url, &format!("UPDATE t_large_records SET generation = {}", i64::MAX)).await;
        assert_eq!(put(&store, &key, i64::MAX as u64 + 1, "x").await.unwrap(), Put::Conflict);
        assert_eq!(store.take(&key).await.unwrap().unwrap().generation, i64::MAX as u64);
    });
}
