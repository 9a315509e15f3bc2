//! Private keys, in whatever format they are kept.

use std::{borrow::Cow, fmt, sync::Arc};

use super::{
    CryptoProvider, Curve, DecryptionKey, KeyKind, KeyManagement, KeyUnwrapper, SignatureAlgorithm,
    SigningKey,
    der::{self, Found, Parameter, oid},
    pem,
};
use crate::{
    error::{Error, ErrorKind, Reason, Result},
    jose::{PrivateJwk, Purpose},
    secret::Wiped,
};

/// A private key: RSA, P-256, P-384, P-521, Ed25519 or X25519, wiped when dropped.
///
/// It is read from PKCS#8, PKCS#1 or SEC1, each in PEM or DER, or from a JWK, and kept as PKCS#8.
///
/// ```
/// use valetkey_proto::crypto::{CryptoProvider, PrivateKey, SignatureAlgorithm};
///
/// let jwk = r#"{"kty":"OKP","crv":"Ed25519","kid":"2026",
///     "d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
/// let key = PrivateKey::parse(jwk.as_bytes())?;
/// assert_eq!(key.kid(), Some("2026"));
/// let key = key.signing_key(SignatureAlgorithm::EdDsa, &CryptoProvider::ring())?;
/// assert!(key.public_jwk().is_some_and(|jwk| jwk.contains("11qYAYKxCrfVS")));
///
/// let error = PrivateKey::parse(b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----").unwrap_err();
/// assert!(error.to_string().contains("CERTIFICATE"));
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
pub struct PrivateKey {
    kind: KeyKind,
    pkcs8: Wiped<Vec<u8>>,
    /// What a JWK says of itself.
    purpose: Option<Purpose>,
}

impl PrivateKey {
    /// Reads a key, and sees for itself in which format it is.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidKey`], which names what was found instead: an encrypted key, a certificate, a
    /// public key, a kind of key that is not known.
    pub fn parse(key: &[u8]) -> Result<Self> {
        let text = std::str::from_utf8(key).unwrap_or_default();
        if text.trim_start().starts_with('{') {
            return Self::of_jwk(PrivateJwk::parse(text)?);
        }
        if text.contains("-----BEGIN ") {
            return Self::of_pem(text);
        }
        Self::of_der(key)
    }

    /// Makes a new key for this algorithm, of the provider's own randomness.
    ///
    /// ```
    /// use valetkey_proto::crypto::{CryptoProvider, PrivateKey, SignatureAlgorithm};
    ///
    /// let crypto = CryptoProvider::ring();
    /// let key = PrivateKey::generate(SignatureAlgorithm::Es256, &crypto)?;
    /// let key = key.signing_key(SignatureAlgorithm::Es256, &crypto)?;
    /// assert!(key.public_jwk().is_some_and(|jwk| jwk.contains("P-256")));
    /// # Ok::<(), valetkey_proto::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::UnsupportedAlgorithm`] if the provider makes no keys for it, [`Reason::RandomFailed`].
    pub fn generate(algorithm: SignatureAlgorithm, crypto: &CryptoProvider) -> Result<Self> {
        crypto.keys.generate(algorithm)
    }

