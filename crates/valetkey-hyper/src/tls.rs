//! TLS: which authorities are trusted, and who we are.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, TrustAnchor, pem::PemObject},
};

use crate::BuildError;

/// Where the trusted root certificates come from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Roots {
    /// Mozilla's list, compiled in.
    Bundled,
    /// The system's.
    #[cfg(feature = "platform-roots")]
    Platform,
    /// None but those that are given.
    Given,
}

/// A certificate chain and its key, as PEM.
pub(crate) struct Identity {
    pub(crate) chain: Vec<u8>,
    pub(crate) key: Vec<u8>,
}

/// The client's side of TLS 1.2 and 1.3, on ring, offering HTTP/2 and HTTP/1.1.
pub(crate) fn config(
    roots: Roots,
    given: &[Vec<u8>],
    identity: Option<&Identity>,
) -> Result<ClientConfig, BuildError> {
    let mut store = RootCertStore::empty();
    roots.fill(&mut store)?;
    for pem in given {
        add_pem(&mut store, pem)?;
    }
    // By value, never the process's default: that one can be set only once, and by anybody.
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| BuildError::Roots(error.into()))?
        .with_root_certificates(store);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(Identity { chain, key }) => {
            let chain = certificates(chain).map_err(|_| BuildError::Identity)?;
            let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| BuildError::Identity)?;
            builder.with_client_auth_cert(chain, key).map_err(|_| BuildError::Identity)?
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

impl Roots {
    fn fill(self, store: &mut RootCertStore) -> Result<(), BuildError> {
        match self {
            Self::Bundled => store.extend(bundled()?.iter().cloned()),
            #[cfg(feature = "platform-roots")]
            Self::Platform => {
                // Systems ship certificates that no library reads: the others count.
                let mut found = rustls_native_certs::load_native_certs();
                store.add_parsable_certificates(found.certs);
                if store.is_empty() {
                    return Err(found
                        .errors
                        .pop()
                        .map_or(BuildError::NoRoots, |error| BuildError::Roots(error.into())));
                }
            }
            Self::Given => {}
        }
        Ok(())
    }
}

#[cfg(feature = "webpki-roots")]
fn bundled() -> Result<&'static [TrustAnchor<'static>], BuildError> {
    Ok(webpki_roots::TLS_SERVER_ROOTS)
}

#[cfg(not(feature = "webpki-roots"))]
fn bundled() -> Result<&'static [TrustAnchor<'static>], BuildError> {
    Err(BuildError::NoRoots)
}

fn add_pem(store: &mut RootCertStore, pem: &[u8]) -> Result<(), BuildError> {
    for certificate in certificates(pem)? {
        store.add(certificate).map_err(|error| BuildError::Roots(error.into()))?;
    }
    Ok(())
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, BuildError> {
    let found = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| BuildError::Roots(error.into()))?;
    if found.is_empty() {
        return Err(BuildError::Roots("the PEM holds no certificate".into()));
    }
    Ok(found)
}
