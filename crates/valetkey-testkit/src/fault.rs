//! Faults as data: what a provider or a network does wrong, and what a correct client does about it.

mod apply;
mod edit;
mod jwt;
mod keys;
mod table;

use std::time::Duration;

use valetkey_proto::{ErrorKind, Reason};

pub(crate) use apply::Faults;
pub use jwt::JwtEdit;
pub use keys::KeyEdit;
pub use table::{fault, faults};

use crate::transcript::Place;

/// One thing that goes wrong at one kind of endpoint.
///
/// The rows that the crate knows are [`faults`]; a test may write its own:
///
/// ```
/// use valetkey_proto::{ErrorKind, Reason};
/// use valetkey_testkit::{Effect, Expect, Fault, Place, Provider};
///
/// const TEAPOT: Fault = Fault::new(
///     "teapot",
///     Place::Token,
///     Effect::Answer { status: 418, headers: &[], body: b"" },
///     Expect::Rejected { kind: ErrorKind::Server, reason: Reason::UnexpectedStatus },
/// );
/// let provider = Provider::builder().fault(TEAPOT.times(2)).build();
/// # drop(provider);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// The name, in kebab case.
    pub name: &'static str,
    /// Where it happens.
    pub at: Place,
    /// What happens.
    pub effect: Effect,
    /// What a correct client does about it.
    pub expect: Expect,
    /// How many times it happens before all is well again; `None` for always.
    pub times: Option<u32>,
    /// How many requests come there before it happens.
    pub after: u32,
    /// What a client must use for it to mean anything; `None` if it concerns all.
    pub feature: Option<Feature>,
}

/// What not every client uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Feature {
    /// Client authentication by a JWT (RFC 7523 §2.2).
    Assertion,
    /// Proofs of possession (RFC 9449); the provider must [offer](crate::Dpop::Offered) them.
    Dpop,
    /// OpenID Connect: a login by the scope `openid`, with `UserInfo` after it; the provider must
    /// [be one](crate::ProviderBuilder::openid). [`modules`](crate::faults) has more.
    OpenId,
    /// The same, asking for a sign-in that is no older than ten minutes: `max_age=600`.
    MaxAge,
    /// The same, asking for the class `phr` as an essential claim (OpenID Connect Core §5.5.1.1).
    Acr,
    /// The same, of a client that [registered](crate::RegisteredClient::user_info_signed_by) RS256 for `UserInfo`.
    SignedUserInfo,
    /// The same, by the response type `code id_token`.
    Hybrid,
    /// The same, with a refresh after it, and no `UserInfo`.
    Refresh,
    /// Registration (RFC 7591), and reading what was registered (RFC 7592), before a login.
    Registration,
    /// Looking up the provider of `acct:alice@issuer.test` (OpenID Connect Discovery §2), before a login.
    WebFinger,
    /// Token exchange by a JWT, asking for an [access token](crate::Grant::TokenExchange), and a call of the API.
    TokenExchange,
    /// The [implicit grant](crate::Grant::Implicit), and a call of the API.
    Implicit,
    /// Asking the user for more when an API wants it, and calling it again (RFC 9470).
    StepUp,
    /// Looking up what the API `me` says of itself (RFC 9728), before a login at the server that it names; its APIs must
    /// [do so](crate::ProviderBuilder::resource_metadata).
    ResourceMetadata,
    /// Metadata that is signed (RFC 8414 §2.1), by the provider's [keys](crate::Provider::jwks), which the client has
    /// from elsewhere; the provider must [sign it](crate::ProviderBuilder::signed_metadata).
    SignedMetadata,
    /// An API that reads access tokens, after a login; they must [be JWTs](crate::ProviderBuilder::jwt_access_tokens).
    JwtAccessToken,
    /// A logout by the back channel (OpenID Connect Back-Channel Logout §2.5), after a login.
    BackChannelLogout,
}

impl Fault {
    /// A fault that happens at every request.
    #[must_use]
    pub const fn new(name: &'static str, at: Place, effect: Effect, expect: Expect) -> Self {
        Self { name, at, effect, expect, times: None, after: 0, feature: None }
    }

    /// The same, for clients that use this.
    #[must_use]
    pub const fn of(mut self, feature: Feature) -> Self {
        self.feature = Some(feature);
        self
    }

    /// The same, no more than `times` times.
    #[must_use]
    pub const fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// The same, once `requests` have been answered as they should.
    #[must_use]
    pub const fn after(mut self, requests: u32) -> Self {
        self.after = requests;
        self
    }

