//! What a server says about a token (RFC 7662 §2.2).

use std::{fmt, time::Duration};

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::{
    error::{Error, ErrorKind, Reason, Result},
    jose::{
        check_shape,
        jwt::{Audience, Jwt, NumericDate},
    },
    oauth2::Scope,
    oidc::Claims,
    response::{
        members::{members, read},
        value::{ScopeText, Text},
    },
    time::Timestamp,
};

/// How much clocks may differ.
const LEEWAY: Duration = Duration::from_secs(30);

/// What a server says about a token: that it is good, and for what; or that it is not, and nothing else.
///
/// A token whose time is over, or has not come, is not good, even if the server says that it is: clocks may differ by half
/// a minute.
///
/// ```
/// use valetkey_proto::{Timestamp, oauth2::endpoint::introspection::IntrospectionResponse};
///
/// let now = Timestamp::from_secs(1_700_000_000);
/// let said = r#"{"active":true,"scope":"read write","client_id":"l238j323ds-23ij4","sub":"Z5O3upPC88QrAjx00dis","level":3}"#;
/// let response = IntrospectionResponse::parse(said, now)?;
/// let token = response.active().expect("a good token");
/// assert!(token.scope().is_some_and(|scope| scope.contains("read")));
/// assert_eq!((token.client_id(), token.extra::<u8>("level")), (Some("l238j323ds-23ij4"), Some(3)));
///
/// let refused = IntrospectionResponse::parse(r#"{"active":false,"sub":"Z5O3upPC88QrAjx00dis"}"#, now)?;
/// assert!(refused.active().is_none());
/// # Ok::<(), valetkey_proto::Error>(())
/// ```
///
/// # Security
///
/// Whether the token is for your API is for you to see: by [`audience`](ActiveToken::audience) or
/// [`scope`](ActiveToken::scope) (RFC 7662 §4). One with a [`confirmation`](ActiveToken::confirmation) is good only together
/// with a proof of what that names (RFC 9449 §6.2).
#[derive(Clone, PartialEq, Eq)]
pub struct IntrospectionResponse(Option<Box<ActiveToken>>);

/// What a server says about a token that is good.
#[derive(Clone, PartialEq, Eq)]
pub struct ActiveToken {
    scope: Option<Scope>,
    client_id: Option<Box<str>>,
    username: Option<Box<str>>,
    token_type: Option<Box<str>>,
    expires_at: Option<Timestamp>,
    issued_at: Option<Timestamp>,
    not_before: Option<Timestamp>,
    subject: Option<Box<str>>,
    audience: Vec<Box<str>>,
    issuer: Option<Box<str>>,
    id: Option<Box<str>>,
    all: Claims,
}

members! {
    struct State {
        active: &'de RawValue,
    }
}

members! {
    struct Wire {
        scope: ScopeText<'de>,
        client_id: Text<'de>,
        username: Text<'de>,
        token_type: Text<'de>,
        exp: NumericDate,
        iat: NumericDate,
        nbf: NumericDate,
        sub: Text<'de>,
        aud: Audience<'de>,
        iss: Text<'de>,
        jti: Text<'de>,
    }
}

impl IntrospectionResponse {
    /// Reads a response at this time.
    ///
    /// # Errors
    ///
    /// `Protocol`: [`Reason::MissingParameter`] if it does not say whether the token is good; [`Reason::Malformed`], which
    /// names a member of a wrong type; [`Reason::DuplicateParameter`], [`Reason::TooLarge`].
    pub fn parse(text: &str, now: Timestamp) -> Result<Self> {
        check_shape(text)?;
        // RFC 7662 §2.2: a boolean, and the one thing that must be there.
        let wrong = |reason| Err(Error::new(ErrorKind::Protocol, reason).with_detail("active"));
        match read::<State<'_>>(text)?.active.map(RawValue::get) {
            Some("true") => {}
            Some("false") => return Ok(Self(None)),
            Some(_) => return wrong(Reason::Malformed),
            None => return wrong(Reason::MissingParameter),
        }
        let token = ActiveToken::read(text)?;
        Ok(Self(token.is_timely(now).then(|| Box::new(token))))
    }

    /// What a validated JWT says.
    pub(super) fn of_jwt(jwt: &Jwt, now: Timestamp) -> Result<Self> {
        let missing =
            || Error::new(ErrorKind::Protocol, Reason::MissingParameter).with_detail("token_introspection");
        let said: Box<RawValue> = jwt.claim("token_introspection").ok_or_else(missing)?;
        Self::parse(said.get(), now)
    }

    /// Whether the token is good.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.0.is_some()
    }

    /// What it is good for; `None` if it is not.
    #[must_use]
    pub fn active(&self) -> Option<&ActiveToken> {
        self.0.as_deref()
    }
}

