//! The connection: one for all callers, made when it is needed, and made anew when it is gone.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, Cmd, ProtocolVersion, PushInfo, PushKind, RedisResult, ScriptInvocation,
    Value, aio::MultiplexedConnection,
};
use tokio::{runtime::Handle, sync::Mutex, time::timeout};
use valetkey::{Error, ErrorKind, Reason, Result, store::StoreKey};

use crate::fault;

/// What is asked of Redis.
pub(crate) enum Ask<'a> {
    /// A command that does the same when it is sent again.
    Again(Cmd),
    /// A script that does the same when it is run again.
    RunAgain(&'a ScriptInvocation<'a>),
    /// A script that must not be run again if it is not known what came of it.
    RunOnce(&'a ScriptInvocation<'a>),
}

impl Ask<'_> {
    fn may_be_repeated(&self) -> bool {
        !matches!(self, Self::RunOnce(_))
    }

    async fn of(&self, mut connection: MultiplexedConnection) -> RedisResult<Value> {
        match self {
            Self::Again(command) => command.query_async(&mut connection).await,
            Self::RunAgain(script) | Self::RunOnce(script) => script.invoke_async(&mut connection).await,
        }
    }
}

/// How Redis is reached.
pub(crate) struct Link {
    client: Client,
    /// Whose timers and sockets are used, whoever's executor the caller is on.
    runtime: Handle,
    live: Mutex<Option<Live>>,
}

#[derive(Clone)]
struct Live {
    connection: MultiplexedConnection,
    /// Whether the other end has gone.
    is_over: Arc<AtomicBool>,
}

impl Link {
    /// By this client; on the runtime of tokio that the caller is on.
    pub(crate) fn new(client: &Client) -> Result<Self> {
        let runtime = Handle::try_current().map_err(|_| {
            Error::new(ErrorKind::Config, Reason::StoreFailed).with_detail(
                "the store of Redis is opened on a runtime of tokio; afterwards it is used on any",
            )
        })?;
        let info = client.get_connection_info();
        // In this version of the protocol it is known at once that the other end has gone.
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        // What nobody needs, no user of an ACL needs the right to.
        let settings = settings.set_skip_set_lib_name();
        let client = Client::open(info.clone().set_redis_settings(settings))
            .map_err(|error| fault::of(&error, None))?;
        Ok(Self { client, runtime, live: Mutex::new(None) })
    }

    /// Asks, and has an answer or an error within this time.
    pub(crate) async fn ask(
        &self,
        deadline: Duration,
        ask: Ask<'_>,
        about: Option<&StoreKey>,
    ) -> Result<Value> {
        let mut future = pin!(self.within(deadline, ask, about));
        poll_fn(|context| {
            let _on = self.runtime.enter();
            future.as_mut().poll(context)
        })
        .await
    }

    async fn within(&self, deadline: Duration, ask: Ask<'_>, about: Option<&StoreKey>) -> Result<Value> {
        let mut used = None;
        let outcome = timeout(deadline, self.try_twice(&ask, &mut used)).await;
        match outcome {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(fault::of(&error, about)),
            Err(_) => {
                // Who does not answer now may never do: the next one connects anew.
                if let Some(live) = used {
                    self.forget(&live);
                }
                Err(fault::late(deadline))
            }
        }
    }

    async fn try_twice(&self, ask: &Ask<'_>, used: &mut Option<Live>) -> RedisResult<Value> {
        let live = used.insert(self.connected().await?);
        let outcome = ask.of(live.connection.clone()).await;
        let Err(error) = &outcome else { return outcome };
        if !fault::ends_the_connection(error) {
            return outcome;
        }
        self.forget(live);
        if !error.is_io_error() || !ask.may_be_repeated() {
            return outcome;
        }
        let live = used.insert(self.connected().await?);
        ask.of(live.connection.clone()).await
    }

    async fn connected(&self) -> RedisResult<Live> {
        // Held while one caller connects, so that the others wait for that connection in place of making their own; whoever is
        // too late lets go of it.
        let mut live = self.live.lock().await;
        if let Some(live) = &*live
            && !live.is_over.load(Ordering::Acquire)
        {
            return Ok(live.clone());
        }
        *live = None;
        let is_over = Arc::new(AtomicBool::new(false));
        let gone = Arc::clone(&is_over);
        // The deadline is the store's, over everything.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_push_sender(move |push: PushInfo| {
                if push.kind == PushKind::Disconnection {
                    gone.store(true, Ordering::Release);
                }
                Ok::<_, redis::aio::SendError>(())
            });
        let connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        Ok(live.insert(Live { connection, is_over }).clone())
    }

    fn forget(&self, used: &Live) {
        used.is_over.store(true, Ordering::Release);
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The client's settings have the password.
        let info = self.client.get_connection_info();
        f.debug_struct("Link").field("addr", &info.addr().to_string()).finish_non_exhaustive()
    }
}
