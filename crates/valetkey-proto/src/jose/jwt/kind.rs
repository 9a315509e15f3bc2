//! The kinds of JWT, as a table: what each must have, must not have, and may be called.

use std::time::Duration;

/// What a JWT is for. No JWT of one kind passes for one of another (RFC 8725 §3.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Who signed in (OpenID Connect Core §2).
    IdToken,
    /// A session has ended (OpenID Connect Back-Channel Logout §2.4).
    LogoutToken,
    /// An authorization response (JARM §2.1).
    AuthorizationResponse,
    /// An access token that its resource server reads (RFC 9068 §2).
    AccessToken,
    /// What a server says about a token (RFC 9701 §5).
    Introspection,
    /// Claims about the user (OpenID Connect Core §5.3.2).
    UserInfo,
    /// Metadata of a server or resource (RFC 8414 §2.1, RFC 9728 §2.2).
    SignedMetadata,
    /// A client authenticates itself (RFC 7523 §3).
    ClientAssertion,
    /// Somebody speaks for a user or a service (RFC 7523 §2.1).
    AuthorizationGrant,
    /// A request comes from who has the token's key (RFC 9449 §4.2).
    DpopProof,
    /// The parameters of an authorization request (RFC 9101 §4).
    RequestObject,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::IdToken,
        Self::LogoutToken,
        Self::AuthorizationResponse,
        Self::AccessToken,
        Self::Introspection,
        Self::UserInfo,
        Self::SignedMetadata,
        Self::ClientAssertion,
        Self::AuthorizationGrant,
        Self::DpopProof,
        Self::RequestObject,
    ];

    /// The row of the table.
    pub(super) fn rules(self) -> &'static Rules {
        match self {
            Self::IdToken => &ID_TOKEN,
            Self::LogoutToken => &LOGOUT_TOKEN,
            Self::AuthorizationResponse => &AUTHORIZATION_RESPONSE,
            Self::AccessToken => &ACCESS_TOKEN,
            Self::Introspection => &INTROSPECTION,
            Self::UserInfo => &USER_INFO,
            Self::SignedMetadata => &SIGNED_METADATA,
            Self::ClientAssertion => &CLIENT_ASSERTION,
            Self::AuthorizationGrant => &AUTHORIZATION_GRANT,
            Self::DpopProof => &DPOP_PROOF,
            Self::RequestObject => &REQUEST_OBJECT,
        }
    }
}

/// A set of claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claims(pub(super) u32);

impl Claims {
    pub(super) const NONE: Self = Self(0);
    pub(super) const ISS: Self = Self(1);
    pub(super) const SUB: Self = Self(1 << 1);
    pub(super) const AUD: Self = Self(1 << 2);
    pub(super) const EXP: Self = Self(1 << 3);
    pub(super) const IAT: Self = Self(1 << 4);
    pub(super) const JTI: Self = Self(1 << 5);
    pub(super) const NONCE: Self = Self(1 << 6);
    pub(super) const SID: Self = Self(1 << 7);
    pub(super) const EVENTS: Self = Self(1 << 8);
    pub(super) const CLIENT_ID: Self = Self(1 << 9);
    pub(super) const INTROSPECTION: Self = Self(1 << 10);
    pub(super) const HTM: Self = Self(1 << 11);
    pub(super) const HTU: Self = Self(1 << 12);
    pub(super) const CODE: Self = Self(1 << 13);
    pub(super) const ERROR: Self = Self(1 << 14);
    pub(super) const ISSUER: Self = Self(1 << 15);
    pub(super) const RESOURCE: Self = Self(1 << 16);
    pub(super) const RESPONSE_TYPE: Self = Self(1 << 17);
    pub(super) const AT_HASH: Self = Self(1 << 18);
    pub(super) const ACCESS_TOKEN: Self = Self(1 << 19);
    pub(super) const ID_TOKEN: Self = Self(1 << 20);

    /// The names, in the order of the bits.
    const NAMES: [&str; 21] = [
        "iss",
        "sub",
        "aud",
        "exp",
        "iat",
        "jti",
        "nonce",
        "sid",
        "events",
        "client_id",
        "token_introspection",
        "htm",
        "htu",
        "code",
        "error",
        "issuer",
        "resource",
        "response_type",
        "at_hash",
        "access_token",
        "id_token",
    ];

