//! The backend: hyper's, on smol.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use valetkey_http::{Backend, Failure, Limits, Request, Response, Task};
use valetkey_hyper::runtime::Carrier;

use crate::{BuildError, Builder, Smol};

/// A [`Backend`] on hyper, rustls and smol's sockets.
///
/// It speaks HTTP/1.1 and HTTP/2, keeps connections for ordinary requests, and makes one of its own for each request
/// that asks for it ([`Limits::fresh`]). It can be cloned cheaply; clones share the connections. It may be made and
/// polled anywhere.
///
/// ```
/// use std::sync::Arc;
/// use valetkey_http::Backend;
/// use valetkey_smol::SmolBackend;
///
/// let backend: Arc<dyn Backend> = Arc::new(SmolBackend::new()?);
/// # drop(backend);
/// # Ok::<(), valetkey_smol::BuildError>(())
/// ```
#[derive(Clone)]
pub struct SmolBackend(Carrier<Smol>);

impl SmolBackend {
    /// A backend with the bundled root certificates, whose tasks run on smol's global executor.
    ///
    /// Proxies are taken from the environment: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in
    /// upper or lower case. This machine itself is never reached through a proxy.
    ///
    /// # Errors
    ///
    /// [`BuildError::NoRoots`] without the feature `webpki-roots`, [`BuildError::Proxy`] if a variable cannot be read:
    /// to go without the proxy that somebody asked for would be worse.
    pub fn new() -> Result<Self, BuildError> {
        Self::builder().build()
    }

    /// Sets up a backend by hand.
    pub fn builder() -> Builder {
        Builder::new()
    }
}

#[async_trait]
impl Backend for SmolBackend {
    async fn send(&self, request: Request, limits: Limits) -> Result<Response, Failure> {
        self.0.send(request, limits).await
    }

    async fn sleep(&self, time: Duration) {
        self.0.sleep(time).await;
    }

    fn spawn(&self, task: Task) -> Result<(), Task> {
        self.0.spawn(task);
        Ok(())
    }
}

impl From<Carrier<Smol>> for SmolBackend {
    fn from(carrier: Carrier<Smol>) -> Self {
        Self(carrier)
    }
}

impl fmt::Debug for SmolBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.describe(f, "SmolBackend")
    }
}
