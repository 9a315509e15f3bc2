//! Signatures (RFC 7515), in the compact serialization.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{VerifyingKeys, decode, encode, header::Header, malformed, parts, too_large, untrusted};
use crate::{
    crypto::{Signature, SignatureAlgorithm, SigningKey},
    error::{Error, ErrorKind, Reason, Result},
};

/// The longest signature: that of an RSA key of 8192 bits.
const MAX_SIGNATURE: usize = 1024;

/// A JWS that nobody has verified: there is nothing to be learned from it but whose key to try.
///
/// ```
/// use valetkey_proto::{
///     crypto::{CryptoProvider, SignatureAlgorithm, SigningKey, VerifyingKey},
///     jose::jws::{self, Unverified},
/// };
///
/// let crypto = CryptoProvider::ring();
/// let key = SigningKey::secret(SignatureAlgorithm::Hs256, &[7; 32], &crypto)?;
/// let text = jws::Head::new(&key)?.sign(&key, b"payload")?;
///
/// let keys = VerifyingKey::secret(SignatureAlgorithm::Hs256, &[7; 32], &crypto)?.into();
/// assert_eq!(Unverified::parse(&text)?.verify(&keys)?.payload(), b"payload");
/// let others = VerifyingKey::secret(SignatureAlgorithm::Hs256, &[8; 32], &crypto)?.into();
/// assert!(Unverified::parse(&text)?.verify(&others).is_err());
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
pub struct Unverified<'a> {
    header: Header,
    algorithm: SignatureAlgorithm,
    /// The header and the payload, as they are signed.
    signed: &'a str,
    payload: &'a str,
    signature: &'a str,
}

impl<'a> Unverified<'a> {
    /// Reads a compact JWS.
    ///
    /// # Errors
    ///
    /// `Protocol`: [`Reason::Malformed`], [`Reason::TooLarge`], [`Reason::MissingParameter`],
    /// [`Reason::DuplicateParameter`]. `Untrusted`: [`Reason::AlgorithmMismatch`] if the algorithm is none that is
    /// known, such as `none`; [`Reason::UnsupportedHeader`] for `crit`, `b64` and `zip`.
    pub fn parse(text: &'a str) -> Result<Self> {
        let [header, payload, signature] = parts(text)?;
        let header = Header::parse(header)?;
        if header.enc().is_some() {
            return Err(malformed("a header of an encrypted text"));
        }
        let algorithm =
            SignatureAlgorithm::parse(header.alg()).ok_or_else(|| untrusted(Reason::AlgorithmMismatch))?;
        if signature.len() > MAX_SIGNATURE.div_ceil(3) * 4 {
            return Err(too_large("signature"));
        }
        let end = text.len().saturating_sub(signature.len() + 1);
        let signed = text.get(..end).unwrap_or_default();
        Ok(Self { header, algorithm, signed, payload, signature })
    }

    /// By what it says to be signed.
    #[must_use]
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// Whose key it says to be signed with (`kid`): a text of whoever made it, of at most 256 bytes.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.header.kid()
    }

    /// The type of the whole (`typ`), which nobody has verified either.
    pub(super) fn typ(&self) -> Option<&str> {
        self.header.typ()
    }

    /// The key that it brings (`jwk`), in JSON.
    pub(super) fn jwk(&self) -> Option<&str> {
        self.header.jwk()
    }

    /// The payload of what was verified before it was kept.
    pub(super) fn kept_payload(&self) -> Result<Vec<u8>> {
        decode(self.payload)
    }

    /// Verifies it. If it names a key, that one is tried, and otherwise at most eight.
    ///
    /// # Errors
    ///
    /// `Untrusted`: [`Reason::AlgorithmMismatch`] if the algorithm is none of those that were agreed on,
    /// [`Reason::KeyNotFound`] if no key fits, [`Reason::SignatureInvalid`]. `Protocol`: [`Reason::Malformed`] if
    /// the signature or the payload is not base64url.
    pub fn verify(self, keys: &VerifyingKeys) -> Result<Jws> {
        let payload = self.verified(keys)?;
        Ok(Jws { header: self.header, algorithm: self.algorithm, payload })
    }

    /// What was signed, once it is verified.
    pub(super) fn verified(&self, keys: &VerifyingKeys) -> Result<Vec<u8>> {
        self.check(self.signed.as_bytes(), keys)?;
        decode(self.payload)
    }

    /// Verifies it with a payload that came apart from it (RFC 7515 Appendix F), and not in it.
    ///
    /// # Errors
    ///
    /// As [`verify`](Self::verify); `Protocol`: [`Reason::Malformed`] if there is a payload in it.
    pub fn verify_detached(self, payload: &[u8], keys: &VerifyingKeys) -> Result<()> {
        if !self.payload.is_empty() {
            return Err(malformed("a payload that should be detached"));
        }
        let mut signed = self.signed.to_owned();
        URL_SAFE_NO_PAD.encode_string(payload, &mut signed);
        self.check(signed.as_bytes(), keys)
    }

    fn check(&self, signed: &[u8], keys: &VerifyingKeys) -> Result<()> {
        let mut room = [0; MAX_SIGNATURE];
        let length =
            URL_SAFE_NO_PAD.decode_slice(self.signature, &mut room).map_err(|_| malformed("signature"))?;
        let signature = room.get(..length).unwrap_or_default();
        let kid = self.header.kid();
        let mut candidates = keys.candidates(self.algorithm, kid)?;
        if candidates.any(|key| key.verify(signed, signature).is_ok()) {
            return Ok(());
        }
        Err(keys.refusal(self.algorithm, kid))
    }
}

