//! The credentials that the provider has issued, and the nonces that it has seen.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, SystemTime},
};

use crate::random::SeededRandom;

/// How long temporary credentials are good.
const TEMPORARY_LIFETIME: Duration = Duration::from_secs(600);

#[derive(Debug, Default)]
pub(crate) struct Credentials {
    temporary: HashMap<String, Temporary>,
    tokens: HashMap<String, Token>,
    nonces: HashSet<Used>,
    /// Temporary tokens and their callbacks that wait for a human, by the ticket in the consent page.
    pub(crate) waiting: HashMap<String, (String, String)>,
}

/// Temporary credentials (RFC 5849 §2.1).
#[derive(Clone, Debug)]
pub(crate) struct Temporary {
    pub(crate) client: String,
    pub(crate) secret: String,
    /// Where the user is sent back to; `None` if that is said only when the user comes, as in OAuth 1.0
    /// before its revision A.
    pub(crate) callback: Option<String>,
    pub(crate) decision: Decision,
    pub(crate) expires: SystemTime,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Open,
    Refused,
    /// By this user; the verifier is what the client must bring.
    Approved {
        user: String,
        verifier: Option<String>,
    },
}

/// Token credentials (RFC 5849 §2.3).
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) client: String,
    pub(crate) secret: String,
    pub(crate) user: String,
    pub(crate) expires: Option<SystemTime>,
    /// What renews it, by the Session extension.
    pub(crate) session: Option<String>,
    pub(crate) revoked: bool,
}

/// A nonce is used once with a timestamp, a client and a token (RFC 5849 §3.3).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Used {
    pub(crate) client: String,
    pub(crate) token: String,
    pub(crate) timestamp: u64,
    pub(crate) nonce: String,
}

impl Credentials {
    pub(crate) fn add_temporary(
        &mut self,
        random: &SeededRandom,
        client: &str,
        callback: Option<String>,
        now: SystemTime,
    ) -> (String, String) {
        let (text, secret) = (format!("tmp-{}", random.text()), random.text());
        let temporary = Temporary {
            client: client.to_owned(),
            secret: secret.clone(),
            callback,
            decision: Decision::Open,
            expires: now + TEMPORARY_LIFETIME,
        };
        self.temporary.insert(text.clone(), temporary);
        (text, secret)
    }

    pub(crate) fn temporary(&self, text: &str, now: SystemTime) -> Option<&Temporary> {
        self.temporary.get(text).filter(|temporary| now < temporary.expires)
    }

    pub(crate) fn decide(&mut self, text: &str, decision: Decision) {
        if let Some(temporary) = self.temporary.get_mut(text) {
            temporary.decision = decision;
        }
    }

    /// Temporary credentials are good for one attempt (RFC 5849 §2.3).
    pub(crate) fn spend_temporary(&mut self, text: &str) -> Option<Temporary> {
        self.temporary.remove(text)
    }

    pub(crate) fn add_token(&mut self, random: &SeededRandom, token: Token) -> String {
        let text = format!("tok-{}", random.text());
        self.tokens.insert(text.clone(), token);
        text
    }

    /// A token that was not revoked; it may have expired.
    pub(crate) fn token(&self, text: &str) -> Option<&Token> {
        self.tokens.get(text).filter(|token| !token.revoked)
    }

    pub(crate) fn revoke_token(&mut self, text: &str) {
        if let Some(token) = self.tokens.get_mut(text) {
            token.revoked = true;
        }
    }

    /// Revokes every token, but for what renews them unless `sessions` go too.
    pub(crate) fn revoke_all(&mut self, sessions: bool) {
        for token in self.tokens.values_mut() {
            match token.session {
                Some(_) if !sessions => token.expires = Some(SystemTime::UNIX_EPOCH),
                Some(_) | None => token.revoked = true,
            }
        }
    }

    /// Whether this is the first time.
    pub(crate) fn use_nonce(&mut self, used: Used) -> bool {
        self.nonces.insert(used)
    }
}
