//! Devices without a browser: what is shown to users, and when the server is asked about them.

use std::{sync::Arc, time::Duration};

use valetkey_http::{Failure, FailureKind, Phase, Response, Sent};
use valetkey_proto::{
    Advice, Call, ErrorKind, Event, Flow, Party, Reason, Result, Step,
    crypto::{CryptoProvider, SignatureAlgorithm},
    oauth2::{
        binding::Dpop,
        client::{ClientAuth, ClientId},
        grant::{DeviceAuthorizationRequest, DeviceAuthorizationResponse, DeviceCodeGrant, DevicePolling},
        server::{Issuer, ServerMetadata},
        token::TokenResponse,
    },
};

use crate::transcript::{START, World, answer, demand, json, play_call, short};

const ASKED: &str = "POST https://as.example/device_authorization scope=tv&client_id=app";
const POLLED: &str = concat!(
    "POST https://as.example/token ",
    "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code=canary-dc&client_id=app"
);
const TOKENS: &str = r#"{"access_token":"at","token_type":"Bearer","expires_in":3600}"#;

fn server() -> ServerMetadata {
    ServerMetadata::new(Issuer::parse("https://as.example").unwrap())
        .with_token_endpoint("https://as.example/token")
        .unwrap()
        .with_endpoint("device_authorization_endpoint", "https://as.example/device_authorization")
        .unwrap()
}

fn party() -> Arc<Party> {
    let issuer = Issuer::parse("https://as.example").unwrap();
    Arc::new(Party::client(issuer, &ClientId::parse("app").unwrap(), &ClientAuth::none()).unwrap())
}

fn begun(response: Response) -> Result<DeviceAuthorizationResponse> {
    let request = || DeviceAuthorizationRequest::new(&server()).unwrap().with_scope("tv").unwrap();
    play_call(|| Call::new(request(), party()), &[(ASKED, response)])
}

/// A response with these members in place of its own.
fn with(changes: &[(&str, &str)]) -> Result<DeviceAuthorizationResponse> {
    let mut members = vec![
        ("device_code", "\"canary-dc\""),
        ("user_code", "\"WDJB-MJHT\""),
        ("verification_uri", "\"https://as.example/device\""),
        ("expires_in", "600"),
    ];
    members.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    members.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
    let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    begun(json(200, &format!("{{{}}}", members.join(","))))
}

/// What comes back of a poll.
enum Back {
    Is(Response),
    Lost(Sent, FailureKind),
}

fn error(code: &str) -> Back {
    Back::Is(json(400, &format!("{{\"error\":\"{code}\"}}")))
}

fn timeout() -> Back {
    Back::Lost(Sent::Maybe, FailureKind::Timeout(Phase::Head))
}

/// Polls until it ends: the seconds before each poll, and the outcome. The last answer comes again and again.
fn polled(interval: &str, backs: &[Back]) -> (Vec<u64>, Result<TokenResponse>) {
    let device = with(&[("interval", interval)]).unwrap();
    let mut flow = DevicePolling::new(DeviceCodeGrant::new(&server(), &device).unwrap(), party());
    played(&mut flow, backs)
}

fn played(flow: &mut DevicePolling, backs: &[Back]) -> (Vec<u64>, Result<TokenResponse>) {
    let (mut world, mut waits, mut waited, mut event) = (World::new(), Vec::new(), 0, Event::Go);
    loop {
        event = match flow.step(event, &world.env()) {
            Ok(Step::Send(request, demand)) => {
                assert_eq!(short(&request), POLLED);
                assert!(!demand.fresh, "there are many");
                let back = &backs[waits.len().min(backs.len() - 1)];
                waits.push(waited);
                waited = 0;
                match back {
                    Back::Is(response) => Event::Response(response.clone()),
                    Back::Lost(sent, kind) => Event::Failure(Failure::new(*sent, *kind)),
                }
            }
            Ok(Step::Wait(time)) => {
                // Too early, it yields the rest, and nothing else makes sense.
                world.now = world.now + time / 2;
                match flow.step(Event::Go, &world.env()) {
                    Ok(Step::Wait(rest)) => assert!(rest <= time - time / 2 + Duration::from_millis(1)),
                    other => panic!("{other:?}"),
                }
                let early = flow.step(Event::Response(json(200, TOKENS)), &world.env()).unwrap_err();
                assert_eq!(early.reason(), Reason::OutOfTurn);
                world.now = world.now + (time - time / 2);
                waited += time.as_secs();
                Event::Go
            }
            Ok(Step::Done(response)) => return (waits, Ok(response)),
            Ok(Step::Sign(_)) => panic!("nothing to sign"),
            Err(error) => {
                assert_eq!(flow.step(Event::Go, &world.env()).unwrap_err().reason(), Reason::OutOfTurn);
                return (waits, Err(error));
            }
        };
    }
}

