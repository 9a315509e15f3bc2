//! How a backend is set up.

use std::{
    error::Error,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use reqwest::{Client, ClientBuilder, redirect, retry};
use tokio::runtime::Handle;
use valetkey_http::{BoxError, Limits};

#[cfg(feature = "rustls")]
use crate::tls::Tls;
use crate::{ReqwestBackend, resolve::PublicOnly};

/// Sets up a [`ReqwestBackend`]; from [`ReqwestBackend::builder`].
///
/// ```
/// use std::time::Duration;
/// use valetkey_reqwest::ReqwestBackend;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), valetkey_reqwest::BuildError> {
/// let backend = ReqwestBackend::builder().connect_timeout(Duration::from_secs(2)).build()?;
/// # drop(backend);
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder does nothing until it builds"]
pub struct Builder {
    make: Option<Box<dyn Fn() -> ClientBuilder + Send + Sync>>,
    handle: Option<Handle>,
    connect: Duration,
    #[cfg(feature = "rustls")]
    tls: Tls,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            make: None,
            handle: None,
            connect: Limits::default().connect,
            #[cfg(feature = "rustls")]
            tls: Tls::default(),
        }
    }

    /// Starts from these settings, which `make` returns each time anew, TLS included.
    ///
    /// What they say about redirects, retries, `Referer`, decompression, the deadline for connecting and idle
    /// connections is overridden, and their resolver is not asked for hosts that must be public.
    pub fn client(mut self, make: impl Fn() -> ClientBuilder + Send + Sync + 'static) -> Self {
        self.make = Some(Box::new(make));
        self
    }

    /// Uses this runtime instead of the one that [`build`](Self::build) is called in.
    ///
    /// Its timers and I/O must be enabled. A current-thread runtime works as long as somebody blocks on it.
    pub fn handle(mut self, handle: Handle) -> Self {
        self.handle = Some(handle);
        self
    }

    /// Trusts Mozilla's root certificates, compiled in: as it is without [`client`](Self::client).
    ///
    /// This and the methods below replace the TLS of [`client`](Self::client) as a whole, by rustls on ring.
    #[cfg(feature = "rustls")]
    pub fn bundled_roots(mut self) -> Self {
        self.tls.is_set = true;
        self
    }

    /// Trusts these root certificates (PEM, one or more) besides Mozilla's. Can be called repeatedly.
    #[cfg(feature = "rustls")]
    pub fn extra_roots(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.tls.roots.push(pem.into());
        self.bundled_roots()
    }

    /// Trusts these root certificates (PEM, one or more) and those of [`extra_roots`](Self::extra_roots), and no
    /// others.
    #[cfg(feature = "rustls")]
    pub fn only_roots(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.tls.only_given = true;
        self.extra_roots(pem)
    }

    /// Presents this certificate to servers that ask for one: a chain, the client's own certificate first, and its
    /// private key, each as PEM.
    ///
    /// One backend is one identity; it goes to every server that asks.
    #[cfg(feature = "rustls")]
    pub fn identity(mut self, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.tls.identity = Some((chain.into(), key.into()));
        self.bundled_roots()
    }

    /// Longest time until a connection stands: lookup, TCP, proxy and TLS together. Default 5 s.
    pub fn connect_timeout(mut self, time: Duration) -> Self {
        self.connect = time;
        self
    }

    /// Makes the backend; connections are made when requests are sent.
    ///
    /// # Errors
    ///
    /// A [`BuildError`] names what is missing or cannot be read.
    pub fn build(self) -> Result<ReqwestBackend, BuildError> {
        let handle = match self.handle.clone() {
            Some(handle) => handle,
            None => Handle::try_current().map_err(|_| BuildError::NoRuntime)?,
        };
        let pooled = client(self.make()?)?;
        let single = client(self.make()?.pool_max_idle_per_host(0))?;
        let public = client(self.make()?.pool_max_idle_per_host(0).dns_resolver(PublicOnly))?;
        Ok(ReqwestBackend { pooled, single, public, handle })
    }

    /// What must hold whatever the program asked for, and whichever of reqwest's features are on.
    fn make(&self) -> Result<ClientBuilder, BuildError> {
        let builder = match &self.make {
            Some(make) => make(),
            None => Client::builder(),
        };
        #[cfg(feature = "rustls")]
        let builder = match self.make.is_none() || self.tls.is_set {
            true => builder.tls_backend_preconfigured(self.tls.config()?),
            false => builder,
        };
        Ok(builder
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .no_gzip()
            .no_brotli()
            .no_deflate()
            .no_zstd()
            .connect_timeout(self.connect))
    }
}

/// reqwest panics if it is to do TLS by rustls by itself, and nobody has chosen the cryptography.
fn client(builder: ClientBuilder) -> Result<Client, BuildError> {
    match catch_unwind(AssertUnwindSafe(|| builder.build())) {
        Ok(client) => client.map_err(|error| BuildError::Client(error.without_url().into())),
        Err(_said) => Err(BuildError::Panicked),
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("connect", &self.connect).finish_non_exhaustive()
    }
}

/// Why a [`ReqwestBackend`] could not be made. It holds no password and no key.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// There is no tokio runtime here, and none was given.
    NoRuntime,
    /// The finished client does not show that it follows no redirect.
    Redirects,
    /// Root certificates cannot be read.
    Roots(BoxError),
    /// The client's certificate or its key cannot be read, or they do not belong together.
    Identity,
    /// reqwest refuses the settings.
    Client(BoxError),
    /// reqwest panicked, and told the panic hook why: most likely it shall do TLS by rustls, and neither its features
    /// nor the program choose the cryptography.
    Panicked,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoRuntime => "no tokio runtime: build the backend inside one, or give its builder a handle",
            Self::Redirects => "the client may follow redirects: make it with `redirect(Policy::none())`",
            Self::Roots(_) => "the root certificates cannot be read: they are PEM, one or more",
            Self::Identity => {
                "the client's identity cannot be used: it is a chain of certificates, the client's own first, and the \
                 private key that belongs to it, each as PEM"
            }
            Self::Client(_) => "reqwest refuses the settings",
            Self::Panicked => {
                "reqwest panicked: if it lacks a provider of cryptography for rustls, use `bundled_roots`, or install one"
            }
        })
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Roots(source) | Self::Client(source) => Some(source.as_ref()),
            _ => None,
        }
    }
}
