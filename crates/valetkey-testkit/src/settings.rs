//! What a provider is told before it opens: its issuer, its clients and its rules.

use std::{fmt, time::Duration};

use crate::{
    assertion::ServiceAccount,
    dpop::{Dpop, DpopNonces},
    grant::Grant,
    jose::Key,
    keys, oauth1,
    openid::{OpenId, OpenIdOfClient},
    user::User,
};

/// A client that the provider knows.
///
/// ```
/// use valetkey_testkit::{AuthMethod, Provider, RegisteredClient};
///
/// let client = RegisteredClient::confidential("shop", "s3cret")
///     .redirect_uri("https://shop.test/cb")
///     .auth_methods([AuthMethod::Basic]);
/// let provider = Provider::builder().client(client).build();
/// # drop(provider);
/// ```
#[derive(Clone)]
pub struct RegisteredClient {
    pub(crate) id: String,
    pub(crate) secret: Option<String>,
    pub(crate) redirect_uris: Vec<String>,
    pub(crate) methods: Vec<AuthMethod>,
    /// Its public keys.
    pub(crate) keys: Vec<Key>,
    pub(crate) grants: Vec<Grant>,
    pub(crate) openid: OpenIdOfClient,
}

impl RegisteredClient {
    /// A client with a secret, by Basic or in the form.
    #[must_use]
    pub fn confidential(id: impl Into<String>, secret: impl Into<String>) -> Self {
        let methods = vec![AuthMethod::Basic, AuthMethod::Post];
        Self { secret: Some(secret.into()), methods, ..Self::public(id) }
    }

    /// A client that signs assertions with a private key (`private_key_jwt`); the provider has the public one, as
    /// a JWK or a JWK set.
    ///
    /// Keys may be RSA of 2048 bits and more (RS256, PS256), on P-256 (ES256) and Ed25519 (`EdDSA`).
    ///
    /// ```
    /// use valetkey_testkit::{Provider, RegisteredClient, keys};
    ///
    /// let client = RegisteredClient::with_keys("signer", keys::es256().public_jwk());
    /// let provider = Provider::builder().client(client).build();
    /// # drop(provider);
    /// ```
    ///
    /// # Panics
    ///
    /// If there is a key that cannot be read, or that is private.
    #[must_use]
    #[track_caller]
    pub fn with_keys(id: impl Into<String>, jwks: impl AsRef<str>) -> Self {
        Self {
            keys: Key::registered(jwks.as_ref()),
            methods: vec![AuthMethod::PrivateKeyJwt],
            ..Self::public(id)
        }
    }

    /// A client without a secret; PKCE is demanded of it (RFC 9700 §2.1.1).
    #[must_use]
    pub fn public(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            secret: None,
            redirect_uris: Vec::new(),
            methods: vec![AuthMethod::None],
            keys: Vec::new(),
            grants: Vec::new(),
            openid: OpenIdOfClient::default(),
        }
    }

    /// Adds a redirect URI, to be matched exactly.
    ///
    /// One on loopback (`http://127.0.0.1/cb`, `http://[::1]/cb`) matches whatever port it comes with
    /// (RFC 8252 §7.3).
    #[must_use]
    pub fn redirect_uri(mut self, uri: impl Into<String>) -> Self {
        self.redirect_uris.push(uri.into());
        self
    }

    /// How this client may authenticate.
    #[must_use]
    pub fn auth_methods(mut self, methods: impl IntoIterator<Item = AuthMethod>) -> Self {
        self.methods = methods.into_iter().collect();
        self
    }

    /// Which [grants](Grant) it may use beside those of all clients.
    #[must_use]
    pub fn grants(mut self, grants: impl IntoIterator<Item = Grant>) -> Self {
        self.grants = grants.into_iter().collect();
        self
    }

    /// Whether it can prove who it is (RFC 6749 §2.1).
    pub(crate) fn is_confidential(&self) -> bool {
        self.secret.is_some() || !self.keys.is_empty()
    }

    pub(crate) fn allows_redirect(&self, asked: &str) -> bool {
        self.redirect_uris.iter().any(|known| known == asked || same_but_for_the_port(known, asked))
    }
}

impl fmt::Debug for RegisteredClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisteredClient").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Whether two loopback redirect URIs differ in nothing but the port (RFC 8252 §7.3).
fn same_but_for_the_port(known: &str, asked: &str) -> bool {
    ["http://127.0.0.1", "http://[::1]"].iter().any(|origin| {
        let (Some(known), Some(asked)) = (known.strip_prefix(origin), asked.strip_prefix(origin)) else {
            return false;
        };
        let Some(asked) = asked.strip_prefix(':') else { return false };
        let path = asked.trim_start_matches(|digit: char| digit.is_ascii_digit());
        known.starts_with('/') && asked[..asked.len() - path.len()].parse::<u16>().is_ok() && known == path
    })
}

