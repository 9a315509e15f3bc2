//! The modules by which the OpenID Foundation's conformance suite tests clients, as rows of data.

mod table;

use valetkey_proto::{ErrorKind, Reason};

use crate::{
    builder::ProviderBuilder,
    fault::{Effect, Expect, Fault},
    openid::{ClaimSource, OpenId, ResponseMode, ResponseType, TokenPlacement},
    provider::Provider,
    settings::{AuthMethod, RegisteredClient},
    transcript::Place,
};

pub use table::modules;

/// One module of the suite for clients: what the provider does, what the client is to try, and what must come
/// of it. The names are the suite's own.
///
/// [`modules`] is the table; a test runs all of it:
///
/// ```
/// use valetkey_testkit::{Task, Verdict, modules};
///
/// for module in modules().filter(|module| module.task == Task::LogIn) {
///     for run in module.runs() {
///         let provider = run.provider().build();
///         // … sign in as `Module::CLIENT` by `run.response_type`, and compare with `module.verdict` …
///         println!("{run}");
///         # drop(provider);
///     }
/// }
/// assert_eq!(modules().count(), 57);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Module {
    /// The name, as the suite prints it.
    pub name: &'static str,
    /// What the provider does.
    pub does: &'static str,
    /// The plans that it is part of.
    pub plans: &'static [Plan],
    /// What the client is to try.
    pub task: Task,
    /// The response types to try it with.
    pub response_types: &'static [ResponseType],
    /// What must come of it.
    pub verdict: Verdict,
    /// What goes wrong. What is wrong with an ID token is here at the token endpoint; [`Run::provider`] moves it to
    /// where the first one comes.
    pub faults: &'static [Fault],
    /// `id_token_signed_response_alg` of the client.
    pub id_token_alg: &'static str,
    /// `userinfo_signed_response_alg` of the client.
    pub user_info_alg: Option<&'static str>,
    /// Where `UserInfo` takes the token from.
    pub user_info_token: TokenPlacement,
    /// Where the claim `credit_score` comes from.
    pub claim_source: Option<ClaimSource>,
    /// Whether the token endpoint takes `client_secret_basic` alone.
    pub only_basic: bool,
}

/// A certification plan of the suite, or a group of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Plan {
    /// `oidcc-client-basic-certification-test-plan`, and its form-post twin.
    Basic,
    /// `oidcc-client-implicit-certification-test-plan`, and its form-post twin.
    Implicit,
    /// `oidcc-client-hybrid-certification-test-plan`, and its form-post twin.
    Hybrid,
    /// `oidcc-client-config-certification-test-plan`.
    Config,
    /// `oidcc-client-dynamic-certification-test-plan`.
    Dynamic,
    /// `oidcc-client-refreshtoken-test-plan`.
    RefreshToken,
    /// The plans of back-channel, front-channel and RP-initiated logout, and of session management.
    Logout,
    /// `oidcc-client-test-3rd-party-init-login-test-plan`.
    ThirdPartyLogin,
    /// `oidcc-client-test-plan` alone.
    Full,
}

impl Plan {
    /// One letter for it.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Self::Basic => 'B',
            Self::Implicit => 'I',
            Self::Hybrid => 'H',
            Self::Config => 'C',
            Self::Dynamic => 'D',
            Self::RefreshToken => 'R',
            Self::Logout => 'L',
            Self::ThirdPartyLogin => 'T',
            Self::Full => 'X',
        }
    }
}

/// What a client is to try. Every login ends with `UserInfo`, if there is an access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Task {
    /// Sign in.
    LogIn,
    /// Sign in, have [`Provider::rotate_keys`] called, and sign in again.
    LogInTwice,
    /// Sign in by `prompt=none` and `max_age=0`, with the answer by `form_post`.
    LogInSilently,
    /// Sign in, asking for the scopes profile, email, address and phone.
    LogInForClaims,
    /// Sign in, and ask for `UserInfo` with the token in the form.
    LogInAndPostToken,
    /// Sign in by [`keys::rs256`](crate::keys::rs256) and a request object at
    /// [`Module::REQUEST_URI`], to be put there by [`Provider::host`]: signed by RS256, or not.
    LogInByRequestUri {
        /// By RS256; or else by `none`.
        signed: bool,
    },
    /// Sign in, and follow the claim `credit_score` to where it is.
    LogInAndFollowClaims,
    /// Sign in, refresh, and ask for `UserInfo`.
    Refresh,
    /// Take the metadata.
    Discover,
    /// Take the metadata and the keys.
    DiscoverKeys,
    /// Find the provider of `acct:alice@issuer.test`, and take its metadata.
    FindByAccount,
    /// Find the provider of `https://issuer.test/alice`, and take its metadata.
    FindByUrl,
    /// Register, and sign in as who was registered.
    Register,
    /// Sign in when [`Provider::initiate_login`] says so.
    BeginElsewhere,
    /// Sign in, and sign out by the browser; it comes back to [`Module::BYE`].
    LogOut,
    /// The same, and receive [`Provider::back_channel_logouts`].
    ReceiveBackChannel,
    /// The same, and receive [`Provider::front_channel_logouts`].
    ReceiveFrontChannel,
    /// Sign in, have [`Provider::sign_out`] called, and receive [`Provider::front_channel_logouts`].
    ReceiveFrontChannelUnasked,
    /// Use `mtls_endpoint_aliases` (RFC 8705 §5).
    UseMtlsAliases,
    /// Poll `check_session_iframe`.
    PollSession,
}

