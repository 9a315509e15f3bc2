//! A key that proves, request by request, that it is here (RFC 9449 §4).

use std::{fmt, sync::Arc};

use http::{HeaderMap, HeaderName, Uri};

use super::{At, KeptKey, Learned, Nonces};
use crate::{
    crypto::{CryptoProvider, PrivateKey, SignatureAlgorithm, SigningKey},
    draft::{Draft, Place},
    error::{Error, ErrorKind, Reason, Result},
    flow::Env,
    jose::jwt::{Kind, Writer},
    oauth2::server::ServerMetadata,
    secret::AccessToken,
};

pub(crate) const DPOP: HeaderName = HeaderName::from_static("dpop");

/// A key that tokens are bound to, and the nonces that servers want to see in its proofs.
///
/// It is cheap to clone, and clones share both. [`Call::with_dpop`](crate::Call::with_dpop) adds a proof to every
/// attempt.
///
/// ```
/// use valetkey_proto::{crypto::CryptoProvider, crypto::SignatureAlgorithm, oauth2::binding::Dpop};
///
/// let dpop = Dpop::generate(SignatureAlgorithm::Es256, &CryptoProvider::ring())?;
/// assert_eq!(dpop.thumbprint().len(), 43);
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone)]
pub struct Dpop {
    key: Arc<Key>,
    nonces: Arc<Nonces>,
}

struct Key {
    writer: Writer,
    kept: KeptKey,
}

impl Dpop {
    /// Binds tokens to a key of the program's own, which keeps it: one that is here, or one that is elsewhere
    /// and whose public key is known.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::UnsupportedAlgorithm`] for a shared secret (RFC 9449 §4.2); [`Reason::InvalidKey`] if the
    /// public key is not known.
    pub fn new(key: SigningKey, crypto: &CryptoProvider) -> Result<Self> {
        Self::of(key, None, crypto)
    }

    /// Makes a key for one grant alone, kept together with its tokens: for `ES256`, `ES384` or `EdDSA`.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::UnsupportedAlgorithm`], [`Reason::RandomFailed`].
    pub fn generate(algorithm: SignatureAlgorithm, crypto: &CryptoProvider) -> Result<Self> {
        let key = PrivateKey::generate(algorithm, crypto)?;
        Self::of(key.signing_key(algorithm, crypto)?, Some(Arc::new(key)), crypto)
    }

    /// Makes a key whose proofs this server takes.
    ///
    /// # Errors
    ///
    /// As [`algorithm_for`](Self::algorithm_for) and [`generate`](Self::generate).
    pub fn generate_for(server: &ServerMetadata, crypto: &CryptoProvider) -> Result<Self> {
        Self::generate(Self::algorithm_for(server)?, crypto)?.fitted_to(server)
    }

    /// What a key for this server is made for: `ES256` unless it takes others alone.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::UnsupportedAlgorithm`] if the server lists what it takes
    /// (`dpop_signing_alg_values_supported`, RFC 9449 §5.1) and no key for that can be made.
    pub fn algorithm_for(server: &ServerMetadata) -> Result<SignatureAlgorithm> {
        MADE.into_iter().find(|&algorithm| takes(server, algorithm)).ok_or_else(unsupported)
    }

    /// The key that was kept with tokens.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::KeyMissing`] if the key itself was not kept, or is not the one that the tokens are bound to.
    pub fn restored(kept: &KeptKey, crypto: &CryptoProvider) -> Result<Self> {
        let dpop = Self::of(kept.signing_key(crypto)?, kept.key().cloned(), crypto)?;
        if dpop.kept() == kept { Ok(dpop) } else { Err(Error::new(ErrorKind::Config, Reason::KeyMissing)) }
    }

    fn of(key: SigningKey, made: Option<Arc<PrivateKey>>, crypto: &CryptoProvider) -> Result<Self> {
        let writer = Writer::new(Kind::DpopProof, key)?;
        let kept = KeptKey::new(writer.thumbprint(crypto)?.into(), made);
        Ok(Self { key: Arc::new(Key { writer, kept }), nonces: Arc::default() })
    }

    /// Shares nonces with others who send to the same servers.
    #[must_use]
    pub fn with_nonces(mut self, nonces: Arc<Nonces>) -> Self {
        self.nonces = nonces;
        self
    }

    /// Calls the algorithm as this server does, if it takes it at all.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::UnsupportedAlgorithm`] if the server lists the algorithms it takes and this is not among them
    /// (`dpop_signing_alg_values_supported`, RFC 9449 §5.1).
    pub fn fitted_to(mut self, server: &ServerMetadata) -> Result<Self> {
        let algorithm = self.key.writer.key().algorithm();
        if !takes(server, algorithm) {
            return Err(unsupported());
        }
        if server.supports_dpop(algorithm.name()) == Some(false) {
            let Key { writer, kept } = &*self.key;
            let writer = writer.clone().with_ed25519_by_name();
            self.key = Arc::new(Key { writer, kept: kept.clone() });
        }
        Ok(self)
    }

    /// The thumbprint of the public key (`jkt`, RFC 9449 §6.1).
    #[must_use]
    pub fn thumbprint(&self) -> &str {
        self.key.kept.thumbprint()
    }

    /// What is kept of the key, with tokens or while the user is away.
    #[must_use]
    pub fn kept(&self) -> &KeptKey {
        &self.key.kept
    }

    /// Adds a proof to a request: for the token in it, if it goes to an API.
    pub(crate) fn prove(&self, draft: &mut Draft, token: Option<&AccessToken>, env: &Env<'_>) -> Result<()> {
        if draft.headers().contains_key(DPOP) {
            return Err(Error::new(ErrorKind::Usage, Reason::AlreadyAuthorized).with_detail("DPoP"));
        }
        let at = if token.is_some() { At::Api } else { At::Server };
        let nonce = self.nonces.of(at, draft.uri());
        let (writer, token) = (&self.key.writer, token.map(AccessToken::expose));
        let claims = writer.dpop_proof(draft.method(), draft.uri(), token, nonce.as_deref(), env)?;
        writer.sign_into(draft, &claims, Place::Header(DPOP))
    }

    pub(crate) fn learned(&self, at: At, uri: &Uri, headers: &HeaderMap) -> Learned {
        self.nonces.learn(at, uri, headers)
    }

    /// Learns from the answer to a request that was sent to an API at this URI with a [`Proof`](super::Proof): `true` if it names
    /// a nonce for the next one.
    ///
    /// [`Call`](crate::Call) does this by itself.
    pub fn learn(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        self.learned(At::Api, uri, headers) == Learned::Nonce
    }
}

/// What keys are made for, the first choice first.
const MADE: [SignatureAlgorithm; 3] =
    [SignatureAlgorithm::Es256, SignatureAlgorithm::EdDsa, SignatureAlgorithm::Es384];
/// The other name of `EdDSA` with Ed25519 (RFC 9864 §2.2).
const ED25519: &str = "Ed25519";

fn takes(server: &ServerMetadata, algorithm: SignatureAlgorithm) -> bool {
    let takes = |name| server.supports_dpop(name) != Some(false);
    takes(algorithm.name()) || (algorithm == SignatureAlgorithm::EdDsa && takes(ED25519))
}

fn unsupported() -> Error {
    let error = Error::new(ErrorKind::Config, Reason::UnsupportedAlgorithm);
    error.with_detail("the server takes DPoP proofs of other algorithms")
}

impl fmt::Debug for Dpop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dpop")
            .field("thumbprint", &self.thumbprint())
            .field("nonces", &self.nonces)
            .finish_non_exhaustive()
    }
}
