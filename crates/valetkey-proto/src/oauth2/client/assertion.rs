//! Authentication by assertion (RFC 7523 §2.2).

use std::{fmt, sync::Arc};

use super::ClientId;
use crate::{
    crypto::{KeyKind, SignatureAlgorithm, SigningKey, check_secret, check_short_secret},
    draft::{Draft, Place},
    endpoint::Endpoint,
    error::{Error, ErrorKind, Reason, Result},
    flow::Env,
    jose::jwt::{Kind, Writer},
    oauth2::server::Issuer,
    secret::ClientSecret,
};

/// What signs the assertions by which a client authenticates, and how they are written.
///
/// An assertion is made anew for every attempt to send a request. It says that the client is the client, is for the
/// server's issuer alone, is good for one minute, and has a name of 256 random bits.
///
/// ```
/// use valetkey_proto::{crypto::{RemoteKey, SignatureAlgorithm, SigningKey}, oauth2::client::{AssertionKey, ClientAuth}};
///
/// let key = SigningKey::Remote(RemoteKey::new("projects/p/keys/login", SignatureAlgorithm::Es256));
/// let auth = ClientAuth::assertion(AssertionKey::new(key).with_kid("2026-01"));
/// assert_eq!(auth.name(), "private_key_jwt");
///
/// let secret = AssertionKey::secret(SignatureAlgorithm::Hs512, "a secret of sixty-four bytes, which is what HMAC-SHA-512 demands");
/// assert_eq!(ClientAuth::assertion(secret).name(), "client_secret_jwt");
/// ```
#[derive(Clone)]
pub struct AssertionKey {
    key: Key,
    kid: Option<Box<str>>,
    is_typed: bool,
    ed25519_by_name: bool,
    may_be_short: bool,
    audience: Option<(Issuer, Endpoint)>,
}

#[derive(Clone)]
enum Key {
    Signs(SigningKey),
    Secret(SignatureAlgorithm, ClientSecret),
}

impl AssertionKey {
    /// A key of the client's own (`private_key_jwt`), here or elsewhere.
    #[must_use]
    pub fn new(key: SigningKey) -> Self {
        Self::of(Key::Signs(key))
    }

    /// The secret that client and server share (`client_secret_jwt`): HS256, HS384 or HS512.
    #[must_use]
    pub fn secret(algorithm: SignatureAlgorithm, secret: impl Into<ClientSecret>) -> Self {
        Self::of(Key::Secret(algorithm, secret.into()))
    }

    fn of(key: Key) -> Self {
        Self { key, kid: None, is_typed: false, ed25519_by_name: false, may_be_short: false, audience: None }
    }

    /// Names the key in the header (`kid`), for a server that knows several of the client's.
    #[must_use]
    pub fn with_kid(mut self, kid: &str) -> Self {
        self.kid = Some(kid.into());
        self
    }

    /// Says the type, `client-authentication+jwt`, for servers that ask for it (draft-ietf-oauth-rfc7523bis).
    #[must_use]
    pub fn with_typ(mut self) -> Self {
        self.is_typed = true;
        self
    }

    /// Calls Ed25519 by its own name (RFC 9864 §2.2) in place of `EdDSA`.
    #[must_use]
    pub fn with_ed25519_by_name(mut self) -> Self {
        self.ed25519_by_name = true;
        self
    }

    /// Takes a [secret](Self::secret) that is shorter than the hash of its algorithm, for servers that give out such
    /// secrets. An empty one is refused all the same.
    ///
    /// ```
    /// use valetkey_proto::{crypto::SignatureAlgorithm, oauth2::client::{AssertionKey, ClientAuth}};
    ///
    /// let key = AssertionKey::secret(SignatureAlgorithm::Hs256, "7Fjfp0ZBr1KtDRbnfVdmIw").with_short_secret();
    /// assert_eq!(ClientAuth::assertion(key).name(), "client_secret_jwt");
    /// ```
    ///
    /// # Security
    ///
    /// RFC 7518 §3.2 forbids it. Whoever sees one assertion, such as in a log, can try secrets on it until one fits,
    /// without asking the server. Ask for a longer secret, or use a [key](Self::new).
    #[must_use]
    pub fn with_short_secret(mut self) -> Self {
        self.may_be_short = true;
        self
    }

