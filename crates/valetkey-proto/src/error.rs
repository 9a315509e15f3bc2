//! The one error type.

mod response;

use std::{borrow::Cow, error::Error as StdError, fmt, sync::Arc, time::Duration};

use http::StatusCode;
use valetkey_http::{Failure, FailureKind, Sent};

pub use response::{ErrorCode, ErrorResponse};

use crate::{header::Challenge, random::RandomFailed};

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Whatever went wrong, one pointer wide and cheap to clone, so that one failure can reach all who wait.
///
/// Match on [`kind`](Error::kind) to see whose fault it is and on [`reason`](Error::reason) for the exact
/// cause; both are stable, the text is not. The text is one line. It carries the server's own code and
/// description, and never a body, a token, a code, a state or a query.
///
/// ```
/// use valetkey_proto::{ErrorKind, Reason, oauth2::server::Issuer};
///
/// let error = Issuer::parse("http://issuer.example").unwrap_err();
/// assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::InsecureUrl));
/// ```
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    reason: Reason,
    /// Static text, or text made of names and numbers only; never of received values.
    detail: Option<Cow<'static, str>>,
    status: Option<StatusCode>,
    response: Option<Box<ErrorResponse>>,
    challenges: Vec<Challenge>,
    /// Shared, since it cannot be copied.
    failure: Option<Arc<Failure>>,
    advice: Option<Advice>,
}

/// Whose fault it is, coarsely.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The program called something that cannot be called like this.
    Usage,
    /// The program's configuration is wrong or lacks something.
    Config,
    /// The server or the user said no, by an OAuth error.
    Denied,
    /// The server failed: a 5xx, or an answer that is not OAuth at all.
    Server,
    /// The server broke a rule of the protocol.
    Protocol,
    /// Something that must match does not: maybe an attack.
    Untrusted,
    /// Something is too old to be used.
    Expired,
    /// The request or its answer did not get through.
    Transport,
    /// It took too long.
    Timeout,
    /// A store, or another place where the program has its tokens, could not be read or written.
    Store,
}

