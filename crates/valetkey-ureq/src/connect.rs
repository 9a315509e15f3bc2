//! Making a connection: ureq's own resolver and connectors, each with its errors told apart from all others.
//!
//! ureq says `Io` of a name that cannot be resolved, of a refused connection, of a certificate that does not fit and
//! of a connection that breaks later. What fails here fails before a byte of the request is sent.

use std::{error::Error, fmt};

use http::Uri;
use ureq::{
    Timeout,
    config::Config,
    unversioned::{
        resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver},
        transport::{
            Buffers, ConnectProxyConnector, ConnectionDetails, Connector, NextTimeout, RustlsConnector,
            TcpConnector, Transport,
        },
    },
};
use valetkey_http::{Addresses, Failure, FailureKind, Sent};

use crate::fault;

/// Why there is no connection.
#[derive(Debug)]
pub(crate) struct Unconnected {
    kind: FailureKind,
    source: ureq::Error,
}

impl Unconnected {
    /// Says that it is of this kind, unless a deadline passed or a stage before said so already: the connection to a
    /// proxy is made inside of that to the server.
    fn wrap(error: ureq::Error, kind: FailureKind) -> ureq::Error {
        match error {
            ureq::Error::Other(inner) if inner.is::<Self>() => ureq::Error::Other(inner),
            source => {
                let kind = fault::timeout(&source, true).unwrap_or(kind);
                ureq::Error::Other(Box::new(Self { kind, source }))
            }
        }
    }
}

impl From<Unconnected> for Failure {
    fn from(unconnected: Unconnected) -> Self {
        Self::new(Sent::Nothing, unconnected.kind).with_source(unconnected)
    }
}

impl fmt::Display for Unconnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no connection could be made")
    }
}

impl Error for Unconnected {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

/// The system's resolver, of whose addresses it passes on those that are allowed.
#[derive(Debug)]
pub(crate) struct Resolving {
    system: DefaultResolver,
    allowed: Addresses,
}

impl Resolving {
    pub(crate) fn to(allowed: Addresses) -> Self {
        Self { system: DefaultResolver::default(), allowed }
    }
}

impl Resolver for Resolving {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let resolved = self.system.resolve(uri, config, timeout);
        let resolved = resolved.map_err(|error| Unconnected::wrap(error, FailureKind::Resolve))?;
        // The proxy is the program's, and often inside.
        let is_proxy = config.proxy().is_some_and(|proxy| proxy.uri().authority() == uri.authority());
        let mut found = self.empty();
        for address in &*resolved {
            if is_proxy || self.allowed.allows(address.ip()) {
                found.push(*address);
            }
        }
        if found.is_empty() {
            return Err(Unconnected::wrap(ureq::Error::HostNotFound, FailureKind::AddressRefused));
        }
        Ok(found)
    }
}

/// The proxy's tunnel or TCP, TLS, and a watch over the deadline for each read.
pub(crate) fn connector() -> impl Connector {
    let tunnel = Stage { connector: ConnectProxyConnector::default(), kind: FailureKind::Connect };
    let tcp = Stage { connector: TcpConnector::default(), kind: FailureKind::Connect };
    let tls = Stage { connector: RustlsConnector::default(), kind: FailureKind::Tls };
    ().chain(tunnel).chain(tcp).chain(tls).chain(Watching)
}

/// A stage of connecting, of whose failures this is what they are.
#[derive(Debug)]
struct Stage<C> {
    connector: C,
    kind: FailureKind,
}

impl<In: Transport, C: Connector<In>> Connector<In> for Stage<C> {
    type Out = C::Out;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        self.connector.connect(details, chained).map_err(|error| Unconnected::wrap(error, self.kind))
    }
}

/// The last connector, whose connections are [`Watched`].
#[derive(Debug)]
struct Watching;

impl<In: Transport> Connector<In> for Watching {
    type Out = Watched<In>;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        Ok(chained.map(|transport| Watched { transport, has_answer: false }))
    }
}

/// A connection on which the deadline for each read, which ureq keeps from the first one on, is that of silence in a
/// body: the wait for a head has its own.
#[derive(Debug)]
struct Watched<T> {
    transport: T,
    /// Whether anything came since the last request went.
    has_answer: bool,
}

impl<T: Transport> Transport for Watched<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.transport.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.has_answer = false;
        self.transport.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, mut timeout: NextTimeout) -> Result<bool, ureq::Error> {
        if !self.has_answer || timeout.reason == Timeout::RecvResponse {
            timeout.per_read = None;
        }
        let came = self.transport.await_input(timeout)?;
        self.has_answer |= came;
        Ok(came)
    }

    fn is_open(&mut self) -> bool {
        self.transport.is_open()
    }

    fn is_tls(&self) -> bool {
        self.transport.is_tls()
    }
}
