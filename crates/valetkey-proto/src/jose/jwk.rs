//! Keys in JSON (RFC 7517, RFC 7518 §6, RFC 8037 §2).

use std::fmt;

use super::{MAX_KID, decode, invalid_key, malformed, missing, too_large};
use crate::{
    crypto::{
        CryptoProvider, Curve, EphemeralKey, KeyKind, PublicKey, SignatureAlgorithm, VerifyingKey, rsa_spki,
    },
    error::Result,
    response::{
        members::{members, read},
        value::{Text, Texts},
    },
    secret::Wiped,
};

members! {
    /// The members of a key.
    strict struct Members {
        kty: Text<'de>,
        kid: Text<'de>,
        alg: Text<'de>,
        purpose = "use": Text<'de>,
        key_ops: Texts,
        crv: Text<'de>,
        x: Text<'de>,
        y: Text<'de>,
        n: Text<'de>,
        e: Text<'de>,
        k: Text<'de>,
        d: Text<'de>,
        p: Text<'de>,
        q: Text<'de>,
        dp: Text<'de>,
        dq: Text<'de>,
        qi: Text<'de>,
    }
}

/// A public key, or a shared secret, in JSON (RFC 7517).
///
/// Private members are not kept: a private key is a [`PrivateKey`](crate::crypto::PrivateKey).
///
/// ```
/// use valetkey_proto::{crypto::{CryptoProvider, SignatureAlgorithm}, jose::Jwk};
///
/// let jwk = Jwk::parse(r#"{"kty":"EC","crv":"P-256","kid":"1","use":"sig",
///     "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#)?;
/// let key = jwk.verifying_key(SignatureAlgorithm::Es256, &CryptoProvider::ring())?;
/// assert_eq!((key.algorithm(), key.kid()), (SignatureAlgorithm::Es256, Some("1")));
/// assert!(jwk.verifying_key(SignatureAlgorithm::Hs256, &CryptoProvider::ring()).is_err());
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
#[derive(Clone)]
pub struct Jwk {
    key: Key,
    about: About,
    is_private: bool,
}

#[derive(Clone)]
enum Key {
    Rsa { n: Box<[u8]>, e: Box<[u8]> },
    Point { curve: Curve, x: Box<[u8]>, y: Box<[u8]> },
    Secret(Wiped<Vec<u8>>),
}

/// What a key says of itself beside its numbers.
#[derive(Clone)]
struct About {
    kid: Option<Box<str>>,
    /// The one algorithm that it is for, known or not.
    algorithm: Option<Box<str>>,
    verifies: bool,
    signs: bool,
    encrypts: bool,
    decrypts: bool,
}

impl Jwk {
    /// Reads a key.
    ///
    /// # Errors
    ///
    /// `Protocol`: [`Reason::Malformed`](crate::Reason::Malformed),
    /// [`Reason::MissingParameter`](crate::Reason::MissingParameter) and
    /// [`Reason::DuplicateParameter`](crate::Reason::DuplicateParameter), which name the member; `Config`:
    /// [`Reason::InvalidKey`](crate::Reason::InvalidKey) for a type or curve that is not known.
    pub fn parse(json: &str) -> Result<Self> {
        let members: Members<'_> = read(json)?;
        let key = match kind(&members)? {
            KeyKind::Rsa => Key::Rsa {
                n: significant(number(&members.n, "n")?).into(),
                e: significant(number(&members.e, "e")?).into(),
            },
            KeyKind::Curve(curve) => {
                let (x, y) = point(&members, curve)?;
                Key::Point { curve, x: x.into(), y: y.into() }
            }
            KeyKind::Secret => Key::Secret(Wiped::new(number(&members.k, "k")?)),
        };
        let is_private = members.d.is_some() || matches!(key, Key::Secret(_));
        Ok(Self { key, about: About::of(&members)?, is_private })
    }

