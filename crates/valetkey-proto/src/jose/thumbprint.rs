//! Thumbprints of keys (RFC 7638, RFC 9278) and certificates (RFC 8705 §3.1).

use super::{Jwk, encode, invalid_key};
use crate::{
    crypto::{CryptoProvider, HashAlgorithm, certificate_der},
    error::Result,
};

impl Jwk {
    /// The thumbprint by SHA-256 (RFC 7638 §3): `jkt` of a token that is bound to the key (RFC 9449 §6.1).
    ///
    /// ```
    /// use valetkey_proto::{crypto::CryptoProvider, jose::Jwk};
    ///
    /// // RFC 8037 A.3
    /// let jwk = Jwk::parse(r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#)?;
    /// assert_eq!(jwk.thumbprint(&CryptoProvider::ring()), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    /// # Ok::<(), valetkey_proto::Error>(())
    /// ```
    #[must_use]
    pub fn thumbprint(&self, crypto: &CryptoProvider) -> String {
        self.thumbprint_by(HashAlgorithm::Sha256, crypto)
    }

    /// The thumbprint by another hash.
    #[must_use]
    pub fn thumbprint_by(&self, hash: HashAlgorithm, crypto: &CryptoProvider) -> String {
        encode(crypto.hash.digest(hash, self.required_members().as_bytes()))
    }

    /// The thumbprint by SHA-256 as a URI (RFC 9278 §3).
    #[must_use]
    pub fn thumbprint_uri(&self, crypto: &CryptoProvider) -> String {
        ["urn:ietf:params:oauth:jwk-thumbprint:sha-256:", &self.thumbprint(crypto)].concat()
    }
}

/// The thumbprint of a certificate in PEM or DER (`x5t#S256`, RFC 8705 §3.1). The certificate is not looked into.
///
/// # Errors
///
/// `Config`: [`Reason::InvalidKey`](crate::Reason::InvalidKey) if it is PEM without a certificate.
pub fn certificate_thumbprint(certificate: &[u8], crypto: &CryptoProvider) -> Result<String> {
    let der = certificate_der(certificate).ok_or_else(|| invalid_key("PEM without a CERTIFICATE"))?;
    Ok(encode(crypto.hash.digest(HashAlgorithm::Sha256, &der)))
}
