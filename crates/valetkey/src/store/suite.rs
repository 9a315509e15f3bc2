//! What every store must do, for those who write one: plain functions that end in a panic which says what is wrong.
//!
//! ```
//! use valetkey::store::{MemoryStore, suite};
//! # valetkey_testkit::block_on(async {
//!
//! // Two handles on the same engine, as two processes have them.
//! let store = MemoryStore::new();
//! suite::all(&store, &store.clone()).await;
//! # });
//! ```

use std::time::Duration;

use futures_util::future::join_all;
use valetkey_proto::{crypto::SystemRandom, secret::Secret};

use super::{Owner, Put, Store, StoreKey, Stored};

/// Long enough that no lease of the suite ends by itself.
const LONG: Duration = Duration::from_secs(60);

/// Everything below, on records of names that begin with `suite`. Both handles are of the same engine.
///
/// # Panics
///
/// If a store does not.
pub async fn all(one: &dyn Store, other: &dyn Store) {
    writes_follow_one_another(one, other).await;
    one_of_many_writes_wins(one, other).await;
    texts_come_back_as_they_were(one, other).await;
    what_is_taken_is_taken_once(one, other).await;
    names_are_listed_and_told_apart(one, other).await;
    a_lease_has_one_owner(one, other).await;
}

fn key(parts: &[&str]) -> StoreKey {
    StoreKey::of(&[&["suite"], parts].concat())
}

fn owner() -> Owner {
    Owner::new(&SystemRandom::new()).expect("randomness")
}

/// Takes away what an earlier run left.
async fn cleared(store: &dyn Store, parts: &[&str]) -> StoreKey {
    let key = key(parts);
    store.take(&key).await.expect("taken");
    assert_eq!(store.load(&key).await.expect("loaded"), None, "what is taken is gone");
    key
}

/// A write names the one that it follows, and both handles see the same.
///
/// # Panics
///
/// If a store does not.
pub async fn writes_follow_one_another(one: &dyn Store, other: &dyn Store) {
    let key = cleared(one, &["writes"]).await;
    for generation in [0, 2, u64::MAX] {
        let put = one.put(&key, generation, &Secret::new("x"), None).await.expect("an answer");
        assert_eq!(put, Put::Conflict, "nothing is there, so that {generation} follows nothing");
    }
    assert_eq!(one.put(&key, 1, &Secret::new("first"), None).await.expect("an answer"), Put::Written);
    assert_eq!(other.put(&key, 1, &Secret::new("second"), None).await.expect("an answer"), Put::Conflict);
    assert_eq!(other.put(&key, 2, &Secret::new("second"), None).await.expect("an answer"), Put::Written);
    let expected = Stored { generation: 2, text: Secret::new("second") };
    for store in [one, other] {
        assert_eq!(store.load(&key).await.expect("loaded"), Some(expected.clone()));
    }
    for generation in [1, 2, 4] {
        let put = one.put(&key, generation, &Secret::new("x"), None).await.expect("an answer");
        assert_eq!(put, Put::Conflict, "{generation} does not follow 2");
    }
}

/// Of many writes at once that follow the same one, one is written.
///
/// # Panics
///
/// If a store does not.
pub async fn one_of_many_writes_wins(one: &dyn Store, other: &dyn Store) {
    let key = cleared(one, &["race"]).await;
    for generation in 1..=8 {
        let writes = (0..16).map(|at| {
            let (store, key, text) =
                (if at % 2 == 0 { one } else { other }, &key, Secret::new(format!("{generation}:{at}")));
            async move { store.put(key, generation, &text, None).await.expect("an answer") }
        });
        let outcomes = join_all(writes).await;
        let written = outcomes.iter().filter(|put| **put == Put::Written).count();
        assert_eq!(written, 1, "of sixteen writes that follow the same one");
        let at = outcomes.iter().position(|put| *put == Put::Written).expect("one was written");
        let stored = one.load(&key).await.expect("loaded").expect("it is there");
        assert_eq!((stored.generation, stored.text), (generation, Secret::new(format!("{generation}:{at}"))));
    }
}

