//! The one validator of JWTs.

use std::{fmt, time::Duration};

use http::{Method, Uri};

use super::{
    super::{Jwk, VerifyingKeys, check_shape, jws::Unverified, malformed, missing, untrusted},
    Jwt, Kind, TokenHash, hash,
    kind::{Claims, Rules},
    proof,
    read::{Audience, Found},
    token::PiecesOf,
};
use crate::{
    crypto::{KeyKind, SignatureAlgorithm},
    error::{Error, ErrorKind, Reason, Result},
    flow::Env,
    oauth2::server::IssuerTemplate,
    secret::same,
    time::Timestamp,
};

/// How much clocks may differ unless said otherwise.
const LEEWAY: Duration = Duration::from_secs(30);
/// How much they may differ at most.
const MAX_LEEWAY: Duration = Duration::from_secs(60);
/// The longest subject (OpenID Connect Core §2).
const MAX_SUBJECT: usize = 255;

/// Validates JWTs of one kind, of one issuer, for one audience (RFC 7519 §7.2, RFC 8725 §3).
///
/// ```
/// use valetkey_proto::{
///     Env, Timestamp,
///     crypto::{CryptoProvider, SignatureAlgorithm, SigningKey, SystemRandom, VerifyingKey},
///     jose::jwt::{ClaimSet, Expected, Kind, Validator, Writer},
/// };
///
/// let env = Env { now: Timestamp::from_secs(1_700_000_000), random: &SystemRandom::new(), crypto: &CryptoProvider::ring() };
/// let key = SigningKey::secret(SignatureAlgorithm::Hs256, &[7; 32], env.crypto)?;
/// let mut claims = ClaimSet::new();
/// claims.text("iss", "https://op.example")?.text("aud", "my-app")?.text("sub", "248289761001")?.text("nonce", "n-0S6_WzA2Mj")?;
/// claims.number("iat", 1_700_000_000)?.number("exp", 1_700_000_600)?;
/// let token = Writer::new(Kind::IdToken, key)?.sign(&claims)?;
///
/// let validator = Validator::new(Kind::IdToken, "https://op.example", "my-app");
/// let keys = VerifyingKey::secret(SignatureAlgorithm::Hs256, &[7; 32], env.crypto)?.into();
/// let jwt = validator.validate(&token, &keys, &Expected::new().nonce("n-0S6_WzA2Mj"), &env)?;
/// assert_eq!(jwt.subject(), Some("248289761001"));
///
/// let logout = Validator::new(Kind::LogoutToken, "https://op.example", "my-app");
/// assert!(logout.validate(&token, &keys, &Expected::new(), &env).is_err());
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone)]
pub struct Validator {
    kind: Kind,
    issuer: Option<Box<str>>,
    audience: Option<Box<str>>,
    others: Vec<Box<str>>,
    leeway: Duration,
    /// Whether what nobody is named in is taken, too.
    is_for_all: bool,
    /// In place of the issuer, if there are many.
    template: Option<IssuerTemplate>,
}

impl Validator {
    /// Takes JWTs of this kind, made by this issuer, for this audience: both are compared byte for byte.
    #[must_use]
    pub fn new(kind: Kind, issuer: &str, audience: &str) -> Self {
        Self::with(kind, Some(issuer.into()), Some(audience.into()))
    }

    /// Takes signed metadata of this issuer, which is for everybody (RFC 8414 §2.1).
    #[must_use]
    pub fn signed_metadata(issuer: &str) -> Self {
        Self::with(Kind::SignedMetadata, Some(issuer.into()), None)
    }

    /// Takes claims about a user that somebody else vouches for (OpenID Connect Core §5.6.2): they are for everybody, or for
    /// this audience.
    #[must_use]
    pub fn claims_of_others(issuer: &str, audience: &str) -> Self {
        let mut validator = Self::new(Kind::UserInfo, issuer, audience);
        validator.is_for_all = true;
        validator
    }

    /// Takes DPoP proofs, whose issuer is a key (RFC 9449 §4.3).
    #[must_use]
    pub fn dpop_proof() -> Self {
        Self::with(Kind::DpopProof, None, None)
    }

    fn with(kind: Kind, issuer: Option<Box<str>>, audience: Option<Box<str>>) -> Self {
        Self { kind, issuer, audience, others: Vec::new(), leeway: LEEWAY, is_for_all: false, template: None }
    }