    /// The key's name.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.about.kid.as_deref()
    }

    /// What kind of key it is.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        match &self.key {
            Key::Rsa { .. } => KeyKind::Rsa,
            Key::Point { curve, .. } => KeyKind::Curve(*curve),
            Key::Secret(_) => KeyKind::Secret,
        }
    }

    /// The algorithm that it is for, if it says so or its curve has one alone.
    #[must_use]
    pub fn algorithm(&self) -> Option<SignatureAlgorithm> {
        match (&self.about.algorithm, self.kind()) {
            (Some(name), _) => SignatureAlgorithm::parse(name),
            (None, KeyKind::Curve(Curve::P256)) => Some(SignatureAlgorithm::Es256),
            (None, KeyKind::Curve(Curve::P384)) => Some(SignatureAlgorithm::Es384),
            (None, KeyKind::Curve(Curve::P521)) => Some(SignatureAlgorithm::Es512),
            (None, KeyKind::Curve(Curve::Ed25519)) => Some(SignatureAlgorithm::EdDsa),
            (None, KeyKind::Curve(Curve::X25519) | KeyKind::Rsa | KeyKind::Secret) => None,
        }
    }

    /// Whether what was read had more than a public key in it.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.is_private
    }

    /// The numbers of a public key; `None` for a shared secret.
    #[must_use]
    pub fn public_key(&self) -> Option<PublicKey<'_>> {
        match &self.key {
            Key::Rsa { n, e } => Some(PublicKey::Rsa { n, e }),
            Key::Point { curve, x, y } => Some(PublicKey::Point { curve: *curve, x, y }),
            Key::Secret(_) => None,
        }
    }

    /// An RSA key as others write it: SubjectPublicKeyInfo in DER (RFC 5280 §4.1.2.7).
    pub(crate) fn rsa_spki(&self) -> Option<Vec<u8>> {
        match &self.key {
            Key::Rsa { n, e } => Some(rsa_spki(n, e)),
            Key::Point { .. } | Key::Secret(_) => None,
        }
    }

    /// The key, ready to verify by this algorithm and no other.
    ///
    /// # Errors
    ///
    /// `Config`: [`Reason::InvalidKey`](crate::Reason::InvalidKey) if its type, its curve, `alg`, `use` or `key_ops`
    /// say that it is for something else (RFC 8725 §3.1), or it is too short;
    /// [`Reason::UnsupportedAlgorithm`](crate::Reason::UnsupportedAlgorithm) if the provider has no such algorithm.
    pub fn verifying_key(
        &self,
        algorithm: SignatureAlgorithm,
        crypto: &CryptoProvider,
    ) -> Result<VerifyingKey> {
        self.about.check(self.about.verifies, Some(algorithm))?;
        if self.kind() != algorithm.key_kind() {
            return Err(invalid_key("the JWK is of another kind than the algorithm needs"));
        }
        let key = match (&self.key, self.public_key()) {
            (Key::Secret(secret), _) => VerifyingKey::secret(algorithm, secret, crypto)?,
            (_, Some(key)) => VerifyingKey::public(algorithm, key, crypto)?,
            (_, None) => return Err(invalid_key("no public key")),
        };
        Ok(match self.kid() {
            Some(kid) => key.with_kid(kid),
            None => key,
        })
    }

    /// Whether it may encrypt, by an algorithm of this name.
    pub(super) fn may_encrypt_by(&self, algorithm: &str) -> bool {
        self.about.encrypts && self.about.algorithm.as_deref().is_none_or(|own| own == algorithm)
    }

    /// The JWK of the required members alone (RFC 7638 §3.2).
    pub(super) fn required_members(&self) -> Wiped<String> {
        Wiped::new(match (&self.key, self.public_key()) {
            (_, Some(key)) => key.jwk(),
            (Key::Secret(secret), None) => {
                format!(r#"{{"k":"{}","kty":"oct"}}"#, *Wiped::new(super::encode(secret)))
            }
            (Key::Rsa { .. } | Key::Point { .. }, None) => String::new(),
        })
    }

    /// The point of an ephemeral key.
    pub(super) fn into_ephemeral(self) -> Option<EphemeralKey> {
        match self.key {
            Key::Point { curve, x, y } => Some(EphemeralKey { curve, x: x.into(), y: y.into() }),
            Key::Rsa { .. } | Key::Secret(_) => None,
        }
    }
}

impl fmt::Debug for Jwk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwk").field("kind", &self.kind()).field("kid", &self.kid()).finish_non_exhaustive()
    }
}

impl About {
    fn of(members: &Members<'_>) -> Result<Self> {
        let kid = members.kid.as_deref();
        if kid.is_some_and(|kid| kid.len() > MAX_KID) {
            return Err(too_large("kid"));
        }
        let purpose = members.purpose.as_deref();
        // RFC 7517 §4.2, §4.3: each narrows what a key is for.
        let may = |purpose_of: &str, operations: &[&str]| {
            let operation = |ops: &Texts| ops.0.iter().any(|op| operations.contains(&&**op));
            purpose.is_none_or(|purpose| purpose == purpose_of)
                && members.key_ops.as_ref().is_none_or(operation)
        };
        Ok(Self {
            kid: kid.map(Into::into),
            algorithm: members.alg.as_deref().map(Into::into),
            verifies: may("sig", &["verify"]),
            signs: may("sig", &["sign"]),
            encrypts: may("enc", &["encrypt", "wrapKey", "deriveKey", "deriveBits"]),
            decrypts: may("enc", &["decrypt", "unwrapKey", "deriveKey", "deriveBits"]),
        })
    }

