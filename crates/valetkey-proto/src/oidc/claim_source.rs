//! Claims that somebody else vouches for (OpenID Connect Core §5.6.2).

use std::{collections::BTreeMap, fmt};

use serde_json::value::RawValue;
use valetkey_http::Response;

use super::Claims;
use crate::{
    call::{Exchange, Retry},
    draft::Draft,
    endpoint::{Endpoint, Origin},
    error::{Error, ErrorKind, Reason, Result},
    flow::Env,
    jose::{
        VerifyingKeys,
        jwt::{Expected, Validator},
    },
    oauth2::{client::ClientId, server::Issuer},
    response::{
        self,
        members::{members, read},
        value::Text,
    },
    secret::{AccessToken, Secret},
    time::Timestamp,
};

/// The most sources that are read, and the most names.
const MAX_SOURCES: usize = 16;

/// Where claims come from that somebody else than the server vouches for: they are here, or at an endpoint.
///
/// [`Claims::sources`] finds them. They are worth what their issuer is worth: the program says which issuer it takes them
/// from, and they are verified by that one's keys.
///
/// # Security
///
/// Nothing of it is followed by itself. An endpoint is asked only on the origins that the program names, with no other
/// credential than the token that came with it.
#[derive(Clone)]
pub struct ClaimSource {
    names: Vec<Box<str>>,
    place: Place,
}

#[derive(Clone)]
enum Place {
    Here(Secret),
    There(Endpoint, Option<AccessToken>),
}

members! {
    struct Wire {
        jwt = "JWT": Text<'de>,
        endpoint: Text<'de>,
        access_token: Text<'de>,
    }
}

impl Claims {
    /// The sources of claims that somebody else vouches for, at most sixteen. Those that cannot be used are left out.
    #[must_use]
    pub fn sources(&self) -> Vec<ClaimSource> {
        let names: BTreeMap<String, String> = self.get("_claim_names").unwrap_or_default();
        let sources: BTreeMap<String, Box<RawValue>> = self.get("_claim_sources").unwrap_or_default();
        let used = sources.iter().take(MAX_SOURCES).filter_map(|(source, raw)| {
            let own = names.iter().filter(|(_, from)| *from == source);
            let names: Vec<_> = own.map(|(name, _)| name.as_str().into()).collect();
            let place = Place::of(&read::<Wire<'_>>(raw.get()).ok()?)?;
            Some(ClaimSource { names, place }).filter(|source| !source.names.is_empty())
        });
        used.collect()
    }
}

impl Place {
    fn of(wire: &Wire<'_>) -> Option<Self> {
        match (&wire.jwt, &wire.endpoint) {
            (Some(jwt), None) => Some(Self::Here(Secret::new(&**jwt))),
            (None, Some(endpoint)) => {
                let token = wire.access_token.as_ref().map(|token| AccessToken::bearer(token));
                // A token that cannot be shown is not left out in silence.
                if token.as_ref().is_some_and(Option::is_none) {
                    return None;
                }
                Some(Self::There(Endpoint::parse(endpoint).ok()?, token.flatten()))
            }
            (Some(_), Some(_)) | (None, None) => None,
        }
    }
}

impl ClaimSource {
    /// The names of the claims that are there.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    /// The endpoint that has them; `None` if they are here.
    #[must_use]
    pub fn endpoint(&self) -> Option<&Endpoint> {
        if let Place::There(endpoint, _) = &self.place { Some(endpoint) } else { None }
    }

    /// The claims as they came, unverified, if they are here.
    #[must_use]
    pub fn text(&self) -> Option<&Secret> {
        if let Place::Here(text) = &self.place { Some(text) } else { None }
    }