fn tokens() -> Back {
    Back::Is(json(200, TOKENS))
}

#[test]
fn s_dv_01_no_poll_is_sooner_than_the_interval() {
    let pending = || error("authorization_pending");
    let (waits, outcome) = polled("7", &[pending(), pending(), pending(), tokens()]);
    assert_eq!(waits, [7, 7, 7, 7]);
    assert_eq!(outcome.unwrap().access_token().expose(), "at");
    // Five seconds unless it is said, and never none.
    assert_eq!(polled("", &[pending(), tokens()]).0, [5, 5]);
    assert_eq!(polled("0", &[pending(), tokens()]).0, [1, 1]);
    // As GitHub has it: an error with 200, and in a form.
    let github = Back::Is(json(200, r#"{"error":"authorization_pending"}"#));
    let form = answer(200, "application/x-www-form-urlencoded", "error=authorization_pending");
    assert_eq!(polled("5", &[github, Back::Is(form), tokens()]).0, [5, 5, 5]);
}

#[test]
fn s_dv_02_slower_is_five_seconds_slower_for_good() {
    let (waits, outcome) =
        polled("5", &[error("slow_down"), error("slow_down"), error("authorization_pending"), tokens()]);
    assert_eq!(waits, [5, 10, 15, 15]);
    outcome.unwrap();
    let mut backs: Vec<Back> = (0..10).map(|_| error("slow_down")).collect();
    backs.push(tokens());
    assert_eq!(polled("1", &backs).0, [1, 6, 11, 16, 21, 26, 31, 36, 41, 46, 51]);
}

#[test]
fn s_dv_02_an_interval_is_read_however_it_is_written_and_never_wraps() {
    for (text, secs) in [("5", 5), ("\"5\"", 5), ("5.5", 6), ("0.1", 1), ("0", 1), ("", 5), ("null", 5)] {
        assert_eq!(with(&[("interval", text)]).unwrap().interval(), Duration::from_secs(secs), "{text}");
    }
    for text in ["-1", "-0.5", "\"x\"", "true", "[5]", "{}"] {
        let error = with(&[("interval", text)]).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Protocol, Reason::Malformed), "{text}");
    }
    // An interval of ages ends with the code.
    let (waits, outcome) = polled("1e18", &[tokens()]);
    assert!(waits.is_empty());
    assert_eq!(outcome.unwrap_err().reason(), Reason::PendingExpired);
}

#[test]
fn s_dv_03_a_no_ends_it() {
    for (code, kind, reason) in [
        ("access_denied", ErrorKind::Denied, Reason::AuthorizationDenied),
        ("expired_token", ErrorKind::Expired, Reason::PendingExpired),
        ("invalid_grant", ErrorKind::Denied, Reason::RequestDenied),
        ("invalid_client", ErrorKind::Denied, Reason::RequestDenied),
        ("unauthorized_client", ErrorKind::Denied, Reason::RequestDenied),
        ("invented", ErrorKind::Denied, Reason::RequestDenied),
    ] {
        let (waits, outcome) = polled("5", &[error("authorization_pending"), error(code)]);
        let error = outcome.unwrap_err();
        assert_eq!((waits.len(), error.kind(), error.reason()), (2, kind, reason), "{code}");
        assert_eq!(error.response().unwrap().code().as_str(), code);
        let signs_in_again = reason != Reason::RequestDenied;
        assert_eq!(error.advice() == Advice::Reauthorize, signs_in_again, "{code}");
    }
    for (response, reason) in [
        (answer(302, "", ""), Reason::UnexpectedRedirect),
        (answer(200, "text/html", "<p>"), Reason::UnexpectedMediaType),
        (json(404, "{}"), Reason::UnexpectedStatus),
    ] {
        let (waits, outcome) = polled("5", &[Back::Is(response)]);
        assert_eq!((waits.len(), outcome.unwrap_err().reason()), (1, reason));
    }
}

