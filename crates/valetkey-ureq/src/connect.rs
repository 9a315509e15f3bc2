//! Making a connection: ureq's own resolver and connector, each with its errors told apart from all others.
//!
//! ureq says `Io` of a name that cannot be resolved, of a refused connection, of a certificate that does not fit and
//! of a connection that breaks later. What fails here fails before a byte of the request is sent.

use std::{error::Error, fmt};

use http::Uri;
use ureq::{
    config::Config,
    unversioned::{
        resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver},
        transport::{ConnectionDetails, Connector, DefaultConnector, NextTimeout, Transport},
    },
};
use valetkey_http::{Failure, FailureKind, Sent};

use crate::fault;

/// Why there is no connection.
#[derive(Debug)]
pub(crate) struct Unconnected {
    kind: FailureKind,
    source: ureq::Error,
}

impl Unconnected {
    fn wrap(source: ureq::Error, kind: FailureKind) -> ureq::Error {
        ureq::Error::Other(Box::new(Self { kind, source }))
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

/// The system's resolver.
#[derive(Debug, Default)]
pub(crate) struct Resolving(DefaultResolver);

impl Resolver for Resolving {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        self.0.resolve(uri, config, timeout).map_err(|error| {
            let kind = fault::timeout(&error, true).unwrap_or(FailureKind::Resolve);
            Unconnected::wrap(error, kind)
        })
    }
}

/// TCP, the proxy's tunnel and TLS.
#[derive(Debug, Default)]
pub(crate) struct Connecting(DefaultConnector);

impl Connector for Connecting {
    type Out = Box<dyn Transport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<()>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        self.0.connect(details, chained).map_err(|error| match error {
            // The name of a proxy is resolved in here.
            ureq::Error::Other(inner) if inner.is::<Unconnected>() => ureq::Error::Other(inner),
            error => {
                let kind = fault::timeout(&error, true).unwrap_or_else(|| fault::of_connecting(&error));
                Unconnected::wrap(error, kind)
            }
        })
    }
}
