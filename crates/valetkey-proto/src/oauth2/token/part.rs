//! Access tokens for a part of what was granted: for one API of several, or of less scope, beside the one for all of it.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value, value::RawValue};

use super::{GrantedScope, TokenRecord, TokenResponse, TokenSet};
use crate::{
    error::Result,
    oauth2::{AuthorizationDetails, Requested, Scope, binding::KeptKey, details},
    response::{
        members::{members, read},
        value::Text,
    },
    secret::AccessToken,
    time::Timestamp,
};

/// Parts of a grant that are kept. Whoever asks for more of them asks again for the one that was asked for first.
const MOST: usize = 16;

impl TokenRecord {
    /// The tokens for a part of what was granted, by what was asked for them ([`renewed_for`](Self::renewed_for)).
    #[must_use]
    pub fn part(&self, part: &Requested) -> Option<&Arc<TokenSet>> {
        self.parts().iter().find(|tokens| tokens.requested() == part)
    }

    /// The record after a renewal that asked for this part of what was granted, in place of all (RFC 6749 §6, RFC 8707 §2.2):
    /// its access token stands beside the others, and the refresh token is the new one, if one came. Parts that have expired
    /// are left out, and of too many those that are the oldest.
    ///
    /// # Errors
    ///
    /// As [`TokenSet::renewed`].
    pub fn renewed_for(&self, part: &Requested, response: &TokenResponse) -> Result<Self> {
        let (whole, tokens) = self.tokens().parted(part, response)?;
        let now = response.asked_at();
        let is_kept = |one: &&Arc<TokenSet>| one.requested() != part && !one.is_expired(now);
        let mut parts: Vec<_> = self.parts().iter().filter(is_kept).cloned().collect();
        parts.drain(..parts.len().saturating_sub(MOST - 1));
        parts.push(Arc::new(tokens));
        Ok(self.renewed(whole).with_parts(parts))
    }
}

members! {
    struct Wire {
        access_token: Text<'de>,
        issued_at: i64,
        lifetime: u64,
        scope: Text<'de>,
        scope_is_explicit: bool,
        requested: &'de RawValue,
        authorization_details: &'de RawValue,
    }
}

/// What a record says of an access token, be it for all of the grant or for a part.
pub(super) struct Told<'de> {
    /// Whether it is for all of the grant: then a scope that the server did not say is what was asked for, and is kept once.
    pub(super) is_whole: bool,
    pub(super) access_token: Text<'de>,
    pub(super) issued_at: i64,
    pub(super) lifetime: Option<u64>,
    pub(super) scope: Option<Text<'de>>,
    pub(super) is_explicit: Option<bool>,
    pub(super) requested: Option<&'de RawValue>,
    pub(super) details: Option<&'de RawValue>,
}

impl Told<'_> {
    /// The tokens, bound to this key.
    pub(super) fn tokens(self, key: Option<KeptKey>) -> Option<TokenSet> {
        // Some servers grant what nobody could ask for.
        let scope = self.scope.map(|text| Scope::tolerant(&text));
        let scope = match (self.is_explicit, scope) {
            (Some(true), Some(scope)) => GrantedScope::Explicit(scope),
            (_, scope) => GrantedScope::Requested(scope),
        };
        let granted = self.details.map(|granted| AuthorizationDetails::parse(granted.get()));
        let granted = granted.transpose().ok()?;
        let token = &self.access_token;
        let token = if key.is_some() { AccessToken::dpop(token)? } else { AccessToken::bearer(token)? };
        let lifetime = self.lifetime.map(Duration::from_secs);
        let issued_at = Timestamp::from_millis(self.issued_at);
        let requested = Requested::of_record(self.requested)?;
        let requested = match &scope {
            GrantedScope::Requested(scope) if self.is_whole => requested.with_scope(scope.clone()),
            GrantedScope::Requested(_) | GrantedScope::Explicit(_) => requested,
        };
        let tokens = TokenSet::restored(token, issued_at, lifetime, None, scope, key);
        Some(tokens.with_request_kept(requested, granted))
    }
}

/// The parts that a record holds, all of them bound to this key.
pub(super) fn read_all(text: Option<&RawValue>, key: Option<&KeptKey>) -> Option<Vec<Arc<TokenSet>>> {
    let Some(text) = text else { return Some(Vec::new()) };
    let parts: Vec<&RawValue> = serde_json::from_str(text.get()).ok()?;
    let read = |text: &RawValue| {
        let wire: Wire<'_> = read(text.get()).ok()?;
        let told = Told {
            is_whole: false,
            access_token: wire.access_token?,
            issued_at: wire.issued_at?,
            lifetime: wire.lifetime,
            scope: wire.scope,
            is_explicit: wire.scope_is_explicit,
            requested: wire.requested,
            details: wire.authorization_details,
        };
        told.tokens(key.cloned()).map(Arc::new)
    };
    parts.into_iter().map(read).collect()
}

pub(super) fn write_all(parts: &[Arc<TokenSet>]) -> Value {
    let write = |tokens: &Arc<TokenSet>| {
        let mut members = Map::new();
        write_into(&mut members, tokens, false);
        members.retain(|_, value| !value.is_null());
        Value::Object(members)
    };
    parts.iter().map(write).collect()
}

