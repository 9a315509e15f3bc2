//! How a backend is set up.

use std::{error::Error, fmt, time::Duration};

use http::HeaderValue;
use valetkey_http::{BoxError, adapter::Deadlines};

use crate::{
    carrier::Carrier,
    connect::Connector,
    pool,
    proxy::Proxies,
    runtime::Runtime,
    tls::{self, Identity, Roots},
};

const USER_AGENT: &str = concat!("valetkey/", env!("CARGO_PKG_VERSION"));

/// Sets up a backend; from its `builder`, such as `HyperBackend::builder`.
///
/// ```
/// use std::time::Duration;
/// use valetkey_hyper::HyperBackend;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), valetkey_hyper::BuildError> {
/// let backend = HyperBackend::builder()
///     .total_timeout(Duration::from_secs(10))
///     .user_agent("my-app/1.0")
///     .no_proxy()
///     .build()?;
/// # drop(backend);
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder does nothing until it builds"]
pub struct Builder<R> {
    runtime: Option<R>,
    roots: Roots,
    given_roots: Vec<Vec<u8>>,
    identity: Option<Identity>,
    proxies: Option<Result<Proxies, BuildError>>,
    user_agent: Option<String>,
    deadlines: Deadlines,
}

impl<R: Runtime> Builder<R> {
    /// The defaults: bundled roots, the environment's proxies, the deadlines of each send.
    #[expect(clippy::new_without_default, reason = "users begin at the `builder` of a backend")]
    pub fn new() -> Self {
        Self {
            runtime: None,
            roots: Roots::Bundled,
            given_roots: Vec::new(),
            identity: None,
            proxies: None,
            user_agent: None,
            deadlines: Deadlines::default(),
        }
    }

    /// Runs on this instead of what is found when the backend is built.
    pub fn runtime(mut self, runtime: R) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// Trusts the root certificates of the system instead of the bundled ones.
    ///
    /// They are read once, when the backend is built.
    #[cfg(feature = "platform-roots")]
    pub fn platform_roots(mut self) -> Self {
        self.roots = Roots::Platform;
        self
    }

    /// Trusts these root certificates (PEM, one or more) besides the others. Can be called repeatedly.
    pub fn extra_roots(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.given_roots.push(pem.into());
        self
    }

    /// Trusts these root certificates (PEM, one or more) and those of
    /// [`extra_roots`](Self::extra_roots), and no others.
    pub fn only_roots(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots = Roots::Given;
        self.given_roots.push(pem.into());
        self
    }

    /// Presents this certificate to servers that ask for one: a chain, the client's own certificate
    /// first, and its private key, each as PEM.
    ///
    /// One backend is one identity; it goes to every server that asks.
    pub fn identity(mut self, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.identity = Some(Identity { chain: chain.into(), key: key.into() });
        self
    }

    /// Goes through this proxy, except to this machine itself: `http://[user:password@]host[:port]`.
    ///
    /// The variables of the environment are not looked at. The proxy is asked for a tunnel (`CONNECT`)
    /// to every host, so that it sees names and not requests; `http` requests are tunnelled as well.
    pub fn proxy(mut self, url: &str) -> Self {
        self.proxies = Some(Proxies::only(url));
        self
    }

    /// Chooses proxies as the environment does, but by the variables that `lookup` finds.
    ///
    /// The names are `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in upper or lower case. `lookup` is
    /// called here and not kept.
    pub fn proxy_variables(mut self, lookup: impl Fn(&str) -> Option<String>) -> Self {
        self.proxies = Some(Proxies::from_variables(lookup));
        self
    }

    /// Uses no proxy, whatever the environment says.
    pub fn no_proxy(mut self) -> Self {
        self.proxies = Some(Ok(Proxies::default()));
        self
    }

    /// The `User-Agent` of requests that have none, instead of `valetkey/VERSION`.
    pub fn user_agent(mut self, value: impl Into<String>) -> Self {
        self.user_agent = Some(value.into());
        self
    }

    /// Longest time until a connection stands: lookup, TCP, proxy and TLS together. Default 5 s.
    ///
    /// As with the other deadlines, the smaller one of this and of the
    /// [`Limits`](valetkey_http::Limits) of a send counts.
    pub fn connect_timeout(mut self, time: Duration) -> Self {
        self.deadlines.connect = time;
        self
    }

    /// Longest time from a send until the response's head is there. Not set by default.
    pub fn head_timeout(mut self, time: Duration) -> Self {
        self.deadlines.head = time;
        self
    }

    /// Longest silence between two pieces of a body. Not set by default.
    pub fn idle_timeout(mut self, time: Duration) -> Self {
        self.deadlines.idle = time;
        self
    }

    /// Longest time for a whole exchange. Not set by default.
    pub fn total_timeout(mut self, time: Duration) -> Self {
        self.deadlines.total = time;
        self
    }

    /// Makes the backend; connections are made when requests are sent.
    ///
    /// # Errors
    ///
    /// A [`BuildError`] names what is missing or cannot be read.
    pub fn build(self) -> Result<R::Backend, BuildError> {
        let runtime = match self.runtime {
            Some(runtime) => runtime,
            None => R::here()?,
        };
        let proxies =
            self.proxies.unwrap_or_else(|| Proxies::from_variables(|name| std::env::var(name).ok()))?;
        let user_agent = match self.user_agent {
            Some(value) => HeaderValue::try_from(value).map_err(|_| BuildError::UserAgent)?,
            None => HeaderValue::from_static(USER_AGENT),
        };
        let tls = tls::config(self.roots, &self.given_roots, self.identity.as_ref())?;
        let connector = Connector::new(runtime.clone(), tls, proxies, self.deadlines.connect);
        Ok(R::Backend::from(Carrier {
            pool: pool::new(connector.clone(), runtime.clone()),
            connector,
            runtime,
            user_agent,
            deadlines: self.deadlines,
        }))
    }
}

impl<R> fmt::Debug for Builder<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("roots", &self.roots)
            .field("given_roots", &self.given_roots.len())
            .field("identity", &self.identity.is_some())
            .field("proxies", &self.proxies)
            .field("user_agent", &self.user_agent)
            .field("deadlines", &self.deadlines)
            .finish_non_exhaustive()
    }
}

/// Why a backend could not be made. It holds no password and no key.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// There is no tokio runtime here, and none was given.
    NoRuntime,
    /// There are no root certificates: neither bundled, nor from the system, nor given.
    NoRoots,
    /// Root certificates cannot be read.
    Roots(BoxError),
    /// The client's certificate or its key cannot be read, or they do not belong together.
    Identity,
    /// A proxy is not of the form `http://[user:password@]host[:port]`; this says where it was named.
    Proxy(&'static str),
    /// The user agent cannot stand in a header.
    UserAgent,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRuntime => {
                f.write_str("no tokio runtime: build the backend inside one, or give its builder a handle")
            }
            Self::NoRoots => {
                f.write_str("no root certificates: enable the feature `webpki-roots`, or choose others")
            }
            Self::Roots(_) => f.write_str("the root certificates cannot be read"),
            Self::Identity => f.write_str("the client's certificate and key cannot be used"),
            Self::Proxy(source) => {
                write!(f, "{source} is not a proxy of the form http://[user:password@]host[:port]")
            }
            Self::UserAgent => f.write_str("the user agent cannot stand in a header"),
        }
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Roots(source) => Some(source.as_ref()),
            _ => None,
        }
    }
}
