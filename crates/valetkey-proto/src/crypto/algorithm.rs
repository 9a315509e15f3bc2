//! The names of algorithms.

use std::fmt;

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HashAlgorithm {
    /// SHA-1, for OAuth 1.0 alone.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl HashAlgorithm {
    /// Bytes of a hash value.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// A signature algorithm or MAC: those of RFC 7518 §3.1 and RFC 8037 §3.1, and OAuth 1.0's HMAC-SHA1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignatureAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256; signatures are r‖s.
    Es256,
    /// ECDSA on P-384 with SHA-384; signatures are r‖s.
    Es384,
    /// ECDSA on P-521 with SHA-512; signatures are r‖s.
    Es512,
    /// Ed25519: `EdDSA` (RFC 8037 §3.1), or `Ed25519` (RFC 9864 §2.2), which are the same.
    EdDsa,
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
    /// HMAC with SHA-1 (RFC 5849 §3.4.2).
    HmacSha1,
    /// RSASSA-PKCS1-v1_5 with SHA-1 (RFC 5849 §3.4.3).
    RsaSha1,
}

impl SignatureAlgorithm {
    /// The registered name: `alg` of a JOSE header, or the OAuth 1.0 method.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::HmacSha1 => "HMAC-SHA1",
            Self::RsaSha1 => "RSA-SHA1",
        }
    }
}

/// The algorithms that JOSE knows, by what is signed with.
impl SignatureAlgorithm {
    /// The algorithm of this name (`alg`): one of RFC 7518 §3.1 or of Ed25519's two. `none` is none.
    ///
    /// ```
    /// use valetkey_proto::crypto::SignatureAlgorithm;
    ///
    /// assert_eq!(SignatureAlgorithm::parse("Ed25519"), SignatureAlgorithm::parse("EdDSA"));
    /// assert_eq!(SignatureAlgorithm::parse("none"), None);
    /// ```
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            "ES512" => Self::Es512,
            "EdDSA" | "Ed25519" => Self::EdDsa,
            "HS256" => Self::Hs256,
            "HS384" => Self::Hs384,
            "HS512" => Self::Hs512,
            _ => return None,
        })
    }

    /// The hash function that it signs with; SHA-512 for Ed25519 (RFC 8032 §5.1).
    #[must_use]
    pub fn hash(self) -> HashAlgorithm {
        match self {
            Self::Rs256 | Self::Ps256 | Self::Es256 | Self::Hs256 => HashAlgorithm::Sha256,
            Self::Rs384 | Self::Ps384 | Self::Es384 | Self::Hs384 => HashAlgorithm::Sha384,
            Self::Rs512 | Self::Ps512 | Self::Es512 | Self::EdDsa | Self::Hs512 => HashAlgorithm::Sha512,
            Self::HmacSha1 | Self::RsaSha1 => HashAlgorithm::Sha1,
        }
    }

    /// The kind of key that it needs.
    #[must_use]
    pub fn key_kind(self) -> KeyKind {
        match self {
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512 => KeyKind::Rsa,
            Self::RsaSha1 => KeyKind::Rsa,
            Self::Es256 => KeyKind::Curve(Curve::P256),
            Self::Es384 => KeyKind::Curve(Curve::P384),
            Self::Es512 => KeyKind::Curve(Curve::P521),
            Self::EdDsa => KeyKind::Curve(Curve::Ed25519),
            Self::Hs256 | Self::Hs384 | Self::Hs512 | Self::HmacSha1 => KeyKind::Secret,
        }
    }
}

/// A kind of key. A key is used by the algorithms of its kind alone (RFC 8725 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyKind {
    /// RSA.
    Rsa,
    /// A point of this curve.
    Curve(Curve),
    /// A shared secret.
    Secret,
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rsa => "RSA",
            Self::Curve(curve) => curve.name(),
            Self::Secret => "a shared secret",
        })
    }
}

/// An elliptic curve (RFC 7518 §6.2.1.1, RFC 8037 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Curve {
    /// P-256.
    P256,
    /// P-384.
    P384,
    /// P-521.
    P521,
    /// Ed25519, which signs.
    Ed25519,
    /// X25519, which agrees on keys.
    X25519,
}

impl Curve {
    /// The curve of this name (`crv`).
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "P-256" => Self::P256,
            "P-384" => Self::P384,
            "P-521" => Self::P521,
            "Ed25519" => Self::Ed25519,
            "X25519" => Self::X25519,
            _ => return None,
        })
    }

    /// The registered name (`crv`).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
            Self::Ed25519 => "Ed25519",
            Self::X25519 => "X25519",
        }
    }

    /// Bytes of a coordinate, which is always written with all of them (RFC 7518 §6.2.1.2).
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Self::P256 | Self::Ed25519 | Self::X25519 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// Bytes of a point's y coordinate, which Ed25519 and X25519 do without.
    pub(crate) fn y_size(self) -> usize {
        if self.is_okp() { 0 } else { self.size() }
    }

    /// Whether a point has an x alone: a key of type `OKP`.
    pub(crate) fn is_okp(self) -> bool {
        match self {
            Self::Ed25519 | Self::X25519 => true,
            Self::P256 | Self::P384 | Self::P521 => false,
        }
    }
}

impl fmt::Display for SignatureAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
