//! What OpenID Connect adds to the provider: who signed in, when, and how others learn of it.

mod client;
mod handle;
mod id_token;
mod keyring;
mod profile;
mod request;
mod response;
mod session;

use std::collections::HashMap;

pub(crate) use client::OpenIdOfClient;
pub use client::SubjectType;
pub(crate) use id_token::{Bound, hash, id_token, seconds};
pub(crate) use keyring::{Keyring, by_secret, sign, sign_by, unsigned};
pub(crate) use profile::{chosen_claims, scope_claims, subject};
pub(crate) use request::{Wish, resolve};
pub use response::{ResponseMode, ResponseType};
pub(crate) use session::{ACR, SignIn, logout_token};

use crate::state::GrantId;
use session::Session;

/// What the provider offers of OpenID Connect, for [`ProviderBuilder::openid`](crate::ProviderBuilder::openid).
///
/// ```
/// use valetkey_testkit::{OpenId, Provider};
///
/// let provider = Provider::builder().openid(OpenId::new()).build();
/// let callback = provider.visit(
///     "https://issuer.test/authorize?response_type=id_token&client_id=app&scope=openid&nonce=n1\
///      &redirect_uri=https%3A%2F%2Fclient.test%2Fcb",
/// )?;
/// assert!(callback.starts_with("https://client.test/cb#id_token="));
/// # Ok::<(), valetkey_testkit::VisitError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct OpenId {
    /// The algorithms that there are keys for.
    pub(crate) algorithms: Vec<&'static str>,
    pub(crate) placement: TokenPlacement,
    pub(crate) sources: Option<ClaimSource>,
    pub(crate) registration: bool,
    /// What must come with a registration.
    pub(crate) initial_access_token: Option<String>,
}

impl OpenId {
    /// All of it, with keys for RS256, ES256 and `EdDSA`.
    pub fn new() -> Self {
        Self {
            algorithms: vec!["RS256", "ES256", "EdDSA"],
            placement: TokenPlacement::Any,
            sources: None,
            registration: true,
            initial_access_token: None,
        }
    }

    /// Which keys are published: of `RS256`, `PS256`, `ES256` and `EdDSA`. Others are overlooked.
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = &'static str>) -> Self {
        self.algorithms = algorithms.into_iter().filter(|name| keyring::PUBLISHED.contains(name)).collect();
        self
    }

    /// Where `UserInfo` takes the access token from; wherever it may stand by default.
    pub fn user_info_token(mut self, placement: TokenPlacement) -> Self {
        self.placement = placement;
        self
    }

    /// Lets the claim `credit_score` of every user come from somebody else (Core §5.6.2); there is none by
    /// default.
    pub fn claim_source(mut self, source: ClaimSource) -> Self {
        self.sources = Some(source);
        self
    }

    /// Whether clients may register themselves (RFC 7591); they may by default.
    pub fn registration(mut self, open: bool) -> Self {
        self.registration = open;
        self
    }

    /// Demands this bearer token of who registers (RFC 7591 §3); nothing is demanded by default.
    pub fn initial_access_token(mut self, token: impl Into<String>) -> Self {
        self.initial_access_token = Some(token.into());
        self
    }
}

impl Default for OpenId {
    fn default() -> Self {
        Self::new()
    }
}

/// Where an access token may stand in a request for `UserInfo` (RFC 6750 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenPlacement {
    /// In the header or in the form.
    Any,
    /// In the `Authorization` header alone.
    Header,
    /// In the posted form alone.
    Form,
}

/// How a claim of somebody else reaches the client (OpenID Connect Core §5.6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClaimSource {
    /// In a JWT within `UserInfo`.
    Aggregated,
    /// At an endpoint, with an access token for it.
    Distributed,
}

/// What changes while the provider runs.
#[derive(Debug, Default)]
pub(crate) struct OpenIdState {
    pub(crate) keyring: Keyring,
    pub(crate) sign_ins: HashMap<GrantId, SignIn>,
    /// The browser's session at the provider: there is one browser.
    pub(crate) session: Option<Session>,
    /// Requests of back-channel logout that nobody has delivered yet.
    pub(crate) back_channel: Vec<Logout>,
    /// URLs of front-channel logout that no browser has opened yet.
    pub(crate) front_channel: Vec<String>,
    /// What lies at URLs of others, such as request objects.
    pub(crate) hosted: HashMap<String, String>,
    /// The registration access tokens of clients.
    pub(crate) registrations: HashMap<String, Registration>,
    /// The access tokens for the endpoint of distributed claims, and whose claims they are for.
    pub(crate) claim_tokens: HashMap<String, String>,
}

/// A logout that a client is to be told of.
#[derive(Clone, Debug)]
pub(crate) struct Logout {
    pub(crate) uri: String,
    pub(crate) client: String,
    pub(crate) subject: String,
    pub(crate) sid: String,
}

/// What a client registered of itself, and the token with which it may change that.
#[derive(Clone, Debug)]
pub(crate) struct Registration {
    pub(crate) token: String,
    pub(crate) metadata: serde_json::Map<String, serde_json::Value>,
}