#[test]
fn s_dv_03_the_time_of_the_code_ends_it_but_not_tokens_that_come_late() {
    let (waits, outcome) = polled("100", &[error("authorization_pending")]);
    let error = outcome.unwrap_err();
    assert_eq!(waits, [100; 5], "the sixth would be too late");
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Expired, Reason::PendingExpired));
    assert_eq!(error.advice(), Advice::Reauthorize);

    let device = with(&[]).unwrap();
    let mut flow = DevicePolling::new(DeviceCodeGrant::new(&server(), &device).unwrap(), party());
    let mut world = World::new();
    world.now = START + Duration::from_secs(599);
    assert!(matches!(flow.step(Event::Go, &world.env()), Ok(Step::Send(..))));
    world.now = START + Duration::from_secs(1000);
    assert!(matches!(flow.step(Event::Response(json(200, TOKENS)), &world.env()), Ok(Step::Done(_))));
}

#[test]
fn s_dv_03_a_clock_that_is_stepped_back_waits_no_longer_than_the_interval() {
    let device = with(&[]).unwrap();
    let mut flow = DevicePolling::new(DeviceCodeGrant::new(&server(), &device).unwrap(), party());
    let mut world = World::new();
    world.now = START - Duration::from_secs(86_400);
    match flow.step(Event::Go, &world.env()) {
        Ok(Step::Wait(time)) => assert_eq!(time, Duration::from_secs(5)),
        other => panic!("{other:?}"),
    }
    world.now = world.now + Duration::from_secs(5);
    assert!(matches!(flow.step(Event::Go, &world.env()), Ok(Step::Send(..))));
}

#[test]
fn s_dv_04_lost_polls_make_it_slower_until_one_is_answered() {
    let lost = || Back::Lost(Sent::Nothing, FailureKind::Connect);
    let (waits, outcome) =
        polled("5", &[timeout(), lost(), timeout(), error("authorization_pending"), timeout(), tokens()]);
    assert_eq!(waits, [5, 10, 20, 40, 5, 10]);
    outcome.unwrap();
    let (waits, outcome) = polled("5", &[timeout(), timeout(), timeout(), timeout(), timeout(), tokens()]);
    assert_eq!(waits, [5, 10, 20, 40, 60, 60]);
    outcome.unwrap();
    // A server that fails is left alone as long, or as long as it says.
    let busy = |status: u16, told: &str| {
        let mut response = answer(status, "text/html", "busy");
        if !told.is_empty() {
            response.headers_mut().insert("retry-after", told.parse().unwrap());
        }
        Back::Is(response)
    };
    let temporarily = || error("temporarily_unavailable");
    let (waits, _) = polled("5", &[busy(500, ""), busy(503, "2"), busy(429, "90"), temporarily(), tokens()]);
    assert_eq!(waits, [5, 10, 20, 90, 60]);
    // What is wrong with the certificate is wrong the next time, too.
    let (waits, outcome) = polled("5", &[Back::Lost(Sent::Nothing, FailureKind::Tls)]);
    assert_eq!((waits.len(), outcome.unwrap_err().kind()), (1, ErrorKind::Transport));
}

#[test]
fn s_dv_05_what_is_shown_to_the_user_is_harmless() {
    for uri in ["https://as.example/device", "https://as.example/#/device?x", "http://127.0.0.1:4400/device"]
    {
        assert_eq!(with(&[("verification_uri", &format!("\"{uri}\""))]).unwrap().verification_uri(), uri);
    }
    let long = format!("https://as.example/{}", "a".repeat(9000));
    let long_fragment = format!("https://as.example/#{}", "a".repeat(9000));
    for uri in [
        "javascript:alert(1)",
        "http://as.example/device",
        "file:///etc/passwd",
        "as.example/device",
        "https://as.example/de vice",
        "https://user@as.example/",
        "https://as.example/\\u001b[2J",
        "https://as.example/#\\u001b[2J",
        "https://as.example/#a#b",
        &long,
        &long_fragment,
    ] {
        for name in ["verification_uri", "verification_uri_complete"] {
            let error = with(&[(name, &format!("\"{uri}\""))]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Protocol, "{name} {uri}");
            assert!(matches!(error.reason(), Reason::InvalidUrl | Reason::InsecureUrl), "{name} {uri}");
        }
    }
    for (code, reason) in [
        ("\\u001b]52;c;\\u0007", Reason::Malformed),
        ("A\\nB", Reason::Malformed),
        ("\\u202eABCD", Reason::Malformed),
        ("", Reason::MissingParameter),
        (&"A".repeat(65), Reason::TooLarge),
    ] {
        assert_eq!(with(&[("user_code", &format!("\"{code}\""))]).unwrap_err().reason(), reason);
    }
    assert_eq!(with(&[("user_code", "\"123 456\"")]).unwrap().user_code(), "123 456");
    assert!(begun(json(200, &format!("\"{}\"", "x".repeat(1 << 20)))).is_err(), "a megabyte");
}