/// The exact cause. Its `Debug` text is its stable name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    // --- the program ---
    /// The machine was stepped in a way that makes no sense, such as a response to no request.
    OutOfTurn,
    /// A value cannot be used: it has a control character, or is empty, too long, or not one of those that there are.
    InvalidValue,
    /// A URL cannot be parsed, or has a part that it must not have.
    InvalidUrl,
    /// A URL is neither `https` nor `http` on loopback.
    InsecureUrl,
    /// The server's metadata does not name an endpoint that is needed.
    MissingEndpoint,
    /// The client has no redirect URI.
    MissingRedirectUri,
    /// The client has no way to authenticate, and this request needs one.
    MissingClientAuthentication,
    /// The request already carries credentials: an `Authorization` header, or parameters that authenticate.
    AlreadyAuthorized,
    /// The session was given no API origin that this request goes to.
    OriginNotAllowed,
    /// There is no refresh token.
    MissingRefreshToken,
    /// A parameter was set that the flow itself sets.
    ReservedParameter,
    /// The server does not support what is needed for safety: PKCE with S256.
    PkceUnsupported,
    /// A private key could not be read, or is of a kind that the provider cannot use.
    InvalidKey,
    /// The key that tokens are bound to is not here: they were restored without it, or for a client with another one.
    KeyMissing,
    /// No signer, algorithm or provider for what is asked.
    UnsupportedAlgorithm,
    /// A signer elsewhere failed.
    SigningFailed,
    /// The source of randomness failed.
    RandomFailed,
    /// The backend cannot send what it was given.
    BackendRefused,
    /// The work behind a shared answer was dropped before it was done.
    TaskDropped,
    /// The session was closed.
    SessionClosed,
    /// Tokens could not be kept where the program keeps them.
    NotKept,
    /// A store could not be asked, or did not do what it was asked.
    StoreFailed,
    /// What a store keeps can be read or written by others.
    StoreInsecure,
    /// A source of tokens gave none: a file, a command, a variable of the environment.
    SourceFailed,

    // --- the server or the user said no ---
    /// The authorization response is an error: the user or the server refused.
    AuthorizationDenied,
    /// The server answered with an OAuth error.
    RequestDenied,
    /// A refresh token was refused for good: sign in again.
    RefreshDenied,
    /// Somebody signed out, here or elsewhere: sign in again.
    LoggedOut,
    /// A refresh token was refused after a request with it whose answer was lost: the server had taken that one,
    /// and nobody has what it answered. Sign in again.
    RotationLost,
    /// A device code was refused after a poll with it whose answer was lost: the server had given the tokens for it, and
    /// nobody has them. Sign in again.
    CodeConsumed,
    /// The server answered 401 or 403 with a challenge.
    Challenged,
    /// An API demands more than its tokens have, and asking for it would bring nothing new: they have it already, as far as
    /// is known, or it was asked for just before and not granted.
    StepUpFutile,
    /// An API demands more again and again: the user is not asked once more for the same operation.
    StepUpExhausted,
    /// The server demands a nonce in the DPoP proof, and names none that can be used, or does not take the one it named.
    NonceDemanded,
    /// The server refused the access token of a request that must not be sent again.
    NotReplayed,

    // --- the server failed ---
    /// The server answered 5xx, or 429, and no OAuth error.
    ServerFailed,

    // --- the server broke a rule ---
    /// A redirect where none is allowed. It was not followed.
    UnexpectedRedirect,
    /// A status that this endpoint must not answer with.
    UnexpectedStatus,
    /// The body is of another media type than it must be.
    UnexpectedMediaType,
    /// The body, or a part of it, cannot be read.
    Malformed,
    /// A parameter or member occurs twice.
    DuplicateParameter,
    /// A parameter or member that must be there is not.
    MissingParameter,
    /// The head, the body or a part of it is larger than allowed.
    TooLarge,
    /// The answer ended before it was complete, or cannot be known to be complete.
    Truncated,
    /// The token is of a type that was not asked for or cannot be used like this.
    UnsupportedTokenType,
    /// The authorization response came in another way than was asked for.
    ResponseModeMismatch,
    /// The server did not confirm that it knows the callback (RFC 5849 §2.1): it may be of OAuth 1.0 before 1.0a.
    CallbackNotConfirmed,

    // --- maybe an attack ---
    /// A URL that was learned from the network leads to this machine, or into a network that is not public.
    AddressNotAllowed,
    /// The issuer is not the one that was asked.
    IssuerMismatch,
    /// The issuer says that it names itself in its responses, and did not.
    IssuerMissing,
    /// The state is not the one that was sent: this response belongs to another request.
    StateMismatch,
    /// The callback did not arrive at the redirect URI.
    RedirectUriMismatch,
    /// A sealed text was not sealed for this purpose, issuer and client by one of these keys.
    SealBroken,
    /// A token was returned where tokens must not be.
    UnexpectedToken,
    /// A JWT is signed or encrypted by another algorithm than was agreed on.
    AlgorithmMismatch,
    /// No key that is known fits: the signer may have new ones.
    KeyNotFound,
    /// The signature of a JWT is not its signer's.
    SignatureInvalid,
    /// A JWE cannot be decrypted; it is not said why.
    DecryptionFailed,
    /// A JWT has a header that changes its meaning: `crit`, `b64`, `zip`.
    UnsupportedHeader,
    /// A JWT is one of another kind.
    KindMismatch,
    /// A JWT is for somebody else.
    AudienceMismatch,
    /// A JWT is about somebody else.
    SubjectMismatch,
    /// The nonce is not the one that was sent.
    NonceMismatch,
    /// The server gave a token that anybody could use, although one bound to a key was asked for (RFC 9449 §5).
    TokenNotBound,
    /// A JWT belongs to another token, code, state, request or key.
    BindingMismatch,
    /// A JWT is not valid yet, or says that it comes from the future.
    NotYetValid,
    /// The user was not authenticated in the way that was asked for.
    AuthenticationMismatch,
    /// A message is about another session.
    SessionMismatch,
    /// A token was shown before, and may be shown once.
    Replayed,

    // --- too old ---
    /// A JWT has expired, or was issued too long ago.
    JwtExpired,
    /// The user was authenticated longer ago than was asked for.
    AuthenticationTooOld,
    /// The sign-in was begun too long ago.
    PendingExpired,
    /// The secret of a registered client has expired: register anew.
    ClientExpired,
    /// The access token has expired, and there is nothing to renew it with: sign in again.
    TokenExpired,

    // --- transport ---
    /// The server could not be reached; it saw nothing of the request.
    Unreachable,
    /// The connection broke.
    ConnectionLost,
    /// The request may have been acted on: a code or a refresh token may be used up, or what was asked of an API may be done.
    OutcomeUnknown,
    /// A deadline passed.
    TimedOut,
    /// The HTTP client followed a redirect by itself.
    RedirectFollowed,
}