    /// Makes the assertions for this token endpoint, as servers of old want it, in place of the issuer. The key is
    /// then good at the server of this issuer and at no other.
    ///
    /// # Errors
    ///
    /// `Config`: as [`Endpoint::parse`]; [`Reason::InvalidKey`] if something else in the program holds the key, too.
    ///
    /// # Security
    ///
    /// A key whose assertions are for an endpoint must be registered at one server alone. If two servers know it, one
    /// of them can name the other's endpoint as its own, and use the assertions that it gets there
    /// (draft-ietf-oauth-security-topics-update, audience injection). Therefore the endpoint is the one that you write
    /// here, and not what metadata says; a client of another issuer cannot be made with the key; and the key is taken
    /// only if it is not shared. Two copies that were read from the same file cannot be told apart: make a key for it.
    pub fn with_audience_token_endpoint(mut self, issuer: &Issuer, endpoint: &str) -> Result<Self> {
        if let Key::Signs(SigningKey::Local(signer)) = &self.key
            && Arc::strong_count(signer) > 1
        {
            let error = Error::new(ErrorKind::Config, Reason::InvalidKey);
            return Err(error.with_detail("the key of one server is held by something else, too"));
        }
        self.audience = Some((issuer.clone(), Endpoint::parse(endpoint)?));
        Ok(self)
    }

    /// The registered name of the method (RFC 7591 §2).
    pub(super) fn method(&self) -> &'static str {
        let algorithm = match &self.key {
            Key::Signs(key) => key.algorithm(),
            Key::Secret(algorithm, _) => *algorithm,
        };
        if algorithm.key_kind() == KeyKind::Secret { "client_secret_jwt" } else { "private_key_jwt" }
    }

    fn check(&self) -> Result<()> {
        match &self.key {
            Key::Signs(key) => Writer::new(Kind::ClientAssertion, key.clone()).map(drop),
            Key::Secret(algorithm, secret) => {
                let check = if self.may_be_short { check_short_secret } else { check_secret };
                check(*algorithm, secret.expose().as_bytes())
            }
        }
    }

    fn writer(&self, env: &Env<'_>) -> Result<Writer> {
        let key = match &self.key {
            Key::Signs(key) => key.clone(),
            Key::Secret(algorithm, secret) => {
                let key = if self.may_be_short { SigningKey::short_secret } else { SigningKey::secret };
                key(*algorithm, secret.expose().as_bytes(), env.crypto)?
            }
        };
        let mut writer = Writer::new(Kind::ClientAssertion, key)?;
        if let Some(kid) = &self.kid {
            writer = writer.with_kid(kid);
        }
        if self.is_typed {
            writer = writer.with_typ();
        }
        Ok(if self.ed25519_by_name { writer.with_ed25519_by_name() } else { writer })
    }
}

impl From<SigningKey> for AssertionKey {
    fn from(key: SigningKey) -> Self {
        Self::new(key)
    }
}

impl fmt::Debug for AssertionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssertionKey")
            .field("method", &self.method())
            .field("kid", &self.kid)
            .field("audience", &self.audience.as_ref().map(|(_, endpoint)| endpoint))
            .finish_non_exhaustive()
    }
}

/// A client that authenticates by assertion at one server.
pub(crate) struct Asserted {
    id: ClientId,
    issuer: Issuer,
    key: AssertionKey,
}

/// RFC 7523 §2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

impl Asserted {
    pub(crate) fn new(issuer: &Issuer, id: &ClientId, key: &AssertionKey) -> Result<Self> {
        if key.audience.as_ref().is_some_and(|(only, _)| only != issuer) {
            let error = Error::new(ErrorKind::Config, Reason::IssuerMismatch);
            return Err(error.with_detail("the key is another server's alone"));
        }
        key.check()?;
        Ok(Self { id: id.clone(), issuer: issuer.clone(), key: key.clone() })
    }

    /// Adds an assertion that nobody has seen.
    pub(crate) fn append(&self, draft: &mut Draft, env: &Env<'_>) -> Result<()> {
        let writer = self.key.writer(env)?;
        let audience = match &self.key.audience {
            Some((_, endpoint)) => endpoint.as_str(),
            None => self.issuer.as_str(),
        };
        let claims = writer.client_assertion(self.id.as_str(), audience, env)?;
        let form = draft.form_mut().ok_or_else(crate::party::no_form)?;
        // RFC 7521 §4.2: it may be left out, and some servers look for the key by it.
        if !form.contains("client_id") {
            form.push("client_id", self.id.as_str());
        }
        form.push("client_assertion_type", ASSERTION_TYPE);
        writer.sign_into(draft, &claims, Place::Form("client_assertion"))
    }
}
