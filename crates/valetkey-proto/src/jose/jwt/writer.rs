//! The one writer of JWTs: assertions, proofs, request objects.

use http::{Method, Uri};

use super::{ClaimSet, Kind, proof};
use crate::{
    crypto::{CryptoProvider, KeyKind, SigningKey},
    draft::{Draft, Place},
    error::{Error, ErrorKind, Reason, Result},
    flow::Env,
    jose::{encode, jws::Head},
};

/// Writes JWTs of one kind with one key, whose header is written and encoded once.
///
/// A key that is here signs at once; one that is elsewhere signs in a [`Draft`], by
/// [`Step::Sign`](crate::Step::Sign).
///
/// ```
/// use valetkey_proto::{
///     Env, Timestamp,
///     crypto::{CryptoProvider, PrivateKey, SignatureAlgorithm, SystemRandom},
///     jose::jwt::{Kind, Writer},
/// };
///
/// let env = Env { now: Timestamp::from_secs(1_700_000_000), random: &SystemRandom::new(), crypto: &CryptoProvider::ring() };
/// let jwk = r#"{"kty":"EC","crv":"P-256","x":"Rxw-dYxJBChbun5TEY7Q9SSt6wdX0lvS-Oew1236cUw",
///     "y":"3VIPesqKi5F6zDf1HejwybvjrYWDgucC3CWhLQn3qFg","d":"EjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJCrze8"}"#;
/// let key = PrivateKey::parse(jwk.as_bytes())?.signing_key(SignatureAlgorithm::Es256, env.crypto)?;
///
/// let assertions = Writer::new(Kind::ClientAssertion, key.clone())?.with_kid("2026-01");
/// let assertion = assertions.sign(&assertions.client_assertion("s6BhdRkqt3", "https://as.example", &env)?)?;
///
/// let proofs = Writer::new(Kind::DpopProof, key)?;
/// let (method, uri) = (http::Method::GET, "https://api.example/me?x=1".parse().expect("a URI"));
/// let proof = proofs.sign(&proofs.dpop_proof(&method, &uri, Some("access-token"), None, &env)?)?;
/// # let _ = (assertion, proof);
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Writer {
    kind: Kind,
    key: SigningKey,
    head: Head,
}

impl Writer {
    /// Writes JWTs of this kind.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::UnsupportedAlgorithm`] if the key signs by nothing that JOSE knows, or, for a DPoP proof, by
    /// a shared secret (RFC 9449 §4.2); [`Reason::InvalidKey`] for a DPoP proof if the public key is not known.
    pub fn new(kind: Kind, key: SigningKey) -> Result<Self> {
        let rules = kind.rules();
        let mut head = Head::new(&key)?;
        if let Some(typ) = rules.typ.first().filter(|_| rules.writes_typ) {
            head = head.with_typ(typ);
        }
        if kind == Kind::DpopProof {
            if key.algorithm().key_kind() == KeyKind::Secret {
                let error = Error::new(ErrorKind::Config, Reason::UnsupportedAlgorithm);
                return Err(error.with_detail("a DPoP proof is signed with a private key"));
            }
            head = head.with_jwk(&key)?;
        }
        Ok(Self { kind, key, head })
    }

    /// Names the key in the header (`kid`).
    #[must_use]
    pub fn with_kid(mut self, kid: &str) -> Self {
        self.head = self.head.with_kid(kid);
        self
    }

    /// Says the type of a kind that is written without: `client-authentication+jwt` for a client assertion,
    /// `authorization-grant+jwt` for a grant.
    #[must_use]
    pub fn with_typ(mut self) -> Self {
        let rules = self.kind.rules();
        if let Some(typ) = rules.typ.first().filter(|_| !rules.writes_typ) {
            self.head = self.head.with_typ(typ);
        }
        self
    }

    /// Says no more than that it is a JWT (`typ`, RFC 7519 §5.1), which some servers want to read.
    #[must_use]
    pub(crate) fn with_plain_typ(mut self) -> Self {
        self.head = self.head.with_typ("JWT");
        self
    }