/// What to do about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Advice {
    /// Try again, not before this time has passed.
    RetryAfter(Duration),
    /// Sign the user in again.
    Reauthorize,
    /// The request or the configuration is wrong; the same again brings the same.
    Change,
    /// Nothing that a program could do.
    GiveUp,
}

impl Error {
    /// The coarse kind: whose fault it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The exact cause.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.0.reason
    }

    /// The OAuth error that the server answered with.
    #[must_use]
    pub fn response(&self) -> Option<&ErrorResponse> {
        self.0.response.as_deref()
    }

    /// What it is about, in words for people.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// The HTTP status of the answer, if there was one.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.0.status
    }

    /// The challenges of the answer's `WWW-Authenticate` fields.
    #[must_use]
    pub fn challenges(&self) -> &[Challenge] {
        &self.0.challenges
    }

    /// How far the request got, if no whole answer came back.
    #[must_use]
    pub fn was_sent(&self) -> Option<Sent> {
        self.0.failure.as_deref().map(Failure::sent)
    }

    /// What to do about it.
    #[must_use]
    pub fn advice(&self) -> Advice {
        if let Some(advice) = self.0.advice {
            return advice;
        }
        if matches!(
            self.0.reason,
            Reason::AuthorizationDenied
                | Reason::CodeConsumed
                | Reason::LoggedOut
                | Reason::MissingRefreshToken
                | Reason::OutcomeUnknown
                | Reason::PendingExpired
                | Reason::RefreshDenied
                | Reason::RotationLost
                | Reason::TokenExpired
                | Reason::TokenNotBound
                | Reason::StateMismatch
        ) {
            Advice::Reauthorize
        } else if matches!(
            self.0.reason,
            Reason::ServerFailed | Reason::Unreachable | Reason::ConnectionLost | Reason::TimedOut
        ) {
            Advice::RetryAfter(BRIEFLY)
        } else if matches!(self.0.kind, ErrorKind::Usage | ErrorKind::Config | ErrorKind::Denied) {
            Advice::Change
        } else {
            Advice::GiveUp
        }
    }
}

/// How long to wait at least when a server that failed did not say.
const BRIEFLY: Duration = Duration::from_secs(1);

/// How errors are made, by exchanges of this crate and of its users.
impl Error {
    /// An error of this kind, for this reason.
    #[must_use]
    pub fn new(kind: ErrorKind, reason: Reason) -> Self {
        Self(Arc::new(Inner {
            kind,
            reason,
            detail: None,
            status: None,
            response: None,
            challenges: Vec::new(),
            failure: None,
            advice: None,
        }))
    }

    /// Adds what it is about: the name of a parameter, a limit. Never put a received value here.
    #[must_use]
    pub fn with_detail(self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.with(|inner| inner.detail = Some(detail.into()))
    }

    /// Adds the HTTP status of the answer.
    #[must_use]
    pub fn with_status(self, status: StatusCode) -> Self {
        self.with(|inner| inner.status = Some(status))
    }

    /// Adds the OAuth error that the server answered with.
    #[must_use]
    pub fn with_response(self, response: ErrorResponse) -> Self {
        self.with(|inner| inner.response = Some(Box::new(response)))
    }

    /// Adds the challenges of the answer.
    #[must_use]
    pub fn with_challenges(self, challenges: Vec<Challenge>) -> Self {
        self.with(|inner| inner.challenges = challenges)
    }

    /// Adds how long to wait before trying again.
    #[must_use]
    pub fn with_retry_after(self, time: Duration) -> Self {
        self.with_advice(Advice::RetryAfter(time))
    }

    /// Adds what to do about it, where that is not what one does about this cause.
    #[must_use]
    pub fn with_advice(self, advice: Advice) -> Self {
        self.with(|inner| inner.advice = Some(advice))
    }

    /// Says whose fault it really is, by somebody who knows more.
    #[must_use]
    pub(crate) fn restated_by(self, kind: ErrorKind) -> Self {
        self.with(|inner| inner.kind = kind)
    }

