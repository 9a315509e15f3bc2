//! An API that wants more than its token has: another scope (RFC 6750 §3.1), or a user who was authenticated in another way
//! or not so long ago (RFC 9470). What it says becomes the next authorization request.
//!
//! ```text
//!   answer ──Demand::of──▶ demand ──StepUp::new──▶ step-up ──put──▶ AuthorizationRequest ──▶ … ──▶ tokens
//!                                     ▲  │                                                          │
//!                                     │  └── refused: nothing new would be asked, or twice already   │
//!                                     └──────────────── how often, for which operation ◀────────────┘
//! ```

mod demand;
mod rounds;

pub use demand::Demand;
pub use rounds::Operation;
pub(super) use rounds::StepUps;

use std::{fmt, time::Duration};

use crate::{
    error::{Error, ErrorKind, Reason, Result},
    flow::Env,
    oauth2::{Requested, Scope, authorization::AuthorizationRequest, token::TokenSet},
};

/// How often a user is asked for more for one operation.
const MOST: u8 = 2;

/// The scope that stands for a sign-in, and the one for a refresh token: no API asks for them, and servers leave them out of
/// what they say that they granted.
const NO_APIS: [&str; 2] = ["openid", "offline_access"];

/// What the next sign-in asks for, because an API was not content with the tokens of the last one.
///
/// ```
/// use valetkey_proto::{
///     Env, Timestamp,
///     crypto::{CryptoProvider, SystemRandom},
///     oauth2::{
///         authorization::AuthorizationRequest,
///         client::ClientMetadata,
///         server::{Issuer, ServerMetadata},
///         step_up::{Demand, Operation, StepUp},
///         token::TokenRecord,
///     },
/// };
///
/// # let server = ServerMetadata::new(Issuer::parse("https://as.example")?)
/// #     .with_authorization_endpoint("https://as.example/authorize")?;
/// # let client = ClientMetadata::new("my-app")?.with_redirect_uri("https://my-app.example/cb")?;
/// # let env = Env { now: Timestamp::from_secs(0), random: &SystemRandom::new(), crypto: &CryptoProvider::ring() };
/// let held = TokenRecord::parse(r#"{"v":"1","issuer":"https://as.example","client_id":"my-app","generation":0,
///     "access_token":"at","issued_at":0,"scope":"read","scope_is_explicit":true}"#)?;
/// let answer = http::Response::builder()
///     .status(403)
///     .header("www-authenticate", "Bearer error=\"insufficient_scope\", scope=\"write\"")
///     .body(())
///     .expect("an answer");
///
/// let demand = Demand::of(&answer)?.expect("more is wanted");
/// let operation = Operation::of(&http::Method::POST, &"https://api.example/notes".parse()?, &env);
/// let step_up = StepUp::new(&demand, held.tokens(), &operation, &env)?;
/// let (url, _) = step_up.put(AuthorizationRequest::new(&server, &client)?)?.start(&env)?;
/// assert!(url.as_str().contains("&scope=read+write&"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Security
///
/// Whoever comes back may be another user: compare whom the ID tokens name before what was begun for one is done for the
/// other.
#[doc(alias = "RFC 9470")]
#[derive(Clone, PartialEq, Eq)]
pub struct StepUp {
    requested: Requested,
    max_age: Option<Duration>,
}

impl StepUp {
    /// What to ask for, so that tokens which come of it suffice for this operation: what was granted and what is demanded, for
    /// the same APIs and with the same details.
    ///
    /// # Errors
    ///
    /// `Denied`: [`Reason::StepUpExhausted`] if the user was asked twice for the same operation; [`Reason::StepUpFutile`] if
    /// the tokens have what is demanded, as far as the server said, if it was asked for just before, or if nothing that could
    /// be asked for is named; [`Reason::AuthenticationMismatch`] if it was asked for just before and the ID token that came
    /// says that the user was authenticated in another way.
    pub fn new(demand: &Demand, held: &TokenSet, operation: &Operation, env: &Env<'_>) -> Result<Self> {
        let nothing = StepUps::default();
        let before = held.requested().step_ups().unwrap_or(&nothing);
        let rounds = before.rounds(operation);
        if rounds >= MOST {
            return Err(denied(Reason::StepUpExhausted));
        }
        let lacks = Lacks::of(demand, held, env);
        if lacks == Lacks::default() {
            return Err(denied(Reason::StepUpFutile));
        }
        if rounds > 0 && !asks_anew(demand, held, before, lacks) {
            let knows_acr = lacks.acr && held.id_token().is_some();
            let reason = if knows_acr { Reason::AuthenticationMismatch } else { Reason::StepUpFutile };
            return Err(denied(reason));
        }
        let step_ups =
            before.next(operation, demand.acr_values()).ok_or_else(|| denied(Reason::StepUpExhausted))?;
        let requested = held.requested().clone().with_scope(union(held, demand)).with_step_ups(step_ups);
        Ok(Self { requested, max_age: demand.max_age() })
    }

