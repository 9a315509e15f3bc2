//! How a backend is set up.

use std::{error::Error, fmt, io, time::Duration};

use http::HeaderValue;
use valetkey_http::{BoxError, adapter::Deadlines};

use crate::{SurfBackend, backend::Client};

const USER_AGENT: &str = concat!("valetkey/", env!("CARGO_PKG_VERSION"));

/// Sets up a [`SurfBackend`]; from [`SurfBackend::builder`].
///
/// ```
/// use std::time::Duration;
/// use valetkey_surf::SurfBackend;
///
/// # fn main() -> Result<(), valetkey_surf::BuildError> {
/// # #[cfg(feature = "curl")] {
/// let backend = SurfBackend::builder()
///     .total_timeout(Duration::from_secs(10))
///     .user_agent("my-app/1.0")
///     .build()?;
/// # drop(backend);
/// # }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct Builder {
    choice: Choice,
    settings: Settings,
    user_agent: Option<String>,
    deadlines: Deadlines,
}

/// The client below surf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    Curl,
    #[cfg(feature = "h1-no-tls")]
    H1,
}

/// What libcurl alone can do.
#[derive(Default)]
pub(crate) struct Settings {
    pub(crate) roots: Vec<Vec<u8>>,
    pub(crate) identity: Option<Identity>,
    pub(crate) proxy: Option<String>,
}

/// A certificate chain and its key, as PEM.
pub(crate) struct Identity {
    pub(crate) chain: Vec<u8>,
    pub(crate) key: Vec<u8>,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            choice: Choice::Curl,
            settings: Settings::default(),
            user_agent: None,
            deadlines: Deadlines::default(),
        }
    }

    /// Sends by async-h1 instead of libcurl: without TLS, to servers on this machine.
    ///
    /// A request to `https` is refused.
    #[cfg(feature = "h1-no-tls")]
    pub fn h1_no_tls(mut self) -> Self {
        self.choice = Choice::H1;
        self
    }

    /// Trusts these root certificates (PEM, one or more) besides the system's. Can be called repeatedly.
    ///
    /// libcurl reads them from a file: a temporary one, which goes with the backend. To trust no others cannot be
    /// asked of it.
    pub fn extra_roots(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.settings.roots.push(pem.into());
        self
    }

    /// Presents this certificate to servers that ask for one: a chain, the client's own certificate
    /// first, and its private key, each as PEM.
    ///
    /// One backend is one identity; it goes to every server that asks.
    ///
    /// # Security
    ///
    /// libcurl reads both from files. They are written to the directory for temporary files, readable by this user
    /// alone, and removed when the last clone of the backend is dropped: not if the process is killed, or ends by
    /// `exit` before that. Where the key must not touch a disk, let that directory be in memory, or use a backend
    /// on rustls.
    pub fn identity(mut self, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.settings.identity = Some(Identity { chain: chain.into(), key: key.into() });
        self
    }

    /// Goes through this proxy, except to this machine itself: `http://[user:password@]host[:port]`.
    ///
    /// Without it there is none, whatever the environment says.
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.settings.proxy = Some(url.into());
        self
    }

    /// The `User-Agent` of requests that have none, instead of `valetkey/VERSION`.
    pub fn user_agent(mut self, value: impl Into<String>) -> Self {
        self.user_agent = Some(value.into());
        self
    }

    /// Longest time until a connection stands: lookup, TCP, proxy and TLS together. Default 5 s.
    ///
    /// As with the other deadlines, the smaller one of this and of the [`Limits`](valetkey_http::Limits) of a send counts.
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
    /// A [`BuildError`] names what is missing, cannot be read or cannot be done.
    pub fn build(self) -> Result<SurfBackend, BuildError> {
        let user_agent = match self.user_agent {
            Some(value) => HeaderValue::try_from(value).map_err(|_| BuildError::UserAgent)?,
            None => HeaderValue::from_static(USER_AGENT),
        };
        self.settings.check()?;
        let client = match self.choice {
            #[cfg(feature = "curl")]
            Choice::Curl => {
                let usual = self.deadlines.within(valetkey_http::Limits::default());
                Client::Curl(crate::curl_client::Clients::new(&self.settings, &usual)?.into())
            }
            #[cfg(not(feature = "curl"))]
            Choice::Curl => return Err(BuildError::NoClient),
            #[cfg(feature = "h1-no-tls")]
            Choice::H1 => {
                self.settings.check_unset()?;
                Client::H1
            }
        };
        Ok(SurfBackend { client, user_agent, deadlines: self.deadlines })
    }
}

impl Settings {
    /// Refuses at once what libcurl would refuse with every request.
    fn check(&self) -> Result<(), BuildError> {
        let holds = |pem: &[u8], label: &str| pem.windows(label.len()).any(|part| part == label.as_bytes());
        let is_chain = |pem: &[u8]| holds(pem, "-----BEGIN CERTIFICATE-----");
        if !self.roots.iter().all(|pem| is_chain(pem)) {
            return Err(BuildError::Roots("the PEM holds no certificate".into()));
        }
        let unfit =
            |identity: &&Identity| !is_chain(&identity.chain) || !holds(&identity.key, "PRIVATE KEY-----");
        match self.identity.as_ref().filter(unfit) {
            Some(_) => Err(BuildError::Identity(io::ErrorKind::InvalidData.into())),
            None => Ok(()),
        }
    }

    /// Refuses what async-h1 could only pass over.
    #[cfg(feature = "h1-no-tls")]
    fn check_unset(&self) -> Result<(), BuildError> {
        let set = [
            ("extra_roots", !self.roots.is_empty()),
            ("identity", self.identity.is_some()),
            ("proxy", self.proxy.is_some()),
        ];
        set.iter().find(|(_, is_set)| *is_set).map_or(Ok(()), |(name, _)| Err(BuildError::Unsupported(name)))
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("roots", &self.roots.len())
            .field("identity", &self.identity.is_some())
            .field("proxy", &self.proxy.is_some())
            .finish()
    }
}

/// Why a [`SurfBackend`] could not be made. It holds no password and no key.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// The feature `curl` is off, and no other client was chosen.
    NoClient,
    /// The client below surf could not be made.
    Client(BoxError),
    /// Root certificates cannot be read, or not be written to a file for libcurl.
    Roots(BoxError),
    /// The client's certificate or its key cannot be read, or not be written to a file for libcurl.
    Identity(io::Error),
    /// The proxy is not of the form `http://[user:password@]host[:port]`.
    Proxy,
    /// The client that was chosen cannot do what this method of the builder asks for.
    Unsupported(&'static str),
    /// The user agent cannot stand in a header.
    UserAgent,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoClient => f.write_str("no HTTP client: enable the feature `curl`, or choose `h1_no_tls`"),
            Self::Client(_) => f.write_str("the HTTP client could not be made"),
            Self::Roots(_) => f.write_str("the root certificates cannot be used"),
            Self::Identity(_) => f.write_str("the client's certificate and key cannot be used"),
            Self::Proxy => f.write_str("the proxy is not of the form http://[user:password@]host[:port]"),
            Self::Unsupported(method) => write!(f, "the client `h1_no_tls` cannot do `{method}`"),
            Self::UserAgent => f.write_str("the user agent cannot stand in a header"),
        }
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Client(source) | Self::Roots(source) => Some(source.as_ref()),
            Self::Identity(source) => Some(source),
            _ => None,
        }
    }
}