    const fn of(claims: &[Self]) -> Self {
        let mut all = 0;
        let mut rest = claims;
        while let Some((first, others)) = rest.split_first() {
            all |= first.0;
            rest = others;
        }
        Self(all)
    }

    /// What claims that somebody else vouches for may lack.
    pub(super) const fn of_others() -> Self {
        Self::of(&[Self::SUB, Self::AUD])
    }

    /// Those that are also in another set.
    pub(super) fn in_common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those that are not in another set.
    pub(super) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) fn is_empty(self) -> bool {
        self == Self::NONE
    }

    /// The name of the first.
    pub(super) fn name(self) -> &'static str {
        Self::NAMES.get(self.0.trailing_zeros() as usize).copied().unwrap_or("claim")
    }
}

/// What holds for a kind.
#[derive(Debug)]
pub(super) struct Rules {
    /// The types that it may be called by (`typ`); the first is what is written.
    pub(super) typ: &'static [&'static str],
    /// Whether it may have no type, or the one of all JWTs (RFC 7519 §5.1).
    pub(super) untyped: bool,
    /// Whether it is written with its type.
    pub(super) writes_typ: bool,
    /// The claims that it has.
    pub(super) required: Claims,
    /// Of these it has one or more, if there are any.
    pub(super) one_of: Claims,
    /// The claims that make it one of another kind.
    pub(super) forbidden: Claims,
    /// Whether it is for its one audience alone.
    pub(super) sole_audience: bool,
    /// Whether its issuer is its subject: a client that speaks of itself, and nobody who speaks of users.
    pub(super) about_itself: Option<bool>,
    /// How old it may be, by `iat`.
    pub(super) max_age: Option<Duration>,
    /// How long it is valid when it is written.
    pub(super) lifetime: Option<Duration>,
}

const HOUR: u64 = 3600;
const DAY: Duration = Duration::from_secs(24 * HOUR);
/// What no kind has that is about a user, a client or a server.
const OF_OTHERS: &[Claims] = &[Claims::HTM, Claims::HTU, Claims::INTROSPECTION];

/// What holds unless a row says otherwise.
const BASE: Rules = Rules {
    typ: &["JWT"],
    untyped: false,
    writes_typ: false,
    required: Claims::NONE,
    one_of: Claims::NONE,
    forbidden: Claims::NONE,
    sole_audience: false,
    about_itself: None,
    max_age: None,
    lifetime: None,
};

const ID_TOKEN: Rules = Rules {
    untyped: true,
    required: Claims::of(&[Claims::ISS, Claims::SUB, Claims::AUD, Claims::EXP, Claims::IAT]),
    forbidden: Claims::of(&[Claims::of(OF_OTHERS), Claims::EVENTS, Claims::RESPONSE_TYPE]),
    sole_audience: true,
    about_itself: Some(false),
    max_age: Some(DAY),
    lifetime: Some(Duration::from_secs(HOUR)),
    ..BASE
};

const LOGOUT_TOKEN: Rules = Rules {
    typ: &["logout+jwt"],
    untyped: true,
    writes_typ: true,
    required: Claims::of(&[Claims::ISS, Claims::AUD, Claims::EXP, Claims::IAT, Claims::JTI, Claims::EVENTS]),
    one_of: Claims::of(&[Claims::SUB, Claims::SID]),
    forbidden: Claims::of(&[Claims::of(OF_OTHERS), Claims::NONCE]),
    about_itself: Some(false),
    max_age: Some(DAY),
    lifetime: Some(Duration::from_secs(120)),
    ..BASE
};

const AUTHORIZATION_RESPONSE: Rules = Rules {
    untyped: true,
    required: Claims::of(&[Claims::ISS, Claims::AUD, Claims::EXP]),
    one_of: Claims::of(&[Claims::CODE, Claims::ERROR, Claims::ACCESS_TOKEN, Claims::ID_TOKEN]),
    forbidden: Claims::of(&[Claims::of(OF_OTHERS), Claims::EVENTS, Claims::SUB, Claims::RESPONSE_TYPE]),
    sole_audience: true,
    lifetime: Some(Duration::from_secs(600)),
    ..BASE
};

const ACCESS_TOKEN: Rules = Rules {
    typ: &["at+jwt"],
    writes_typ: true,
    required: Claims::of(&[
        Claims::ISS,
        Claims::SUB,
        Claims::AUD,
        Claims::EXP,
        Claims::IAT,
        Claims::JTI,
        Claims::CLIENT_ID,
    ]),
    forbidden: Claims::of(&[Claims::of(OF_OTHERS), Claims::EVENTS]),
    lifetime: Some(Duration::from_secs(HOUR)),
    ..BASE
};

