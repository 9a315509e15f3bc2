//! `Call`, whatever happens to it and in whatever order.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, header::RETRY_AFTER};
use valetkey_http::{Failure, FailureKind, Phase, Response, Sent};
use valetkey_proto::{
    Call, Draft, Env, Error, ErrorKind, Event, Exchange, Flow, Place, Reason, Result, Retry, Step, Timestamp,
    crypto::{RemoteKey, SignatureAlgorithm, SigningKey},
    endpoint::Endpoint,
    form::Form,
};

use crate::world::World;

/// A request that must not be sent twice, signed by a key that is elsewhere if so wanted.
struct Once {
    is_signed: bool,
}

impl Exchange for Once {
    type Output = ();

    fn retry(&self) -> Retry {
        Retry::ONE_TIME
    }

    fn request(&self, _: &Env<'_>) -> Result<Draft> {
        let mut form = Form::new();
        form.push("code", "SplxlOBeZQQYbYS6WxSbIA");
        let mut draft = Draft::post(&Endpoint::parse("https://as.example/token")?, form);
        if self.is_signed {
            let key = RemoteKey::new("key", SignatureAlgorithm::Es256);
            draft.sign(
                &SigningKey::Remote(key),
                "header.payload".to_owned(),
                Place::Form("client_assertion"),
            )?;
        }
        Ok(draft)
    }

    fn response(&self, response: Response, _: Timestamp, _: &Env<'_>) -> Result<()> {
        if response.status().is_success() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Server, Reason::ServerFailed).with_status(response.status()))
    }
}

/// What may happen, by a letter each. Other bytes stand for one of these, too.
const EVENTS: &[u8] = b"gdbsxotqawerfcmiuhz";

fn response(status: u16, retry_after: Option<&'static str>) -> Event {
    let mut response = Response::new(Bytes::from_static(b"{}"));
    *response.status_mut() = status.try_into().expect("a status");
    if let Some(time) = retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(time));
    }
    Event::Response(response)
}

fn failure(sent: Sent, kind: FailureKind) -> Event {
    Event::Failure(Failure::new(sent, kind))
}

/// The event that a letter stands for, and whether it says for sure that the server has not acted.
fn event(letter: u8) -> (Event, bool) {
    match letter {
        b's' => (Event::Signed(Ok(vec![1, 2, 3])), false),
        b'x' => (Event::Signed(Err("no signature".into())), false),
        b'o' => (response(200, None), false),
        b't' => (response(503, Some("1")), true),
        b'q' => (response(429, Some("0")), true),
        b'a' => (response(503, Some("4000")), true),
        b'w' => (response(503, None), false),
        b'e' => (response(500, Some("1")), false),
        b'r' => (response(302, Some("1")), false),
        b'f' => (response(400, None), false),
        b'c' => (failure(Sent::Nothing, FailureKind::Connect), true),
        b'm' => (failure(Sent::Maybe, FailureKind::Closed), false),
        b'i' => (failure(Sent::Maybe, FailureKind::Timeout(Phase::Head)), false),
        b'u' => (failure(Sent::Answered(http::StatusCode::OK), FailureKind::Truncated), false),
        b'h' => (failure(Sent::Nothing, FailureKind::Tls), true),
        b'z' => (failure(Sent::Maybe, FailureKind::Abandoned), false),
        _ => (Event::Go, false),
    }
}

/// A one-time request and a row of events: `g` is `Go`, `d` and `b` step the clock forth and back.
///
/// Nothing is sent again after an attempt of which the server may have seen anything, nothing but `Send` is
/// in flight, and no wait is longer than the first that was asked for.
pub fn call(data: &[u8]) {
    let [first, rest @ ..] = data else { return };
    let mut world = World::new();
    let mut call = Call::anonymous(Once { is_signed: first % 2 == 0 });
    let (mut in_flight, mut may_have_acted) = (false, false);
    let mut waited_for = None;
    for &byte in rest {
        let letter = if EVENTS.contains(&byte) { byte } else { EVENTS[usize::from(byte) % EVENTS.len()] };
        match letter {
            b'd' => world.now = world.now + Duration::from_secs(1),
            b'b' => world.now = world.now - Duration::from_secs(3600),
            _ => {}
        }
        if matches!(letter, b'd' | b'b') {
            continue;
        }
        let (event, is_unseen) = event(letter);
        let is_turn = in_flight && !matches!(event, Event::Signed(_));
        let step = call.step(event, &world.env());
        if is_turn {
            in_flight = false;
            may_have_acted |= !is_unseen;
        }
        match step {
            Ok(Step::Send(_, demand)) => {
                assert!(!may_have_acted, "sent again, though the server may have acted");
                assert!(demand.fresh && !in_flight);
                in_flight = true;
                waited_for = None;
            }
            Ok(Step::Wait(time)) => {
                assert!(time <= *waited_for.get_or_insert(time) && time <= Duration::from_secs(30));
                assert!(!in_flight && !may_have_acted);
            }
            Ok(Step::Sign(_)) => assert!(!in_flight && !may_have_acted),
            Ok(Step::Done(())) => assert!(is_turn),
            Err(error) if error.reason() == Reason::OutOfTurn => assert_eq!(error.kind(), ErrorKind::Usage),
            Err(_) => waited_for = None,
        }
    }
}
