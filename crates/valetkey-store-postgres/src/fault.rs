//! What went wrong, in words that say what to do. Texts of the server are never passed on: they quote what was sent.

use std::{error::Error as _, io, time::Duration};

use deadpool_postgres::PoolError;
use tokio_postgres::error::SqlState;
use valetkey::{Error, ErrorKind, Reason};

pub(crate) fn failed(reason: Reason, what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Store, reason).with_detail(what.into())
}

/// No answer came within the time that the store waits.
pub(crate) fn late(deadline: Duration) -> Error {
    let what =
        format!("PostgreSQL did not answer within {deadline:?}: see that it runs and is not overloaded");
    failed(Reason::StoreFailed, what)
}

/// What a pool or a connection failed with.
pub(crate) fn of(error: &PoolError) -> Error {
    let PoolError::Backend(error) = error else {
        return failed(Reason::StoreFailed, "the pool of connections was closed, or gives none");
    };
    let Some(code) = error.code() else { return unreachable(error) };
    let known = KNOWN.iter().find(|(known, _)| code.code().starts_with(known));
    let what = known.map_or_else(
        || format!("PostgreSQL refused (SQLSTATE {}): its log says more", code.code().escape_default()),
        |(_, what)| (*what).to_owned(),
    );
    failed(Reason::StoreFailed, what)
}

/// There is no connection, or no more.
fn unreachable(error: &tokio_postgres::Error) -> Error {
    let io = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    // Its own text is of what it was about to do, and never of what it sent.
    let why = io.map_or_else(|| error.to_string(), |io| format!("{error}, {}", io.kind()));
    let what = format!(
        "PostgreSQL cannot be reached ({why}): see that it runs where the URL says, and the user, password and TLS there"
    );
    failed(Reason::StoreFailed, what)
}

/// How codes of the server begin, each with what to do.
const KNOWN: [(&str, &str); 16] = [
    (
        "08P01",
        "a server, or a proxy before it, refuses how it is spoken to: a proxy may take no options in the URL",
    ),
    ("28", "PostgreSQL does not take this user and password: see the URL, and pg_hba.conf"),
    ("3D000", "this database is not there: see the URL"),
    ("3F000", "the schema of the tables is not there: make it by CREATE SCHEMA"),
    ("42P01", "the tables are not there: call migrate() once, or see the schema and the prefix"),
    ("42703", "the tables are others than migrate() makes: see the schema and the prefix"),
    ("42804", "the tables are others than migrate() makes: see the schema and the prefix"),
    ("42883", "the tables are others than migrate() makes: see the schema and the prefix"),
    (
        "42501",
        "this user of PostgreSQL may not do that: it needs SELECT, INSERT, UPDATE and DELETE on the tables, and for migrate() CREATE on the schema",
    ),
    ("25006", "this PostgreSQL, or this user, only reads: connect to the primary"),
    ("53100", "the disk of PostgreSQL is full"),
    ("53300", "PostgreSQL has no connection left: raise max_connections, or use a pooling proxy"),
    ("57P03", "PostgreSQL is starting up or shutting down: try again in a moment"),
    ("57P", "PostgreSQL was shut down: try again in a moment"),
    ("57014", "PostgreSQL gave the statement up: see its statement_timeout"),
    ("55P03", "PostgreSQL gave the statement up: see its lock_timeout"),
];

/// Whether the connection is of no use any more.
pub(crate) fn ends_the_connection(error: &PoolError) -> bool {
    let PoolError::Backend(error) = error else { return false };
    // What only reads may have been the primary when it was connected to.
    error.code().is_none_or(|code| {
        *code == SqlState::READ_ONLY_SQL_TRANSACTION
            || code.code().starts_with("57P")
            || code.code().starts_with("08")
    })
}

/// Whether the server did nothing because others were in the way, and may do it now.
pub(crate) fn is_in_the_way(error: &PoolError) -> bool {
    let PoolError::Backend(error) = error else { return false };
    let code = error.code();
    code == Some(&SqlState::T_R_SERIALIZATION_FAILURE) || code == Some(&SqlState::T_R_DEADLOCK_DETECTED)
}
