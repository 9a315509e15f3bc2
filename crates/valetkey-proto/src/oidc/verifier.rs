//! Verifying ID tokens (OpenID Connect Core §3.1.3.7, §3.2.2.11, §3.3.2.12, §12.2).

use std::{fmt, time::Duration};

use super::IdToken;
use crate::{
    crypto::{CryptoProvider, KeyKind, SignatureAlgorithm, VerifyingKey},
    error::{Error, ErrorKind, Reason, Result},
    flow::Env,
    jose::{
        Jwks, VerifyingKeys,
        jwe::Decrypter,
        jwt::{Expected, Kind, Validator},
    },
    oauth2::{
        authorization::{AuthorizationResponse, AwaitedIdToken},
        client::ClientId,
        server::{Issuer, ServerMetadata},
        token::TokenResponse,
    },
    secret::ClientSecret,
};

/// Verifies the ID tokens of one server for one client.
///
/// Unless said otherwise they are signed by `RS256`, which every server has to have (OpenID Connect Discovery §3); if the
/// server says that it has not, by one of those that it lists and that use public keys. What a token says of its
/// algorithm chooses nothing.
///
/// ```
/// use valetkey_proto::{
///     Env, Timestamp,
///     crypto::{CryptoProvider, SignatureAlgorithm, SigningKey, SystemRandom},
///     jose::{Jwks, jwt::{ClaimSet, Expected, Kind, Writer}},
///     oauth2::{client::ClientId, server::{Issuer, ServerMetadata}},
///     oidc::IdTokenVerifier,
/// };
///
/// let (random, crypto) = (SystemRandom::new(), CryptoProvider::ring());
/// let env = Env { now: Timestamp::from_secs(1_700_000_000), random: &random, crypto: &crypto };
/// # let secret = [7; 32];
/// # let mut claims = ClaimSet::new();
/// # claims.text("iss", "https://op.example")?.text("aud", "app")?.text("sub", "jane")?.text("nonce", "n-0S6_WzA2Mj")?;
/// # claims.number("iat", 1_700_000_000)?.number("exp", 1_700_000_600)?;
/// # let text = Writer::new(Kind::IdToken, SigningKey::secret(SignatureAlgorithm::Hs256, &secret, &crypto)?)?.sign(&claims)?;
/// let server = ServerMetadata::new(Issuer::parse("https://op.example")?);
/// let verifier = IdTokenVerifier::new(&server, &ClientId::parse("app")?)
///     .with_secret(SignatureAlgorithm::Hs256, "\u{7}".repeat(32));
/// let keys = verifier.keys(&Jwks::default(), &crypto)?;
/// let id_token = verifier.verify(&text, &keys, &Expected::new().nonce("n-0S6_WzA2Mj"), &env)?;
/// assert_eq!(id_token.key(), ("https://op.example", "jane"));
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone)]
pub struct IdTokenVerifier {
    issuer: Issuer,
    validator: Validator,
    algorithms: Box<[SignatureAlgorithm]>,
    secret: Option<ClientSecret>,
    decrypter: Option<Decrypter>,
}

impl IdTokenVerifier {
    /// For the ID tokens of this server that are for this client.
    #[must_use]
    pub fn new(server: &ServerMetadata, client: &ClientId) -> Self {
        let issuer = server.issuer().clone();
        let validator = Validator::new(Kind::IdToken, issuer.as_str(), client.as_str());
        Self {
            validator: match server.issuer_template() {
                Some(template) => validator.with_issuer_template(template.clone()),
                None => validator,
            },
            issuer,
            algorithms: usual_algorithms(server),
            secret: None,
            decrypter: None,
        }
    }

    /// Takes tokens that are signed by this algorithm alone (`id_token_signed_response_alg`).
    #[must_use]
    pub fn with_algorithm(mut self, algorithm: SignatureAlgorithm) -> Self {
        self.algorithms = [algorithm].into();
        self
    }

    /// Takes tokens that are signed by this algorithm with the secret that client and server share.
    #[must_use]
    pub fn with_secret(mut self, algorithm: SignatureAlgorithm, secret: impl Into<ClientSecret>) -> Self {
        self.secret = Some(secret.into());
        self.with_algorithm(algorithm)
    }

    /// Takes tokens that are encrypted for the client, and no others (`id_token_encrypted_response_alg`).
    #[must_use]
    pub fn with_decrypter(mut self, decrypter: Decrypter) -> Self {
        self.decrypter = Some(decrypter);
        self
    }

    /// Lets clocks differ by this much in place of 30 seconds; more than a minute is a minute.
    #[must_use]
    pub fn with_leeway(mut self, leeway: Duration) -> Self {
        self.validator = self.validator.with_leeway(leeway);
        self
    }

    /// Lets tokens also be for somebody else who is trusted.
    ///
    /// # Security
    ///
    /// Whoever else gets the token can show it here.
    #[must_use]
    pub fn with_trusted_audience(mut self, audience: &str) -> Self {
        self.validator = self.validator.with_trusted_audience(audience);
        self
    }

    /// Whether the server's published keys are needed: not if tokens are signed with the shared secret.
    #[must_use]
    pub fn needs_published_keys(&self) -> bool {
        !self.algorithms.iter().any(|algorithm| algorithm.key_kind() == KeyKind::Secret)
    }