    /// The same at another kind of endpoint; what to expect may then differ.
    #[must_use]
    pub const fn moved_to(mut self, at: Place) -> Self {
        self.at = at;
        self
    }

    /// Whether it means the same when the provider is served on a port.
    ///
    /// There, somebody has answered the connection before [`Effect::Refuse`] can refuse it, so that it
    /// becomes [`Effect::Drop`]; and [`Effect::Forged`] has nobody who would bring the forged callback.
    #[must_use]
    pub const fn holds_on_a_port(&self) -> bool {
        !matches!(self.effect, Effect::Refuse | Effect::Forged(_))
    }
}

/// What a correct client does about a [`Fault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expect {
    /// The login, or whatever was under way, succeeds. At a resource: the answer reaches the caller as it
    /// came, which for a redirect means that it was not followed.
    Accepted,
    /// It ends with this error, and no further request leaves the client.
    Rejected {
        /// The error's kind.
        kind: ErrorKind,
        /// The error's reason.
        reason: Reason,
    },
}

/// What becomes of an answer. Every kind happens in virtual time in this process, and on a socket too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// This answer, and the endpoint never sees the request.
    Answer {
        /// The status.
        status: u16,
        /// Header fields beside `Content-Length`.
        headers: &'static [(&'static str, &'static str)],
        /// The body.
        body: &'static [u8],
    },
    /// Another status on the endpoint's answer.
    Status(u16),
    /// This header field in place of all of its name.
    Header(&'static str, &'static str),
    /// Changes to the JSON object in the answer, in their order.
    Json(&'static [Member]),
    /// The members of the JSON object as a form.
    AsForm,
    /// Changes to the form in the answer, in their order.
    Form(&'static [Param]),
    /// The parameters of the form as a JSON object of texts.
    AsJson,
    /// Bytes before and after the body.
    Around(&'static [u8], &'static [u8]),
    /// A body that is not what it should be in size or pace.
    Body(Body),
    /// The head of the answer takes this long; the endpoint acts at once.
    SlowHead(Duration),
    /// A header field of this many bytes.
    LongHead(usize),
    /// Nothing of the request arrives: there is no connection.
    Refuse,
    /// The connection closes after the endpoint has acted, and before it answers.
    Drop,
    /// Changes to the parameters of the callback, in their order.
    Callback(&'static [Param]),
    /// Changes to the JWT in the answer, or in the callback, in their order; it is signed again. It is the ID token, or
    /// the signed metadata.
    Jwt(&'static [JwtEdit]),
    /// Changes to the access token in the answer, if it is a JWT; it is signed again.
    AccessToken(&'static [JwtEdit]),
    /// Changes to the JWK set in the answer, in their order.
    Keys(&'static [KeyEdit]),
    /// The provider's keys are replaced before the endpoint acts.
    RotateKeys,
    /// Somebody else sends the client a callback first: the real one with these changes. Only
    /// [`Provider::callbacks`](crate::Provider::callbacks) shows it; a browser brings the real one alone.
    Forged(&'static [Param]),
}

/// A change to a JSON object. Names and values are JSON text as it stands in the object, so that they may
/// be escaped, or not even be valid; the quotes of a name are added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Member {
    /// Sets a member's value, where it stands, or else at the end.
    Set(&'static str, &'static [u8]),
    /// Removes a member.
    Remove(&'static str),
    /// Adds a member at the end, even if there is one of this name.
    Add(&'static str, &'static [u8]),
}

/// A change to the parameters of a callback, or of a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Param {
    /// Sets a parameter's value, where it stands, or else at the end.
    Set(&'static str, &'static str),
    /// Removes a parameter.
    Remove(&'static str),
    /// Adds a parameter at the end, even if there is one of this name.
    Add(&'static str, &'static str),
    /// Adds a parameter a second time, with the value that it has.
    Repeat(&'static str),
    /// Gives a parameter another name: first the one that it has.
    Rename(&'static str, &'static str),
    /// Moves all of them from the query to the fragment.
    IntoFragment,
    /// All of them become those of the login before this one, or of one that never was.
    OfAnotherLogin,
}

/// What is wrong with a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Body {
    /// This many bytes of white space follow it.
    Padded(usize),
    /// White space follows it, for ever.
    Endless,
    /// It ends half way, and the length was that of the whole.
    Truncated,
    /// The connection breaks half way, and the length was not told.
    Cut,
    /// It stops half way, and the connection stays open.
    Stalling,
    /// It comes byte by byte, each after this time.
    Trickling(Duration),
    /// The end of the connection is all that tells its end.
    Unframed,
    /// It ends half way, and the end of the connection is all that tells so.
    HalfUnframed,
}
