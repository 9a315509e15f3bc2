//! What the provider saw, for tests that ask what a client sent and what it did not.

use std::{collections::BTreeMap, fmt, time::SystemTime};

use http::{HeaderMap, Method, StatusCode, header::AUTHORIZATION};
use valetkey_http::Limits;

use crate::message::Params;

/// A kind of endpoint: where requests are counted and where faults happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Place {
    /// Any address under `/.well-known/`, published or not, but for WebFinger.
    Metadata,
    /// Where the APIs describe themselves (RFC 9728).
    ResourceMetadata,
    /// The authorization endpoint, which only browsers visit. Its answer is the callback.
    Authorize,
    /// The token endpoint.
    Token,
    /// The revocation endpoint.
    Revocation,
    /// The introspection endpoint.
    Introspection,
    /// Where devices without a browser begin (RFC 8628 §3.1).
    DeviceAuthorization,
    /// The keys of the provider (OpenID Connect Core §10.1.1).
    Keys,
    /// `UserInfo` (OpenID Connect Core §5.3).
    UserInfo,
    /// Where clients register, and change what they registered (RFC 7591, RFC 7592).
    Registration,
    /// Where distributed claims are (OpenID Connect Core §5.6.2).
    Claims,
    /// Where a user's provider is looked up (RFC 7033).
    WebFinger,
    /// Where only browsers come to sign out (RP-Initiated Logout §2).
    EndSession,
    /// What the provider sends to clients (Back-Channel Logout §2.5). No request comes here.
    BackChannelLogout,
    /// The protected resources under `/api/` and `/oauth1/api`.
    Resource,
    /// Where OAuth 1.0a clients get temporary credentials (RFC 5849 §2.1).
    TemporaryCredentials,
    /// Where only browsers come in OAuth 1.0a (RFC 5849 §2.2). Its answer is the callback.
    OwnerAuthorization,
    /// Where OAuth 1.0a clients get token credentials (RFC 5849 §2.3).
    TokenCredentials,
    /// Any other path or host: where no client should ever go.
    Elsewhere,
}

impl Place {
    /// Whether only browsers come here.
    pub(crate) fn is_for_browsers(self) -> bool {
        matches!(self, Self::Authorize | Self::OwnerAuthorization | Self::EndSession)
    }

    /// Whether whoever comes here uses what it was given before.
    pub(crate) fn is_use(self) -> bool {
        !self.is_for_browsers()
            && !matches!(self, Self::Metadata | Self::ResourceMetadata | Self::Keys | Self::WebFinger)
    }
}

/// A point in the transcript; see [`Provider::mark`](crate::Provider::mark).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// How many requests there had been.
    pub(crate) seen: usize,
    /// How many of them were not a browser's.
    pub(crate) by_clients: usize,
}

/// One request, and the status it was answered with.
///
/// Values are kept as they came; `Debug` shows only harmless ones.
#[derive(Clone)]
pub struct Entry {
    pub(crate) place: Place,
    pub(crate) method: Method,
    pub(crate) origin: String,
    pub(crate) path: String,
    pub(crate) query: Params,
    pub(crate) form: Params,
    pub(crate) headers: HeaderMap,
    pub(crate) oauth1: Vec<(String, String)>,
    pub(crate) limits: Option<Limits>,
    pub(crate) at: SystemTime,
    pub(crate) status: Option<StatusCode>,
}

impl Entry {
    /// The kind of endpoint.
    #[must_use]
    pub fn place(&self) -> Place {
        self.place
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Scheme, host and port that the request went to.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The path, without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The value of a parameter: the first of this name in the posted form, or else in the query.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        let mut params = self.form.0.iter().chain(&self.query.0);
        params.find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The posted form, decoded, in its order, duplicates included.
    #[must_use]
    pub fn form(&self) -> &[(String, String)] {
        &self.form.0
    }

    /// The query, decoded, in its order, duplicates included.
    #[must_use]
    pub fn query(&self) -> &[(String, String)] {
        &self.query.0
    }

    /// The value of an OAuth 1.0a protocol parameter, decoded: of the `Authorization` header, the form or
    /// the query (RFC 5849 §3.5).
    #[must_use]
    pub fn oauth1_param(&self, name: &str) -> Option<&str> {
        let found = self.oauth1.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The request's headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The bounds that the client sent it with; `None` for what came over a socket or from a browser.
    #[must_use]
    pub fn limits(&self) -> Option<&Limits> {
        self.limits.as_ref()
    }

    /// When it arrived, by the provider's clock.
    #[must_use]
    pub fn at(&self) -> SystemTime {
        self.at
    }

    /// The status of the answer; `None` if a fault let it go unanswered.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.status
    }
}

/// Everything that arrived, in its order.
#[derive(Debug, Default)]
pub(crate) struct Transcript {
    /// Empty if nothing is to be kept.
    pub(crate) entries: Vec<Entry>,
    counts: BTreeMap<Place, usize>,
}

impl Transcript {
    pub(crate) fn count(&self, place: Place) -> usize {
        self.counts.get(&place).copied().unwrap_or(0)
    }

    pub(crate) fn mark(&self) -> Mark {
        let seen = self.counts.values().sum();
        Mark { seen, by_clients: seen - self.by_browsers() }
    }

    fn by_browsers(&self) -> usize {
        self.counts.iter().filter(|(place, _)| place.is_for_browsers()).map(|(_, count)| count).sum()
    }

    /// Counts a request; the entry is made only if it is to be kept.
    pub(crate) fn note(&mut self, place: Place, keep: bool, entry: impl FnOnce() -> Entry) {
        *self.counts.entry(place).or_default() += 1;
        if keep {
            self.entries.push(entry());
        }
    }

    pub(crate) fn since(&self, mark: Mark) -> &[Entry] {
        self.entries.get(mark.seen..).unwrap_or(&[])
    }
}

/// Parameters whose values are shown; all others may be secrets.
const HARMLESS: [&str; 19] = [
    "acr_values",
    "client_id",
    "code_challenge_method",
    "error",
    "grant_type",
    "max_age",
    "oauth_callback",
    "oauth_consumer_key",
    "oauth_problem",
    "oauth_signature_method",
    "oauth_version",
    "post_logout_redirect_uri",
    "prompt",
    "redirect_uri",
    "resource",
    "response_mode",
    "response_type",
    "scope",
    "token_type_hint",
];

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Entry");
        debug.field("place", &self.place).field("method", &self.method);
        debug.field("url", &format_args!("{}{}", self.origin, self.path));
        for (field, params) in [("query", &self.query), ("form", &self.form)] {
            if !params.0.is_empty() {
                debug.field(field, &Shown(params));
            }
        }
        if let Some(value) = self.headers.get(AUTHORIZATION) {
            let scheme = value.to_str().ok().and_then(|value| value.split_once(' '));
            debug.field("authorization", &format_args!("{} ***", scheme.map_or("", |(scheme, _)| scheme)));
        }
        debug.field("status", &self.status.map(|status| status.as_u16())).finish_non_exhaustive()
    }
}

struct Shown<'a>(&'a Params);

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.0.iter().map(|(name, value)| {
            (name, if HARMLESS.contains(&name.as_str()) { value.as_str() } else { "***" })
        });
        f.debug_map().entries(shown).finish()
    }
}
