//! JOSE headers (RFC 7515 §4, RFC 7516 §4).

use serde_json::value::RawValue;

use super::{MAX_HEADER, MAX_KID, check_shape, decode, malformed, span::Span, too_large, untrusted};
use crate::{
    error::{Reason, Result},
    response::{
        members::{members, read_into},
        value::Text,
    },
};

members! {
    /// The members that we know. Keys and URLs of keys (`jku`, `x5u`, `x5c`) are not among them; `jwk` is, for DPoP
    /// proofs alone.
    strict struct Members {
        alg: Text<'de>,
        enc: Text<'de>,
        kid: Text<'de>,
        typ: Text<'de>,
        cty: Text<'de>,
        jwk: &'de RawValue,
        crit: &'de RawValue,
        b64: &'de RawValue,
        zip: &'de RawValue,
        epk: &'de RawValue,
        apu: Text<'de>,
        apv: Text<'de>,
        iv: Text<'de>,
        tag: Text<'de>,
    }
}

/// A header, decoded once; its parts are read out of the text.
pub(super) struct Header {
    text: String,
    alg: Span,
    enc: Option<Span>,
    kid: Option<Span>,
    typ: Option<Span>,
    cty: Option<Span>,
    jwk: Option<Span>,
    epk: Option<Span>,
    apu: Option<Span>,
    apv: Option<Span>,
    iv: Option<Span>,
    tag: Option<Span>,
}

impl Header {
    /// Reads the first part of a compact serialization.
    pub(super) fn parse(encoded: &str) -> Result<Self> {
        if encoded.len() > MAX_HEADER.div_ceil(3) * 4 {
            return Err(too_large("header"));
        }
        let text = String::from_utf8(decode(encoded)?).map_err(|_| malformed("header"))?;
        check_shape(&text)?;
        let mut members = Members::default();
        read_into(&mut members, &text)?;
        // RFC 7515 §4.1.11: what must be understood is not, whatever it is. RFC 7797 §7: no `b64` in a JWT.
        // RFC 8725 §3.6: nothing is compressed.
        let foreign = [("crit", members.crit), ("b64", members.b64), ("zip", members.zip)];
        if let Some((name, _)) = foreign.iter().find(|(_, value)| value.is_some()) {
            return Err(untrusted(Reason::UnsupportedHeader).with_detail(*name));
        }
        if members.kid.as_ref().is_some_and(|kid| kid.len() > MAX_KID) {
            return Err(too_large("kid"));
        }
        let piece = |piece: &Option<Text<'_>>| piece.as_ref().map(|piece| Span::of(&text, &piece.0));
        let raw = |raw: Option<&RawValue>| raw.map(|raw| Span::of(&text, raw.get()));
        let alg = piece(&members.alg).ok_or_else(|| super::missing("alg"))?;
        let (enc, kid, typ, cty) =
            (piece(&members.enc), piece(&members.kid), piece(&members.typ), piece(&members.cty));
        let (apu, apv, iv, tag) =
            (piece(&members.apu), piece(&members.apv), piece(&members.iv), piece(&members.tag));
        let (jwk, epk) = (raw(members.jwk), raw(members.epk));
        Ok(Self { alg, enc, kid, typ, cty, jwk, epk, apu, apv, iv, tag, text })
    }

    /// The decoded text, which was read.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn alg(&self) -> &str {
        self.alg.get(&self.text)
    }

    pub(super) fn enc(&self) -> Option<&str> {
        self.part(&self.enc)
    }

    pub(super) fn kid(&self) -> Option<&str> {
        self.part(&self.kid)
    }

    /// The type, without `application/`, which may be left out (RFC 7515 §4.1.9).
    pub(super) fn typ(&self) -> Option<&str> {
        self.part(&self.typ).map(|typ| match typ.split_at_checked("application/".len()) {
            Some((prefix, typ)) if prefix.eq_ignore_ascii_case("application/") && !typ.contains('/') => typ,
            Some(_) | None => typ,
        })
    }

    pub(super) fn cty(&self) -> Option<&str> {
        self.part(&self.cty)
    }

    /// The key that a DPoP proof brings, in JSON.
    pub(super) fn jwk(&self) -> Option<&str> {
        self.part(&self.jwk)
    }

    pub(super) fn epk(&self) -> Option<&str> {
        self.part(&self.epk)
    }

    pub(super) fn apu(&self) -> Option<&str> {
        self.part(&self.apu)
    }

    pub(super) fn apv(&self) -> Option<&str> {
        self.part(&self.apv)
    }

    pub(super) fn iv(&self) -> Option<&str> {
        self.part(&self.iv)
    }

    pub(super) fn tag(&self) -> Option<&str> {
        self.part(&self.tag)
    }

    fn part<'a>(&'a self, part: &'a Option<Span>) -> Option<&'a str> {
        part.as_ref().map(|part| part.get(&self.text))
    }
}