impl fmt::Debug for Unverified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unverified").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// A JWS that was verified.
pub struct Jws {
    header: Header,
    algorithm: SignatureAlgorithm,
    payload: Vec<u8>,
}

impl Jws {
    /// What was signed.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// What was signed.
    #[must_use]
    pub fn into_payload(self) -> Vec<u8> {
        self.payload
    }

    /// By what it is signed.
    #[must_use]
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// The name of the key.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.header.kid()
    }

    /// The type of the whole (`typ`), without `application/`.
    #[must_use]
    pub fn typ(&self) -> Option<&str> {
        self.header.typ()
    }

    /// The header, in JSON.
    #[must_use]
    pub fn header(&self) -> &str {
        self.header.text()
    }
}

impl fmt::Debug for Jws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jws").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// The header of what is to be signed, written and encoded once.
#[derive(Clone, Debug)]
pub struct Head {
    members: String,
    encoded: String,
}

impl Head {
    /// A header that names the key's algorithm and nothing else.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::UnsupportedAlgorithm`] if the key signs by an algorithm that JOSE knows nothing of.
    pub fn new(key: &SigningKey) -> Result<Self> {
        let name = key.algorithm().name();
        if SignatureAlgorithm::parse(name).is_none() {
            return Err(Error::new(ErrorKind::Config, Reason::UnsupportedAlgorithm).with_detail(name));
        }
        Ok(Self::of(format!(r#""alg":"{name}""#)))
    }

    /// Calls Ed25519 by its own name (RFC 9864 §2.2), for servers that do not know it as `EdDSA`. Other algorithms
    /// have one name.
    #[must_use]
    pub fn with_ed25519_by_name(self) -> Self {
        Self::of(self.members.replacen(r#""alg":"EdDSA""#, r#""alg":"Ed25519""#, 1))
    }

    /// Adds the name of the key (`kid`).
    #[must_use]
    pub fn with_kid(self, kid: &str) -> Self {
        self.with("kid", &serde_json::Value::from(kid).to_string())
    }

    /// Adds the type of the whole (`typ`).
    #[must_use]
    pub fn with_typ(self, typ: &str) -> Self {
        self.with("typ", &serde_json::Value::from(typ).to_string())
    }

    /// Adds the public key (`jwk`).
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidKey`] if it is not known, or shared.
    pub fn with_jwk(self, key: &SigningKey) -> Result<Self> {
        let invalid = || super::invalid_key("a key without a public JWK");
        // Read and written again: there is nothing but a public key in it.
        let jwk = super::Jwk::parse(key.public_jwk().ok_or_else(invalid)?)?;
        let public = jwk.public_key().filter(|_| !jwk.is_private()).ok_or_else(invalid)?;
        Ok(self.with("jwk", &public.jwk()))
    }

    fn with(self, name: &str, json: &str) -> Self {
        Self::of(format!(r#"{},"{name}":{json}"#, self.members))
    }

    fn of(members: String) -> Self {
        let encoded = encode(["{", &members, "}"].concat());
        Self { members, encoded }
    }

    /// What is to be signed for this payload.
    #[must_use]
    pub fn input(&self, payload: &[u8]) -> String {
        // Room for the signature, too: 4096 bits of RSA are 683 characters, and most are far shorter.
        let mut input = String::with_capacity(self.encoded.len() + payload.len().div_ceil(3) * 4 + 100);
        input.push_str(&self.encoded);
        input.push('.');
        URL_SAFE_NO_PAD.encode_string(payload, &mut input);
        input
    }

    /// Signs a payload.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::SigningFailed`]; [`Reason::UnsupportedAlgorithm`] for a key that is elsewhere, which signs
    /// in a flow: [`Draft::sign`](crate::Draft::sign).
    pub fn sign(&self, key: &SigningKey, payload: &[u8]) -> Result<String> {
        let mut text = self.input(payload);
        sign(key, &mut text)?;
        Ok(text)
    }

    /// Signs a payload that goes another way (RFC 7515 Appendix F).
    ///
    /// # Errors
    ///
    /// As [`sign`](Self::sign).
    pub fn sign_detached(&self, key: &SigningKey, payload: &[u8]) -> Result<String> {
        let signed = self.sign(key, payload)?;
        let signature = signed.rsplit('.').next().unwrap_or_default();
        Ok([&self.encoded, "..", signature].concat())
    }
}

/// Appends the signature of a text to it.
fn sign(key: &SigningKey, text: &mut String) -> Result<()> {
    let SigningKey::Local(signer) = key else {
        let error = Error::new(ErrorKind::Config, Reason::UnsupportedAlgorithm);
        return Err(error.with_detail("a key that is elsewhere signs in a flow"));
    };
    let mut signature = Signature::new();
    signer.sign(text.as_bytes(), &mut signature)?;
    append(text, signature.as_ref());
    Ok(())
}

/// Appends a signature.
pub(crate) fn append(text: &mut String, signature: &[u8]) {
    text.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, text);
}
