//! Access tokens that an API reads by itself (RFC 9068).

use std::{fmt, sync::Mutex, time::Duration};

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::{Confirmation, PresentedToken, Refusal};
use crate::{
    crypto::{CryptoProvider, SignatureAlgorithm},
    error::{Error, ErrorKind, Reason, Result},
    flow::Env,
    jose::{
        Jwks, VerifyingKeys,
        jwt::{Audience, Expected, Jwt, Kind, ReplayGuard, Validator},
    },
    oauth2::{Scope, server::ServerMetadata},
    oidc::Claims,
    response::{
        members::{members, read},
        value::{Text, Texts},
    },
    time::Timestamp,
};

/// The algorithms that are taken unless the program says otherwise: with public keys, and of every provider.
const USUAL: [SignatureAlgorithm; 4] = [
    SignatureAlgorithm::Rs256,
    SignatureAlgorithm::Ps256,
    SignatureAlgorithm::Es256,
    SignatureAlgorithm::EdDsa,
];

/// Verifies the access tokens of one server for one API (RFC 9068 §4).
///
/// ```
/// use valetkey_proto::{
///     Env, Timestamp,
///     crypto::{CryptoProvider, PrivateKey, SignatureAlgorithm, SystemRandom},
///     jose::{Jwks, jwt::{ClaimSet, Kind, ReplayGuard, Writer}},
///     oauth2::{
///         protected_resource::{AccessTokenVerifier, PresentedToken},
///         server::{Issuer, ServerMetadata},
///     },
/// };
///
/// let (random, crypto) = (SystemRandom::new(), CryptoProvider::ring());
/// let env = Env { now: Timestamp::from_secs(1_700_000_000), random: &random, crypto: &crypto };
/// # let key = PrivateKey::generate(SignatureAlgorithm::Es256, &crypto)?.signing_key(SignatureAlgorithm::Es256, &crypto)?;
/// # let published = format!(r#"{{"keys":[{}]}}"#, key.public_jwk().expect("a public key"));
/// # let mut claims = ClaimSet::new();
/// # claims.text("iss", "https://as.example")?.text("sub", "jane")?.text("aud", "https://api.example")?;
/// # claims.text("client_id", "app")?.text("scope", "read write")?.fresh(Some(std::time::Duration::from_secs(60)), &env)?;
/// # let token = Writer::new(Kind::AccessToken, key)?.sign(&claims)?;
/// let server = ServerMetadata::new(Issuer::parse("https://as.example")?);
/// let verifier = AccessTokenVerifier::new(&server, "https://api.example");
/// let keys = verifier.keys(&Jwks::parse(&published)?, &crypto)?;
///
/// let seen = std::sync::Mutex::new(ReplayGuard::new(10_000));
/// let claims = verifier.verify(&PresentedToken::bearer(&token), &keys, &seen, &env)?;
/// assert_eq!((claims.subject(), claims.client_id()), ("jane", "app"));
/// assert!(claims.require("read").is_ok() && claims.require("admin").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Security
///
/// A token that is revoked is good here until it expires: who must know asks the server
/// ([`introspection`](crate::oauth2::endpoint::introspection)).
#[doc(alias = "RFC 9068")]
#[derive(Clone, Debug)]
pub struct AccessTokenVerifier {
    validator: Validator,
    algorithms: Box<[SignatureAlgorithm]>,
}

impl AccessTokenVerifier {
    /// For the tokens of this server that are for this API (`aud`), byte for byte. They are signed by `RS256`, `PS256`,
    /// `ES256` or `EdDSA`.
    #[must_use]
    pub fn new(server: &ServerMetadata, resource: &str) -> Self {
        let validator = Validator::new(Kind::AccessToken, server.issuer().as_str(), resource);
        Self {
            validator: match server.issuer_template() {
                Some(template) => validator.with_issuer_template(template.clone()),
                None => validator,
            },
            algorithms: USUAL.into(),
        }
    }

    /// Takes tokens that are signed by these algorithms alone. Those of shared secrets have no published key, and none
    /// fits.
    #[must_use]
    pub fn with_algorithms(mut self, algorithms: &[SignatureAlgorithm]) -> Self {
        self.algorithms = algorithms.into();
        self
    }

    /// Lets clocks differ by this much in place of 30 seconds; more than a minute is a minute.
    #[must_use]
    pub fn with_leeway(mut self, leeway: Duration) -> Self {
        self.validator = self.validator.with_leeway(leeway);
        self
    }

    /// The keys that verify, of those that the server published. They can be kept as long as the set.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::UnsupportedAlgorithm`] if the provider of cryptography has not an algorithm that a key is for.
    pub fn keys(&self, published: &Jwks, crypto: &CryptoProvider) -> Result<VerifyingKeys> {
        published.verifying_keys(&self.algorithms, crypto)
    }

    /// Verifies a token, and that all was shown with it that it is bound to. `seen` remembers proofs, each of which is good
    /// once; it is locked for a moment, and for tokens that come with a proof alone.
    ///
    /// # Errors
    ///
    /// A [`Refusal`], whose error is as [`Validator::validate`] has it; `Untrusted`: [`Reason::BindingMismatch`] for a
    /// token that is bound and was shown without what it is bound to, or with another's; [`Reason::Replayed`].
    /// [`Reason::KeyNotFound`] says that the set of keys may be old: fetch it once more, and verify again.
    pub fn verify(
        &self,
        shown: &PresentedToken<'_>,
        keys: &VerifyingKeys,
        seen: &Mutex<ReplayGuard>,
        env: &Env<'_>,
    ) -> std::result::Result<AccessTokenClaims, Refusal> {
        let claims = self.claims(shown.token(), keys, env);
        let claims = claims.map_err(|error| Refusal::token(error, shown.is_dpop()))?;
        shown.check(claims.confirmation(), seen, env)?;
        Ok(claims)
    }