    /// Takes JWTs of the issuers of this template in place of the one issuer, each of the tenant that it names (`tid`).
    #[must_use]
    pub fn with_issuer_template(mut self, template: IssuerTemplate) -> Self {
        self.template = Some(template);
        self
    }

    /// Lets clocks differ by this much in place of 30 seconds; more than a minute is a minute.
    #[must_use]
    pub fn with_leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway.min(MAX_LEEWAY);
        self
    }

    /// Lets a token also be for somebody else who is trusted (OpenID Connect Core §3.1.3.7).
    ///
    /// # Security
    ///
    /// Whoever else gets the token can show it here.
    #[must_use]
    pub fn with_trusted_audience(mut self, audience: &str) -> Self {
        self.others.push(audience.into());
        self
    }

    /// Verifies and validates a token.
    ///
    /// # Errors
    ///
    /// `Untrusted`: [`Reason::AlgorithmMismatch`], [`Reason::KeyNotFound`], [`Reason::SignatureInvalid`],
    /// [`Reason::UnsupportedHeader`], [`Reason::KindMismatch`], [`Reason::IssuerMismatch`],
    /// [`Reason::AudienceMismatch`], [`Reason::SubjectMismatch`], [`Reason::NonceMismatch`],
    /// [`Reason::BindingMismatch`], [`Reason::NotYetValid`], [`Reason::AuthenticationMismatch`]. `Expired`:
    /// [`Reason::JwtExpired`], [`Reason::AuthenticationTooOld`]. `Protocol`: [`Reason::Malformed`], which names a
    /// claim of a wrong type, [`Reason::MissingParameter`], [`Reason::DuplicateParameter`], [`Reason::TooLarge`].
    /// `Usage`: [`Reason::InvalidValue`] for a DPoP proof, which brings its own key.
    pub fn validate(
        &self,
        token: &str,
        keys: &VerifyingKeys,
        expected: &Expected<'_>,
        env: &Env<'_>,
    ) -> Result<Jwt> {
        if self.kind == Kind::DpopProof {
            return Err(Error::new(ErrorKind::Usage, Reason::InvalidValue).with_detail("validate_proof"));
        }
        let unverified = Unverified::parse(token)?;
        let (algorithm, json) = self.open(&unverified, keys)?;
        let mut found = Found::default();
        found.read(&json)?;
        self.check(&found, env.now)?;
        if self.kind == Kind::IdToken {
            expected.check_nonce(&found)?;
            expected.check_authentication(&found, self.leeway, env.now)?;
            expected.check_hashes(&found, algorithm, env)?;
        }
        if expected.subject.is_some_and(|subject| found.sub().is_none_or(|sub| sub != subject)) {
            return Err(untrusted(Reason::SubjectMismatch));
        }
        let pieces = PiecesOf::of(&json, &found);
        Ok(Jwt::new(self.kind, algorithm, json, pieces))
    }

    /// Verifies a DPoP proof by the key that it brings, and whether it is for this request (RFC 9449 §4.3); tells that
    /// key, too. Whether its `jti` occurred before is for the caller to know.
    ///
    /// # Errors
    ///
    /// As [`validate`](Self::validate).
    pub fn validate_proof(&self, proof: &str, request: &ProofOf<'_>, env: &Env<'_>) -> Result<(Jwt, Jwk)> {
        if self.kind != Kind::DpopProof {
            return Err(Error::new(ErrorKind::Usage, Reason::InvalidValue).with_detail("validate"));
        }
        let unverified = Unverified::parse(proof)?;
        let jwk = Jwk::parse(unverified.jwk().ok_or_else(|| missing("jwk"))?)?;
        let algorithm = unverified.algorithm();
        if jwk.is_private() || algorithm.key_kind() == KeyKind::Secret {
            return Err(untrusted(Reason::AlgorithmMismatch).with_detail("a key that is not public"));
        }
        let key = jwk.verifying_key(algorithm, env.crypto).map_err(|_| untrusted(Reason::KeyNotFound))?;
        let keys = VerifyingKeys::from(key.without_kid());
        let (algorithm, json) = self.open(&unverified, &keys)?;
        let mut found = Found::default();
        found.read(&json)?;
        self.check(&found, env.now)?;
        request.check(&found, &jwk, env)?;
        let pieces = PiecesOf::of(&json, &found);
        Ok((Jwt::new(self.kind, algorithm, json, pieces), jwk))
    }

    /// The payload of a token that is verified, and is called as its kind is.
    fn open(&self, token: &Unverified<'_>, keys: &VerifyingKeys) -> Result<(SignatureAlgorithm, String)> {
        let payload = token.verified(keys)?;
        let rules = self.kind.rules();
        let is_own = |typ: &str| rules.typ.iter().any(|own| own.eq_ignore_ascii_case(typ));
        let fits = match token.typ() {
            None => rules.untyped,
            Some(typ) => is_own(typ) || rules.untyped && typ.eq_ignore_ascii_case("JWT"),
        };
        if !fits {
            return Err(untrusted(Reason::KindMismatch).with_detail("typ"));
        }
        let json = String::from_utf8(payload).map_err(|_| malformed("claims"))?;
        check_shape(&json)?;
        Ok((token.algorithm(), json))
    }

    /// What the table says, and who, for whom and when.
    fn check(&self, found: &Found<'_>, now: Timestamp) -> Result<()> {
        let rules = self.kind.rules();
        let waived = if self.is_for_all { Claims::of_others() } else { Claims::NONE };
        check_table(self.kind, rules, waived, found)?;
        let is_issuer = |iss: &str| match (&self.template, &self.issuer) {
            (Some(template), _) => found.tid().is_some_and(|tid| template.fits(iss, &tid)),
            (None, Some(issuer)) => *iss == **issuer,
            (None, None) => true,
        };
        if self.issuer.is_some() && !found.iss().is_some_and(|iss| is_issuer(iss)) {
            return Err(untrusted(Reason::IssuerMismatch));
        }
        if let (Some(audience), Some(aud)) = (&self.audience, found.aud()) {
            self.check_audience(rules, found, aud, audience)?;
        }
        if rules.about_itself.is_some_and(|itself| itself != (found.sub() == found.iss())) {
            return Err(untrusted(Reason::KindMismatch).with_detail("sub"));
        }
        let is_subject = |sub: &str| !sub.is_empty() && sub.len() <= MAX_SUBJECT;
        if found.sub().is_some_and(|sub| !is_subject(sub)) {
            return Err(malformed("sub"));
        }
        self.check_times(rules, found, now)
    }

    fn check_audience(&self, rules: &Rules, found: &Found<'_>, aud: &Audience<'_>, own: &str) -> Result<()> {
        let is_trusted = |one: &str| one == own || self.others.iter().any(|other| **other == *one);
        if !aud.has(own) || rules.sole_audience && !aud.all(is_trusted) {
            return Err(untrusted(Reason::AudienceMismatch));
        }
        // OpenID Connect Core §3.1.3.7: of several, one was given it.
        let azp = found.azp();
        if self.kind == Kind::IdToken && (azp.is_none() && aud.len() > 1 || azp.is_some_and(|azp| azp != own))
        {
            return Err(untrusted(Reason::AudienceMismatch).with_detail("azp"));
        }
        Ok(())
    }

    /// All times, with one leeway.
    fn check_times(&self, rules: &Rules, found: &Found<'_>, now: Timestamp) -> Result<()> {
        let soon = now + self.leeway;
        if found.exp().is_some_and(|exp| exp + self.leeway <= now) {
            return Err(expired(Reason::JwtExpired).with_detail("exp"));
        }
        for (time, name) in [(found.nbf(), "nbf"), (found.iat(), "iat"), (found.auth_time(), "auth_time")] {
            if time.is_some_and(|time| time > soon) {
                return Err(untrusted(Reason::NotYetValid).with_detail(name));
            }
        }
        if let (Some(iat), Some(max_age)) = (found.iat(), rules.max_age)
            && iat + max_age + self.leeway < now
        {
            return Err(expired(Reason::JwtExpired).with_detail("iat"));
        }
        Ok(())
    }
}