    /// Verifies the text of the claims as those of this issuer, by its keys. Claims that were not to come from here are
    /// left out.
    ///
    /// # Errors
    ///
    /// As [`Validator::validate`].
    pub fn verify(
        &self,
        text: &str,
        issuer: &Issuer,
        client: &ClientId,
        keys: &VerifyingKeys,
        env: &Env<'_>,
    ) -> Result<Claims> {
        let validator = Validator::claims_of_others(issuer.as_str(), client.as_str());
        let jwt = validator.validate(text, keys, &Expected::new(), env)?;
        let mut all: BTreeMap<String, &RawValue> = serde_json::from_str(jwt.claims()).unwrap_or_default();
        all.retain(|name, _| self.names.iter().any(|own| **own == **name));
        Ok(Claims::of_json(&serde_json::to_string(&all).unwrap_or_default()))
    }
}

/// Asks an endpoint for the claims that it has (OpenID Connect Core §5.6.2.2); the text is to be
/// [verified](ClaimSource::verify).
pub struct ClaimsOfOthersRequest {
    url: Endpoint,
    token: Option<AccessToken>,
}

impl ClaimsOfOthersRequest {
    /// Asks where this source says, if that is on one of these origins.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::InvalidValue`] for claims that are here; [`Reason::OriginNotAllowed`].
    pub fn new(source: &ClaimSource, origins: &[Origin]) -> Result<Self> {
        let Place::There(url, token) = &source.place else {
            return Err(
                Error::new(ErrorKind::Usage, Reason::InvalidValue).with_detail("claims that are here")
            );
        };
        if !origins.iter().any(|origin| origin.is_of(url.uri())) {
            return Err(Error::new(ErrorKind::Usage, Reason::OriginNotAllowed));
        }
        Ok(Self { url: url.clone(), token: token.clone() })
    }
}

impl Exchange for ClaimsOfOthersRequest {
    type Output = Secret;

    fn retry(&self) -> Retry {
        Retry::IDEMPOTENT
    }

    fn request(&self, _: &Env<'_>) -> Result<Draft> {
        let mut draft = Draft::get(&self.url);
        if let Some(token) = &self.token {
            draft.headers_mut().insert(http::header::AUTHORIZATION, token.header().clone());
        }
        Ok(draft)
    }

    fn response(&self, response: Response, _: Timestamp, _: &Env<'_>) -> Result<Secret> {
        Ok(Secret::new(response::text(&response)?.trim()))
    }
}

impl fmt::Debug for ClaimSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClaimSource")
            .field("names", &self.names)
            .field("endpoint", &self.endpoint())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ClaimsOfOthersRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClaimsOfOthersRequest").field("url", &self.url).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s_oi_15_sources_that_cannot_be_used_are_left_out() {
        let sources = |sources: &str| {
            let json =
                format!(r#"{{"_claim_names":{{"a":"s","b":"s","c":"t"}},"_claim_sources":{sources}}}"#);
            Claims::of_json(&json).sources()
        };
        let good = sources(r#"{"s":{"JWT":"a.b.c"},"t":{"endpoint":"https://bank.example/claims"}}"#);
        assert_eq!(good.len(), 2);
        assert_eq!(good[0].names().collect::<Vec<_>>(), ["a", "b"]);
        assert!(good[0].text().is_some() && good[1].endpoint().is_some());
        for bad in [
            "[]",
            r#"{"s":17}"#,
            r#"{"u":{"JWT":"a.b.c"}}"#,
            r#"{"s":{}}"#,
            r#"{"s":{"endpoint":"http://bank.example/claims"}}"#,
            r#"{"s":{"endpoint":"https://bank.example@evil.example/"}}"#,
            r#"{"s":{"endpoint":"file:///etc/passwd"}}"#,
            r#"{"s":{"endpoint":"https://bank.example/","access_token":"a\r\nb"}}"#,
            r#"{"s":{"JWT":"a.b.c","endpoint":"https://bank.example/"}}"#,
        ] {
            assert!(sources(bad).is_empty(), "{bad}");
        }
    }

    #[test]
    fn s_oi_15_nobody_is_asked_who_was_not_named() {
        let json = |endpoint: &str| {
            format!(r#"{{"_claim_names":{{"a":"s"}},"_claim_sources":{{"s":{{"endpoint":"{endpoint}"}}}}}}"#)
        };
        let bank = [Origin::parse("https://bank.example").unwrap()];
        let ask = |endpoint: &str| {
            ClaimsOfOthersRequest::new(&Claims::of_json(&json(endpoint)).sources()[0], &bank)
        };
        assert!(ask("https://bank.example/claims").is_ok());
        for elsewhere in
            ["https://bank.example:444/", "https://evil.example/", "http://127.0.0.1/latest/meta-data"]
        {
            assert_eq!(ask(elsewhere).unwrap_err().reason(), Reason::OriginNotAllowed, "{elsewhere}");
        }
    }
}