    /// Says what cause it really is, by somebody who knows more.
    #[must_use]
    pub fn with_reason(self, reason: Reason) -> Self {
        self.with(|inner| inner.reason = reason)
    }

    /// Changes an error that nobody else holds yet.
    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        // Whoever else holds it has it as it was.
        change(Arc::make_mut(&mut self.0));
        self
    }
}

/// A failure of the backend; one that leaves the outcome of a one-time request open is made into
/// [`Reason::OutcomeUnknown`] by [`Call`](crate::Call), which knows what was sent.
impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let (kind, reason) = match (failure.kind(), failure.sent()) {
            (FailureKind::Config, _) => (ErrorKind::Config, Reason::BackendRefused),
            (FailureKind::AddressRefused, _) => (ErrorKind::Untrusted, Reason::AddressNotAllowed),
            (FailureKind::Timeout(_), _) => (ErrorKind::Timeout, Reason::TimedOut),
            (FailureKind::TooLarge, _) => (ErrorKind::Protocol, Reason::TooLarge),
            (FailureKind::Protocol, _) => (ErrorKind::Protocol, Reason::Malformed),
            (FailureKind::Truncated, _) => (ErrorKind::Transport, Reason::Truncated),
            (FailureKind::Redirected, _) => (ErrorKind::Config, Reason::RedirectFollowed),
            (_, Sent::Nothing) => (ErrorKind::Transport, Reason::Unreachable),
            (_, Sent::Maybe | Sent::Answered(_)) => (ErrorKind::Transport, Reason::ConnectionLost),
        };
        let status = match failure.sent() {
            Sent::Answered(status) => Some(status),
            Sent::Nothing | Sent::Maybe => None,
        };
        Self::new(kind, reason).with(|inner| {
            inner.status = status;
            inner.failure = Some(Arc::new(failure));
        })
    }
}