impl fmt::Debug for Validator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Validator")
            .field("kind", &self.kind)
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .field("leeway", &self.leeway)
            .finish_non_exhaustive()
    }
}

/// What a kind must have and must not have.
fn check_table(kind: Kind, rules: &Rules, waived: Claims, found: &Found<'_>) -> Result<()> {
    let present = found.present();
    let forbidden = present.in_common(rules.forbidden);
    if !forbidden.is_empty() {
        return Err(untrusted(Reason::KindMismatch).with_detail(forbidden.name()));
    }
    let lacking = rules.required.without(waived).without(present);
    if !lacking.is_empty() {
        return Err(missing(lacking.name()));
    }
    if !rules.one_of.is_empty() && present.in_common(rules.one_of).is_empty() {
        return Err(missing(rules.one_of.name()));
    }
    if kind == Kind::LogoutToken && !found.is_logout() {
        return Err(untrusted(Reason::KindMismatch).with_detail("events"));
    }
    if kind == Kind::Introspection && !found.has_introspection() {
        return Err(malformed("token_introspection"));
    }
    Ok(())
}

/// What one token is expected to say, beside what all tokens of its kind do.
#[derive(Clone, Copy, Default)]
pub struct Expected<'a> {
    nonce: Option<&'a str>,
    may_lack_nonce: bool,
    subject: Option<&'a str>,
    acr: Acr<'a>,
    max_age: Option<Duration>,
    access_token: Option<&'a str>,
    code: Option<&'a str>,
    state: Option<&'a str>,
    front_channel: bool,
}