impl ActiveToken {
    fn read(text: &str) -> Result<Self> {
        let wire: Wire<'_> = read(text)?;
        let owned = |text: Option<Text<'_>>| text.map(|text| Box::from(&*text));
        let scope = wire.scope.map(|scope| match scope {
            ScopeText::Text(text) => Scope::parse(&text),
            ScopeText::List(text) => Scope::parse(&text),
        });
        let malformed = |_| Error::new(ErrorKind::Protocol, Reason::Malformed).with_detail("scope");
        Ok(Self {
            scope: scope.transpose().map_err(malformed)?,
            client_id: owned(wire.client_id),
            username: owned(wire.username),
            token_type: owned(wire.token_type),
            expires_at: wire.exp.map(|date| date.0),
            issued_at: wire.iat.map(|date| date.0),
            not_before: wire.nbf.map(|date| date.0),
            subject: owned(wire.sub),
            audience: wire.aud.as_ref().map(Audience::to_vec).unwrap_or_default(),
            issuer: owned(wire.iss),
            id: owned(wire.jti),
            all: Claims::of_json(text),
        })
    }

    fn is_timely(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|exp| now < exp + LEEWAY)
            && self.not_before.is_none_or(|nbf| nbf <= now + LEEWAY)
    }

    /// What it gives access to.
    #[must_use]
    pub fn scope(&self) -> Option<&Scope> {
        self.scope.as_ref()
    }

    /// The client that it was given to.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.client_id.as_deref()
    }

    /// What the user who gave it is called by people.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        self.username.as_deref()
    }

    /// How it is shown: `Bearer`, `DPoP`.
    #[must_use]
    pub fn token_type(&self) -> Option<&str> {
        self.token_type.as_deref()
    }

    /// Until when it is good.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    /// When it was issued.
    #[must_use]
    pub fn issued_at(&self) -> Option<Timestamp> {
        self.issued_at
    }

    /// From when it is good.
    #[must_use]
    pub fn not_before(&self) -> Option<Timestamp> {
        self.not_before
    }

    /// The user who gave it, in the words of its issuer.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// The APIs that it is for; none if it does not say.
    pub fn audience(&self) -> impl Iterator<Item = &str> {
        self.audience.iter().map(AsRef::as_ref)
    }

    /// Who issued it.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// What it is bound to (`cnf`, RFC 7800 §3.1), by the name of the way: `jkt` has the thumbprint of a key (RFC 9449
    /// §6.2), `x5t#S256` that of a certificate (RFC 8705 §3.2).
    #[must_use]
    pub fn confirmation(&self, name: &str) -> Option<String> {
        let cnf: Box<RawValue> = self.extra("cnf")?;
        Claims::of_json(cnf.get()).get(name)
    }

    /// Whether it is bound to something, so that it is not good by itself.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        self.extra::<Box<RawValue>>("cnf").is_some()
    }

    /// A member of any name and type; `None` if it is absent, `null` or of another type.
    #[must_use]
    pub fn extra<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        self.all.get(name)
    }
}

/// It shows nothing about the user.
impl fmt::Debug for IntrospectionResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntrospectionResponse").field("is_active", &self.is_active()).finish_non_exhaustive()
    }
}

/// It shows nothing about the user.
impl fmt::Debug for ActiveToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActiveToken").field("scope", &self.scope).finish_non_exhaustive()
    }
}
