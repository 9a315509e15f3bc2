//! Signature methods (RFC 5849 §3.4).

use std::{fmt, sync::Arc};

use super::{
    base_string::invalid,
    encoding::{Depth, encode},
};
use crate::{
    crypto::{self, CryptoProvider, SignatureAlgorithm, SigningKey},
    error::{Error, ErrorKind, Reason, Result},
    secret::Wiped,
};

/// How requests are signed (RFC 5849 §3.4).
///
/// HMAC-SHA1 is the default because nearly every provider takes it and many take nothing else. No attack on it as a
/// MAC is known; where the provider takes HMAC-SHA256, choose that.
///
/// ```
/// use valetkey_proto::{
///     crypto::{RemoteKey, SignatureAlgorithm, SigningKey},
///     oauth1::SignatureMethod,
/// };
///
/// // A key in an HSM signs by a method that this library has no code for.
/// let key = SigningKey::Remote(RemoteKey::new("hsm/7", SignatureAlgorithm::RsaSha1));
/// assert_eq!(SignatureMethod::rsa(key.clone())?.name(), "RSA-SHA1");
/// assert_eq!(SignatureMethod::key("X-RSA", key)?.name(), "X-RSA");
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum SignatureMethod {
    /// HMAC-SHA1 (RFC 5849 §3.4.2).
    #[default]
    HmacSha1,
    /// HMAC-SHA256, an extension of many providers.
    HmacSha256,
    /// HMAC-SHA512, an extension of some providers.
    HmacSha512,
    /// The secrets themselves, in every request (RFC 5849 §3.4.4): over TLS alone.
    Plaintext,
    /// A private key, by any method; see [`SignatureMethod::rsa`] and [`SignatureMethod::key`].
    Key(NamedKey),
}

/// A key and the name of the method that it signs by.
#[derive(Clone, Debug)]
pub struct NamedKey {
    name: Arc<str>,
    key: SigningKey,
}

impl SignatureMethod {
    /// An RSA key: RSA-SHA1 (RFC 5849 §3.4.3), RSA-SHA256 or RSA-SHA512, by the key's own algorithm.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::UnsupportedAlgorithm`] if the key signs by something else.
    pub fn rsa(key: SigningKey) -> Result<Self> {
        use SignatureAlgorithm as A;
        match key.algorithm() {
            A::RsaSha1 => Self::key("RSA-SHA1", key),
            A::Rs256 => Self::key("RSA-SHA256", key),
            A::Rs512 => Self::key("RSA-SHA512", key),
            other @ (A::Rs384
            | A::Ps256
            | A::Ps384
            | A::Ps512
            | A::Es256
            | A::Es384
            | A::Es512
            | A::EdDsa
            | A::Hs256
            | A::Hs384
            | A::Hs512
            | A::HmacSha1) => Err(unsupported(format!("{other}: name the method, by SignatureMethod::key"))),
        }
    }

    /// An RSA key in PKCS#8 DER, of which the provider makes a signer: `algorithm` is one of those that
    /// [`rsa`](Self::rsa) takes.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidKey`] if the key cannot be read or is too short for the provider;
    /// [`Reason::UnsupportedAlgorithm`] if the provider does not sign by the algorithm. *ring* has no RSA-SHA1: give
    /// [`rsa`](Self::rsa) a signer of another library, or a remote key.
    pub fn rsa_pkcs8(algorithm: SignatureAlgorithm, pkcs8: &[u8], crypto: &CryptoProvider) -> Result<Self> {
        let signer = crypto.keys.private_key(algorithm, pkcs8).map_err(|error| {
            if error.reason() == Reason::UnsupportedAlgorithm {
                let way_out =
                    "this provider does not sign by it; give SignatureMethod::rsa a signer that does";
                unsupported(format!("{algorithm}: {way_out}"))
            } else {
                error
            }
        })?;
        Self::rsa(SigningKey::Local(signer))
    }