/// How a client proves who it is (RFC 6749 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthMethod {
    /// `client_secret_basic`: the `Authorization` header, both parts form-encoded first.
    Basic,
    /// `client_secret_post`: in the form.
    Post,
    /// `none`: a public client names itself by `client_id`.
    None,
    /// `private_key_jwt`: an assertion by the client's key (RFC 7523 §2.2).
    PrivateKeyJwt,
    /// `client_secret_jwt`: an assertion by the client's secret, with HS256, HS384 or HS512.
    SecretJwt,
}

impl AuthMethod {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
            Self::None => "none",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::SecretJwt => "client_secret_jwt",
        }
    }
}

/// Whom a JWT must be for, exactly and alone, to be taken as an assertion (RFC 7523 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Audience {
    /// The issuer: what clients should send, because nobody else can have them send it.
    Issuer,
    /// The URL of the token endpoint, as older servers want it.
    TokenEndpoint,
}

/// Where the provider publishes its metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WellKnown {
    /// `{issuer}/.well-known/openid-configuration`, appended (OpenID Connect Discovery §4).
    OpenIdConfiguration,
    /// `/.well-known/oauth-authorization-server`, inserted before the issuer's path (RFC 8414 §3.1).
    OAuthAuthorizationServer,
    /// `/.well-known/openid-configuration`, inserted before the issuer's path (RFC 8414 §5).
    OpenIdConfigurationInserted,
}

impl WellKnown {
    pub(crate) fn path(self, issuer_path: &str) -> String {
        match self {
            Self::OpenIdConfiguration => format!("{issuer_path}/.well-known/openid-configuration"),
            Self::OAuthAuthorizationServer => format!("/.well-known/oauth-authorization-server{issuer_path}"),
            Self::OpenIdConfigurationInserted => format!("/.well-known/openid-configuration{issuer_path}"),
        }
    }
}

/// The issuer, and what its URL is made of.
#[derive(Clone, Debug)]
pub(crate) struct Issuer {
    pub(crate) text: String,
    /// Scheme, host and port, in lower case.
    pub(crate) origin: String,
    /// Without a slash at the end; empty for an issuer without a path.
    pub(crate) path: String,
}

impl Issuer {
    /// Takes any text that has an origin; the rest is the tester's business.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let host = text.find("://")? + 3;
        let end = text[host..].find(['/', '?', '#']).map_or(text.len(), |end| host + end);
        let path = text[end..].split(['?', '#']).next().unwrap_or("").trim_end_matches('/');
        Some(Self { text: text.into(), origin: text[..end].to_ascii_lowercase(), path: path.into() })
    }

    /// The URL of an endpoint below the issuer.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{}{path}", self.origin, self.path)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) issuer: Issuer,
    pub(crate) clients: Vec<RegisteredClient>,
    pub(crate) users: Vec<String>,
    pub(crate) user: User,
    pub(crate) methods: Vec<AuthMethod>,
    pub(crate) documents: Vec<WellKnown>,
    pub(crate) code_lifetime: Duration,
    pub(crate) access_lifetime: Duration,
    pub(crate) refresh_lifetime: Duration,
    /// How long the codes of a device are good.
    pub(crate) device_lifetime: Duration,
    /// How often a device may ask, or none is said.
    pub(crate) device_interval: Option<Duration>,
    /// How often a device asks before its user decides.
    pub(crate) device_polls: u32,
    pub(crate) issues_refresh_tokens: bool,
    pub(crate) rotates: bool,
    pub(crate) grace: Duration,
    pub(crate) sends_iss: bool,
    pub(crate) dpop: Dpop,
    pub(crate) dpop_nonces: DpopNonces,
    pub(crate) audience: Audience,
    pub(crate) service_accounts: Vec<ServiceAccount>,
    /// Tokens of others, and whom they are about.
    pub(crate) outside_tokens: Vec<(String, String)>,
    /// Users and their passwords.
    pub(crate) passwords: Vec<(String, String)>,
    /// The APIs that there are; whatever is asked for if it is not said.
    pub(crate) resources: Option<Vec<String>>,
    pub(crate) narrows_details: bool,
    /// Whether APIs describe themselves.
    pub(crate) describes_apis: bool,
    pub(crate) signs_metadata: bool,
    /// Whom access tokens are for, if they are JWTs.
    pub(crate) jwt_access_tokens: Option<String>,
    pub(crate) records: bool,
    pub(crate) oauth1: oauth1::Rules,
    pub(crate) openid: Option<OpenId>,
}

impl Settings {
    pub(crate) fn client(&self, id: &str) -> Option<&RegisteredClient> {
        self.clients.iter().rev().find(|client| client.id == id)
    }

