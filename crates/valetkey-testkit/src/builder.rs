//! How a provider is set up.

use std::time::{Duration, SystemTime};

use crate::{
    assertion::ServiceAccount,
    clock::{Clock, beginning},
    dpop::{Dpop, DpopNonces},
    fault::Fault,
    oauth1,
    openid::OpenId,
    provider::Provider,
    run::Spawning,
    settings::{Audience, AuthMethod, Issuer, RegisteredClient, Settings, WellKnown},
    state::State,
    user::User,
};

/// Sets up a [`Provider`]; every part has a default.
///
/// ```
/// use std::time::Duration;
/// use valetkey_testkit::{Provider, User};
///
/// let provider = Provider::builder()
///     .issuer("https://login.test/tenant")
///     .access_token_lifetime(Duration::from_secs(60))
///     .rotation(false)
///     .user(User::refuses())
///     .build();
/// assert_eq!(provider.issuer(), "https://login.test/tenant");
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct ProviderBuilder {
    settings: Settings,
    seed: u64,
    start: Option<SystemTime>,
    spawning: Spawning,
    yields: bool,
    faults: Vec<Fault>,
}

impl Default for ProviderBuilder {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            seed: 0,
            start: Some(beginning()),
            spawning: Spawning::default(),
            yields: false,
            faults: Vec::new(),
        }
    }
}

impl ProviderBuilder {
    /// The issuer, `https://issuer.test` by default. It may have a path.
    ///
    /// # Panics
    ///
    /// If the text has no scheme and host.
    pub fn issuer(mut self, issuer: &str) -> Self {
        match Issuer::parse(issuer) {
            Some(issuer) => self.settings.issuer = issuer,
            None => panic!("an issuer is a URL, and this has no scheme: {issuer}"),
        }
        self
    }

    /// What all randomness is made of, on both sides; 0 by default.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Registers a client; one of the same id is replaced.
    pub fn client(mut self, client: RegisteredClient) -> Self {
        self.settings.clients.retain(|known| known.id != client.id);
        self.settings.clients.push(client);
        self
    }

    /// Adds an account to `alice` and `bob`.
    pub fn account(mut self, name: impl Into<String>) -> Self {
        self.settings.users.push(name.into());
        self
    }

    /// Who sits at the browser; by default a user who approves, signed in as `alice`.
    pub fn user(mut self, user: User) -> Self {
        self.settings.user = user;
        self
    }

    /// How long a code is good; 60 s by default.
    pub fn code_lifetime(mut self, time: Duration) -> Self {
        self.settings.code_lifetime = time;
        self
    }

    /// How long an access token is good; one hour by default.
    pub fn access_token_lifetime(mut self, time: Duration) -> Self {
        self.settings.access_lifetime = time;
        self
    }

    /// How long a refresh token is good; 30 days by default.
    pub fn refresh_token_lifetime(mut self, time: Duration) -> Self {
        self.settings.refresh_lifetime = time;
        self
    }

    /// How long the codes of a device are good (RFC 8628 §3.2); ten minutes by default.
    pub fn device_lifetime(mut self, time: Duration) -> Self {
        self.settings.device_lifetime = time;
        self
    }

    /// How often a device may ask; every five seconds by default. With `None` nothing is said of it, and it is as often.
    /// A device that asks too early is told to slow down, and from then on may ask five seconds less often (RFC 8628 §3.5).
    pub fn device_interval(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.settings.device_interval = interval.into();
        self
    }

    /// How often a device asks before its [`user`](Self::user) decides; once by default. [`User::interactive`] never comes.
    pub fn device_polls(mut self, polls: u32) -> Self {
        self.settings.device_polls = polls;
        self
    }

    /// Whether a code brings a refresh token; it does by default.
    pub fn refresh_tokens(mut self, issued: bool) -> Self {
        self.settings.issues_refresh_tokens = issued;
        self
    }

    /// Whether each refresh replaces the refresh token; it does by default.
    ///
    /// Then one that comes a second time ends the whole grant (RFC 9700 §4.14.2).
    pub fn rotation(mut self, rotates: bool) -> Self {
        self.settings.rotates = rotates;
        self
    }

    /// How long a replaced refresh token may still be used, for clients that lost an answer; not at all by
    /// default.
    pub fn rotation_grace(mut self, time: Duration) -> Self {
        self.settings.grace = time;
        self
    }

    /// Whether callbacks name the issuer and the metadata says so (RFC 9207); they do by default.
    pub fn sends_iss(mut self, sends: bool) -> Self {
        self.settings.sends_iss = sends;
        self
    }

    /// Where metadata is published; at the first two of [`WellKnown`] by default.
    pub fn documents(mut self, documents: impl IntoIterator<Item = WellKnown>) -> Self {
        self.settings.documents = documents.into_iter().collect();
        self
    }

    /// Which ways of client authentication the provider takes at all; every [`AuthMethod`] by default.
    pub fn auth_methods(mut self, methods: impl IntoIterator<Item = AuthMethod>) -> Self {
        self.settings.methods = methods.into_iter().collect();
        self
    }

