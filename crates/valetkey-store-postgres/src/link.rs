//! The connections: of a pool, one for each statement and no longer.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::pin,
    time::Duration,
};

use deadpool_postgres::{Client, Object, Pool, PoolError};
use tokio::{runtime::Handle, time::timeout};
use tokio_postgres::{
    Row,
    types::{ToSql, Type},
};
use valetkey::{Error, ErrorKind, Reason, Result};

use crate::fault;

/// A value of a statement, with the type that it has there.
pub(crate) type Value<'a> = (&'a (dyn ToSql + Sync), Type);

/// What is asked of PostgreSQL.
pub(crate) enum Ask<'a> {
    /// A statement that does the same when it is sent again.
    Again(&'a str, &'a [Value<'a>]),
    /// A statement that must not be sent again if it is not known what came of it.
    Once(&'a str, &'a [Value<'a>]),
    /// Statements that are done together.
    Together(&'a str),
}

impl Ask<'_> {
    /// Statements have no name on the server, and come in one message with their values: so it does not matter which server's
    /// connection the next one gets, and nothing is logged of values.
    async fn of(&self, client: &Client) -> Result<Vec<Row>, tokio_postgres::Error> {
        match self {
            Self::Again(statement, values) | Self::Once(statement, values) => {
                client.query_typed(statement, values).await
            }
            Self::Together(statements) => client.batch_execute(statements).await.map(|()| Vec::new()),
        }
    }
}

/// How PostgreSQL is reached.
pub(crate) struct Link {
    pool: Pool,
    /// Whose timers and sockets are used, whoever's executor the caller is on.
    runtime: Handle,
}

impl Link {
    /// By this pool; on the runtime of tokio that the caller is on.
    pub(crate) fn new(pool: Pool) -> Result<Self> {
        let runtime = Handle::try_current().map_err(|_| {
            Error::new(ErrorKind::Config, Reason::StoreFailed).with_detail(
                "the store of PostgreSQL is opened on a runtime of tokio; afterwards it is used on any",
            )
        })?;
        Ok(Self { pool, runtime })
    }

    /// Asks, and has an answer or an error within this time.
    pub(crate) async fn ask(&self, deadline: Duration, ask: Ask<'_>) -> Result<Vec<Row>> {
        let mut future = pin!(self.within(deadline, ask));
        poll_fn(|context| {
            let _on = self.runtime.enter();
            future.as_mut().poll(context)
        })
        .await
    }

    async fn within(&self, deadline: Duration, ask: Ask<'_>) -> Result<Vec<Row>> {
        let mut used = None;
        let outcome = timeout(deadline, self.try_again(&ask, &mut used)).await;
        match outcome {
            Ok(Ok(rows)) => Ok(rows),
            Ok(Err(error)) => Err(fault::of(&error)),
            Err(_) => {
                // Who does not answer now may never do: the next one gets another connection.
                if let Some(client) = used {
                    drop(Object::take(client));
                }
                Err(fault::late(deadline))
            }
        }
    }

    /// Once more on another connection, if the first one was lost, and as long as others are in the way.
    async fn try_again(&self, ask: &Ask<'_>, used: &mut Option<Client>) -> Result<Vec<Row>, PoolError> {
        let mut was_lost = false;
        loop {
            let client = used.insert(self.pool.get().await?);
            let error = match ask.of(client).await {
                Ok(rows) => {
                    *used = None;
                    return Ok(rows);
                }
                Err(error) => PoolError::Backend(error),
            };
            let client = used.take();
            if fault::ends_the_connection(&error) {
                client.map(Object::take);
                if was_lost || !matches!(ask, Ask::Again(..)) {
                    return Err(error);
                }
                was_lost = true;
            } else if !fault::is_in_the_way(&error) {
                return Err(error);
            }
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("connections", &self.pool.status().size).finish_non_exhaustive()
    }
}