    /// The keys that verify: those that the server published, or the shared secret. They can be kept as long as the set.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::UnsupportedAlgorithm`] if the provider of cryptography has not the algorithm,
    /// [`Reason::InvalidKey`] if the shared secret is missing or too short for it.
    pub fn keys(&self, published: &Jwks, crypto: &CryptoProvider) -> Result<VerifyingKeys> {
        if self.needs_published_keys() {
            return published.verifying_keys(&self.algorithms, crypto);
        }
        let missing = || Error::new(ErrorKind::Config, Reason::InvalidKey).with_detail("no client secret");
        let secret = self.secret.as_ref().ok_or_else(missing)?.expose().as_bytes();
        let key = |algorithm: &SignatureAlgorithm| VerifyingKey::secret(*algorithm, secret, crypto);
        self.algorithms.iter().map(key).collect()
    }

    /// Verifies a token, and whether it is what was asked for.
    ///
    /// # Errors
    ///
    /// As [`Validator::validate`]; `Untrusted`: [`Reason::DecryptionFailed`]. [`Reason::KeyNotFound`] says that the set
    /// of keys may be old: fetch it once more, and verify again.
    pub fn verify(
        &self,
        token: &str,
        keys: &VerifyingKeys,
        expected: &Expected<'_>,
        env: &Env<'_>,
    ) -> Result<IdToken> {
        let decrypted = match &self.decrypter {
            Some(decrypter) => Some(decrypter.decrypt(token, env.crypto)?),
            None => None,
        };
        let token = decrypted.as_deref().unwrap_or(token);
        IdToken::of(token, &self.validator.validate(token, keys, expected, env)?)
    }

    /// Verifies the ID token that a browser brought, which is bound to the code and the access token beside it; `None` if
    /// none was asked for.
    ///
    /// # Errors
    ///
    /// As [`verify`](Self::verify).
    pub fn verify_received(
        &self,
        received: &AuthorizationResponse,
        keys: &VerifyingKeys,
        env: &Env<'_>,
    ) -> Result<Option<IdToken>> {
        let Some((token, expected)) = received.id_token() else { return Ok(None) };
        self.verify(token.expose(), keys, &expected, env).map(Some)
    }

    /// Verifies the ID token that came for a code, and which agrees with the one that the browser brought, if it did.
    ///
    /// # Errors
    ///
    /// As [`verify_response`](Self::verify_response); `Untrusted`: [`Reason::SubjectMismatch`] if the two are about
    /// different users (OpenID Connect Core §3.3.3.6).
    pub fn verify_redeemed(
        &self,
        response: &TokenResponse,
        awaited: &AwaitedIdToken,
        brought: Option<&IdToken>,
        keys: &VerifyingKeys,
        env: &Env<'_>,
    ) -> Result<IdToken> {
        let id_token = self.verify_response(response, keys, awaited.expected(), env)?;
        if let Some(brought) = brought {
            id_token.check_continues(brought)?;
        }
        Ok(id_token)
    }

    /// Verifies the ID token of a token response, which is bound to its access token if it says so.
    ///
    /// # Errors
    ///
    /// As [`verify`](Self::verify); `Protocol`: [`Reason::MissingParameter`] if there is none.
    pub fn verify_response(
        &self,
        response: &TokenResponse,
        keys: &VerifyingKeys,
        expected: Expected<'_>,
        env: &Env<'_>,
    ) -> Result<IdToken> {
        let missing = || Error::new(ErrorKind::Protocol, Reason::MissingParameter).with_detail("id_token");
        let token = response.id_token().ok_or_else(missing)?;
        let expected = expected.access_token(response.access_token().expose());
        self.verify(token.expose(), keys, &expected, env)
    }

    /// Verifies the ID token of a refresh, which must be about the same user and sign-in as the first; `None` if there is
    /// none, as many servers have it (OpenID Connect Core §12.2).
    ///
    /// # Errors
    ///
    /// As [`verify`](Self::verify); `Untrusted`: [`Reason::SubjectMismatch`], [`Reason::IssuerMismatch`],
    /// [`Reason::AuthenticationMismatch`] if it is about another.
    pub fn verify_refreshed(
        &self,
        response: &TokenResponse,
        first: &IdToken,
        keys: &VerifyingKeys,
        env: &Env<'_>,
    ) -> Result<Option<IdToken>> {
        if !response.has_id_token() {
            return Ok(None);
        }
        let nonce: Option<String> = first.claims().get("nonce");
        let expected = Expected::new().nonce_if_any(nonce.as_deref());
        let refreshed = self.verify_response(response, keys, expected, env)?;
        refreshed.check_continues(first)?;
        Ok(Some(refreshed))
    }

    /// Whose tokens it verifies.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }
}

/// What a client gets that registered no algorithm (OpenID Connect Registration §2), as far as the server has it.
fn usual_algorithms(server: &ServerMetadata) -> Box<[SignatureAlgorithm]> {
    let listed: Vec<String> = server.extra("id_token_signing_alg_values_supported").unwrap_or_default();
    let known = listed.iter().filter_map(|name| SignatureAlgorithm::parse(name));
    let public: Vec<_> = known.filter(|algorithm| algorithm.key_kind() != KeyKind::Secret).collect();
    if public.is_empty() || public.contains(&SignatureAlgorithm::Rs256) {
        return [SignatureAlgorithm::Rs256].into();
    }
    public.into()
}

impl fmt::Debug for IdTokenVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdTokenVerifier")
            .field("issuer", &self.issuer)
            .field("algorithms", &self.algorithms)
            .field("is_encrypted", &self.decrypter.is_some())
            .finish_non_exhaustive()
    }
}