/// What must come of a [`Module`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// This, and after a rejection [no further request](Provider::assert_no_call_after_fault).
    Must(Expect),
    /// The suite also takes the contrary; this is what a careful client does.
    Should(Expect),
    /// What it needs is not there yet.
    Waits,
    /// It is for clients that run in a browser.
    BrowserOnly,
}

impl Verdict {
    /// What a careful client makes of it, if it can be tried.
    #[must_use]
    pub const fn expect(self) -> Option<Expect> {
        match self {
            Self::Must(expect) | Self::Should(expect) => Some(expect),
            Self::Waits | Self::BrowserOnly => None,
        }
    }
}

impl Module {
    /// The client that the module's provider knows, by [`SECRET`](Self::SECRET) and [`keys::rs256`](crate::keys::rs256).
    pub const CLIENT: &'static str = "rp";
    /// Its secret, which is good for HS256.
    pub const SECRET: &'static str = "a-secret-of-the-relying-party-that-is-good-for-hs256";
    /// Its redirect URI.
    pub const REDIRECT_URI: &'static str = "https://client.test/cb";
    /// Where the browser goes after a logout.
    pub const BYE: &'static str = "https://client.test/bye";
    /// Where its request object lies.
    pub const REQUEST_URI: &'static str = "https://client.test/request.jwt";
    /// Where it is told of logouts by the provider.
    pub const BACK_CHANNEL: &'static str = "https://client.test/back-channel";
    /// Where it is told of logouts by the browser.
    pub const FRONT_CHANNEL: &'static str = "https://client.test/front-channel";
    /// Where others have it begin a login.
    pub const INITIATE_LOGIN: &'static str = "https://client.test/login";

    /// Every way to run it: by each of its response types, and by form post as well if it is of a plan that has
    /// such a twin.
    pub fn runs(&'static self) -> impl Iterator<Item = Run> {
        let has_twin = |plan| matches!(plan, &Plan::Basic | &Plan::Implicit | &Plan::Hybrid);
        let by_form = self.plans.iter().any(has_twin);
        self.response_types.iter().flat_map(move |&response_type| {
            let mode = match self.task {
                Task::LogInSilently => ResponseMode::FormPost,
                _ => response_type.default_mode(),
            };
            let twin = by_form.then_some(ResponseMode::FormPost);
            [Some(mode), twin].into_iter().flatten().map(move |response_mode| Run {
                module: self,
                response_type,
                response_mode,
            })
        })
    }

    fn client(&self) -> RegisteredClient {
        let client = RegisteredClient {
            keys: RegisteredClient::with_keys(Self::CLIENT, crate::keys::rs256().public_jwk()).keys,
            ..RegisteredClient::confidential(Self::CLIENT, Self::SECRET)
        };
        let client = client
            .redirect_uri(Self::REDIRECT_URI)
            .id_token_signed_by(self.id_token_alg)
            .post_logout_redirect_uri(Self::BYE)
            .back_channel_logout_uri(Self::BACK_CHANNEL)
            .front_channel_logout_uri(Self::FRONT_CHANNEL)
            .initiate_login_uri(Self::INITIATE_LOGIN);
        match self.user_info_alg {
            Some(algorithm) => client.user_info_signed_by(algorithm),
            None => client,
        }
    }
}

/// One way to run a [`Module`]; its text is the module's name and the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Run {
    /// What is run.
    pub module: &'static Module,
    /// By which response type.
    pub response_type: ResponseType,
    /// By which response mode.
    pub response_mode: ResponseMode,
}

impl Run {
    /// The provider for it, faults and all.
    pub fn provider(&self) -> ProviderBuilder {
        let module = self.module;
        let mut openid = OpenId::new().user_info_token(module.user_info_token);
        if let Some(source) = module.claim_source {
            openid = openid.claim_source(source);
        }
        let builder = Provider::builder().openid(openid).client(module.client());
        let builder = if module.only_basic { builder.auth_methods([AuthMethod::Basic]) } else { builder };
        self.faults().fold(builder, ProviderBuilder::fault)
    }

    /// The faults, each where it happens in this way.
    pub fn faults(&self) -> impl Iterator<Item = Fault> {
        let by_browser = self.response_type.has_id_token();
        self.module.faults.iter().map(move |fault| {
            let is_of_id_token = matches!(fault.effect, Effect::Jwt(_) | Effect::RotateKeys);
            let is_moved = by_browser && is_of_id_token && fault.at == Place::Token && fault.after == 0;
            if is_moved { fault.moved_to(Place::Authorize) } else { *fault }
        })
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} [{}, {}]", self.module.name, self.response_type.name(), self.response_mode.name())
    }
}

const ACCEPTED: Verdict = Verdict::Must(Expect::Accepted);

const fn rejected(kind: ErrorKind, reason: Reason) -> Verdict {
    Verdict::Must(Expect::Rejected { kind, reason })
}

const fn untrusted(reason: Reason) -> Verdict {
    rejected(ErrorKind::Untrusted, reason)
}

const MISSING: Verdict = rejected(ErrorKind::Protocol, Reason::MissingParameter);