    /// Refuses a key that says it is for something else.
    fn check(&self, is_allowed: bool, algorithm: Option<SignatureAlgorithm>) -> Result<()> {
        if !is_allowed {
            return Err(invalid_key("`use` or `key_ops` say that the JWK is for something else"));
        }
        match &self.algorithm {
            Some(own) if SignatureAlgorithm::parse(own) != algorithm || algorithm.is_none() => {
                Err(invalid_key("`alg` says that the JWK is for another algorithm"))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// The private members of a key, for [`PrivateKey`](crate::crypto::PrivateKey).
pub(crate) struct PrivateJwk {
    pub(crate) kind: KeyKind,
    /// n, e, d, p, q, dp, dq, qi of RSA; d, x, y of a curve.
    pub(crate) numbers: Vec<Wiped<Vec<u8>>>,
    about: About,
}

impl PrivateJwk {
    /// Reads a private key.
    pub(crate) fn parse(json: &str) -> Result<Self> {
        let members: Members<'_> = read(json)?;
        let kind = kind(&members)?;
        if members.d.is_none() {
            return Err(match kind {
                KeyKind::Secret => invalid_key("a JWK of type oct, which is a shared secret"),
                KeyKind::Rsa | KeyKind::Curve(_) => invalid_key("a public key: a JWK without d"),
            });
        }
        let numbers = match kind {
            KeyKind::Rsa => {
                let named = [
                    (&members.n, "n"),
                    (&members.e, "e"),
                    (&members.d, "d"),
                    (&members.p, "p"),
                    (&members.q, "q"),
                    (&members.dp, "dp"),
                    (&members.dq, "dq"),
                    (&members.qi, "qi"),
                ];
                named
                    .iter()
                    .map(|(member, name)| number(member, name).map(Wiped::new))
                    .collect::<Result<_>>()?
            }
            KeyKind::Curve(curve) => {
                let (x, y) = point(&members, curve)?;
                let d = Wiped::new(number(&members.d, "d")?);
                if d.len() != curve.size() {
                    return Err(malformed("d"));
                }
                vec![d, Wiped::new(x), Wiped::new(y)]
            }
            KeyKind::Secret => return Err(invalid_key("a JWK of type oct, which is a shared secret")),
        };
        Ok(Self { kind, numbers, about: About::of(&members)? })
    }

    /// What the key says of itself.
    pub(crate) fn purpose(&self) -> Purpose {
        Purpose(self.about.clone())
    }
}

/// What a private key is for.
#[derive(Clone)]
pub(crate) struct Purpose(About);

impl Purpose {
    pub(crate) fn kid(&self) -> Option<&str> {
        self.0.kid.as_deref()
    }

    /// Refuses to sign with a key that is for something else.
    pub(crate) fn check_signing(&self, algorithm: SignatureAlgorithm) -> Result<()> {
        self.0.check(self.0.signs, Some(algorithm))
    }

    /// Refuses to decrypt with a key that is for something else.
    pub(crate) fn check_decrypting(&self, algorithm: &str) -> Result<()> {
        let is_own = self.0.algorithm.as_deref().is_none_or(|own| own == algorithm);
        if self.0.decrypts && is_own { Ok(()) } else { Err(invalid_key("the JWK is for something else")) }
    }
}

fn kind(members: &Members<'_>) -> Result<KeyKind> {
    let kty = members.kty.as_deref().ok_or_else(|| missing("kty"))?;
    let curve = || {
        let name = members.crv.as_deref().ok_or_else(|| missing("crv"))?;
        Curve::parse(name)
            .filter(|curve| curve.is_okp() == (kty == "OKP"))
            .ok_or_else(|| invalid_key("a JWK of a curve that is not known"))
    };
    match kty {
        "RSA" => Ok(KeyKind::Rsa),
        "oct" => Ok(KeyKind::Secret),
        "EC" | "OKP" => curve().map(KeyKind::Curve),
        _ => Err(invalid_key("a JWK of a type that is not known")),
    }
}

/// The coordinates, each as long as those of the curve are (RFC 7518 §6.2.1.2).
fn point(members: &Members<'_>, curve: Curve) -> Result<(Vec<u8>, Vec<u8>)> {
    let x = number(&members.x, "x")?;
    let y = if curve.is_okp() { Vec::new() } else { number(&members.y, "y")? };
    if x.len() != curve.size() || y.len() != curve.y_size() {
        return Err(malformed("a coordinate of another length than the curve's"));
    }
    Ok((x, y))
}

fn number(member: &Option<Text<'_>>, name: &'static str) -> Result<Vec<u8>> {
    decode(member.as_deref().ok_or_else(|| missing(name))?).map_err(|_| malformed(name))
}

/// Some libraries write a zero before a modulus (RFC 7518 §6.3.1.1 warns of it); the number is the same.
fn significant(mut number: Vec<u8>) -> Vec<u8> {
    let zeros = number.iter().take_while(|&&byte| byte == 0).count();
    number.drain(..zeros);
    number
}
