//! A JWT that was validated.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::{
    super::{check_shape, jws::Unverified, span::Span},
    Kind,
    read::Found,
};
use crate::{crypto::SignatureAlgorithm, time::Timestamp};

/// A JWT whose signature and claims hold. [`Validator`](super::Validator) alone makes it.
pub struct Jwt {
    kind: Kind,
    algorithm: SignatureAlgorithm,
    json: String,
    pieces: Pieces,
}

/// What is asked for often.
struct Pieces {
    issuer: Option<Span>,
    subject: Option<Span>,
    id: Option<Span>,
    nonce: Option<Span>,
    session: Option<Span>,
    expires_at: Option<Timestamp>,
    issued_at: Option<Timestamp>,
    authenticated_at: Option<Timestamp>,
}

impl Jwt {
    pub(super) fn new(kind: Kind, algorithm: SignatureAlgorithm, json: String, pieces: PiecesOf) -> Self {
        Self { kind, algorithm, json, pieces: pieces.0 }
    }

    /// An ID token that was verified before it was put into a record.
    pub(crate) fn kept(token: &str) -> Option<Self> {
        let unverified = Unverified::parse(token).ok()?;
        let algorithm = unverified.algorithm();
        let json = String::from_utf8(unverified.kept_payload().ok()?).ok()?;
        check_shape(&json).ok()?;
        let mut found = Found::default();
        found.read(&json).ok()?;
        let pieces = PiecesOf::of(&json, &found);
        Some(Self::new(Kind::IdToken, algorithm, json, pieces))
    }

    /// What it is for.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// By what it is signed.
    #[must_use]
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// Who made it (`iss`).
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.piece(&self.pieces.issuer)
    }

    /// Whom it is about (`sub`).
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.piece(&self.pieces.subject)
    }

    /// Its own name (`jti`), which occurs once.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.piece(&self.pieces.id)
    }

    /// The nonce.
    #[must_use]
    pub fn nonce(&self) -> Option<&str> {
        self.piece(&self.pieces.nonce)
    }

    /// The session (`sid`).
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        self.piece(&self.pieces.session)
    }

    /// When it expires (`exp`).
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.pieces.expires_at
    }

    /// When it was made (`iat`).
    #[must_use]
    pub fn issued_at(&self) -> Option<Timestamp> {
        self.pieces.issued_at
    }

    /// When the user was authenticated (`auth_time`).
    #[must_use]
    pub fn authenticated_at(&self) -> Option<Timestamp> {
        self.pieces.authenticated_at
    }

    /// A claim of any name and type; `None` if it is absent or of another type.
    #[must_use]
    pub fn claim<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let claims: std::collections::BTreeMap<String, &RawValue> = serde_json::from_str(&self.json).ok()?;
        serde_json::from_str(claims.get(name)?.get()).ok()
    }

    /// All claims, in JSON.
    #[must_use]
    pub fn claims(&self) -> &str {
        &self.json
    }

    fn piece<'a>(&'a self, piece: &'a Option<Span>) -> Option<&'a str> {
        piece.as_ref().map(|piece| piece.get(&self.json))
    }
}

impl fmt::Debug for Jwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwt")
            .field("kind", &self.kind)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// What was found in a text, without borrowing it any more.
pub(super) struct PiecesOf(Pieces);

impl PiecesOf {
    pub(super) fn of(json: &str, found: &Found<'_>) -> Self {
        Self(Pieces {
            issuer: found.iss().map(|piece| Span::of(json, piece)),
            subject: found.sub().map(|piece| Span::of(json, piece)),
            id: found.jti().map(|piece| Span::of(json, piece)),
            nonce: found.nonce().map(|piece| Span::of(json, piece)),
            session: found.sid().map(|piece| Span::of(json, piece)),
            expires_at: found.exp(),
            issued_at: found.iat(),
            authenticated_at: found.auth_time(),
        })
    }
}