#[test]
fn s_dv_05_what_must_be_there_is_there_and_of_its_type() {
    for name in ["device_code", "user_code", "verification_uri", "expires_in"] {
        let error = with(&[(name, "")]).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Protocol, Reason::MissingParameter), "{name}");
        assert!(error.to_string().contains(name), "{error}");
    }
    for (name, value) in [
        ("verification_uri_complete", "5"),
        ("device_code", "[]"),
        ("expires_in", "\"soon\""),
        ("expires_in", "-1"),
    ] {
        assert_eq!(with(&[(name, value)]).unwrap_err().reason(), Reason::Malformed, "{name}");
    }
    let google = with(&[("verification_uri", ""), ("verification_url", "\"https://www.google.com/device\"")]);
    assert_eq!(google.unwrap().verification_uri(), "https://www.google.com/device");
    let error = begun(json(200, r#"{"error":"device_flow_disabled"}"#)).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::RequestDenied));
    let missing =
        DeviceAuthorizationRequest::new(&ServerMetadata::new(server().issuer().clone())).unwrap_err();
    assert_eq!((missing.kind(), missing.reason()), (ErrorKind::Config, Reason::MissingEndpoint));
    let reserved =
        DeviceCodeGrant::new(&server(), &with(&[]).unwrap()).unwrap().with_parameter("device_code", "x");
    assert_eq!(reserved.unwrap_err().reason(), Reason::ReservedParameter);
}

#[test]
fn s_dv_06_tokens_that_were_lost_are_named() {
    let reason = |backs: &[Back]| polled("5", backs).1.unwrap_err().reason();
    assert_eq!(reason(&[timeout(), error("invalid_grant")]), Reason::CodeConsumed);
    assert_eq!(
        reason(&[timeout(), error("authorization_pending"), error("invalid_grant")]),
        Reason::CodeConsumed,
        "whenever it was"
    );
    let unsent = || Back::Lost(Sent::Nothing, FailureKind::Connect);
    assert_eq!(reason(&[unsent(), error("invalid_grant")]), Reason::RequestDenied);
    polled("5", &[timeout(), tokens()]).1.unwrap();
}

#[test]
fn s_dv_06_an_impatient_driver_counts_as_a_lost_poll() {
    let device = with(&[]).unwrap();
    let mut flow = DevicePolling::new(DeviceCodeGrant::new(&server(), &device).unwrap(), party());
    let mut world = World::new();
    world.now = START + Duration::from_secs(5);
    assert!(matches!(flow.step(Event::Go, &world.env()), Ok(Step::Send(..))));
    match flow.step(Event::Go, &world.env()) {
        Ok(Step::Wait(time)) => assert_eq!(time, Duration::from_secs(10)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn s_dp_03_every_poll_may_be_asked_for_a_nonce() {
    let device = with(&[]).unwrap();
    let dpop = Dpop::generate(SignatureAlgorithm::Es256, &CryptoProvider::ring()).unwrap();
    let grant = DeviceCodeGrant::new(&server(), &device).unwrap();
    let mut flow = DevicePolling::new(grant, party()).with_dpop(dpop);
    let pending = || error("authorization_pending");
    let nonce = |name: &str| Back::Is(demand(name));
    let (waits, outcome) =
        played(&mut flow, &[nonce("a"), pending(), nonce("b"), pending(), nonce("c"), tokens()]);
    assert_eq!(waits, [5, 0, 5, 0, 5, 0]);
    outcome.unwrap();
}

#[test]
fn nothing_shows_the_codes() {
    let device = with(&[("user_code", "\"canary-uc\"")]).unwrap();
    let grant = DeviceCodeGrant::new(&server(), &device).unwrap();
    let polling = DevicePolling::new(grant.clone(), party());
    let shown = format!("{device:?} {grant:?} {polling:?}");
    assert!(!shown.contains("canary"), "{shown}");
}