    /// A key of any kind, by a method of this name.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::InvalidValue`] if the name is empty, too long or not visible ASCII.
    pub fn key(name: &str, key: SigningKey) -> Result<Self> {
        if name.is_empty() || name.len() > 64 || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(invalid("signature method"));
        }
        Ok(Self::Key(NamedKey { name: name.into(), key }))
    }

    /// The name that is sent (`oauth_signature_method`).
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::HmacSha1 => "HMAC-SHA1",
            Self::HmacSha256 => "HMAC-SHA256",
            Self::HmacSha512 => "HMAC-SHA512",
            Self::Plaintext => "PLAINTEXT",
            Self::Key(named) => &named.name,
        }
    }

    /// Whether anybody who sees a request can sign others.
    pub(super) fn is_plaintext(&self) -> bool {
        matches!(self, Self::Plaintext)
    }

    /// What signs by these secrets.
    pub(super) fn ready(&self, secrets: Secrets<'_>, crypto: &CryptoProvider) -> Result<Ready> {
        let hmac = |algorithm| crypto.keys.shared_secret(algorithm, &secrets.key()).map(Ready::Local);
        match self {
            Self::HmacSha1 => hmac(SignatureAlgorithm::HmacSha1),
            Self::HmacSha256 => hmac(SignatureAlgorithm::Hs256),
            Self::HmacSha512 => hmac(SignatureAlgorithm::Hs512),
            Self::Plaintext => Ok(Ready::Plaintext(secrets.key())),
            Self::Key(NamedKey { key: SigningKey::Local(signer), .. }) => Ok(Ready::Local(signer.clone())),
            Self::Key(NamedKey { key: SigningKey::Remote(key), .. }) => Ok(Ready::Remote(key.clone())),
        }
    }
}

/// A method together with its key.
#[derive(Clone)]
pub(super) enum Ready {
    Local(Arc<dyn crypto::Signer>),
    Plaintext(Wiped<Vec<u8>>),
    Remote(crypto::RemoteKey),
}

/// The two secrets that make the key (RFC 5849 §3.4.2).
#[derive(Clone, Copy)]
pub(super) struct Secrets<'a> {
    pub(super) client: &'a str,
    pub(super) token: &'a str,
}

impl Secrets<'_> {
    /// Both, encoded and joined.
    pub(super) fn key(&self) -> Wiped<Vec<u8>> {
        let mut key = Wiped::new(Vec::with_capacity(3 * (self.client.len() + self.token.len()) + 1));
        encode(&mut key, self.client.as_bytes(), Depth::Once);
        key.push(b'&');
        encode(&mut key, self.token.as_bytes(), Depth::Once);
        key
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ready")
    }
}

fn unsupported(detail: String) -> Error {
    Error::new(ErrorKind::Config, Reason::UnsupportedAlgorithm).with_detail(detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::RemoteKey;

    #[test]
    fn s_o1_07_methods_are_chosen_by_name_and_rsa_sha1_names_the_way_out() {
        assert_eq!(SignatureMethod::default().name(), "HMAC-SHA1");
        let crypto = CryptoProvider::ring();
        let error = SignatureMethod::rsa_pkcs8(SignatureAlgorithm::RsaSha1, b"", &crypto).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::UnsupportedAlgorithm));
        assert!(error.to_string().contains("SignatureMethod::rsa"), "{error}");
        let error = SignatureMethod::rsa_pkcs8(SignatureAlgorithm::Rs256, b"", &crypto).unwrap_err();
        assert_eq!(error.reason(), Reason::InvalidKey);
        for (algorithm, name) in [
            (SignatureAlgorithm::RsaSha1, "RSA-SHA1"),
            (SignatureAlgorithm::Rs256, "RSA-SHA256"),
            (SignatureAlgorithm::Rs512, "RSA-SHA512"),
        ] {
            let method = SignatureMethod::rsa(SigningKey::Remote(RemoteKey::new("k", algorithm))).unwrap();
            assert_eq!(method.name(), name);
        }
        let key = SigningKey::Remote(RemoteKey::new("k", SignatureAlgorithm::Es256));
        assert_eq!(SignatureMethod::rsa(key.clone()).unwrap_err().reason(), Reason::UnsupportedAlgorithm);
        assert_eq!(SignatureMethod::key("ES256", key.clone()).unwrap().name(), "ES256");
        for name in ["", "a b", "a\r\nb", "é"] {
            assert_eq!(SignatureMethod::key(name, key.clone()).unwrap_err().reason(), Reason::InvalidValue);
        }
    }
}
