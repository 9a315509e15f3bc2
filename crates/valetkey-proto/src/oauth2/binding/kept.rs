//! The key of a grant, as it is kept.

use std::{fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    crypto::{CryptoProvider, Curve, KeyKind, PrivateKey, SignatureAlgorithm, SigningKey},
    error::{Error, ErrorKind, Reason, Result},
    secret::Wiped,
};

/// The key that tokens are bound to, as it is kept with them: its thumbprint (RFC 9449 §6.1), and the key itself if it
/// was made for them alone. A key of the program's own is kept by the program.
///
/// Two are equal if their thumbprints are.
#[derive(Clone)]
pub struct KeptKey {
    thumbprint: Arc<str>,
    key: Option<Arc<PrivateKey>>,
}

impl KeptKey {
    pub(super) fn new(thumbprint: Arc<str>, key: Option<Arc<PrivateKey>>) -> Self {
        Self { thumbprint, key }
    }

    /// The thumbprint of the public key (`jkt`).
    #[must_use]
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// Whether the key itself is kept.
    #[must_use]
    pub fn has_key(&self) -> bool {
        self.key.is_some()
    }

    pub(super) fn key(&self) -> Option<&Arc<PrivateKey>> {
        self.key.as_ref()
    }

    /// The key, ready to sign.
    pub(super) fn signing_key(&self, crypto: &CryptoProvider) -> Result<SigningKey> {
        let missing = || Error::new(ErrorKind::Config, Reason::KeyMissing);
        let key = self.key.as_ref().ok_or_else(missing)?;
        // Only such are made for a grant, each for one algorithm.
        let algorithm = match key.kind() {
            KeyKind::Curve(Curve::P256) => SignatureAlgorithm::Es256,
            KeyKind::Curve(Curve::P384) => SignatureAlgorithm::Es384,
            KeyKind::Curve(Curve::Ed25519) => SignatureAlgorithm::EdDsa,
            KeyKind::Curve(_) | KeyKind::Rsa | KeyKind::Secret => return Err(missing()),
        };
        key.signing_key(algorithm, crypto)
    }

    /// The members of a record that hold it.
    pub(crate) fn members(&self) -> [(String, serde_json::Value); 2] {
        let key = self.key.as_ref().map(|key| URL_SAFE_NO_PAD.encode(key.pkcs8()));
        [("dpop_jkt".to_owned(), self.thumbprint().into()), ("dpop_key".to_owned(), key.into())]
    }

    /// What [`members`](Self::members) wrote into a record of this version; `None` if it is not that.
    ///
    /// Records with a key are of version 2, so that a program which knows only version 1 does not show a token as if
    /// it were bound to none.
    pub(crate) fn of_members(
        version: &str,
        thumbprint: Option<&str>,
        key: Option<&str>,
    ) -> Option<Option<Self>> {
        let thumbprint = match (version, thumbprint, key) {
            ("1", None, None) => return Some(None),
            ("2", Some(thumbprint), _) => thumbprint,
            _ => return None,
        };
        let key = match key {
            Some(text) => {
                let der = Wiped::new(URL_SAFE_NO_PAD.decode(text).ok()?);
                Some(Arc::new(PrivateKey::parse(&der).ok()?))
            }
            None => None,
        };
        Some(Some(Self { thumbprint: thumbprint.into(), key }))
    }
}

impl PartialEq for KeptKey {
    fn eq(&self, other: &Self) -> bool {
        self.thumbprint == other.thumbprint
    }
}

impl Eq for KeptKey {}

impl fmt::Debug for KeptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptKey").field("thumbprint", &self.thumbprint).finish_non_exhaustive()
    }
}