impl From<RandomFailed> for Error {
    fn from(_: RandomFailed) -> Self {
        Self::new(ErrorKind::Config, Reason::RandomFailed)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.failure.as_deref().map(|failure| failure as _)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.reason.text())?;
        if let Some(detail) = &self.0.detail {
            write!(f, ": {detail}")?;
        }
        if let Some(status) = self.0.status {
            write!(f, " (status {})", status.as_u16())?;
        }
        if let Some(response) = &self.0.response {
            write!(f, ": {response}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        let mut debug = f.debug_struct("Error");
        debug.field("kind", &inner.kind).field("reason", &inner.reason);
        if let Some(detail) = &inner.detail {
            debug.field("detail", detail);
        }
        if let Some(status) = &inner.status {
            debug.field("status", status);
        }
        if let Some(response) = &inner.response {
            debug.field("response", response);
        }
        if let Some(failure) = &inner.failure {
            debug.field("failure", failure);
        }
        debug.finish_non_exhaustive()
    }
}

impl Reason {
    fn text(self) -> &'static str {
        match self {
            Self::OutOfTurn => "the flow was stepped out of turn",
            Self::InvalidValue => "a value cannot be used",
            Self::InvalidUrl => "not a URL that can be used here",
            Self::InsecureUrl => "the URL is neither https nor http on loopback",
            Self::MissingEndpoint => "the server's metadata does not name the endpoint",
            Self::MissingRedirectUri => "the client has no redirect URI",
            Self::MissingClientAuthentication => "the client has no way to authenticate",
            Self::AlreadyAuthorized => "the request already carries credentials",
            Self::OriginNotAllowed => "the session may not send its token to this origin",
            Self::MissingRefreshToken => "there is no refresh token",
            Self::ReservedParameter => "the parameter is set by the flow itself",
            Self::PkceUnsupported => "the server does not support PKCE with S256",
            Self::InvalidKey => "the private key cannot be used",
            Self::KeyMissing => "the key that the tokens are bound to is not here",
            Self::UnsupportedAlgorithm => "the algorithm is not supported here",
            Self::SigningFailed => "the signer failed",
            Self::RandomFailed => "the source of randomness failed",
            Self::BackendRefused => "the backend cannot send this request",
            Self::TaskDropped => "the task was dropped before it was done",
            Self::NotKept => "the tokens could not be kept",
            Self::StoreFailed => "the store did not do what it was asked",
            Self::StoreInsecure => "others can read or write what is kept",
            Self::SourceFailed => "a source of tokens gave none",
            Self::SessionClosed => "the session was closed",
            Self::AuthorizationDenied => "authorization was refused",
            Self::RequestDenied => "the server refused the request",
            Self::RefreshDenied => "the server refused the refresh token",
            Self::CodeConsumed => "the device code was used up by a poll whose answer was lost",
            Self::LoggedOut => "somebody signed out",
            Self::RotationLost => "the answer to the last refresh was lost, and the refresh token with it",
            Self::NotReplayed => "the access token was refused, and the request must not be sent again",
            Self::Challenged => "the server demands authorization",
            Self::NonceDemanded => "the server demands another nonce in the DPoP proof",
            Self::ServerFailed => "the server failed",
            Self::UnexpectedRedirect => "a redirect where none is allowed; it was not followed",
            Self::UnexpectedStatus => "an unexpected status",
            Self::UnexpectedMediaType => "an unexpected media type",
            Self::Malformed => "the response cannot be read",
            Self::DuplicateParameter => "a parameter occurs twice",
            Self::MissingParameter => "a parameter is missing",
            Self::TooLarge => "the response is too large",
            Self::Truncated => "the response is cut short",
            Self::UnsupportedTokenType => "the token is of a type that cannot be used here",
            Self::ResponseModeMismatch => "the response came in another way than was asked for",
            Self::CallbackNotConfirmed => "the server did not confirm the callback",
            Self::AddressNotAllowed => "a URL that was learned leads to an address that is not public",
            Self::IssuerMismatch => "the issuer is not the one that was asked",
            Self::IssuerMissing => "the response does not name its issuer although the server says it does",
            Self::StateMismatch => "the state is not the one that was sent",
            Self::RedirectUriMismatch => "the callback did not arrive at the redirect URI",
            Self::SealBroken => "not sealed for this purpose, issuer and client by a known key",
            Self::UnexpectedToken => "a token where tokens must not be",
            Self::AlgorithmMismatch => "another algorithm than was agreed on",
            Self::KeyNotFound => "no known key fits",
            Self::SignatureInvalid => "the signature is not the signer's",
            Self::DecryptionFailed => "it cannot be decrypted",
            Self::UnsupportedHeader => "a header that must be understood and is not",
            Self::KindMismatch => "a JWT of another kind",
            Self::AudienceMismatch => "a JWT for somebody else",
            Self::SubjectMismatch => "a JWT about somebody else",
            Self::NonceMismatch => "the nonce is not the one that was sent",
            Self::TokenNotBound => "the token is not bound to a key, as was asked for",
            Self::BindingMismatch => "a JWT that belongs to something else",
            Self::NotYetValid => "a JWT that is not valid yet",
            Self::AuthenticationMismatch => "the user was not authenticated as was asked for",
            Self::SessionMismatch => "a message about another session",
            Self::Replayed => "a token that was shown before",
            Self::JwtExpired => "a JWT that has expired",
            Self::AuthenticationTooOld => "the user was authenticated too long ago",
            Self::TokenExpired => "the access token has expired, and nothing renews it",
            Self::ClientExpired => "the client's secret has expired",
            Self::PendingExpired => "the sign-in was begun too long ago",
            Self::Unreachable => "the server could not be reached",
            Self::ConnectionLost => "the connection broke",
            Self::OutcomeUnknown => "the outcome is unknown: the server may have acted on the request",
            Self::TimedOut => "a deadline passed",
            Self::StepUpFutile => {
                "the API demands what the tokens have, or what was not granted when it was asked for"
            }
            Self::StepUpExhausted => "the API demands more again and again",
            Self::RedirectFollowed => "the HTTP client followed a redirect by itself",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_pointer_and_crosses_threads() {
        fn crosses<T: Send + Sync + 'static>() {}
        crosses::<Error>();
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }

    #[test]
    fn what_is_added_to_an_error_that_others_hold_is_added_and_they_have_theirs() {
        let held = Error::new(ErrorKind::Server, Reason::ServerFailed);
        let later = held.clone().with_retry_after(Duration::from_secs(60));
        assert_eq!(later.advice(), Advice::RetryAfter(Duration::from_secs(60)));
        assert_eq!(held.advice(), Advice::RetryAfter(BRIEFLY));
    }
}