    /// Calls Ed25519 by its own name (RFC 9864 §2.2) in place of `EdDSA`.
    #[must_use]
    pub fn with_ed25519_by_name(mut self) -> Self {
        self.head = self.head.with_ed25519_by_name();
        self
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &SigningKey {
        &self.key
    }

    /// Claims that authenticate a client (RFC 7523 §3), for one minute. The audience is the server's issuer.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::RandomFailed`].
    pub fn client_assertion(&self, client: &str, audience: &str, env: &Env<'_>) -> Result<ClaimSet> {
        let mut claims = ClaimSet::new();
        claims.text("iss", client)?.text("sub", client)?.text("aud", audience)?;
        claims.fresh(Kind::ClientAssertion.rules().lifetime, env)?;
        Ok(claims)
    }

    /// Claims that bind a request, and the token in it, to the key (RFC 9449 §4.2).
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::InvalidUrl`] unless the URI is absolute. `Config`: [`Reason::RandomFailed`].
    pub fn dpop_proof(
        &self,
        method: &Method,
        uri: &Uri,
        access_token: Option<&str>,
        nonce: Option<&str>,
        env: &Env<'_>,
    ) -> Result<ClaimSet> {
        let mut claims = ClaimSet::new();
        claims.text("htm", method.as_str())?.text("htu", &proof::target(uri)?)?.fresh(None, env)?;
        if let Some(token) = access_token {
            let hash = proof::token_hash(token, env.crypto);
            claims.text("ath", std::str::from_utf8(&hash).unwrap_or_default())?;
        }
        if let Some(nonce) = nonce {
            claims.text("nonce", nonce)?;
        }
        Ok(claims)
    }

    /// Claims of a request object (RFC 9101 §4), to which the parameters of the request are added, `client_id` and
    /// `response_type` among them. The audience is the server's issuer.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::RandomFailed`].
    pub fn request_object(&self, client: &str, audience: &str, env: &Env<'_>) -> Result<ClaimSet> {
        request_object(client, audience, env)
    }

    /// What is to be signed for these claims.
    #[must_use]
    pub fn input(&self, claims: &ClaimSet) -> String {
        self.head.input(claims.as_json())
    }

    /// Signs claims with a key that is here.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::SigningFailed`]; [`Reason::UnsupportedAlgorithm`] for a key that is elsewhere.
    pub fn sign(&self, claims: &ClaimSet) -> Result<String> {
        self.head.sign(&self.key, claims.as_json())
    }

    /// Signs claims and puts the JWT into a request: at once, or when the key that is elsewhere has signed.
    ///
    /// # Errors
    ///
    /// As [`Draft::sign`].
    pub fn sign_into(&self, draft: &mut Draft, claims: &ClaimSet, place: Place) -> Result<()> {
        draft.sign(&self.key, self.input(claims), place)
    }
}

/// The claims of a request object, whoever signs it.
pub(crate) fn request_object(client: &str, audience: &str, env: &Env<'_>) -> Result<ClaimSet> {
    let mut claims = ClaimSet::new();
    claims.text("iss", client)?.text("aud", audience)?;
    claims.fresh(Kind::RequestObject.rules().lifetime, env)?.number("nbf", env.now.as_secs())?;
    Ok(claims)
}

/// A request object that nobody signs (RFC 7519 §6): the one JWT that is written without.
pub(crate) fn unsigned_request_object(claims: &ClaimSet) -> String {
    let typ = Kind::RequestObject.rules().typ.first().copied().unwrap_or_default();
    let header = format!(r#"{{"alg":"none","typ":"{typ}"}}"#);
    [&encode(header), ".", &encode(claims.as_json()), "."].concat()
}

/// The thumbprint of the key, to which tokens are bound (`jkt`, RFC 9449 §6.1).
impl Writer {
    /// The thumbprint of the public key.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidKey`] if the public key is not known.
    pub fn thumbprint(&self, crypto: &CryptoProvider) -> Result<String> {
        let jwk =
            self.key.public_jwk().ok_or_else(|| super::super::invalid_key("a key without a public JWK"))?;
        Ok(super::super::Jwk::parse(jwk)?.thumbprint(crypto))
    }
}
