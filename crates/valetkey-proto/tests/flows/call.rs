//! `Call`, step by step: what is sent, what is sent again, and what never is.

use std::{sync::Arc, time::Duration};

use crate::transcript::{World, answer, json};
use bytes::Bytes;
use http::{HeaderName, Method, StatusCode};
use valetkey_http::{Failure, FailureKind, Phase, Response, Sent};
use valetkey_proto::{
    Call, Draft, Env, Error, ErrorKind, Event, Exchange, Flow, Party, Place, Reason, Result, Retry, Step,
    Timestamp, Window,
    crypto::{CryptoProvider, RemoteKey, Signature, SignatureAlgorithm, SigningKey},
    endpoint::Endpoint,
    form::Form,
    oauth2::{
        client::{ClientAuth, ClientId},
        server::Issuer,
    },
};

/// An exchange with every knob: it asks for a word and counts in the form how often it was written.
pub(crate) struct Ask {
    retry: Retry,
    sign: Vec<(SigningKey, Place)>,
    max_body: usize,
}

pub(crate) fn ask(retry: Retry) -> Ask {
    Ask { retry, sign: Vec::new(), max_body: 1024 }
}

impl Exchange for Ask {
    type Output = String;

    fn retry(&self) -> Retry {
        self.retry
    }

    fn max_body(&self) -> usize {
        self.max_body
    }

    fn request(&self, env: &Env<'_>) -> Result<Draft> {
        let mut form = Form::new();
        form.push("now", &env.now.as_millis().to_string());
        let mut draft = Draft::post(&Endpoint::parse("https://as.example/ask")?, form);
        for (key, place) in &self.sign {
            draft.sign(key, "header.payload".to_owned(), place.clone())?;
        }
        Ok(draft)
    }

    fn response(&self, response: Response, asked: Timestamp, _: &Env<'_>) -> Result<String> {
        if response.status() != StatusCode::OK {
            return Err(Error::new(ErrorKind::Server, Reason::ServerFailed).with_status(response.status()));
        }
        Ok(format!("{}@{}", String::from_utf8_lossy(response.body()), asked.as_millis()))
    }
}

fn lost(sent: Sent) -> Event {
    Event::Failure(Failure::new(sent, FailureKind::Closed))
}

/// Steps a call through its waits until it sends, ends or fails.
fn until_sent<E: Exchange>(call: &mut Call<E>, world: &mut World, event: Event) -> Result<Option<E::Output>> {
    let mut event = event;
    loop {
        match call.step(event, &world.env())? {
            Step::Send(..) => return Ok(None),
            Step::Done(output) => return Ok(Some(output)),
            Step::Wait(time) => world.now = world.now + time,
            Step::Sign(_) => panic!("nothing to sign"),
        }
        event = Event::Go;
    }
}

/// How often a call sends if each attempt ends like this, and what it says in the end.
fn attempts(retry: Retry, ends: impl Fn() -> Event) -> (usize, Error) {
    let mut world = World::new();
    let mut call = Call::anonymous(ask(retry));
    let mut sent = 0;
    let mut event = Event::Go;
    loop {
        match until_sent(&mut call, &mut world, event) {
            Ok(None) => sent += 1,
            Ok(Some(_)) => panic!("answered"),
            Err(error) => return (sent, error),
        }
        event = ends();
    }
}

#[test]
fn s_tk_18_a_one_time_request_is_sent_once_unless_nothing_was_sent() {
    let (sent, error) = attempts(Retry::ONE_TIME, || lost(Sent::Maybe));
    assert_eq!((sent, error.kind(), error.reason()), (1, ErrorKind::Transport, Reason::OutcomeUnknown));
    assert_eq!(error.was_sent(), Some(Sent::Maybe));
    let (sent, error) = attempts(Retry::ONE_TIME, || lost(Sent::Answered(StatusCode::OK)));
    assert_eq!((sent, error.reason(), error.status()), (1, Reason::ConnectionLost, Some(StatusCode::OK)));
    let (sent, error) = attempts(Retry::ONE_TIME, || lost(Sent::Nothing));
    assert_eq!((sent, error.reason()), (4, Reason::Unreachable));
    let timeout = || Event::Failure(Failure::new(Sent::Maybe, FailureKind::Timeout(Phase::Head)));
    let (sent, error) = attempts(Retry::ONE_TIME, timeout);
    assert_eq!((sent, error.kind(), error.reason()), (1, ErrorKind::Timeout, Reason::OutcomeUnknown));
}

