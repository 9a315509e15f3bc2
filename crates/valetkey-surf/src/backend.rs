//! The backend: what is checked before a send, what is checked after it, and which client it takes.

use std::{fmt, io, time::Duration};

use async_io::Timer;
use async_trait::async_trait;
use http::{HeaderValue, header::USER_AGENT};
use surf::http as surf_http;
use valetkey_http::{
    Backend, Failure, FailureKind, Limits, Request, Response, Sent, Task,
    adapter::{Deadlines, check, exchange, is_bodiless},
};

#[cfg(feature = "curl")]
use crate::curl_client;
#[cfg(feature = "h1-no-tls")]
use crate::h1_client;
use crate::{
    BuildError, Builder,
    body::Arriving,
    convert::{self, Abilities, Draft},
};

/// A [`Backend`] on surf and async-std.
///
/// It speaks HTTP/1.1, each request on a connection of its own. It can be cloned cheaply, and may be used from any
/// executor: sockets and timers are async-io's, which runs a thread for them, and libcurl's, which do too.
///
/// ```
/// use std::sync::Arc;
/// use valetkey_http::Backend;
/// use valetkey_surf::SurfBackend;
///
/// # fn main() -> Result<(), valetkey_surf::BuildError> {
/// # #[cfg(feature = "curl")] {
/// let backend: Arc<dyn Backend> = Arc::new(SurfBackend::new()?);
/// # drop(backend);
/// # }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SurfBackend {
    pub(crate) client: Client,
    pub(crate) user_agent: HeaderValue,
    pub(crate) deadlines: Deadlines,
}

/// The client below surf.
#[derive(Clone)]
pub(crate) enum Client {
    #[cfg(feature = "curl")]
    Curl(std::sync::Arc<curl_client::Clients>),
    #[cfg(feature = "h1-no-tls")]
    H1,
}

impl SurfBackend {
    /// A backend on libcurl, which trusts the system's root certificates and uses no proxy.
    ///
    /// # Errors
    ///
    /// [`BuildError::Client`] if libcurl's thread or its socket cannot be made, [`BuildError::NoClient`] without
    /// the feature `curl`.
    pub fn new() -> Result<Self, BuildError> {
        Self::builder().build()
    }

    /// Sets up a backend by hand.
    pub fn builder() -> Builder {
        Builder::new()
    }

    async fn start(&self, draft: &Draft, limits: &Limits) -> Result<http::Response<Arriving>, Failure> {
        match &self.client {
            #[cfg(feature = "curl")]
            Client::Curl(clients) => clients.start(draft, limits).await,
            #[cfg(feature = "h1-no-tls")]
            Client::H1 => h1_client::start(draft, limits).await,
        }
    }

    /// Refuses a response that may have lost the end of its head.
    fn checked(&self, draft: &Draft, response: Response) -> Result<Response, Failure> {
        let status = response.status();
        let may_be_cut = match &self.client {
            #[cfg(feature = "curl")]
            Client::Curl(_) => curl_client::may_be_cut(response.headers(), response.body()),
            #[cfg(feature = "h1-no-tls")]
            Client::H1 => false,
        };
        if may_be_cut && !is_bodiless(&draft.method, status) {
            return Err(Failure::new(Sent::Maybe, FailureKind::Closed));
        }
        Ok(response)
    }
}

impl Client {
    fn abilities(&self) -> &'static Abilities {
        match self {
            #[cfg(feature = "curl")]
            Self::Curl(_) => &curl_client::ABILITIES,
            #[cfg(feature = "h1-no-tls")]
            Self::H1 => &h1_client::ABILITIES,
        }
    }
}

#[async_trait]
impl Backend for SurfBackend {
    async fn send(&self, mut request: Request, limits: Limits) -> Result<Response, Failure> {
        check(&request, &limits)?;
        request.headers_mut().entry(USER_AGENT).or_insert_with(|| self.user_agent.clone());
        let draft = Draft::new(request, self.client.abilities())?;
        let limits = self.deadlines.within(limits);
        // Boxed: what is below surf is large.
        let start = Box::pin(self.start(&draft, &limits));
        let outcome = exchange(&limits, &draft.method, sleep, start).await;
        match outcome {
            Ok(response) => self.checked(&draft, response),
            // Who has not got the body has not got the request.
            Err(failure) if failure.sent() == Sent::Maybe && draft.has_body() && draft.asked.withdraw() => {
                Err(failure.with_sent(Sent::Nothing))
            }
            Err(failure) => Err(failure),
        }
    }

    async fn sleep(&self, time: Duration) {
        sleep(time).await;
    }

    fn spawn(&self, task: Task) -> Result<(), Task> {
        drop(async_std::task::spawn(task));
        Ok(())
    }
}

impl fmt::Debug for SurfBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SurfBackend")
            .field("client", &self.client)
            .field("deadlines", &self.deadlines)
            .field("user_agent", &self.user_agent)
            .finish()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            #[cfg(feature = "curl")]
            Self::Curl(clients) => clients.fmt(f),
            #[cfg(feature = "h1-no-tls")]
            Self::H1 => f.write_str("H1"),
        }
    }
}

/// A timer, which begins to run now.
fn sleep(time: Duration) -> impl Future<Output = ()> {
    let timer = Timer::after(time);
    async move {
        timer.await;
    }
}

/// A response of surf as one that arrives; `kind` tells apart the errors of its body.
pub(crate) fn answer(
    mut response: surf_http::Response,
    draft: &Draft,
    kind: fn(&io::Error) -> FailureKind,
) -> Result<http::Response<Arriving>, Failure> {
    let head = convert::head(&response).ok_or_else(|| Failure::new(Sent::Maybe, FailureKind::Protocol))?;
    let body = Some(response.take_body()).filter(|_| !is_bodiless(&draft.method, head.status()));
    Ok(head.map(|()| Arriving::new(body, kind)))
}

/// The words of an error, which name hosts and no URLs. The error itself may hold a backtrace.
#[derive(Debug)]
pub(crate) struct Told(String);

impl Told {
    pub(crate) fn by(error: &impl fmt::Display) -> Self {
        Self(error.to_string())
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Told {}
