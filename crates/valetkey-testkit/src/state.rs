//! What the provider remembers: codes, tokens, and the grants that they belong to.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, SystemTime},
};

use crate::{
    access_token,
    dpop::Nonces,
    oauth1,
    openid::{OpenIdState, ResponseMode, ResponseType, Wish},
    random::SeededRandom,
    settings::Settings,
    targets::{Targeted, Targets},
};

/// Everything that changes while the provider runs. The endpoints are functions of it and a request.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) settings: Settings,
    pub(crate) random: SeededRandom,
    grants: Vec<Grant>,
    codes: HashMap<String, Code>,
    access: HashMap<String, Access>,
    refresh: HashMap<String, Refresh>,
    /// Devices whose users are somewhere else, by the code that the device asks with (RFC 8628).
    pub(crate) devices: HashMap<String, Device>,
    /// Logins that wait for a human at the consent page, by the ticket in the page.
    pub(crate) waiting: HashMap<String, Login>,
    /// Who has signed JWTs with which `jti`.
    used: HashSet<(String, String)>,
    /// The nonces that proofs may have.
    pub(crate) nonces: Nonces,
    /// What was issued by OAuth 1.0a.
    pub(crate) oauth1: oauth1::Credentials,
    pub(crate) openid: OpenIdState,
    pub(crate) targeted: Targeted,
}

/// One user's consent to one client; what is issued from it dies with it.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) client: String,
    /// `None` for a client that acts for itself.
    pub(crate) user: Option<String>,
    /// Who acts for the user (RFC 8693 §4.1).
    pub(crate) actor: Option<String>,
    pub(crate) scope: String,
    pub(crate) revoked: bool,
}

/// The number of a [`Grant`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct GrantId(usize);

/// A login that the authorization endpoint has checked.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    pub(crate) client: String,
    pub(crate) redirect_uri: String,
    pub(crate) state: Option<String>,
    pub(crate) scope: String,
    pub(crate) challenge: Option<String>,
    /// The thumbprint of the key that must redeem the code (RFC 9449 §10).
    pub(crate) key: Option<String>,
    pub(crate) response: ResponseType,
    pub(crate) mode: ResponseMode,
    /// What makes it an authentication request (OpenID Connect Core §3.1.2.1).
    pub(crate) openid: Option<Wish>,
    pub(crate) targets: Targets,
}

/// A device that waits for its user.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    pub(crate) client: String,
    pub(crate) scope: String,
    pub(crate) targets: Targets,
    pub(crate) expires: SystemTime,
    pub(crate) interval: Duration,
    /// How often it has asked, and when for the last time.
    pub(crate) polls: u32,
    pub(crate) last: Option<SystemTime>,
}