#[test]
fn a_one_time_request_was_sent_again_by_a_go_behind_its_end() {
    let response = |status| Event::Response(answer(status, "", ""));
    let told = || {
        let mut response = answer(503, "", "");
        response.headers_mut().insert("retry-after", "4000".parse().unwrap());
        Event::Response(response)
    };
    for (retry, end, is_spent) in [
        (Retry::ONE_TIME, response(200), true),
        (Retry::ONE_TIME, response(400), true),
        (Retry::ONE_TIME, response(503), true),
        (Retry::ONE_TIME, lost(Sent::Maybe), true),
        (Retry::ONE_TIME, lost(Sent::Answered(StatusCode::OK)), true),
        (Retry::ONE_TIME, Event::Go, true),
        (Retry::NEVER, response(200), true),
        (Retry::NEVER, lost(Sent::Nothing), false),
        (Retry::ONE_TIME, told(), false),
        (Retry::REPEATABLE, response(200), false),
    ] {
        let world = World::new();
        let mut call = Call::anonymous(ask(retry));
        assert!(matches!(call.step(Event::Go, &world.env()), Ok(Step::Send(..))));
        let what = format!("{retry:?} {end:?}");
        assert!(matches!(call.step(end, &world.env()), Ok(Step::Done(_)) | Err(_)), "{what}");
        for _ in 0..2 {
            match call.step(Event::Go, &world.env()) {
                Ok(Step::Send(..)) => assert!(!is_spent, "{what}"),
                Err(error) => {
                    assert_eq!((error.kind(), error.reason()), (ErrorKind::Usage, Reason::OutOfTurn));
                    assert!(is_spent, "{what}");
                }
                other => panic!("{what}: {other:?}"),
            }
            if !is_spent {
                break;
            }
        }
    }
}

#[test]
fn go_in_flight_counts_as_an_unknown_outcome() {
    let (sent, error) = attempts(Retry::ONE_TIME, || Event::Go);
    assert_eq!((sent, error.reason()), (1, Reason::OutcomeUnknown));
    assert_eq!(attempts(Retry::REPEATABLE, || Event::Go).0, 3);
}

#[test]
fn retries_follow_the_exchange() {
    let busy = || Event::Response(answer(500, "", ""));
    let told = || {
        let mut response = answer(503, "", "");
        response.headers_mut().insert("retry-after", "2".parse().unwrap());
        Event::Response(response)
    };
    for (retry, ends, expected) in [
        (Retry::NEVER, (|| lost(Sent::Nothing)) as fn() -> Event, 1),
        (Retry::IDEMPOTENT, || lost(Sent::Maybe), 4),
        (Retry::REPEATABLE, || lost(Sent::Maybe), 3),
        (Retry::ONE_TIME, busy, 1),
        (Retry::REPEATABLE, busy, 3),
        (Retry::IDEMPOTENT, busy, 4),
        (Retry::ONE_TIME, told, 2),
        (Retry::NEVER, told, 1),
    ] {
        assert_eq!(attempts(retry, ends).0, expected, "{retry:?}");
    }
    // What is wrong with the request, the certificate or the server's HTTP stays wrong.
    for kind in [
        FailureKind::Config,
        FailureKind::Tls,
        FailureKind::TooLarge,
        FailureKind::Redirected,
        FailureKind::AddressRefused,
    ] {
        let ends = || Event::Failure(Failure::new(Sent::Nothing, kind));
        assert_eq!(attempts(Retry::IDEMPOTENT, ends).0, 1, "{kind:?}");
    }
}