impl<'a> Expected<'a> {
    /// Nothing in particular, and no nonce.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An ID token has this nonce; without, it has none.
    #[must_use]
    pub fn nonce(mut self, nonce: &'a str) -> Self {
        self.nonce = Some(nonce);
        self
    }

    /// An ID token that came with a refresh has the nonce of the first, or none (OpenID Connect Core §12.2).
    #[must_use]
    pub fn nonce_if_any(mut self, nonce: Option<&'a str>) -> Self {
        self.nonce = nonce;
        self.may_lack_nonce = true;
        self
    }

    /// It is about this subject.
    #[must_use]
    pub fn subject(mut self, subject: &'a str) -> Self {
        self.subject = Some(subject);
        self
    }

    /// The user was authenticated in one of these ways (`acr`).
    #[must_use]
    pub fn acr(mut self, acr: &'a [&'a str]) -> Self {
        self.acr = Acr::Borrowed(acr);
        self
    }

    /// The same with texts that somebody keeps.
    pub(crate) fn acr_of(mut self, acr: &'a [Box<str>]) -> Self {
        self.acr = Acr::Kept(acr);
        self
    }

    /// The user was authenticated no longer ago than this (`auth_time`).
    #[must_use]
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = Some(max_age);
        self
    }

    /// It came with this access token, and has no other's hash (`at_hash`).
    #[must_use]
    pub fn access_token(mut self, token: &'a str) -> Self {
        self.access_token = Some(token);
        self
    }

    /// It came with this code, and has no other's hash (`c_hash`).
    #[must_use]
    pub fn code(mut self, code: &'a str) -> Self {
        self.code = Some(code);
        self
    }

    /// It came with this state, and has no other's hash (`s_hash`).
    #[must_use]
    pub fn state(mut self, state: &'a str) -> Self {
        self.state = Some(state);
        self
    }

    /// It came through the browser: the hashes of what came with it must be there (OpenID Connect Core §3.3.2.11).
    #[must_use]
    pub fn through_browser(mut self) -> Self {
        self.front_channel = true;
        self
    }

    /// A nonce that was sent comes back, and none comes that was not sent (OpenID Connect Core §3.1.3.7).
    fn check_nonce(&self, found: &Found<'_>) -> Result<()> {
        let is_same = match (found.nonce(), self.nonce) {
            (Some(nonce), Some(expected)) => same(nonce.as_bytes(), expected.as_bytes()),
            (None, None) => true,
            (None, Some(_)) => self.may_lack_nonce,
            (Some(_), None) => false,
        };
        if is_same { Ok(()) } else { Err(untrusted(Reason::NonceMismatch)) }
    }

    fn check_authentication(&self, found: &Found<'_>, leeway: Duration, now: Timestamp) -> Result<()> {
        if !self.acr.takes(found.acr().map(|acr| &**acr)) {
            return Err(untrusted(Reason::AuthenticationMismatch).with_detail("acr"));
        }
        if let Some(max_age) = self.max_age {
            let time = found.auth_time().ok_or_else(|| missing("auth_time"))?;
            if time + max_age + leeway < now {
                return Err(expired(Reason::AuthenticationTooOld));
            }
        }
        Ok(())
    }

    fn check_hashes(&self, found: &Found<'_>, algorithm: SignatureAlgorithm, env: &Env<'_>) -> Result<()> {
        let hashes = [
            (TokenHash::AccessToken, found.at_hash(), self.access_token, self.front_channel),
            (TokenHash::Code, found.c_hash(), self.code, self.front_channel),
            (TokenHash::State, found.s_hash(), self.state, false),
        ];
        for (kind, claim, value, is_required) in hashes {
            match (claim, value) {
                (Some(claim), Some(value)) => hash::check(kind, claim, value, algorithm, env.crypto)?,
                (None, Some(_)) if is_required => return Err(missing(kind.claim())),
                // A hash of what is not here cannot be compared.
                (None | Some(_), None) | (None, Some(_)) => {}
            }
        }
        Ok(())
    }
}