/// Texts of every kind and length, unchanged.
///
/// # Panics
///
/// If a store does not.
pub async fn texts_come_back_as_they_were(one: &dyn Store, other: &dyn Store) {
    let key = cleared(one, &["texts"]).await;
    let texts = ["", "\n", "a\nb\r\n", "é \u{1f511}", "{\"a\": [1]}", &"x".repeat(100_000)];
    for (generation, text) in (1..).zip(texts) {
        assert_eq!(
            one.put(&key, generation, &Secret::new(text), None).await.expect("an answer"),
            Put::Written
        );
        let stored = other.load(&key).await.expect("loaded").expect("it is there");
        assert_eq!(stored.text.expose(), text);
    }
}

/// Of many who take a record at once, one gets it; then it begins anew.
///
/// # Panics
///
/// If a store does not.
pub async fn what_is_taken_is_taken_once(one: &dyn Store, other: &dyn Store) {
    let key = cleared(one, &["taken"]).await;
    for round in 0..8 {
        let text = Secret::new(round.to_string());
        assert_eq!(one.put(&key, 1, &text, Some(LONG)).await.expect("an answer"), Put::Written);
        let takes = (0..8).map(|at| if at % 2 == 0 { one.take(&key) } else { other.take(&key) });
        let taken: Vec<_> =
            join_all(takes).await.into_iter().filter_map(|taken| taken.expect("an answer")).collect();
        assert_eq!(taken, [Stored { generation: 1, text }], "one of eight takes it");
    }
}

/// Names are listed by how they begin, and none is taken for another.
///
/// # Panics
///
/// If a store does not.
pub async fn names_are_listed_and_told_apart(one: &dyn Store, other: &dyn Store) {
    let names = ["a", "A", "a b", "a/b", "..", "ä", "%61", "*", "a*", "\\", "'; --", &"l".repeat(300)];
    let mut keys = Vec::new();
    for name in names {
        let key = cleared(one, &["list", name]).await;
        assert_eq!(one.put(&key, 1, &Secret::new(name), None).await.expect("an answer"), Put::Written);
        keys.push(key);
    }
    keys.sort();
    let listed = other.list("suite/list/").await.expect("a list");
    assert_eq!(listed, keys, "all names, each once, in order");
    assert_eq!(other.list("suite/list/*").await.expect("a list"), [], "no pattern is one");
    for name in names {
        let stored = other.take(&key(&["list", name])).await.expect("taken").expect("it is there");
        assert_eq!(stored.text.expose(), name);
    }
    assert_eq!(one.list("suite/list/").await.expect("a list"), []);
}

/// A lease keeps everybody else out until it is given back, and is given back by its owner alone.
///
/// # Panics
///
/// If a store does not.
pub async fn a_lease_has_one_owner(one: &dyn Store, other: &dyn Store) {
    let key = cleared(one, &["lease"]).await;
    let (first, second) = (owner(), owner());
    assert!(one.lease(&key, &first, LONG).await.expect("an answer"), "nobody had it");
    assert!(one.lease(&key, &first, LONG).await.expect("an answer"), "its owner keeps it");
    assert!(!one.lease(&key, &second, LONG).await.expect("an answer"), "somebody has it");
    assert!(!other.lease(&key, &second, LONG).await.expect("an answer"), "somebody elsewhere has it");
    other.release(&key, &second).await.expect("an answer");
    assert!(
        !other.lease(&key, &second, LONG).await.expect("an answer"),
        "nobody gives back what is another's"
    );
    // It is no lock on what is kept: a write says what it follows.
    assert_eq!(other.put(&key, 1, &Secret::new("x"), None).await.expect("an answer"), Put::Written);
    one.release(&key, &first).await.expect("an answer");
    assert!(other.lease(&key, &second, LONG).await.expect("an answer"), "it was given back");
    other.release(&key, &second).await.expect("an answer");
    other.release(&key, &second).await.expect("giving it back again does nothing");
}