#[test]
fn retry_after_is_kept_and_never_waited_for_too_long() {
    for (value, expected) in [
        ("2", Some(2)),
        ("Tue, 14 Nov 2023 22:13:25 GMT", Some(5)),
        ("Tue, 14 Nov 2000 22:13:25 GMT", Some(0)),
        ("31", None),
        ("99999999999999999999999", None),
    ] {
        let mut world = World::new();
        let mut call = Call::anonymous(ask(Retry::IDEMPOTENT));
        assert!(until_sent(&mut call, &mut world, Event::Go).unwrap().is_none());
        let mut response = answer(503, "", "");
        response.headers_mut().insert("retry-after", value.parse().unwrap());
        match (call.step(Event::Response(response), &world.env()), expected) {
            (Ok(Step::Wait(time)), Some(seconds)) => {
                let (least, most) =
                    (Duration::from_secs(seconds), Duration::from_millis(seconds * 1000 + 500));
                assert!((least..=most).contains(&time), "{value}: {time:?}");
            }
            (Err(error), None) => {
                let valetkey_proto::Advice::RetryAfter(time) = error.advice() else {
                    panic!("{value}: {error}")
                };
                assert!(
                    (Duration::from_secs(31)..=Duration::from_secs(3600)).contains(&time),
                    "{value}: {time:?}"
                );
            }
            (step, _) => panic!("{value}: {step:?}"),
        }
    }
}

#[test]
fn a_wait_is_waited_for_whatever_the_clock_does() {
    let mut world = World::new();
    let mut call = Call::anonymous(ask(Retry::IDEMPOTENT));
    assert!(until_sent(&mut call, &mut world, Event::Go).unwrap().is_none());
    let Ok(Step::Wait(wait)) = call.step(lost(Sent::Maybe), &world.env()) else { panic!("should wait") };
    assert!(wait > Duration::ZERO && wait <= Duration::from_millis(500));
    for early in [wait / 2, wait / 4] {
        world.now = crate::transcript::START + early;
        let Ok(Step::Wait(rest)) = call.step(Event::Go, &world.env()) else { panic!("too early") };
        assert!(rest <= wait - early + Duration::from_millis(1), "{rest:?}");
    }
    world.now = Timestamp::from_secs(0);
    let Ok(Step::Wait(rest)) = call.step(Event::Go, &world.env()) else { panic!("too early") };
    assert_eq!(rest, wait, "never more than it first was");
    // It has begun anew, by the clock as it is now: whoever has waited for that goes on.
    world.now = Timestamp::from_secs(0) + wait;
    assert!(matches!(call.step(Event::Go, &world.env()), Ok(Step::Send(..))));
}

#[test]
fn r_crash_nothing_is_sent_outside_of_its_time() {
    let second = Duration::from_secs(1);
    let within = |world: &World| {
        let window = Window { from: world.now, until: world.now + second * 45 };
        Call::anonymous(ask(Retry { maybe: 1, ..Retry::ONE_TIME })).within(window)
    };
    for (sent, steps) in [(None, 46), (None, -1), (Some(Sent::Nothing), 46), (Some(Sent::Maybe), 46)] {
        let mut world = World::new();
        let mut call = within(&world);
        if let Some(sent) = sent {
            assert!(until_sent(&mut call, &mut world, Event::Go).unwrap().is_none());
            let Ok(Step::Wait(_)) = call.step(lost(sent), &world.env()) else { panic!("should wait") };
        }
        world.now = Timestamp::from_secs(crate::transcript::START.as_secs() + steps);
        let error = call.step(Event::Go, &world.env()).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Timeout, Reason::TimedOut));
        // What was sent before may have been acted on.
        assert_eq!(error.was_sent(), Some(sent.unwrap_or(Sent::Nothing)));
    }
    // A signature that took too long.
    let mut world = World::new();
    let key = SigningKey::Remote(RemoteKey::new("slow", SignatureAlgorithm::Es256));
    let sign = vec![(key, Place::Form("client_assertion"))];
    let window = Window { from: world.now, until: world.now };
    let mut call = Call::anonymous(Ask { sign, ..ask(Retry::NEVER) }).within(window);
    assert!(matches!(call.step(Event::Go, &world.env()), Ok(Step::Sign(_))));
    world.now = world.now + second;
    let error = call.step(Event::Signed(Ok(vec![255; 3])), &world.env()).unwrap_err();
    assert_eq!(error.was_sent(), Some(Sent::Nothing));
}