    /// Whom the JWTs must be for by which clients and service accounts say who they are; the
    /// [issuer](Audience::Issuer) by default.
    pub fn audience(mut self, audience: Audience) -> Self {
        self.settings.audience = audience;
        self
    }

    /// Trusts whoever signs by these keys for access tokens (RFC 7523 §2.1); one of the same name is replaced.
    pub fn service_account(mut self, account: ServiceAccount) -> Self {
        self.settings.service_accounts.retain(|known| known.name != account.name);
        self.settings.service_accounts.push(account);
        self
    }

    /// Takes this token of somebody else's, which is about this user or workload: in an
    /// [exchange](crate::Grant::TokenExchange) as whatever it is said to be, and as a
    /// [SAML assertion](crate::Grant::SamlBearer).
    pub fn outside_token(mut self, token: impl Into<String>, about: impl Into<String>) -> Self {
        self.settings.outside_tokens.push((token.into(), about.into()));
        self
    }

    /// Gives a user a [password](crate::Grant::Password); nobody has one by default.
    pub fn password(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.settings.passwords.push((user.into(), password.into()));
        self
    }

    /// What it makes of DPoP; nothing by default.
    pub fn dpop(mut self, dpop: Dpop) -> Self {
        self.settings.dpop = dpop;
        self
    }

    /// Where proofs of possession must have a nonce; nowhere by default.
    pub fn dpop_nonces(mut self, nonces: DpopNonces) -> Self {
        self.settings.dpop_nonces = nonces;
        self
    }

    /// The APIs that tokens can be for (RFC 8707); whatever is asked for by default.
    pub fn resources<'a>(mut self, resources: impl IntoIterator<Item = &'a str>) -> Self {
        self.settings.resources = Some(resources.into_iter().map(str::to_owned).collect());
        self
    }

    /// Whether only the first of all authorization details is granted (RFC 9396 §7); all are by default.
    pub fn narrows_details(mut self, narrows: bool) -> Self {
        self.settings.narrows_details = narrows;
        self
    }

    /// The rules and the clients of OAuth 1.0a.
    pub fn oauth1(mut self, rules: oauth1::Rules) -> Self {
        self.settings.oauth1 = rules;
        self
    }

    /// Makes it a provider of OpenID Connect, too; it is none by default.
    ///
    /// ```
    /// use valetkey_testkit::{OpenId, Provider};
    ///
    /// let provider = Provider::builder().openid(OpenId::new().algorithms(["ES256"])).build();
    /// # drop(provider);
    /// ```
    pub fn openid(mut self, openid: OpenId) -> Self {
        self.settings.openid = Some(openid);
        self
    }

    /// Whether the APIs describe themselves (RFC 9728), and say so when they refuse a request; they do by default not.
    ///
    /// Each of `me`, `admin` and `echo` is an API of its own, whose tokens are the provider's.
    pub fn resource_metadata(mut self, described: bool) -> Self {
        self.settings.describes_apis = described;
        self
    }

    /// Whether the provider signs its metadata and that of its APIs (RFC 8414 §2.1), as its issuer, by
    /// [its keys](Provider::jwks); it does by default not.
    pub fn signed_metadata(mut self, signed: bool) -> Self {
        self.settings.signs_metadata = signed;
        self
    }

    /// Makes access tokens JWTs that are for this API (RFC 9068). The keys are published if the provider is one of
    /// [OpenID Connect](Self::openid).
    pub fn jwt_access_tokens(mut self, audience: impl Into<String>) -> Self {
        self.settings.jwt_access_tokens = Some(audience.into());
        self
    }

    /// When virtual time begins; 2030-01-01 00:00:00 UTC by default.
    pub fn start(mut self, time: SystemTime) -> Self {
        self.start = Some(time);
        self
    }

    /// Follow the system's clock, for a provider that is served to others.
    pub fn real_clock(mut self) -> Self {
        self.start = None;
        self
    }

    /// What becomes of tasks; they are handed back by default.
    pub fn spawning(mut self, spawning: Spawning) -> Self {
        self.spawning = spawning;
        self
    }

    /// Whether every `send` suspends once before the request arrives and once before its answer does, so
    /// that other tasks run in between and a test can drop a future half way; it does not by default.
    pub fn yields(mut self, yields: bool) -> Self {
        self.yields = yields;
        self
    }

    /// Whether requests are kept for the transcript; they are by default. Without, they are only counted.
    pub fn records(mut self, records: bool) -> Self {
        self.settings.records = records;
        self
    }

    /// Lets something go wrong; of several faults at one place, the first happens until its times are over.
    pub fn fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// The provider.
    #[must_use]
    pub fn build(self) -> Provider {
        let state = State::new(self.settings, self.seed);
        let clock = Clock::new(self.start);
        let provider = Provider::assemble(state, clock, self.seed, self.spawning, self.yields);
        self.faults.into_iter().for_each(|fault| provider.add_fault(fault));
        provider
    }
}
