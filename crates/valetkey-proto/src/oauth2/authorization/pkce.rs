//! Proof Key for Code Exchange (RFC 7636).

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    crypto::{CryptoProvider, HashAlgorithm},
    error::{Error, ErrorKind, Reason, Result},
    form::is_unreserved,
    random::TEXT,
    secret::{Wipe, same},
};

/// The longest verifier (RFC 7636 §4.1).
const LONGEST: usize = 128;

/// What proves at the token endpoint that the code is ours: kept here, wiped when dropped.
///
/// ```
/// use valetkey_proto::{crypto::CryptoProvider, oauth2::authorization::CodeVerifier};
///
/// // RFC 7636, Appendix B
/// let verifier = CodeVerifier::parse("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")?;
/// let challenge = verifier.challenge(&CryptoProvider::ring());
/// assert_eq!(challenge.as_str(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone)]
pub struct CodeVerifier {
    text: [u8; LONGEST],
    length: u8,
}

impl CodeVerifier {
    /// Takes a verifier that was made elsewhere. An [`AuthorizationRequest`](super::AuthorizationRequest)
    /// makes its own, always.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidValue`] unless it is 43 to 128 unreserved characters (RFC 7636 §4.1).
    pub fn parse(text: &str) -> Result<Self> {
        if !(TEXT..=LONGEST).contains(&text.len()) || !text.bytes().all(is_unreserved) {
            return Err(Error::new(ErrorKind::Config, Reason::InvalidValue).with_detail("code verifier"));
        }
        Ok(Self::of(text.as_bytes()))
    }

    /// Takes unreserved characters, of which there are at most 128.
    pub(crate) fn of(text: &[u8]) -> Self {
        let mut verifier = Self { text: [0; LONGEST], length: 0 };
        if let Some(start) = verifier.text.get_mut(..text.len()) {
            start.copy_from_slice(text);
            verifier.length = u8::try_from(text.len()).unwrap_or(0);
        }
        verifier
    }

    /// The verifier itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        std::str::from_utf8(self.bytes()).unwrap_or_default()
    }

    fn bytes(&self) -> &[u8] {
        self.text.get(..usize::from(self.length)).unwrap_or_default()
    }

    /// The challenge of this verifier by `S256` (RFC 7636 §4.2).
    #[must_use]
    pub fn challenge(&self, crypto: &CryptoProvider) -> CodeChallenge {
        let digest = crypto.hash.digest(HashAlgorithm::Sha256, self.bytes());
        let mut text = [0; TEXT];
        // 32 bytes are 43 characters, so that they always fit.
        let _ = URL_SAFE_NO_PAD.encode_slice(digest.as_ref(), &mut text);
        CodeChallenge(text)
    }
}

impl Drop for CodeVerifier {
    fn drop(&mut self) {
        self.text.wipe();
    }
}

impl PartialEq for CodeVerifier {
    fn eq(&self, other: &Self) -> bool {
        same(self.bytes(), other.bytes())
    }
}

impl Eq for CodeVerifier {}

impl fmt::Debug for CodeVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeVerifier([redacted])")
    }
}

/// The hash of a [`CodeVerifier`], which travels through the browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeChallenge([u8; TEXT]);

impl CodeChallenge {
    /// The challenge as it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// How a challenge is made of a verifier (RFC 7636 §4.2). There is no `plain`: it protects nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodeChallengeMethod {
    /// SHA-256.
    S256,
}

impl CodeChallengeMethod {
    /// The method of this registered name.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::PkceUnsupported`] unless it is `S256`.
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "S256" => Ok(Self::S256),
            _ => Err(Error::new(ErrorKind::Config, Reason::PkceUnsupported)),
        }
    }

    /// The registered name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::S256 => "S256",
        }
    }
}