/// The values of which `acr` must have one, if there are any.
#[derive(Clone, Copy)]
enum Acr<'a> {
    Borrowed(&'a [&'a str]),
    Kept(&'a [Box<str>]),
}

impl Acr<'_> {
    fn takes(self, found: Option<&str>) -> bool {
        match self {
            Self::Borrowed(values) => values.is_empty() || found.is_some_and(|found| values.contains(&found)),
            Self::Kept(values) => {
                values.is_empty() || found.is_some_and(|found| values.iter().any(|value| **value == *found))
            }
        }
    }
}

impl Default for Acr<'_> {
    fn default() -> Self {
        Self::Borrowed(&[])
    }
}

impl fmt::Debug for Expected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expected").field("max_age", &self.max_age).finish_non_exhaustive()
    }
}

/// The request that a DPoP proof is for.
#[derive(Clone, Copy)]
pub struct ProofOf<'a> {
    method: &'a Method,
    uri: &'a Uri,
    access_token: Option<&'a str>,
    nonce: Option<&'a str>,
    thumbprint: Option<&'a str>,
}

impl<'a> ProofOf<'a> {
    /// A request to this URI, of which query and fragment do not count.
    #[must_use]
    pub fn new(method: &'a Method, uri: &'a Uri) -> Self {
        Self { method, uri, access_token: None, nonce: None, thumbprint: None }
    }

    /// The request shows this token (`ath`).
    #[must_use]
    pub fn access_token(mut self, token: &'a str) -> Self {
        self.access_token = Some(token);
        self
    }

    /// The proof was asked to have this nonce.
    #[must_use]
    pub fn nonce(mut self, nonce: &'a str) -> Self {
        self.nonce = Some(nonce);
        self
    }

    /// The token is bound to the key of this thumbprint (`jkt`).
    #[must_use]
    pub fn thumbprint(mut self, thumbprint: &'a str) -> Self {
        self.thumbprint = Some(thumbprint);
        self
    }

    fn check(&self, found: &Found<'_>, jwk: &Jwk, env: &Env<'_>) -> Result<()> {
        let other = |name| Err(untrusted(Reason::BindingMismatch).with_detail(name));
        if found.htm().is_none_or(|htm| htm != self.method.as_str()) {
            return other("htm");
        }
        let is_target = |htu: &str| {
            let target = htu.parse().ok().and_then(|uri| proof::target(&uri).ok());
            target.is_some_and(|target| proof::target(self.uri).is_ok_and(|own| own == target))
        };
        if !found.htu().is_some_and(|htu| is_target(htu)) {
            return other("htu");
        }
        if let Some(token) = self.access_token {
            let hash = proof::token_hash(token, env.crypto);
            if !found.ath().is_some_and(|ath| same(ath.as_bytes(), &hash)) {
                return other("ath");
            }
        }
        if let Some(nonce) = self.nonce
            && found.nonce().is_none_or(|own| own != nonce)
        {
            return Err(untrusted(Reason::NonceMismatch));
        }
        if self.thumbprint.is_some_and(|own| own != jwk.thumbprint(env.crypto)) {
            return other("jkt");
        }
        Ok(())
    }
}

impl fmt::Debug for ProofOf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProofOf").field("method", &self.method).finish_non_exhaustive()
    }
}

fn expired(reason: Reason) -> Error {
    Error::new(ErrorKind::Expired, reason)
}