    /// By what the provider signs if nobody has said anything.
    pub(crate) fn algorithm(&self) -> &'static str {
        self.openid.as_ref().and_then(|openid| openid.algorithms.first().copied()).unwrap_or("RS256")
    }
}

impl Default for Settings {
    fn default() -> Self {
        let origin = String::from("https://issuer.test");
        Self {
            issuer: Issuer { text: origin.clone(), origin, path: String::new() },
            clients: vec![
                RegisteredClient::confidential("app", "app-secret").redirect_uri("https://client.test/cb"),
                RegisteredClient::confidential("special", SPECIAL_SECRET)
                    .redirect_uri("https://client.test/cb"),
                RegisteredClient::confidential("service", "service-secret"),
                RegisteredClient::public("native")
                    .redirect_uri("http://127.0.0.1/cb")
                    .redirect_uri("http://[::1]/cb")
                    .redirect_uri("com.example.app:/cb"),
                RegisteredClient::with_keys("signed", keys::jwks()).redirect_uri("https://client.test/cb"),
                RegisteredClient::confidential("hmac", HMAC_SECRET)
                    .auth_methods([AuthMethod::SecretJwt])
                    .redirect_uri("https://client.test/cb"),
            ],
            users: vec!["alice".into(), "bob".into()],
            user: User::approves("alice"),
            methods: vec![
                AuthMethod::Basic,
                AuthMethod::Post,
                AuthMethod::None,
                AuthMethod::PrivateKeyJwt,
                AuthMethod::SecretJwt,
            ],
            documents: vec![WellKnown::OpenIdConfiguration, WellKnown::OAuthAuthorizationServer],
            code_lifetime: Duration::from_secs(60),
            access_lifetime: Duration::from_secs(3600),
            refresh_lifetime: Duration::from_secs(30 * 24 * 3600),
            device_lifetime: Duration::from_secs(600),
            device_interval: Some(Duration::from_secs(5)),
            device_polls: 1,
            issues_refresh_tokens: true,
            rotates: true,
            grace: Duration::ZERO,
            sends_iss: true,
            dpop: Dpop::Off,
            dpop_nonces: DpopNonces::Off,
            audience: Audience::Issuer,
            service_accounts: vec![ServiceAccount::new(SERVICE_ACCOUNT, keys::jwks())],
            outside_tokens: Vec::new(),
            passwords: Vec::new(),
            resources: None,
            narrows_details: false,
            describes_apis: false,
            signs_metadata: false,
            jwt_access_tokens: None,
            records: true,
            oauth1: oauth1::Rules::default(),
            openid: None,
        }
    }
}

/// The secret of the client `special`: every character that an encoder can get wrong.
pub const SPECIAL_SECRET: &str = "p@ss:w/o+r%d &=\"?~{}";

/// The secret of the client `hmac`: long enough for HS512 (RFC 7518 §3.2).
pub const HMAC_SECRET: &str = "a-secret-of-sixty-four-characters-so-that-it-is-good-for-hs512-..";

/// The service account that the provider trusts, by the keys in [`keys`](mod@crate::keys).
pub const SERVICE_ACCOUNT: &str = "robot@service.test";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s_az_14_redirect_uris_match_exactly_but_for_the_loopback_port() {
        let client = RegisteredClient::public("native")
            .redirect_uri("http://127.0.0.1/cb")
            .redirect_uri("https://client.test/cb");
        for good in ["http://127.0.0.1/cb", "http://127.0.0.1:53412/cb", "https://client.test/cb"] {
            assert!(client.allows_redirect(good), "{good}");
        }
        for bad in [
            "http://127.0.0.1:53412/cb2",
            "http://127.0.0.1:53412/cb?x",
            "http://127.0.0.1:/cb",
            "http://127.0.0.1:99999/cb",
            "http://127.0.0.1.evil.test/cb",
            "http://127.0.0.1:1@evil.test/cb",
            "http://[::1]:1/cb",
            "https://client.test:443/cb",
            "https://client.test/cb/",
            "https://CLIENT.test/cb",
        ] {
            assert!(!client.allows_redirect(bad), "{bad}");
        }
    }

    #[test]
    fn s_md_03_well_known_paths_are_appended_or_inserted() {
        for (issuer, path) in [
            ("https://a.test", ""),
            ("https://a.test/", ""),
            ("https://a.test/t", "/t"),
            ("https://a.test/t/", "/t"),
        ] {
            assert_eq!(Issuer::parse(issuer).unwrap().path, path);
        }
        assert_eq!(WellKnown::OpenIdConfiguration.path("/t"), "/t/.well-known/openid-configuration");
        assert_eq!(
            WellKnown::OAuthAuthorizationServer.path("/t"),
            "/.well-known/oauth-authorization-server/t"
        );
        assert!(Issuer::parse("issuer.test").is_none());
    }
}
