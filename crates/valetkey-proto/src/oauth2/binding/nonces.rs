//! The nonces that servers want to see in proofs (RFC 9449 §8, §9).

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::{HeaderMap, HeaderName, Uri};

use crate::endpoint::Origin;

/// The most nonces that are kept. The one that was learned longest ago makes room.
const MOST: usize = 64;
/// The longest nonce that is kept, in bytes.
const LONGEST: usize = 1 << 10;
const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// The newest nonce of each origin, to be shared by all who send there. A server and an API on one origin have each
/// their own.
///
/// At most 64 are kept. A nonce that is longer than 1 KiB, has another character than RFC 9449 §8.1 allows, or
/// comes together with another one is not learned.
#[derive(Default)]
pub struct Nonces(Mutex<Vec<Known>>);

struct Known {
    at: At,
    origin: Origin,
    nonce: Arc<str>,
}

/// Who wants to see a nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// The server, where tokens are asked for (RFC 9449 §8).
    Server,
    /// An API, where they are shown (RFC 9449 §9).
    Api,
}

impl Known {
    fn is_of(&self, at: At, uri: &Uri) -> bool {
        self.at == at && self.origin.is_of(uri)
    }
}

/// What an answer says of nonces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Learned {
    /// Nothing.
    Nothing,
    /// The next one to use.
    Nonce,
    /// One that cannot be used.
    Unusable,
}

impl Nonces {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The nonce for a request to this URI.
    pub(crate) fn of(&self, at: At, uri: &Uri) -> Option<Arc<str>> {
        self.known().iter().find(|known| known.is_of(at, uri)).map(|known| Arc::clone(&known.nonce))
    }

    /// Learns from the answer to a request to this URI.
    pub(crate) fn learn(&self, at: At, uri: &Uri, headers: &HeaderMap) -> Learned {
        let mut named = headers.get_all(DPOP_NONCE).iter();
        let Some(value) = named.next() else { return Learned::Nothing };
        let nonce = value.to_str().ok().filter(|nonce| is_nonce(nonce) && named.next().is_none());
        let Some(nonce) = nonce else { return Learned::Unusable };
        let mut known = self.known();
        let place = known.iter().position(|known| known.is_of(at, uri));
        if let Some(present) = place.and_then(|place| known.get(place))
            && *present.nonce == *nonce
        {
            return Learned::Nonce;
        }
        let Some(origin) = Origin::of(uri) else { return Learned::Unusable };
        if let Some(place) = place.or_else(|| (known.len() >= MOST).then_some(0)) {
            known.remove(place);
        }
        known.push(Known { at, origin, nonce: nonce.into() });
        Learned::Nonce
    }

    fn known(&self) -> MutexGuard<'_, Vec<Known>> {
        // Nothing in here panics half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `1*NQCHAR` (RFC 9449 §8.1, RFC 6749 Appendix A).
fn is_nonce(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len())
        && text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nonces").field("known", &self.known().len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(nonces: &[&str]) -> HeaderMap {
        nonces.iter().map(|nonce| (DPOP_NONCE, nonce.parse().unwrap())).collect()
    }

    #[test]
    fn s_dp_03_the_newest_nonce_of_each_origin_is_kept() {
        let nonces = Nonces::new();
        let [server, api, other]: [Uri; 3] =
            ["https://as.example/token", "https://api.example/me", "https://api.example:8443/"]
                .map(|uri| uri.parse().unwrap());
        assert_eq!(nonces.learn(At::Server, &server, &answer(&[])), Learned::Nothing);
        for nonce in ["a", "b", "b"] {
            assert_eq!(nonces.learn(At::Server, &server, &answer(&[nonce])), Learned::Nonce);
        }
        nonces.learn(At::Api, &api, &answer(&["c"]));
        let of = |uri: &Uri| {
            let at = if uri.host() == Some("api.example") { At::Api } else { At::Server };
            nonces.of(at, uri).map(|nonce| nonce.to_string())
        };
        assert!(nonces.of(At::Api, &server).is_none(), "an API on the server's origin has its own");
        assert_eq!((of(&server), of(&api), of(&other)), (Some("b".into()), Some("c".into()), None));
        assert_eq!(of(&"https://AS.example:443/other".parse().unwrap()), Some("b".into()));
    }

    #[test]
    fn s_dp_03_a_nonce_that_cannot_be_used_is_not_learned() {
        let nonces = Nonces::new();
        let uri: Uri = "https://as.example/token".parse().unwrap();
        nonces.learn(At::Api, &uri, &answer(&["good"]));
        for bad in
            [&[""][..], &["a b"], &["a\"b"], &["a\\b"], &["a", "b"], &["a", "a"], &[&"n".repeat(LONGEST + 1)]]
        {
            assert_eq!(nonces.learn(At::Api, &uri, &answer(bad)), Learned::Unusable, "{bad:?}");
        }
        let latin = [(DPOP_NONCE, http::HeaderValue::from_bytes(b"\xe9").unwrap())].into_iter().collect();
        assert_eq!(nonces.learn(At::Api, &uri, &latin), Learned::Unusable);
        assert_eq!(nonces.of(At::Api, &uri).as_deref(), Some("good"));
        assert_eq!(nonces.learn(At::Api, &uri, &answer(&[&"n".repeat(LONGEST)])), Learned::Nonce);
    }

    #[test]
    fn s_dp_03_nonces_do_not_pile_up() {
        let nonces = Nonces::new();
        let uri = |at: usize| format!("https://h{at}.example/").parse::<Uri>().unwrap();
        for at in 0..10 * MOST {
            nonces.learn(At::Api, &uri(at), &answer(&["n"]));
        }
        assert_eq!(nonces.known().len(), MOST);
        assert!(nonces.of(At::Api, &uri(0)).is_none() && nonces.of(At::Api, &uri(10 * MOST - 1)).is_some());
    }
}
