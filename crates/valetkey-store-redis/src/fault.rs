//! What went wrong, in words that say what to do. Texts of the server are never passed on: they quote what was sent.

use std::{error::Error as _, io, time::Duration};

use redis::RedisError;
use valetkey::{Error, ErrorKind, Reason, store::StoreKey};

use crate::record::unreadable;

pub(crate) fn failed(reason: Reason, what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Store, reason).with_detail(what.into())
}

/// No answer came within the time that the store waits.
pub(crate) fn late(deadline: Duration) -> Error {
    let what = format!("Redis did not answer within {deadline:?}: see that it runs and is not overloaded");
    failed(Reason::StoreFailed, what)
}

/// What the client failed with when it asked about this record, or about none.
pub(crate) fn of(error: &RedisError, about: Option<&StoreKey>) -> Error {
    if error.is_io_error() {
        let io = error.source().and_then(|source| source.downcast_ref::<io::Error>());
        let why = io.map_or_else(|| "connection failed".to_owned(), |io| io.kind().to_string());
        let what = format!("Redis cannot be reached ({why}): see that it runs where the URL says");
        return failed(Reason::StoreFailed, what);
    }
    match (about, KNOWN.iter().find(|(code, _)| is(error, code))) {
        (Some(key), Some((WRONG_TYPE, _))) => return unreadable(key, "is no record"),
        (_, Some((_, what))) => return failed(Reason::StoreFailed, *what),
        (_, None) => {}
    }
    // A code is one word of capitals; whatever else stands there is not the server's to say.
    let code = error.code().filter(|code| code.bytes().all(|byte| byte.is_ascii_uppercase()));
    let code = code.map_or_else(|| format!("{:?}", error.kind()), ToOwned::to_owned);
    failed(Reason::StoreFailed, format!("Redis refused ({code}): its log may say more"))
}

/// Codes of the server, each with what to do.
const KNOWN: [(&str, &str); 15] = [
    (WRONG_TYPE, "something else than a record stands under a name of one"),
    (READ_ONLY, "this Redis is a replica that is only read: connect to the primary"),
    ("MASTERDOWN", "this Redis is a replica that has lost its primary: connect to the primary"),
    ("OOM", "Redis has no memory left for writes: raise maxmemory, or remove what is not needed"),
    ("MISCONF", "Redis cannot write to its disk and takes no writes: see its log"),
    ("NOREPLICAS", "Redis has too few replicas and takes no writes: see min-replicas-to-write"),
    (
        "NOPERM",
        "this user of Redis may not do that: allow it GETRANGE, GET, SET, DEL, PTTL, SCAN, EVALSHA, SCRIPT on keys of the namespace",
    ),
    ("NOAUTH", WRONG_PASSWORD),
    ("WRONGPASS", WRONG_PASSWORD),
    ("LOADING", "Redis is reading its data from the disk: try again in a moment"),
    ("BUSY", "Redis runs a script that does not end: SCRIPT KILL ends it"),
    ("MOVED", CLUSTER),
    ("ASK", CLUSTER),
    ("CLUSTERDOWN", CLUSTER),
    ("CROSSSLOT", CLUSTER),
];
const WRONG_TYPE: &str = "WRONGTYPE";
const READ_ONLY: &str = "READONLY";
const WRONG_PASSWORD: &str = "Redis does not take this user and password, or wants one: see the URL";
const CLUSTER: &str = "this Redis is a node of a cluster, which is not supported: use one that is not";

/// Whether the server said this code. Before version 7 it says `ERR` of what a script ended with, and the code in the text.
fn is(error: &RedisError, code: &str) -> bool {
    let in_script = || {
        let detail = error.detail().filter(|detail| detail.starts_with("Error running script"));
        detail.is_some_and(|detail| detail.contains(&format!("{code} ")))
    };
    match error.kind() {
        redis::ErrorKind::AuthenticationFailed => code == "WRONGPASS",
        _ => error.code() == Some(code) || in_script(),
    }
}

/// Whether the connection is of no use any more.
pub(crate) fn ends_the_connection(error: &RedisError) -> bool {
    // A replica may have been the primary when it was connected to.
    error.is_io_error() || error.is_unrecoverable_error() || is(error, READ_ONLY)
}