#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub(crate) grant: GrantId,
    pub(crate) redirect_uri: String,
    pub(crate) challenge: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) expires: SystemTime,
    pub(crate) spent: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Access {
    pub(crate) grant: GrantId,
    pub(crate) scope: String,
    /// The thumbprint of the key that it is bound to: `cnf.jkt` (RFC 9449 §6).
    pub(crate) key: Option<String>,
    pub(crate) expires: SystemTime,
    pub(crate) revoked: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Refresh {
    pub(crate) grant: GrantId,
    /// The thumbprint of the key that must use it, if its client is public (RFC 9449 §5).
    pub(crate) key: Option<String>,
    pub(crate) expires: SystemTime,
    /// When it was replaced by another.
    pub(crate) spent: Option<SystemTime>,
}

impl State {
    pub(crate) fn new(settings: Settings, seed: u64) -> Self {
        Self {
            settings,
            random: SeededRandom::labelled(seed, "provider"),
            grants: Vec::new(),
            codes: HashMap::new(),
            access: HashMap::new(),
            refresh: HashMap::new(),
            devices: HashMap::new(),
            waiting: HashMap::new(),
            used: HashSet::new(),
            nonces: Nonces::default(),
            oauth1: oauth1::Credentials::default(),
            openid: OpenIdState::default(),
            targeted: Targeted::default(),
        }
    }

    /// Whether this is the first JWT of this signer with this `jti` (RFC 7523 §3).
    pub(crate) fn use_jti(&mut self, signer: &str, jti: &str) -> bool {
        self.used.insert((signer.to_owned(), jti.to_owned()))
    }

    pub(crate) fn add_grant(&mut self, client: &str, user: Option<&str>, scope: &str) -> GrantId {
        let user = user.map(str::to_owned);
        let (client, scope) = (client.into(), scope.into());
        self.grants.push(Grant { client, user, actor: None, scope, revoked: false });
        GrantId(self.grants.len() - 1)
    }

    pub(crate) fn grant(&self, id: GrantId) -> &Grant {
        &self.grants[id.0]
    }

    /// Says who acts for the user of a grant.
    pub(crate) fn act(&mut self, id: GrantId, actor: Option<String>) {
        self.grants[id.0].actor = actor;
    }

    pub(crate) fn revoke_grant(&mut self, id: GrantId) {
        self.grants[id.0].revoked = true;
    }

    pub(crate) fn revoke_all_grants(&mut self) {
        for grant in &mut self.grants {
            grant.revoked = true;
        }
        self.oauth1.revoke_all(true);
    }

    pub(crate) fn add_code(&mut self, grant: GrantId, login: &Login, now: SystemTime) -> String {
        let text = format!("code-{}", self.random.text());
        let code = Code {
            grant,
            redirect_uri: login.redirect_uri.clone(),
            challenge: login.challenge.clone(),
            key: login.key.clone(),
            expires: now + self.settings.code_lifetime,
            spent: false,
        };
        self.codes.insert(text.clone(), code);
        text
    }

    /// Takes a code: what it was, and from now on it is spent (RFC 6749 §4.1.2).
    pub(crate) fn spend_code(&mut self, text: &str, client: &str) -> Option<Code> {
        let code = self.codes.get_mut(text)?;
        if self.grants[code.grant.0].client != client {
            return None;
        }
        let was = code.clone();
        code.spent = true;
        Some(was)
    }

    pub(crate) fn add_access(
        &mut self,
        grant: GrantId,
        scope: &str,
        key: Option<&str>,
        now: SystemTime,
    ) -> String {
        let id = self.random.text();
        let jwt = access_token::jwt(self, &access_token::Access { grant, scope, key, id: &id, now });
        let text = jwt.unwrap_or_else(|| format!("at-{id}"));
        let expires = now + self.settings.access_lifetime;
        let key = key.map(str::to_owned);
        let access = Access { grant, scope: scope.into(), key, expires, revoked: false };
        self.access.insert(text.clone(), access);
        text
    }

    /// A token that no API takes, and that can be exchanged again.
    pub(crate) fn add_outside(&mut self, grant: GrantId) -> String {
        let text = format!("ot-{}", self.random.text());
        let Grant { user, client, .. } = self.grant(grant);
        let about = user.clone().unwrap_or_else(|| client.clone());
        self.settings.outside_tokens.push((text.clone(), about));
        text
    }

    /// An access token that is good at this time.
    pub(crate) fn access(&self, text: &str, now: SystemTime) -> Option<&Access> {
        let access = self.access.get(text)?;
        (!access.revoked && now < access.expires && !self.grant(access.grant).revoked).then_some(access)
    }

    pub(crate) fn access_mut(&mut self, text: &str) -> Option<&mut Access> {
        self.access.get_mut(text)
    }

    pub(crate) fn revoke_all_access(&mut self) {
        for access in self.access.values_mut() {
            access.revoked = true;
        }
        self.oauth1.revoke_all(false);
    }

    pub(crate) fn add_refresh(&mut self, grant: GrantId, key: Option<&str>, now: SystemTime) -> String {
        let text = format!("rt-{}", self.random.text());
        let expires = now + self.settings.refresh_lifetime;
        let client = self.settings.client(&self.grant(grant).client);
        let key = key.filter(|_| client.is_some_and(|client| !client.is_confidential()));
        let key = key.map(str::to_owned);
        self.refresh.insert(text.clone(), Refresh { grant, key, expires, spent: None });
        text
    }

    pub(crate) fn refresh(&self, text: &str) -> Option<&Refresh> {
        self.refresh.get(text)
    }

    /// Marks a refresh token as replaced; the first time counts.
    pub(crate) fn spend_refresh(&mut self, text: &str, now: SystemTime) {
        if let Some(refresh) = self.refresh.get_mut(text) {
            refresh.spent.get_or_insert(now);
        }
    }
}
