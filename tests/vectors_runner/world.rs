//! A fixed world, and flows driven by hand in it.

use std::sync::atomic::{AtomicU8, Ordering};

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use valetkey_http::{Request, Response};
use valetkey_proto::{
    Env, Error, Event, Flow, Result, Step, Timestamp,
    crypto::CryptoProvider,
    random::{RandomFailed, SecureRandom},
};

use super::check::Stop;

/// More steps than any flow needs for one outcome, retries included.
const MOST_STEPS: usize = 100;

/// A clock that is moved by waiting, and randomness that repeats.
pub(crate) struct World {
    now: Timestamp,
    random: Counter,
    pub(crate) crypto: CryptoProvider,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::at(1_700_000_000)
    }

    /// At this time, in seconds.
    pub(crate) fn at(now: i64) -> Self {
        Self {
            now: Timestamp::from_secs(now),
            random: Counter(AtomicU8::new(1)),
            crypto: CryptoProvider::ring(),
        }
    }

    /// With this cryptography.
    pub(crate) fn with(mut self, crypto: CryptoProvider) -> Self {
        self.crypto = crypto;
        self
    }

    pub(crate) fn env(&self) -> Env<'_> {
        Env { now: self.now, random: &self.random, crypto: &self.crypto }
    }

    /// The first request of a flow.
    pub(crate) fn first_request<F: Flow>(&self, mut flow: F) -> std::result::Result<Request, Stop> {
        match flow.step(Event::Go, &self.env())? {
            Step::Send(request, _) => Ok(request),
            Step::Sign(_) | Step::Wait(_) | Step::Done(_) => Err(Stop::refused("no request is sent")),
        }
    }

    /// Plays a flow to its end, every request answered in the same way.
    pub(crate) fn play<F: Flow>(&mut self, mut flow: F, answer: &Response) -> Result<F::Output, Error> {
        let mut event = Event::Go;
        for _ in 0..MOST_STEPS {
            event = match flow.step(event, &self.env())? {
                Step::Send(..) => Event::Response(answer.clone()),
                Step::Wait(time) => {
                    self.now = self.now + time;
                    Event::Go
                }
                Step::Sign(_) => panic!("nothing is to be signed here"),
                Step::Done(output) => return Ok(output),
            };
        }
        panic!("the flow does not end");
    }
}

/// Counts upwards: predictable, and no two texts alike.
#[derive(Debug)]
struct Counter(AtomicU8);

impl SecureRandom for Counter {
    fn fill(&self, buffer: &mut [u8]) -> std::result::Result<(), RandomFailed> {
        buffer.iter_mut().for_each(|byte| *byte = self.0.fetch_add(1, Ordering::Relaxed));
        Ok(())
    }
}

/// A response of these parts.
pub(crate) fn response<'a>(
    status: u16,
    headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    body: impl Into<Bytes>,
) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status.try_into().expect("a status");
    for (name, value) in headers {
        let name = HeaderName::try_from(name).expect("the name of a field");
        let value = HeaderValue::from_bytes(value.as_bytes()).expect("the value of a field");
        response.headers_mut().append(name, value);
    }
    response
}
