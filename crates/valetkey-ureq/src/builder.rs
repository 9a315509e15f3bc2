//! How a backend is set up.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use ureq::{
    Agent, Proxy,
    tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig},
};
use valetkey_http::{Addresses, BoxError, Limits};

use crate::{
    UreqBackend,
    connect::{Resolving, connector},
};

/// How many idle connections are kept, three of them to one server: as many as ureq keeps by default.
const KEPT: usize = 10;

/// Sets up a [`UreqBackend`]; from [`UreqBackend::builder`].
///
/// ```
/// use std::time::Duration;
/// use valetkey_ureq::UreqBackend;
///
/// let backend = UreqBackend::builder().connect_timeout(Duration::from_secs(2)).no_proxy().build()?;
/// # drop(backend);
/// # Ok::<(), valetkey_ureq::BuildError>(())
/// ```
#[must_use = "a builder does nothing until it builds"]
pub struct Builder {
    only_given: bool,
    roots: Vec<Vec<u8>>,
    identity: Option<(Vec<u8>, Vec<u8>)>,
    proxy: Option<Result<Option<Proxy>, BuildError>>,
    user_agent: String,
    connect: Duration,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            only_given: false,
            roots: Vec::new(),
            identity: None,
            proxy: None,
            user_agent: String::new(),
            connect: Limits::default().connect,
        }
    }

    /// Trusts these root certificates (PEM, one or more) besides the others. Can be called repeatedly.
    pub fn extra_roots(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots.push(pem.into());
        self
    }

    /// Trusts these root certificates (PEM, one or more) and those of [`extra_roots`](Self::extra_roots), and no
    /// others.
    pub fn only_roots(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.only_given = true;
        self.extra_roots(pem)
    }

    /// Presents this certificate to servers that ask for one: a chain, the client's own certificate first, and its
    /// private key, each as PEM.
    ///
    /// One backend is one identity; it goes to every server that asks.
    pub fn identity(mut self, chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.identity = Some((chain.into(), key.into()));
        self
    }

    /// Goes through this proxy: `http://[user:password@]host[:port]`.
    ///
    /// The variables of the environment are not looked at. Without this and without [`no_proxy`](Self::no_proxy), ureq
    /// reads `ALL_PROXY`, `HTTPS_PROXY` and `HTTP_PROXY`, in this order and whatever the scheme of the request, and
    /// `NO_PROXY`; what it cannot read it passes over.
    pub fn proxy(mut self, url: &str) -> Self {
        let proxy = url.starts_with("http://").then(|| Proxy::new(url).ok()).flatten();
        self.proxy = Some(proxy.map(Some).ok_or(BuildError::Proxy));
        self
    }

    /// Uses no proxy, whatever the environment says.
    pub fn no_proxy(mut self) -> Self {
        self.proxy = Some(Ok(None));
        self
    }

    /// The `User-Agent` of requests that have none. Without, they go without.
    pub fn user_agent(mut self, value: impl Into<String>) -> Self {
        self.user_agent = value.into();
        self
    }

    /// Longest time for the lookup, and then until a connection stands: TCP, proxy and TLS. Default 5 s.
    ///
    /// The smaller one of this and of the [`Limits`] of a send counts.
    pub fn connect_timeout(mut self, time: Duration) -> Self {
        self.connect = time;
        self
    }

    /// Makes the backend; connections are made when requests are sent.
    ///
    /// # Errors
    ///
    /// A [`BuildError`] names what cannot be read.
    pub fn build(self) -> Result<UreqBackend, BuildError> {
        http::HeaderValue::try_from(&self.user_agent).map_err(|_| BuildError::UserAgent)?;
        let tls = self.tls()?;
        let proxy = self.proxy.transpose()?;
        let agent = |kept: usize, allowed| {
            let mut config = Agent::config_builder()
                .http_status_as_error(false)
                .max_redirects(0)
                .max_redirects_will_error(false)
                .allow_non_standard_methods(true)
                .accept("")
                .accept_encoding("")
                .user_agent(&self.user_agent)
                .max_idle_connections(kept)
                .tls_config(tls.clone());
            if let Some(proxy) = &proxy {
                config = config.proxy(proxy.clone());
            }
            Agent::with_parts(config.build(), connector(), Resolving::to(allowed))
        };
        Ok(UreqBackend {
            pooled: agent(KEPT, Addresses::Any),
            single: agent(0, Addresses::Any),
            public: agent(0, Addresses::Public),
            connect: self.connect,
        })
    }

    /// What ureq makes its TLS of. ureq makes it at the first request, panics if the key does not fit and passes over
    /// certificates that it cannot read: therefore rustls reads all of it here first.
    fn tls(&self) -> Result<TlsConfig, BuildError> {
        let provider = Arc::new(ring::default_provider());
        let mut roots =
            if self.only_given { Vec::new() } else { webpki_root_certs::TLS_SERVER_ROOT_CERTS.to_vec() };
        for pem in &self.roots {
            roots.extend(certificates(pem).map_err(BuildError::Roots)?);
        }
        let mut store = RootCertStore::empty();
        for root in &roots {
            store.add(root.clone()).map_err(|error| BuildError::Roots(error.into()))?;
        }
        let roots: Vec<_> = roots.iter().map(|root| Certificate::from_der(root).to_owned()).collect();
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::new_with_certs(&roots))
            .unversioned_rustls_crypto_provider(Arc::clone(&provider));
        let Some((chain, key)) = &self.identity else { return Ok(tls.build()) };
        let identity = identity(chain, key, provider, store).ok_or(BuildError::Identity)?;
        Ok(tls.client_cert(Some(identity)).build())
    }
}

fn identity(
    chain: &[u8],
    key: &[u8],
    provider: Arc<CryptoProvider>,
    roots: RootCertStore,
) -> Option<ClientCert> {
    let certificates = certificates(chain).ok()?;
    let given = PrivateKeyDer::from_pem_slice(key).ok()?;
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
    builder.with_root_certificates(roots).with_client_auth_cert(certificates.clone(), given).ok()?;
    let chain: Vec<_> = certificates.iter().map(|one| Certificate::from_der(one).to_owned()).collect();
    Some(ClientCert::new_with_certs(&chain, PrivateKey::from_pem(key).ok()?))
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, BoxError> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>()?;
    if found.is_empty() { Err("the PEM holds no certificate".into()) } else { Ok(found) }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("only_given", &self.only_given)
            .field("roots", &self.roots.len())
            .field("identity", &self.identity.is_some())
            .field("user_agent", &self.user_agent)
            .field("connect", &self.connect)
            .finish_non_exhaustive()
    }
}

/// Why a [`UreqBackend`] could not be made. It holds no password and no key.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// Root certificates cannot be read.
    Roots(BoxError),
    /// The client's certificate or its key cannot be read, or they do not belong together.
    Identity,
    /// The proxy is not of the form `http://[user:password@]host[:port]`.
    Proxy,
    /// The user agent cannot stand in a header.
    UserAgent,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Roots(_) => "the root certificates cannot be read: they are PEM, one or more",
            Self::Identity => {
                "the client's identity cannot be used: it is a chain of certificates, the client's own first, and the \
                 private key that belongs to it, each as PEM"
            }
            Self::Proxy => "the proxy is not of the form http://[user:password@]host[:port]",
            Self::UserAgent => "the user agent cannot stand in a header",
        })
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
