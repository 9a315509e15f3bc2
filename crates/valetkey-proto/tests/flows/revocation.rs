//! Revocation: what is sent, what counts as done, and when it is asked again.

use std::{sync::Arc, time::Duration};

use valetkey_http::{Failure, FailureKind, Response, Sent};
use valetkey_proto::{
    Advice, Call, ErrorCode, ErrorKind, Event, Flow, Party, Reason, Result, Step,
    oauth2::{
        client::{ClientAuth, ClientId},
        endpoint::{ShownToken, revocation::RevocationRequest},
        server::{Issuer, ServerMetadata},
    },
    secret::{AccessToken, RefreshToken, Secret},
};

use crate::transcript::{World, answer, json, play, play_call};

fn call(token: impl Into<ShownToken>) -> Call<RevocationRequest> {
    let issuer = Issuer::parse("https://as.example").unwrap();
    let server = ServerMetadata::new(issuer.clone());
    let server = server.with_endpoint("revocation_endpoint", "https://as.example/revoke").unwrap();
    let party = Party::client(issuer, &ClientId::parse("app").unwrap(), &ClientAuth::secret_post("s3cret"));
    Call::new(RevocationRequest::new(&server, token).unwrap(), Arc::new(party.unwrap()))
}

const SENT: &str = concat!(
    "POST https://as.example/revoke ",
    "token=rt&token_type_hint=refresh_token&client_id=app&client_secret=s3cret"
);

fn revoked(responses: &[Response]) -> Result<()> {
    let lines: Vec<_> = responses.iter().map(|response| (SENT, response.clone())).collect();
    play(|| call(&RefreshToken::new("rt")), &lines)
}

fn told(status: u16, time: &str) -> Response {
    let mut response = answer(status, "", "");
    response.headers_mut().insert("retry-after", time.parse().unwrap());
    response
}

#[test]
fn s_rv_01_a_success_is_told_by_its_status_alone() {
    for body in ["", "{}", "<p>ok</p>", "{\"error\":", "\u{0}"] {
        for media_type in ["", "text/html", "application/json"] {
            revoked(&[answer(200, media_type, body)]).unwrap();
        }
    }
    play_call(|| call(&RefreshToken::new("rt")), &[(SENT, answer(200, "", ""))]).unwrap();
    // Some say of an unknown token that it is invalid; it is as good as revoked.
    revoked(&[json(400, r#"{"error":"invalid_token"}"#)]).unwrap();
    let mut challenge = json(401, r#"{"error":"invalid_token"}"#);
    challenge.headers_mut().insert("www-authenticate", "Bearer error=\"invalid_token\"".parse().unwrap());
    assert_eq!(revoked(&[challenge]).unwrap_err().kind(), ErrorKind::Denied);
}

#[test]
fn s_rv_02_the_hint_says_what_is_known_of_the_token() {
    let sent = |token: ShownToken| {
        let Ok(Step::Send(request, demand)) = call(token).step(Event::Go, &World::new().env()) else {
            panic!("a request comes first")
        };
        assert!(!demand.fresh, "it may be sent twice");
        String::from_utf8_lossy(request.body()).into_owned()
    };
    let access = AccessToken::dpop("a t".trim_end_matches(" t")).unwrap();
    assert!(sent((&access).into()).starts_with("token=a&token_type_hint=access_token&"));
    let unknown = sent(Secret::new("a&token_type_hint=x").into());
    assert!(unknown.starts_with("token=a%26token_type_hint%3Dx&client_id="), "{unknown}");
}

#[test]
fn s_rv_01_a_server_that_is_busy_is_asked_again_when_it_said() {
    revoked(&[told(503, "2"), answer(200, "", "")]).unwrap();
    let mut flow = call(&RefreshToken::new("rt"));
    let world = World::new();
    assert!(matches!(flow.step(Event::Go, &world.env()), Ok(Step::Send(..))));
    match flow.step(Event::Response(told(503, "7")), &world.env()) {
        Ok(Step::Wait(time)) => assert!(time >= Duration::from_secs(7), "{time:?}"),
        other => panic!("{other:?}"),
    }
    // Not for ever, and it says when it could be tried again.
    let error = revoked(&[told(503, "2"), told(503, "2"), told(503, "4")]).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Server, Reason::ServerFailed));
    assert_eq!(error.advice(), Advice::RetryAfter(Duration::from_secs(4)));
    let error = revoked(&[told(503, "120")]).unwrap_err();
    assert_eq!(error.advice(), Advice::RetryAfter(Duration::from_secs(120)));
}

#[test]
fn s_rv_01_what_is_lost_is_asked_again_a_few_times() {
    let (mut flow, mut world, mut sent) = (call(&RefreshToken::new("rt")), World::new(), 0);
    let mut event = Event::Go;
    let error = loop {
        match flow.step(event, &world.env()) {
            Ok(Step::Send(..)) => {
                sent += 1;
                event = Event::Failure(Failure::new(Sent::Maybe, FailureKind::Closed));
            }
            Ok(Step::Wait(time)) => {
                world.now = world.now + time;
                event = Event::Go;
            }
            Ok(step) => panic!("{step:?}"),
            Err(error) => break error,
        }
    };
    assert_eq!((sent, error.reason()), (3, Reason::ConnectionLost));
}

#[test]
fn s_rv_01_a_refusal_says_why() {
    let refused =
        |status, code: &str| revoked(&[json(status, &format!("{{\"error\":\"{code}\"}}"))]).unwrap_err();
    for (status, code, expected) in [
        (400, "unsupported_token_type", ErrorCode::UnsupportedTokenType),
        (400, "unauthorized_client", ErrorCode::UnauthorizedClient),
        (401, "invalid_client", ErrorCode::InvalidClient),
    ] {
        let error = refused(status, code);
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::RequestDenied), "{code}");
        assert_eq!(*error.response().unwrap().code(), expected);
    }
    let error = revoked(&[answer(404, "text/html", "gone")]).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Server, Reason::UnexpectedStatus));
    for status in [301, 302, 303, 307, 308] {
        let mut redirect = answer(status, "", "");
        redirect.headers_mut().insert("location", "https://evil.example/".parse().unwrap());
        assert_eq!(revoked(&[redirect]).unwrap_err().reason(), Reason::UnexpectedRedirect, "{status}");
    }
}

#[test]
fn s_rv_01_tokens_go_over_https_and_are_not_shown() {
    let issuer = Issuer::parse("https://as.example").unwrap();
    let token = Secret::new("canary-token");
    let missing = RevocationRequest::new(&ServerMetadata::new(issuer.clone()), token.clone()).unwrap_err();
    assert_eq!((missing.kind(), missing.reason()), (ErrorKind::Config, Reason::MissingEndpoint));
    let document = r#"{"issuer":"https://as.example","revocation_endpoint":"http://as.example/revoke"}"#;
    let insecure = ServerMetadata::parse(&issuer, &document.into()).unwrap();
    assert_eq!(RevocationRequest::new(&insecure, token.clone()).unwrap_err().reason(), Reason::InsecureUrl);
    let shown = format!("{:?} {:?}", call(token.clone()), call(token).exchange());
    assert!(!shown.contains("canary"), "{shown}");
}