    /// The scope: what was granted, and what is demanded.
    #[must_use]
    pub fn scope(&self) -> Option<&Scope> {
        self.requested.scope()
    }

    /// How the user is to be authenticated, the best first.
    pub fn acr_values(&self) -> impl Iterator<Item = &str> {
        self.requested.step_ups().into_iter().flat_map(StepUps::acr_values)
    }

    /// How long ago the user may have been authenticated.
    #[must_use]
    pub fn max_age(&self) -> Option<Duration> {
        self.max_age
    }

    /// Puts all of it into a request of which it was not said yet. How often it was asked is kept with the sign-in, and with
    /// the tokens that come of it.
    ///
    /// # Errors
    ///
    /// `Usage`: [`Reason::ReservedParameter`] if the scope, `acr_values` or `max_age` was said.
    pub fn put(&self, mut request: AuthorizationRequest) -> Result<AuthorizationRequest> {
        if let Some(scope) = self.scope() {
            request = request.with_scope(scope.as_str())?;
        }
        let acr_values: Vec<_> = self.acr_values().collect();
        request = request.with_acr_values(&acr_values)?;
        if let Some(max_age) = self.max_age {
            request = request.with_max_age(max_age)?;
        }
        request.with_requested(&self.requested)
    }
}

impl fmt::Debug for StepUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepUp")
            .field("scope", &self.scope())
            .field("acr_values", &self.acr_values().collect::<Vec<_>>())
            .field("max_age", &self.max_age)
            .finish_non_exhaustive()
    }
}

/// What the tokens lack of what is demanded, as far as is known.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Lacks {
    scope: bool,
    acr: bool,
    recent: bool,
}

impl Lacks {
    fn of(demand: &Demand, held: &TokenSet, env: &Env<'_>) -> Self {
        let granted = held.scope().scope();
        let has = |token: &str| granted.is_some_and(|granted| granted.contains(token));
        // Without an ID token nobody but the API knows how the user was authenticated.
        let user = held.id_token();
        let has_acr = || {
            let acr = user.and_then(|user| user.acr());
            acr.is_some_and(|acr| demand.acr_values().any(|demanded| demanded == acr))
        };
        let is_recent = |max_age: Duration| {
            let when = user.and_then(|user| user.authenticated_at());
            when.is_some_and(|when| !max_age.is_zero() && env.now - when <= max_age)
        };
        Self {
            scope: demand.scope().is_some_and(|scope| !scope.iter().all(has)),
            acr: demand.acr_values().next().is_some() && !has_acr(),
            recent: demand.max_age().is_some_and(|max_age| !is_recent(max_age)),
        }
    }
}

/// Whether the next sign-in would ask for something that the last one did not.
fn asks_anew(demand: &Demand, held: &TokenSet, before: &StepUps, lacks: Lacks) -> bool {
    let was_asked = |token: &str| held.requested().scope().is_some_and(|scope| scope.contains(token));
    let is_new_scope = || demand.scope().is_some_and(|scope| !scope.iter().all(was_asked));
    let is_new_acr = || demand.acr_values().any(|acr| before.acr_values().all(|known| known != acr));
    // That the user signs in anew is something new each time.
    (lacks.scope && is_new_scope()) || (lacks.acr && is_new_acr()) || lacks.recent
}

/// What was granted, what is demanded, and what was asked for that no API demands.
fn union(held: &TokenSet, demand: &Demand) -> Option<Scope> {
    let asked = held.requested().scope().into_iter().flat_map(Scope::iter);
    let mut all: Vec<&str> = Vec::new();
    let tokens = held.scope().scope().into_iter().flat_map(Scope::iter);
    let tokens = tokens.chain(asked.filter(|token| NO_APIS.contains(token)));
    for token in tokens.chain(demand.scope().into_iter().flat_map(Scope::iter)) {
        if !all.contains(&token) {
            all.push(token);
        }
    }
    // A server may have granted what nobody could ask for.
    all.retain(|token| Scope::parse(token).is_ok());
    (!all.is_empty()).then(|| Scope::tolerant(&all.join(" ")))
}

fn denied(reason: Reason) -> Error {
    Error::new(ErrorKind::Denied, reason)
}