const INTROSPECTION: Rules = Rules {
    typ: &["token-introspection+jwt"],
    writes_typ: true,
    required: Claims::of(&[Claims::ISS, Claims::AUD, Claims::IAT, Claims::INTROSPECTION]),
    // RFC 9701 §5: so that it passes for no access token.
    forbidden: Claims::of(&[Claims::SUB, Claims::EXP, Claims::EVENTS, Claims::HTM, Claims::HTU]),
    max_age: Some(Duration::from_secs(600)),
    ..BASE
};

const USER_INFO: Rules = Rules {
    untyped: true,
    required: Claims::of(&[Claims::ISS, Claims::SUB, Claims::AUD]),
    forbidden: Claims::of(&[
        Claims::of(OF_OTHERS),
        Claims::EVENTS,
        Claims::NONCE,
        Claims::AT_HASH,
        Claims::CLIENT_ID,
        Claims::RESPONSE_TYPE,
    ]),
    // OpenID Connect Core §5.3.2: it is or includes the client.
    about_itself: Some(false),
    ..BASE
};

const SIGNED_METADATA: Rules = Rules {
    untyped: true,
    required: Claims::ISS,
    one_of: Claims::of(&[Claims::ISSUER, Claims::RESOURCE]),
    forbidden: Claims::of(&[
        Claims::of(OF_OTHERS),
        Claims::EVENTS,
        Claims::SUB,
        Claims::NONCE,
        Claims::CODE,
        Claims::ERROR,
        Claims::ACCESS_TOKEN,
        Claims::ID_TOKEN,
        Claims::RESPONSE_TYPE,
    ]),
    ..BASE
};

const CLIENT_ASSERTION: Rules = Rules {
    typ: &["client-authentication+jwt"],
    untyped: true,
    required: Claims::of(&[Claims::ISS, Claims::SUB, Claims::AUD, Claims::EXP, Claims::JTI]),
    forbidden: Claims::of(&[
        Claims::of(OF_OTHERS),
        Claims::EVENTS,
        Claims::NONCE,
        Claims::AT_HASH,
        Claims::RESPONSE_TYPE,
        Claims::SID,
    ]),
    sole_audience: true,
    about_itself: Some(true),
    max_age: Some(Duration::from_secs(600)),
    lifetime: Some(Duration::from_secs(60)),
    ..BASE
};

/// Its claims may be those of an ID token or a client assertion: whoever takes it goes by its type
/// (draft-ietf-oauth-rfc7523bis), although servers of old do not, and it is mostly written without.
const AUTHORIZATION_GRANT: Rules = Rules {
    typ: &["authorization-grant+jwt"],
    required: Claims::of(&[Claims::ISS, Claims::SUB, Claims::AUD, Claims::EXP]),
    forbidden: Claims::of(&[Claims::of(OF_OTHERS), Claims::EVENTS, Claims::NONCE, Claims::RESPONSE_TYPE]),
    sole_audience: true,
    max_age: Some(Duration::from_secs(HOUR)),
    lifetime: Some(Duration::from_secs(300)),
    ..BASE
};

const DPOP_PROOF: Rules = Rules {
    typ: &["dpop+jwt"],
    writes_typ: true,
    required: Claims::of(&[Claims::JTI, Claims::HTM, Claims::HTU, Claims::IAT]),
    forbidden: Claims::of(&[Claims::EVENTS, Claims::INTROSPECTION]),
    max_age: Some(Duration::from_secs(60)),
    ..BASE
};

const REQUEST_OBJECT: Rules = Rules {
    typ: &["oauth-authz-req+jwt"],
    writes_typ: true,
    required: Claims::of(&[Claims::ISS, Claims::AUD, Claims::EXP, Claims::CLIENT_ID, Claims::RESPONSE_TYPE]),
    // RFC 9101 §10.8: a subject would make it a client assertion.
    forbidden: Claims::of(&[Claims::of(OF_OTHERS), Claims::EVENTS, Claims::SUB]),
    max_age: Some(Duration::from_secs(HOUR)),
    lifetime: Some(Duration::from_secs(300)),
    ..BASE
};
