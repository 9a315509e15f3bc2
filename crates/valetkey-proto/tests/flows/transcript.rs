//! The harness of the flow tests: a fixed world, and transcripts that are played, then played again with
//! spurious events.

use std::sync::atomic::{AtomicU8, Ordering};

use bytes::Bytes;
use valetkey_http::{Request, Response};
use valetkey_proto::{
    Call, Env, Event, Exchange, Flow, Result, Step, Timestamp,
    crypto::{CryptoProvider, SignatureAlgorithm},
    oauth2::binding::Dpop,
    random::{RandomFailed, SecureRandom},
};

/// The time at which every test begins: 2023-11-14 22:13:20 UTC.
pub(crate) const START: Timestamp = Timestamp::from_secs(1_700_000_000);

/// A clock that stands still until it is moved, and randomness that repeats.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) now: Timestamp,
    pub(crate) random: Counter,
    crypto: CryptoProvider,
}

impl World {
    pub(crate) fn new() -> Self {
        let random = Counter { next: AtomicU8::new(1), fails: false };
        Self { now: START, random, crypto: CryptoProvider::ring() }
    }

    pub(crate) fn env(&self) -> Env<'_> {
        Env { now: self.now, random: &self.random, crypto: &self.crypto }
    }
}

/// Counts upwards: predictable, and no two texts alike.
#[derive(Debug)]
pub(crate) struct Counter {
    next: AtomicU8,
    pub(crate) fails: bool,
}

impl SecureRandom for Counter {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), RandomFailed> {
        buffer.iter_mut().for_each(|byte| *byte = self.next.fetch_add(1, Ordering::Relaxed));
        if self.fails { Err(RandomFailed::new()) } else { Ok(()) }
    }
}

pub(crate) fn answer(status: u16, media_type: &str, body: &str) -> Response {
    let mut response = Response::new(Bytes::copy_from_slice(body.as_bytes()));
    *response.status_mut() = status.try_into().unwrap();
    if !media_type.is_empty() {
        response.headers_mut().insert("content-type", media_type.parse().unwrap());
    }
    response
}

pub(crate) fn json(status: u16, body: &str) -> Response {
    answer(status, "application/json", body)
}

/// One line of a transcript: what is expected to be sent, in short, and what comes back.
pub(crate) type Line<'a> = (&'a str, Response);

/// Plays a flow to its end twice, the second time with spurious `Go`s wherever nothing is in flight, and
/// returns the outcome, which must not differ in what was sent.
pub(crate) fn play<F: Flow>(flow: impl Fn() -> F, lines: &[Line<'_>]) -> Result<F::Output> {
    let outcome = once(flow(), lines, false);
    assert_eq!(once(flow(), lines, true).is_ok(), outcome.is_ok(), "spurious events changed the outcome");
    outcome
}

/// Plays a call as [`play`] does, then once more with a key and a demand for a nonce before every answer (RFC 9449 §8):
/// each request then goes out twice, otherwise the same, and the outcome does not change.
pub(crate) fn play_call<E: Exchange>(call: impl Fn() -> Call<E>, lines: &[Line<'_>]) -> Result<E::Output> {
    let mut doubled = Vec::new();
    for (at, (expected, response)) in lines.iter().enumerate() {
        doubled.extend([(*expected, demand(&format!("n{at}"))), (*expected, response.clone())]);
    }
    let dpop = || Dpop::generate(SignatureAlgorithm::Es256, &CryptoProvider::ring()).expect("a key");
    let challenged = play(|| call().with_dpop(dpop()), &doubled);
    let outcome = play(call, lines);
    assert_eq!(challenged.is_ok(), outcome.is_ok(), "a demand for a nonce changed the outcome");
    outcome
}

/// A server's demand for this nonce.
pub(crate) fn demand(nonce: &str) -> Response {
    let mut response = json(400, r#"{"error":"use_dpop_nonce"}"#);
    response.headers_mut().insert("dpop-nonce", nonce.parse().expect("a nonce"));
    response
}

fn once<F: Flow>(mut flow: F, lines: &[Line<'_>], spurious: bool) -> Result<F::Output> {
    let mut world = World::new();
    let mut lines = lines.iter();
    let mut event = Event::Go;
    loop {
        let step = flow.step(event, &world.env());
        event = Event::Go;
        match step {
            Ok(Step::Send(request, _)) => {
                let (expected, response) =
                    lines.next().unwrap_or_else(|| panic!("unexpected {}", short(&request)));
                assert_eq!(short(&request), *expected);
                event = Event::Response(response.clone());
            }
            Ok(Step::Wait(time)) => {
                if spurious {
                    assert!(matches!(flow.step(Event::Go, &world.env()), Ok(Step::Wait(_))), "too early");
                }
                world.now = world.now + time;
            }
            Ok(Step::Sign(_)) => panic!("nothing to sign"),
            Ok(Step::Done(output)) => {
                assert!(lines.next().is_none(), "ended too early");
                return Ok(output);
            }
            Err(error) => {
                assert!(lines.next().is_none(), "ended too early: {error}");
                return Err(error);
            }
        }
    }
}

/// A request in a line: method, URL, body.
pub(crate) fn short(request: &Request) -> String {
    let body = String::from_utf8_lossy(request.body());
    format!("{} {} {body}", request.method(), request.uri()).trim_end().to_owned()
}