#[test]
fn many_callers_of_a_server_that_is_down_run_out_of_retries() {
    let party = Arc::new(Party::anonymous());
    let mut world = World::new();
    let mut sent = 0;
    for _ in 0..100 {
        let mut call = Call::new(ask(Retry::IDEMPOTENT), Arc::clone(&party));
        let mut event = Event::Go;
        while until_sent(&mut call, &mut world, event).is_ok() {
            sent += 1;
            event = lost(Sent::Maybe);
        }
    }
    assert_eq!(sent, 100 + 500 / 14);
    let mut call = Call::new(ask(Retry::IDEMPOTENT), Arc::clone(&party));
    for _ in 0..14 {
        until_sent(&mut call, &mut world, Event::Go).unwrap();
        until_sent(&mut call, &mut world, Event::Response(answer(200, "", ""))).unwrap();
    }
    let mut call = Call::new(ask(Retry::IDEMPOTENT), party);
    until_sent(&mut call, &mut world, Event::Go).unwrap();
    assert!(
        matches!(call.step(lost(Sent::Maybe), &world.env()), Ok(Step::Wait(_))),
        "answers refill the budget"
    );
}

#[test]
fn more_tries_than_a_byte_holds_overflowed() {
    let party = Arc::new(Party::anonymous());
    let mut world = World::new();
    let mut failing = Call::new(ask(Retry { unsent: 255, maybe: 255, ..Retry::NEVER }), Arc::clone(&party));
    let mut fine = Call::new(ask(Retry::IDEMPOTENT), party);
    let mut event = Event::Go;
    for attempt in 0..300 {
        assert!(until_sent(&mut failing, &mut world, event).is_ok(), "attempt {attempt}");
        // Back to the beginning, and other calls that refill the budget: nothing else ends the retries.
        world.now = crate::transcript::START;
        for _ in 0..14 {
            until_sent(&mut fine, &mut world, Event::Go).unwrap();
            until_sent(&mut fine, &mut world, Event::Response(answer(200, "", ""))).unwrap();
        }
        event = lost(if attempt % 2 == 0 { Sent::Nothing } else { Sent::Maybe });
    }
}

#[test]
fn events_that_make_no_sense_change_nothing() {
    let world = World::new();
    let mut call = Call::anonymous(ask(Retry::ONE_TIME));
    let nonsense = || [Event::Response(answer(200, "", "")), Event::Signed(Ok(vec![])), lost(Sent::Nothing)];
    for event in nonsense() {
        assert_eq!(call.step(event, &world.env()).unwrap_err().reason(), Reason::OutOfTurn);
    }
    assert!(matches!(call.step(Event::Go, &world.env()), Ok(Step::Send(..))));
    assert_eq!(call.step(Event::Signed(Ok(vec![])), &world.env()).unwrap_err().reason(), Reason::OutOfTurn);
    let done = call.step(Event::Response(json(200, "{}")), &world.env());
    assert!(matches!(done, Ok(Step::Done(_))), "the request was still in flight: {done:?}");
}