    /// The key in PKCS#8 DER.
    pub(crate) fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// The key's name, if it came as a JWK with one.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.purpose.as_ref().and_then(Purpose::kid)
    }

    /// What kind of key it is.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// A key that signs by this algorithm, and by no other.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidKey`] if the key is of another kind or was made for another algorithm;
    /// [`Reason::UnsupportedAlgorithm`] if the provider does not sign by it.
    pub fn signing_key(&self, algorithm: SignatureAlgorithm, crypto: &CryptoProvider) -> Result<SigningKey> {
        if algorithm.key_kind() != self.kind {
            return Err(invalid(format!(
                "{algorithm} needs {}, and this key is {}",
                algorithm.key_kind(),
                self.kind
            )));
        }
        if let Some(purpose) = &self.purpose {
            purpose.check_signing(algorithm)?;
        }
        crypto.keys.private_key(algorithm, &self.pkcs8).map(SigningKey::Local)
    }

    /// What decrypts keys of contents by this algorithm.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidKey`], [`Reason::UnsupportedAlgorithm`].
    pub(crate) fn unwrapper(
        &self,
        algorithm: KeyManagement,
        crypto: &CryptoProvider,
    ) -> Result<Arc<dyn KeyUnwrapper>> {
        if let Some(purpose) = &self.purpose {
            purpose.check_decrypting(algorithm.name())?;
        }
        crypto.keys.unwrapper(algorithm, DecryptionKey::Private(&self.pkcs8))
    }

    fn of_pem(text: &str) -> Result<Self> {
        let mut found = None;
        for block in pem::blocks(text) {
            let is_private = matches!(block.label, "PRIVATE KEY" | "RSA PRIVATE KEY" | "EC PRIVATE KEY");
            if is_private && block.has_headers() {
                return Err(invalid("an encrypted key in PEM with headers: decrypt it first"));
            }
            if is_private {
                let der = block.decode().ok_or_else(|| invalid("PEM whose content is not base64"))?;
                return Self::of_der(&der);
            }
            found.get_or_insert(match block.label {
                "ENCRYPTED PRIVATE KEY" => {
                    "an encrypted key (ENCRYPTED PRIVATE KEY in PEM): decrypt it first"
                }
                "OPENSSH PRIVATE KEY" => "a key in OpenSSH's own format: convert it to PKCS#8",
                "CERTIFICATE" => "a CERTIFICATE in PEM, which has a public key alone",
                "PUBLIC KEY" | "RSA PUBLIC KEY" => "a PUBLIC KEY in PEM",
                "DSA PRIVATE KEY" => "a DSA key",
                _ => "PEM of another kind",
            });
        }
        Err(invalid(found.unwrap_or("PEM that does not end")))
    }

    fn of_der(der: &[u8]) -> Result<Self> {
        let curve = |curve: &[u8]| match curve {
            oid::P256 => Ok(Curve::P256),
            oid::P384 => Ok(Curve::P384),
            oid::P521 => Ok(Curve::P521),
            _ => Err(invalid("an elliptic curve that is not P-256, P-384 or P-521")),
        };
        let new = |kind, pkcs8| Ok(Self { kind, pkcs8, purpose: None });
        let copy = || {
            let mut copy = Wiped::new(Vec::with_capacity(der.len()));
            copy.extend_from_slice(der);
            copy
        };
        match der::look(der) {
            Found::Pkcs8 { algorithm: oid::RSA, .. } => new(KeyKind::Rsa, copy()),
            Found::Pkcs8 { algorithm: oid::EC, parameter } => new(KeyKind::Curve(curve(parameter)?), copy()),
            Found::Pkcs8 { algorithm: oid::ED25519, .. } => new(KeyKind::Curve(Curve::Ed25519), copy()),
            Found::Pkcs8 { algorithm: oid::X25519, .. } => new(KeyKind::Curve(Curve::X25519), copy()),
            Found::Pkcs8 { algorithm: oid::RSA_PSS, .. } => {
                Err(invalid("PKCS#8 of RSASSA-PSS: write it as a plain RSA key"))
            }
            Found::Pkcs8 { .. } => Err(invalid("PKCS#8 of a kind of key that is not known")),
            Found::Pkcs1 => new(KeyKind::Rsa, der::pkcs8(oid::RSA, Parameter::Null, der)),
            Found::Sec1 { curve: Some(found) } => {
                let kind = KeyKind::Curve(curve(found)?);
                new(kind, der::pkcs8(oid::EC, Parameter::Curve(found), der))
            }
            Found::Sec1 { curve: None } => Err(invalid("SEC1 that does not name its curve")),
            Found::EncryptedPkcs8 => Err(invalid("an encrypted key (PKCS#8 in DER): decrypt it first")),
            Found::Public => Err(invalid("a public key or a certificate in DER")),
            Found::Other => Err(invalid("neither PEM nor DER of a key, nor a JWK")),
        }
    }

    fn of_jwk(jwk: PrivateJwk) -> Result<Self> {
        let pkcs8 = match jwk.kind {
            KeyKind::Rsa => {
                let numbers: [&[u8]; 8] =
                    std::array::from_fn(|at| jwk.numbers.get(at).map_or(&[][..], |n| n));
                der::pkcs8(oid::RSA, Parameter::Null, &der::pkcs1(&numbers))
            }
            KeyKind::Curve(curve) => {
                let [private, x, y] = std::array::from_fn(|at| jwk.numbers.get(at).map_or(&[][..], |n| n));
                match curve {
                    Curve::P256 => ec(oid::P256, private, x, y),
                    Curve::P384 => ec(oid::P384, private, x, y),
                    Curve::P521 => ec(oid::P521, private, x, y),
                    Curve::Ed25519 => der::pkcs8(oid::ED25519, Parameter::None, &der::octets(private)),
                    Curve::X25519 => der::pkcs8(oid::X25519, Parameter::None, &der::octets(private)),
                }
            }
            KeyKind::Secret => return Err(invalid("a JWK of type oct, which is a shared secret")),
        };
        Ok(Self { kind: jwk.kind, pkcs8, purpose: Some(jwk.purpose()) })
    }
}

fn ec(curve: &[u8], private: &[u8], x: &[u8], y: &[u8]) -> Wiped<Vec<u8>> {
    der::pkcs8(oid::EC, Parameter::Curve(curve), &der::sec1(private, x, y))
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey")
            .field("kind", &self.kind)
            .field("kid", &self.kid())
            .finish_non_exhaustive()
    }
}

/// The DER of a certificate; `None` if it is PEM and has none.
pub(crate) fn certificate_der(certificate: &[u8]) -> Option<Cow<'_, [u8]>> {
    let text = std::str::from_utf8(certificate).unwrap_or_default();
    let mut blocks = pem::blocks(text).peekable();
    if blocks.peek().is_none() {
        return Some(Cow::Borrowed(certificate));
    }
    let der = blocks.find(|block| block.label == "CERTIFICATE")?.decode()?;
    Some(Cow::Owned(der.to_vec()))
}

fn invalid(detail: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Config, Reason::InvalidKey).with_detail(detail)
}