    fn claims(&self, token: &str, keys: &VerifyingKeys, env: &Env<'_>) -> Result<AccessTokenClaims> {
        AccessTokenClaims::of(self.validator.validate(token, keys, &Expected::new(), env)?)
    }
}

members! {
    /// The claims that are read here (RFC 9068 §2.2). What all kinds of JWT have, the validator has read.
    strict struct Wire {
        aud: Audience<'de>,
        client_id: Text<'de>,
        scope: Text<'de>,
        acr: Text<'de>,
        amr: Texts,
        cnf: &'de RawValue,
    }
}

/// What an access token says, which was verified: [`AccessTokenVerifier`] alone makes it.
pub struct AccessTokenClaims {
    jwt: Jwt,
    audience: Vec<Box<str>>,
    client_id: Box<str>,
    scope: Scope,
    acr: Option<Box<str>>,
    amr: Vec<Box<str>>,
    confirmation: Option<Confirmation>,
    all: Claims,
}

impl AccessTokenClaims {
    fn of(jwt: Jwt) -> Result<Self> {
        let wire: Wire<'_> = read(jwt.claims())?;
        let missing = || Error::new(ErrorKind::Protocol, Reason::MissingParameter).with_detail("client_id");
        let malformed = |_| Error::new(ErrorKind::Protocol, Reason::Malformed).with_detail("scope");
        Ok(Self {
            audience: wire.aud.as_ref().map(Audience::to_vec).unwrap_or_default(),
            client_id: wire.client_id.map(|id| Box::from(&*id)).ok_or_else(missing)?,
            scope: Scope::parse(wire.scope.as_deref().unwrap_or_default()).map_err(malformed)?,
            acr: wire.acr.map(|acr| Box::from(&*acr)),
            amr: wire.amr.map(|Texts(list)| list).unwrap_or_default(),
            confirmation: wire.cnf.map(|cnf| Confirmation::parse(cnf.get())).transpose()?,
            all: Claims::of_json(jwt.claims()),
            jwt,
        })
    }

    /// Who issued it (`iss`).
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.jwt.issuer().unwrap_or_default()
    }

    /// Who gave it, in the words of the issuer: a user, or the client itself if it acts for nobody (`sub`).
    #[must_use]
    pub fn subject(&self) -> &str {
        self.jwt.subject().unwrap_or_default()
    }

    /// The client that it was given to.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The APIs that it is for, this one among them.
    pub fn audience(&self) -> impl Iterator<Item = &str> {
        self.audience.iter().map(AsRef::as_ref)
    }

    /// Its name (`jti`).
    #[must_use]
    pub fn id(&self) -> &str {
        self.jwt.id().unwrap_or_default()
    }

    /// Until when it is good.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.jwt.expires_at()
    }

    /// When it was issued.
    #[must_use]
    pub fn issued_at(&self) -> Option<Timestamp> {
        self.jwt.issued_at()
    }

    /// When the user was authenticated (`auth_time`), if it says.
    #[must_use]
    pub fn authenticated_at(&self) -> Option<Timestamp> {
        self.jwt.authenticated_at()
    }

    /// How the user was authenticated (`acr`), if it says.
    #[must_use]
    pub fn acr(&self) -> Option<&str> {
        self.acr.as_deref()
    }

    /// The methods by which the user was authenticated (`amr`, RFC 8176).
    pub fn amr(&self) -> impl Iterator<Item = &str> {
        self.amr.iter().map(AsRef::as_ref)
    }

    /// What it gives access to; nothing if it does not say.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Whether it gives access to all of this.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] of 403 that names what is needed.
    pub fn require(&self, scope: &str) -> std::result::Result<(), Refusal> {
        let needed = Scope::parse(scope).map_err(Refusal::unavailable)?;
        if needed.iter().all(|token| self.scope.contains(token)) {
            return Ok(());
        }
        let is_dpop = self.confirmation().is_some_and(|bound| bound.key().is_some());
        Err(Refusal::insufficient_scope(&needed, is_dpop))
    }

    /// The groups of who gave it (`groups`, RFC 9068 §2.2.3.1). Those that are no texts are an [`extra`](Self::extra).
    #[must_use]
    pub fn groups(&self) -> Vec<String> {
        self.extra("groups").unwrap_or_default()
    }

    /// The roles of who gave it (`roles`).
    #[must_use]
    pub fn roles(&self) -> Vec<String> {
        self.extra("roles").unwrap_or_default()
    }

    /// The entitlements of who gave it (`entitlements`).
    #[must_use]
    pub fn entitlements(&self) -> Vec<String> {
        self.extra("entitlements").unwrap_or_default()
    }

    /// What it is bound to (`cnf`), all of which was shown.
    #[must_use]
    pub fn confirmation(&self) -> Option<&Confirmation> {
        self.confirmation.as_ref()
    }

    /// A claim of any name and type, read anew at every call; `None` if it is absent, `null` or of another type.
    #[must_use]
    pub fn extra<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        self.all.get(name)
    }
}

/// It shows nothing about the user.
impl fmt::Debug for AccessTokenClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessTokenClaims").field("scope", &self.scope).finish_non_exhaustive()
    }
}