#[test]
fn a_remote_key_is_asked_and_its_answer_appended() {
    let key = |name: &str| SigningKey::Remote(RemoteKey::new(name, SignatureAlgorithm::Es256));
    let header = Place::Header(HeaderName::from_static("dpop"));
    let sign = vec![(key("one"), Place::Form("client_assertion")), (key("two"), header)];
    let world = World::new();
    let mut call = Call::anonymous(Ask { sign, ..ask(Retry::NEVER) });
    let mut asked = Vec::new();
    let mut event = Event::Go;
    let request = loop {
        // A spurious `Go` asks for the same signature again.
        match call.step(event, &world.env()).unwrap() {
            Step::Sign(signing) => {
                assert_eq!(signing.message, "header.payload");
                let again = call.step(Event::Go, &world.env()).unwrap();
                assert!(matches!(again, Step::Sign(ref same) if same.key == signing.key));
                asked.push(signing.key.name().to_owned());
                event = Event::Signed(Ok(vec![255; 3]));
            }
            Step::Send(request, _) => break request,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(asked, ["one", "two"]);
    assert_eq!(request.headers()["dpop"], "header.payload.____");
    assert!(request.body().ends_with(b"&client_assertion=header.payload.____"));

    let sign = vec![(key("one"), Place::Form("x"))];
    let mut call = Call::anonymous(Ask { sign, ..ask(Retry::NEVER) });
    assert!(matches!(call.step(Event::Go, &world.env()), Ok(Step::Sign(_))));
    let error = call.step(Event::Signed(Err("canary".into())), &world.env()).unwrap_err();
    assert_eq!(error.reason(), Reason::SigningFailed);
    assert!(!format!("{error:?} {error}").contains("canary"));
}

#[test]
fn a_local_key_signs_at_once() {
    let signer = CryptoProvider::ring().keys.shared_secret(SignatureAlgorithm::Hs256, b"key").unwrap();
    let mut expected = Signature::new();
    signer.sign(b"header.payload", &mut expected).unwrap();
    let mut call =
        Call::anonymous(Ask { sign: vec![(signer.into(), Place::Form("jwt"))], ..ask(Retry::NEVER) });
    let Ok(Step::Send(request, _)) = call.step(Event::Go, &World::new().env()) else { panic!("should send") };
    let body = std::str::from_utf8(request.body()).unwrap();
    let signature = body.rsplit('.').next().unwrap();
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    assert_eq!(URL_SAFE_NO_PAD.decode(signature).unwrap(), expected.as_ref());
}

#[test]
fn s_tk_02_clients_authenticate_in_one_way() {
    let issuer = Issuer::parse("https://as.example").unwrap();
    let id = ClientId::parse("s6BhdRkqt3").unwrap();
    for (auth, header, form) in [
        (ClientAuth::none(), None, "&client_id=s6BhdRkqt3"),
        (
            ClientAuth::secret_basic("7Fjfp0ZBr1KtDRbnfVdmIw"),
            Some("Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3"),
            "",
        ),
        (ClientAuth::secret_post("a b"), None, "&client_id=s6BhdRkqt3&client_secret=a+b"),
    ] {
        let party = Arc::new(Party::client(issuer.clone(), &id, &auth).unwrap());
        let mut call = Call::new(ask(Retry::ONE_TIME), party);
        let Ok(Step::Send(request, demand)) = call.step(Event::Go, &World::new().env()) else {
            panic!("{auth:?}")
        };
        assert_eq!(request.headers().get("authorization").map(|value| value.to_str().unwrap()), header);
        assert!(request.headers().get("authorization").is_none_or(http::HeaderValue::is_sensitive));
        assert_eq!(
            request.body(),
            &Bytes::from(format!("now={}{form}", crate::transcript::START.as_millis()))
        );
        assert_eq!(request.headers()["content-type"], "application/x-www-form-urlencoded");
        assert_eq!((request.method(), demand.fresh, demand.body_bytes), (&Method::POST, true, 1024));
    }
}

#[test]
fn s_net_04_a_backend_without_limits_is_limited_all_the_same() {
    let world = World::new();
    for (length, fits) in [(1024, true), (1025, false)] {
        let mut call = Call::anonymous(ask(Retry::NEVER));
        assert!(matches!(call.step(Event::Go, &world.env()), Ok(Step::Send(..))));
        match call.step(Event::Response(answer(200, "", &"x".repeat(length))), &world.env()) {
            Ok(_) => assert!(fits),
            Err(error) => assert!(!fits && error.reason() == Reason::TooLarge),
        }
    }
}

#[test]
fn s_net_09_without_randomness_nothing_is_retried() {
    let mut world = World::new();
    world.random.fails = true;
    let mut call = Call::anonymous(ask(Retry::IDEMPOTENT));
    assert!(matches!(call.step(Event::Go, &world.env()), Ok(Step::Send(..))));
    let error = call.step(lost(Sent::Maybe), &world.env()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::RandomFailed));
}