/// What [`Told`] reads.
pub(super) fn write_into(record: &mut Map<String, Value>, tokens: &TokenSet, is_whole: bool) {
    let scope = tokens.scope();
    let is_explicit = matches!(scope, GrantedScope::Explicit(_));
    record.extend([
        ("access_token".to_owned(), tokens.access_token().expose().into()),
        ("issued_at".to_owned(), tokens.issued_at().as_millis().into()),
        ("lifetime".to_owned(), tokens.lifetime().map(|lifetime| lifetime.as_secs()).into()),
        ("scope".to_owned(), scope.scope().map(Scope::as_str).into()),
        ("scope_is_explicit".to_owned(), is_explicit.into()),
    ]);
    let mut requested = tokens.requested().clone();
    if is_whole && !is_explicit {
        requested = requested.with_scope(None);
    }
    let granted = tokens.authorization_details().map(AuthorizationDetails::to_value);
    for (name, value) in [("requested", requested.to_value()), (details::NAME, granted)] {
        match value {
            Some(value) => drop(record.insert(name.to_owned(), value)),
            None => drop(record.remove(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::oauth2::{
        ResourceIndicator, client::ClientId, server::Issuer, token::Strictness, token::refresh::Standing,
    };

    fn response(body: String, asked: u64) -> TokenResponse {
        let mut response = valetkey_http::Response::new(Bytes::from(body));
        let json = http::HeaderValue::from_static("application/json");
        response.headers_mut().insert(http::header::CONTENT_TYPE, json);
        TokenResponse::parse(&response, Timestamp::from_secs(asked.cast_signed()), Strictness::Lenient)
            .unwrap()
    }

    fn issued(token: &str, refresh: &str, more: &str, asked: u64) -> TokenResponse {
        let body = format!(
            r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":3600,"refresh_token":"{refresh}"{more}}}"#
        );
        response(body, asked)
    }

    fn record() -> TokenRecord {
        let scope = Scope::parse("read write").unwrap();
        let tokens = TokenSet::of(&issued("whole", "r0", "", 1000), Some(&scope)).unwrap();
        let issuer = Issuer::parse("https://as.example").unwrap();
        TokenRecord::new(issuer, ClientId::parse("app").unwrap(), 0, tokens)
    }

    fn api(at: usize) -> Requested {
        let resource = ResourceIndicator::parse(&format!("https://api-{at}.example/")).unwrap();
        Requested::new().with_resource(resource).unwrap()
    }

    #[test]
    fn a_part_stands_beside_the_whole_and_both_share_the_refresh_token() {
        let whole = record();
        let read = Requested::new().with_scope(Scope::parse("read").unwrap());
        let one = whole.renewed_for(&api(1), &issued("one", "r1", "", 1010)).unwrap();
        let two = one.renewed_for(&read, &issued("two", "r2", r#","scope":"read""#, 1020)).unwrap();
        assert_eq!(two.generation(), 2);
        assert_eq!(two.tokens().access_token().expose(), "whole");
        assert_eq!(two.tokens().refresh_token().unwrap().expose(), "r2");
        let token = |record: &TokenRecord, part: &Requested| {
            let part = record.part(part)?;
            assert!(part.refresh_token().is_none());
            Some(part.access_token().expose().to_owned())
        };
        assert_eq!(
            (token(&two, &api(1)), token(&two, &read)),
            (Some("one".to_owned()), Some("two".to_owned()))
        );
        assert_eq!(token(&two, &api(2)), None);
        // Kept and read back, and kept through a renewal of the whole.
        let text = two.to_text();
        let back = TokenRecord::parse(text.expose()).unwrap();
        assert!(back == two && back != one);
        let renewed = back.renewed(back.tokens().renewed(&issued("anew", "r3", "", 1030)).unwrap());
        let renewed = TokenRecord::parse(renewed.to_text().expose()).unwrap();
        assert_eq!(
            (renewed.tokens().access_token().expose(), token(&renewed, &api(1))),
            ("anew", Some("one".to_owned()))
        );
        // A newer one takes the place of the older.
        let again = renewed.renewed_for(&api(1), &issued("one-anew", "", "", 1040)).unwrap();
        assert_eq!(token(&again, &api(1)), Some("one-anew".to_owned()));
        assert_eq!(again.tokens().refresh_token().unwrap().expose(), "r3", "none came");
        assert!(
            !again
                .to_shared_text(Standing::Ended(crate::oauth2::token::refresh::Ended::LoggedOut))
                .expose()
                .contains("one-anew")
        );
    }

    #[test]
    fn parts_do_not_grow_without_bound() {
        let mut record = record();
        for at in 0..100 {
            record = record.renewed_for(&api(at), &issued("t", "r", "", 1000)).unwrap();
        }
        assert_eq!(
            (record.parts().len(), record.part(&api(83)), record.part(&api(84)).is_some()),
            (MOST, None, true)
        );
        let later = record.renewed_for(&api(0), &issued("t", "r", "", 1000 + 3600)).unwrap();
        assert_eq!(later.parts().len(), 1, "the others have expired");
    }

    #[test]
    fn what_is_no_part_is_refused() {
        let text = record().renewed_for(&api(1), &issued("one", "r1", "", 1010)).unwrap().to_text();
        let text = text.expose();
        assert!(TokenRecord::parse(text).is_ok() && text.contains(r#""access_token":"one""#), "{text}");
        for (from, to) in [
            (r#""access_token":"one""#, r#""access_token":"o ne""#),
            (r#""access_token":"one""#, r#""access_token":"one","access_token":"two""#),
            (r#""access_token":"one""#, r#""excess_token":"one""#),
            (r#""parts":["#, r#""parts":[7,"#),
            (r#""issued_at":1010000"#, r#""issued_at":"now""#),
            ("https://api-1.example/", "https://api-1.example/#a"),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from}");
            assert!(TokenRecord::parse(&changed).is_err(), "{changed}");
        }
    }
}
