//! TLS by rustls on ring: which authorities are trusted, and who we are.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use valetkey_http::BoxError;

use crate::BuildError;

/// What is trusted, and a chain and its key; all as PEM.
#[derive(Default)]
pub(crate) struct Tls {
    /// Whether anything was said about it.
    pub(crate) is_set: bool,
    pub(crate) only_given: bool,
    pub(crate) roots: Vec<Vec<u8>>,
    pub(crate) identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl Tls {
    pub(crate) fn config(&self) -> Result<ClientConfig, BuildError> {
        let mut store = RootCertStore::empty();
        if !self.only_given {
            store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        for pem in &self.roots {
            for root in certificates(pem).map_err(BuildError::Roots)? {
                store.add(root).map_err(|error| BuildError::Roots(error.into()))?;
            }
        }
        // By value, never the process's default: that one can be set only once, and by anybody.
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| BuildError::Roots(error.into()))?
            .with_root_certificates(store);
        let Some((chain, key)) = &self.identity else { return Ok(builder.with_no_client_auth()) };
        let chain = certificates(chain).map_err(|_| BuildError::Identity)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| BuildError::Identity)?;
        builder.with_client_auth_cert(chain, key).map_err(|_| BuildError::Identity)
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, BoxError> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>()?;
    if found.is_empty() { Err("the PEM holds no certificate".into()) } else { Ok(found) }
}
