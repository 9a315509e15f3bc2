//! The shape of every flow: a machine that is told what happened and says what to do next.

use std::{fmt, time::Duration};

use bytes::Bytes;
use valetkey_http::{Addresses, BoxError, Failure, Limits, Request, Response};

use crate::{
    crypto::{CryptoProvider, RemoteKey},
    error::Result,
    random::SecureRandom,
    time::Timestamp,
};

/// What happened since the last step.
#[expect(clippy::exhaustive_enums, reason = "made by drivers, and a new one changes every driver")]
pub enum Event {
    /// Begin, or the wait is over. Defined in every state: too early, it yields the rest of the wait; while
    /// a request is in flight, it counts as one whose outcome is unknown.
    Go,
    /// The answer to the request.
    Response(Response),
    /// The signature that was asked for, or why there is none.
    Signed(Result<Vec<u8>, BoxError>),
    /// No whole answer to the request came back.
    Failure(Failure),
}

/// What to do next.
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "a driver that forgets one must not compile")]
pub enum Step<T> {
    /// Send this request once, within these bounds, and come back with the response or the failure.
    Send(Request, Demand),
    /// Have this signed, and come back with the signature.
    Sign(Signing),
    /// Come back with [`Event::Go`] after this time.
    Wait(Duration),
    /// Done.
    Done(T),
}

impl<T> Step<T> {
    /// The same step with another result.
    pub fn map<U>(self, done: impl FnOnce(T) -> U) -> Step<U> {
        match self {
            Self::Send(request, demand) => Step::Send(request, demand),
            Self::Sign(signing) => Step::Sign(signing),
            Self::Wait(time) => Step::Wait(time),
            Self::Done(value) => Step::Done(done(value)),
        }
    }
}

impl fmt::Debug for Event {
    /// Shows the status of a response and nothing of its body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Go => f.write_str("Go"),
            Self::Response(response) => f.debug_tuple("Response").field(&response.status()).finish(),
            Self::Signed(signed) => f.debug_tuple("Signed").field(&signed.as_ref().map(Vec::len)).finish(),
            Self::Failure(failure) => f.debug_tuple("Failure").field(failure).finish(),
        }
    }
}

impl<T> fmt::Debug for Step<T> {
    /// Shows the method and the host of a request, and nothing of the result.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(request, demand) => f
                .debug_tuple("Send")
                .field(request.method())
                .field(&request.uri().host())
                .field(demand)
                .finish(),
            Self::Sign(signing) => f.debug_tuple("Sign").field(&signing.key).finish(),
            Self::Wait(time) => f.debug_tuple("Wait").field(time).finish(),
            Self::Done(_) => f.write_str("Done(..)"),
        }
    }
}

/// What the protocol asks of a send. A driver merges it with the deadlines of its user into [`Limits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Demand {
    /// The most bytes of response body.
    pub body_bytes: usize,
    /// A connection of its own ([`Exchange::fresh`](crate::Exchange::fresh)).
    pub fresh: bool,
    /// The addresses that it may go to ([`Endpoint::addresses`](crate::endpoint::Endpoint::addresses)).
    pub addresses: Addresses,
}

impl Demand {
    /// These limits, tightened by what is asked.
    #[must_use]
    pub fn limits(&self, mut limits: Limits) -> Limits {
        limits.body_bytes = self.body_bytes;
        limits.fresh |= self.fresh;
        if self.addresses != Addresses::Any {
            limits.addresses = self.addresses;
        }
        limits
    }
}

/// A message to be signed by a key that is elsewhere.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Signing {
    /// The key, which also says the algorithm.
    pub key: RemoteKey,
    /// The bytes to sign.
    pub message: Bytes,
}

impl Signing {
    /// A message for this key.
    pub(crate) fn new(key: &RemoteKey, message: &[u8]) -> Self {
        Self { key: key.clone(), message: Bytes::copy_from_slice(message) }
    }
}

/// The world, as far as a step may know it: time, randomness, cryptography.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "made by drivers; there is no fourth thing a step may know")]
pub struct Env<'a> {
    /// The time now.
    pub now: Timestamp,
    /// The source of randomness.
    pub random: &'a dyn SecureRandom,
    /// The cryptography.
    pub crypto: &'a CryptoProvider,
}

/// A pure state machine: it is stepped with what happened, and says what to do.
///
/// No order of calls is undefined, and none can send a one-time request twice. After `Done` or an error,
/// [`Event::Go`] begins anew where that makes sense, and is an error of kind `Usage` where it does not.
pub trait Flow {
    /// What the flow ends with.
    type Output;

    /// Takes what happened and says what to do next.
    ///
    /// # Errors
    ///
    /// Whatever ends the flow; `Usage` with [`Reason::OutOfTurn`](crate::Reason::OutOfTurn) for an event that
    /// makes no sense now.
    fn step(&mut self, event: Event, env: &Env<'_>) -> Result<Step<Self::Output>>;
}

impl<F: Flow + ?Sized> Flow for &mut F {
    type Output = F::Output;

    fn step(&mut self, event: Event, env: &Env<'_>) -> Result<Step<Self::Output>> {
        (**self).step(event, env)
    }
}

impl<F: Flow + ?Sized> Flow for Box<F> {
    type Output = F::Output;

    fn step(&mut self, event: Event, env: &Env<'_>) -> Result<Step<Self::Output>> {
        (**self).step(event, env)
    }
}
