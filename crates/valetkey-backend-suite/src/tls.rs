//! Certificates of a test's own, and what a server needs to present them.

use std::{fmt, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{
    RootCertStore, ServerConfig, SupportedProtocolVersion,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};

/// Both versions that rustls serves.
pub(crate) const VERSIONS: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12, &rustls::version::TLS13];

/// A certificate authority.
///
/// Its methods panic if a certificate cannot be made: it is for tests.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate chain, the owner's certificate first, and its private key, as PEM.
#[derive(Clone)]
#[non_exhaustive]
pub struct Identity {
    /// The certificates.
    pub chain_pem: String,
    /// The private key (PKCS 8).
    pub key_pem: String,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("chain_pem", &self.chain_pem).finish_non_exhaustive()
    }
}

#[expect(clippy::missing_panics_doc, reason = "the type says so")]
impl Authority {
    /// A new authority, which nobody trusts yet.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "each is another one")]
    pub fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut parameters = CertificateParams::default();
        // OpenSSL finds an issuer by its name, and by default rcgen names all alike.
        let name = format!("authority {:02x?}", &key.public_key_raw()[1..9]);
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(parameters, key).expect("a certificate"))
    }

    /// Its own certificate.
    #[must_use]
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for `name`.
    #[must_use]
    pub fn issue(&self, name: &str) -> Identity {
        self.issue_as(named(name))
    }

    /// What a server for `name` needs that speaks these protocols (ALPN).
    #[must_use]
    pub fn server(&self, name: &str, protocols: &[&str]) -> Arc<ServerConfig> {
        serve(&self.issue(name), protocols, VERSIONS, WebPkiClientVerifier::no_client_auth())
    }

    /// What a server for `name` needs that demands certificates of this authority.
    pub(crate) fn demanding(
        &self,
        name: &str,
        version: &'static SupportedProtocolVersion,
    ) -> Arc<ServerConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).expect("a root");
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
        serve(&self.issue(name), &["http/1.1"], &[version], verifier.build().expect("a verifier"))
    }

    /// A certificate of this description.
    pub(crate) fn issue_as(&self, parameters: CertificateParams) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let certificate = parameters.signed_by(&key, &self.0).expect("a certificate");
        Identity { chain_pem: certificate.pem(), key_pem: key.serialize_pem() }
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

/// The description of a certificate for `name`, with nothing wrong.
pub(crate) fn named(name: &str) -> CertificateParams {
    CertificateParams::new([name.to_owned()]).expect("a name")
}

/// A certificate for `name` that no authority stands behind.
pub(crate) fn self_signed(name: &str) -> Identity {
    let key = KeyPair::generate().expect("a key");
    let certificate = named(name).self_signed(&key).expect("a certificate");
    Identity { chain_pem: certificate.pem(), key_pem: key.serialize_pem() }
}

/// What a server with this certificate needs that speaks HTTP/1.1 to anybody.
pub(crate) fn present(
    identity: &Identity,
    versions: &[&'static SupportedProtocolVersion],
) -> Arc<ServerConfig> {
    serve(identity, &["http/1.1"], versions, WebPkiClientVerifier::no_client_auth())
}

fn serve(
    identity: &Identity,
    protocols: &[&str],
    versions: &[&'static SupportedProtocolVersion],
    clients: Arc<dyn ClientCertVerifier>,
) -> Arc<ServerConfig> {
    let chain = CertificateDer::pem_slice_iter(identity.chain_pem.as_bytes());
    let chain = chain.collect::<Result<_, _>>().expect("certificates");
    let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).expect("a key");
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .expect("versions")
        .with_client_cert_verifier(clients)
        .with_single_cert(chain, key)
        .expect("a key that fits");
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
