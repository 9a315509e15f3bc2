//! What somebody else has put there.

use valetkey::{
    Reason,
    secret::Secret,
    store::{Put, Store, StoreKey},
};

use crate::{
    by_hand,
    engine::{assert_failed, put},
    open, say, with_redis,
};

const RECORD: &str = "t-found:record:a";

#[test]
fn what_cannot_be_read_is_left_as_it_is() {
    with_redis(async |url| {
        let (store, key) = (open(&url, "t-found"), StoreKey::of(&["a"]));
        let mut hand = by_hand(&url).await;
        let kept: [(&str, &str); 9] = [
            ("canary", "is no record"),
            ("\n", "is no record"),
            ("v1 1", "is no record"),
            ("v1 0\ncanary", "is no record"),
            ("v1 -1\ncanary", "is no record"),
            ("v1 01\ncanary", "is no record"),
            ("v1 18446744073709551616\ncanary", "is no record"),
            ("v1 1e3\ncanary", "is no record"),
            ("v2 1\ncanary", "newer version"),
        ];
        for (text, says) in kept {
            say(&mut hand, &["SET", RECORD, text]).await;
            for outcome in [
                store.load(&key).await.map(|_| ()),
                put(&store, &key, 1, "mine").await.map(|_| ()),
                put(&store, &key, 2, "mine").await.map(|_| ()),
                store.take(&key).await.map(|_| ()),
            ] {
                let error = outcome.unwrap_err();
                assert_eq!(error.reason(), Reason::Malformed, "{text:?}: {error}");
                assert!(error.to_string().contains(says) && !error.to_string().contains("canary"), "{error}");
            }
            let left = say(&mut hand, &["GET", RECORD]).await;
            assert_eq!(left, redis::Value::BulkString(text.into()), "it is left as it is");
        }
        say(&mut hand, &["DEL", RECORD]).await;
    });
}

#[test]
fn values_of_other_types_and_bytes_are_left_as_they_are() {
    with_redis(async |url| {
        let (store, key) = (open(&url, "t-types"), StoreKey::of(&["a"]));
        let mut hand = by_hand(&url).await;
        let record = "t-types:record:a";
        for words in [&["HSET", record, "g", "1"][..], &["RPUSH", record, "1"], &["ZADD", record, "1", "a"]] {
            say(&mut hand, &["DEL", record]).await;
            say(&mut hand, words).await;
            for outcome in [
                store.load(&key).await.map(|_| ()),
                put(&store, &key, 1, "mine").await.map(|_| ()),
                store.take(&key).await.map(|_| ()),
            ] {
                assert_eq!(outcome.unwrap_err().reason(), Reason::Malformed);
            }
            assert_eq!(say(&mut hand, &["EXISTS", record]).await, redis::Value::Int(1));
        }
        let () = redis::cmd("SET").arg(record).arg(b"v1 1\n\xff\xfe").query_async(&mut hand).await.unwrap();
        assert!(store.load(&key).await.unwrap_err().to_string().contains("is no text"));
        assert!(store.take(&key).await.is_err(), "what cannot be read is not taken away");
        assert_eq!(say(&mut hand, &["EXISTS", record]).await, redis::Value::Int(1));
        // A lease of another type is as little a lease.
        say(&mut hand, &["RPUSH", "t-types:lease:a", "x"]).await;
        let error =
            store.lease(&key, &crate::engine::owner(), std::time::Duration::from_secs(1)).await.unwrap_err();
        assert_eq!(error.reason(), Reason::Malformed);
        say(&mut hand, &["DEL", record, "t-types:lease:a"]).await;
    });
}

#[test]
fn a_name_that_is_none_is_said() {
    with_redis(async |url| {
        let store = open(&url, "t-names");
        let mut hand = by_hand(&url).await;
        say(&mut hand, &["SET", "t-names:record:a b", "x"]).await;
        assert_eq!(store.list("").await.unwrap_err().reason(), Reason::Malformed);
        say(&mut hand, &["DEL", "t-names:record:a b"]).await;
        assert_eq!(store.list("").await.unwrap(), []);
    });
}

#[test]
fn a_record_is_a_mebibyte_at_most() {
    with_redis(async |url| {
        let (store, key) = (open(&url, "t-large"), StoreKey::of(&["a"]));
        let mut hand = by_hand(&url).await;
        let record = "t-large:record:a";
        say(&mut hand, &["DEL", record]).await;
        let room = (1 << 20) - "v1 1\n".len();
        let error = put(&store, &key, 1, &"x".repeat(room + 1)).await.unwrap_err();
        assert_failed(&error, "1 MiB");
        let text = Secret::new("x".repeat(room));
        assert_eq!(store.put(&key, 1, &text, None).await.unwrap(), Put::Written);
        assert_eq!(store.load(&key).await.unwrap().unwrap().text, text);
        // Somebody makes it much longer; as much as a record may have is fetched.
        say(&mut hand, &["SETRANGE", record, "50000000", "x"]).await;
        for outcome in [store.load(&key).await, store.take(&key).await] {
            let error = outcome.unwrap_err();
            assert!(error.reason() == Reason::Malformed && error.to_string().contains("1 MiB"), "{error}");
        }
        say(&mut hand, &["DEL", record]).await;
    });
}
