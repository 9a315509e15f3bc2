//! The claims that we know, with exact types: one of a wrong type is not absent (RFC 7519 §4.1).

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::kind::Claims;
use crate::{
    response::{
        members::{members, read, read_into},
        value::Text,
    },
    time::Timestamp,
};

members! {
    strict struct Members {
        iss: Text<'de>,
        sub: Text<'de>,
        aud: Audience<'de>,
        exp: NumericDate,
        iat: NumericDate,
        nbf: NumericDate,
        jti: Text<'de>,
        nonce: Text<'de>,
        azp: Text<'de>,
        auth_time: NumericDate,
        acr: Text<'de>,
        at_hash: Text<'de>,
        c_hash: Text<'de>,
        s_hash: Text<'de>,
        sid: Text<'de>,
        events: &'de RawValue,
        client_id: Text<'de>,
        token_introspection: &'de RawValue,
        htm: Text<'de>,
        htu: Text<'de>,
        ath: Text<'de>,
        code: &'de RawValue,
        error: &'de RawValue,
        issuer: &'de RawValue,
        resource: &'de RawValue,
        response_type: &'de RawValue,
        access_token: &'de RawValue,
        id_token: &'de RawValue,
        tid: &'de RawValue,
    }
}

members! {
    /// The events of a logout token.
    strict struct Events {
        logout = "http://schemas.openid.net/event/backchannel-logout": &'de RawValue,
    }
}

/// The claims of a payload.
#[derive(Default)]
pub(super) struct Found<'a>(Members<'a>);

impl<'a> Found<'a> {
    /// Reads a payload: into its place, because the claims are large to move.
    pub(super) fn read(&mut self, json: &'a str) -> crate::Result<()> {
        read_into(&mut self.0, json).map(drop)
    }

    /// Which claims there are.
    pub(super) fn present(&self) -> Claims {
        let found = &self.0;
        let there = [
            (found.iss.is_some(), Claims::ISS),
            (found.sub.is_some(), Claims::SUB),
            (found.aud.is_some(), Claims::AUD),
            (found.exp.is_some(), Claims::EXP),
            (found.iat.is_some(), Claims::IAT),
            (found.jti.is_some(), Claims::JTI),
            (found.nonce.is_some(), Claims::NONCE),
            (found.sid.is_some(), Claims::SID),
            (found.events.is_some(), Claims::EVENTS),
            (found.client_id.is_some(), Claims::CLIENT_ID),
            (found.token_introspection.is_some(), Claims::INTROSPECTION),
            (found.htm.is_some(), Claims::HTM),
            (found.htu.is_some(), Claims::HTU),
            (found.code.is_some(), Claims::CODE),
            (found.error.is_some(), Claims::ERROR),
            (found.issuer.is_some(), Claims::ISSUER),
            (found.resource.is_some(), Claims::RESOURCE),
            (found.response_type.is_some(), Claims::RESPONSE_TYPE),
            (found.at_hash.is_some(), Claims::AT_HASH),
            (found.access_token.is_some(), Claims::ACCESS_TOKEN),
            (found.id_token.is_some(), Claims::ID_TOKEN),
        ];
        Claims(there.iter().filter(|(is_there, _)| *is_there).fold(0, |all, (_, claim)| all | claim.0))
    }

    /// Whether a logout token says that a session has ended (Back-Channel Logout §2.4).
    pub(super) fn is_logout(&self) -> bool {
        let events = self.0.events.and_then(|events| read::<Events<'_>>(events.get()).ok());
        events.and_then(|events| events.logout).is_some_and(is_object)
    }

    /// The tenant of a server that has many.
    pub(super) fn tid(&self) -> Option<Text<'a>> {
        self.0.tid.and_then(|tid| serde_json::from_str(tid.get()).ok())
    }

    /// Whether what a server says about a token is an object (RFC 9701 §5).
    pub(super) fn has_introspection(&self) -> bool {
        self.0.token_introspection.is_some_and(is_object)
    }
}

fn is_object(raw: &RawValue) -> bool {
    raw.get().starts_with('{')
}

/// The claims one by one.
macro_rules! claims {
    ($($text:ident)* ; $($time:ident)*) => {
        impl<'a> Found<'a> {
            $(pub(super) fn $text(&self) -> Option<&Cow<'a, str>> {
                self.0.$text.as_ref().map(|text| &text.0)
            })*
            $(pub(super) fn $time(&self) -> Option<Timestamp> {
                self.0.$time.as_ref().map(|date| date.0)
            })*
        }
    };
}
claims!(iss sub jti nonce azp acr at_hash c_hash s_hash sid htm htu ath ; exp iat nbf auth_time);

impl<'a> Found<'a> {
    pub(super) fn aud(&self) -> Option<&Audience<'a>> {
        self.0.aud.as_ref()
    }
}

/// A text, or a list of them (RFC 7519 §4.1.3).
pub(crate) enum Audience<'a> {
    One(Cow<'a, str>),
    Many(Vec<Text<'a>>),
}

impl Audience<'_> {
    /// Whether somebody is in it.
    pub(super) fn has(&self, who: &str) -> bool {
        match self {
            Self::One(one) => one == who,
            Self::Many(many) => many.iter().any(|one| **one == *who),
        }
    }

    /// Whether nobody else is in it.
    pub(super) fn all(&self, mut is: impl FnMut(&str) -> bool) -> bool {
        match self {
            Self::One(one) => is(one),
            Self::Many(many) => many.iter().all(|one| is(one)),
        }
    }

    /// All of them.
    pub(crate) fn to_vec(&self) -> Vec<Box<str>> {
        match self {
            Self::One(one) => vec![Box::from(&**one)],
            Self::Many(many) => many.iter().map(|one| Box::from(&**one)).collect(),
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Many(many) => many.len(),
        }
    }
}

impl<'de> Deserialize<'de> for Audience<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Audience<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an audience")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Audience<'de>, E> {
                Ok(Audience::One(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Audience<'de>, E> {
                Ok(Audience::One(Cow::Owned(text.to_owned())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Audience<'de>, A::Error> {
                let mut many = Vec::new();
                while let Some(one) = seq.next_element()? {
                    many.push(one);
                }
                Ok(Audience::Many(many))
            }
        }
        deserializer.deserialize_any(Read)
    }
}

/// Seconds since 1970, whole or not (RFC 7519 §2). One before 1970 is none, and one beyond all dates is the last.
pub(crate) struct NumericDate(pub(crate) Timestamp);

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl Visitor<'_> for Read {
            type Value = NumericDate;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time")
            }

            fn visit_u64<E>(self, secs: u64) -> Result<NumericDate, E> {
                let secs = i64::try_from(secs).unwrap_or(i64::MAX);
                Ok(NumericDate(Timestamp::from_secs(secs)))
            }

            fn visit_f64<E: serde::de::Error>(self, secs: f64) -> Result<NumericDate, E> {
                if !secs.is_finite() || secs < 0.0 {
                    return Err(E::custom(""));
                }
                // A cast of a float saturates.
                Ok(NumericDate(Timestamp::from_millis((secs * 1000.0) as i64)))
            }
        }
        deserializer.deserialize_any(Read)
    }
}
