//! Temporary credentials, the user's trip, token credentials (RFC 5849 §2).

use std::{sync::Arc, time::Duration};

use valetkey_http::{Failure, FailureKind, Request, Response, Sent, Unframed};
use valetkey_proto::{
    Advice, Call, ErrorKind, Event, Flow, Party, Reason, Step,
    crypto::CryptoProvider,
    endpoint::{Endpoint, RedirectUri},
    oauth1::{
        AuthorizationRequest, AuthorizationUrl, Callback, ClientCredentials, PendingAuthorization, Problem,
        Quirk, SignatureMethod, Signer, TemporaryCredentials, TemporaryCredentialsRequest, TokenCredentials,
        TokenCredentialsRequest, Transmission, Verifier,
    },
    seal::{SealingKey, SealingKeys},
};

use super::{FORM, client, header, signer};
use crate::transcript::{World, answer};

const CONFIRMED: &str = "oauth_token=temp&oauth_token_secret=tempsec&oauth_callback_confirmed=true";
const GRANTED: &str = "oauth_token=tok&oauth_token_secret=toksec";

fn endpoint(path: &str) -> Endpoint {
    Endpoint::parse(&format!("https://server.example/{path}")).unwrap()
}

fn party() -> Arc<Party> {
    Arc::new(Party::oauth1(Signer::new(client())))
}

fn initiate() -> TemporaryCredentialsRequest {
    TemporaryCredentialsRequest::new(
        endpoint("initiate"),
        RedirectUri::parse("https://client.example/cb?x=1").unwrap(),
    )
}

/// The first request of a flow, and what it makes of one answer to all.
fn play<F: Flow>(mut flow: F, response: &Response) -> (Option<Request>, valetkey_proto::Result<F::Output>) {
    let mut world = World::new();
    let (mut first, mut event) = (None, Event::Go);
    for _ in 0..20 {
        match flow.step(event, &world.env()) {
            Ok(Step::Send(request, demand)) => {
                assert_eq!(demand.body_bytes, 64 << 10);
                first.get_or_insert(request);
                event = Event::Response(response.clone());
            }
            Ok(Step::Wait(time)) => {
                world.now = world.now + time;
                event = Event::Go;
            }
            Ok(Step::Done(output)) => return (first, Ok(output)),
            Ok(Step::Sign(_)) => panic!("nothing to sign"),
            Err(error) => return (first, Err(error)),
        }
    }
    panic!("the flow does not end");
}

fn temporary(
    request: TemporaryCredentialsRequest,
    body: &str,
) -> valetkey_proto::Result<TemporaryCredentials> {
    play(Call::new(request, party()), &answer(200, FORM, body)).1
}

fn start() -> (AuthorizationUrl, PendingAuthorization) {
    AuthorizationRequest::new(endpoint("authorize")).start(temporary(initiate(), CONFIRMED).unwrap())
}

fn token_request() -> TokenCredentialsRequest {
    let received = start().1.receive("/cb?x=1&oauth_token=temp&oauth_verifier=v+1").unwrap();
    TokenCredentialsRequest::new(endpoint("token"), received)
}

fn token(response: &Response) -> valetkey_proto::Result<TokenCredentials> {
    play(Call::new(token_request(), party()), response).1
}

#[test]
fn the_three_requests_bring_what_they_must() {
    let request = initiate().with_parameter("scope", "read write").unwrap();
    // The party's own token signs neither of them.
    let party = Arc::new(Party::oauth1(signer()));
    let (sent, temporary) = play(Call::new(request, party.clone()), &answer(200, FORM, CONFIRMED));
    let sent = sent.unwrap();
    let authorization = header(&sent);
    assert_eq!((sent.method(), &sent.body()[..]), (&http::Method::POST, &b"scope=read+write"[..]));
    assert_eq!(authorization.get("oauth_callback"), Some("https://client.example/cb?x=1"));
    assert_eq!(authorization.get("oauth_token"), None);
    let crypto = CryptoProvider::ring();
    assert_eq!(Signer::new(client()).explain(&sent, &crypto).unwrap().is_right(), Some(true));

    let request =
        AuthorizationRequest::new(endpoint("authorize?a=1")).with_parameter("perms", "read").unwrap();
    let (url, pending) = request.start(temporary.unwrap());
    assert_eq!(url.as_str(), "https://server.example/authorize?a=1&oauth_token=temp&perms=read");
    assert!(!format!("{url:?} {pending:?}").contains("temp"));

    let received =
        pending.receive("https://client.example/cb?x=1&oauth_token=temp&oauth_verifier=v+1").unwrap();
    let call = Call::new(TokenCredentialsRequest::new(endpoint("token"), received), party);
    let (sent, token) = play(call, &answer(200, FORM, &format!("{GRANTED}&user_id=7")));
    let sent = sent.unwrap();
    assert_eq!(header(&sent).get("oauth_verifier"), Some("v 1"));
    assert_eq!(sent.headers()["content-length"], "0");
    let by = Signer::new(client()).token(TokenCredentials::new("temp", "tempsec").unwrap());
    assert_eq!(by.explain(&sent, &crypto).unwrap().is_right(), Some(true));
    let token = token.unwrap();
    assert_eq!((token.identifier().expose(), token.shared_secret().expose()), ("tok", "toksec"));
    assert_eq!(token.extra("user_id").map(|id| id.expose()), Some("7"));
    assert!(token.quirks().is_empty());
}

#[test]
fn protocol_parameters_go_where_the_signer_puts_them() {
    let crypto = CryptoProvider::ring();
    for place in [Transmission::Header, Transmission::Body, Transmission::Query] {
        let signer = Signer::new(client()).transmission(place);
        let request = initiate().with_parameter("scope", "s").unwrap();
        let (sent, _) =
            play(Call::new(request, Arc::new(Party::oauth1(signer.clone()))), &answer(200, FORM, CONFIRMED));
        let sent = sent.unwrap();
        assert_eq!(signer.explain(&sent, &crypto).unwrap().is_right(), Some(true), "{place:?}");
        let body = std::str::from_utf8(sent.body()).unwrap();
        assert!(body.starts_with("scope=s"), "{body}");
        let has = |text: &str| text.contains("oauth_callback=https%3A%2F%2F");
        assert_eq!(has(body), place == Transmission::Body);
        assert_eq!(sent.uri().query().is_some_and(has), place == Transmission::Query);
    }
}

#[test]
fn s_o1_01_credentials_are_asked_for_over_tls_or_loopback() {
    for url in ["http://server.example/initiate", "ftp://server.example/", "https://u:p@server.example/"] {
        assert!(Endpoint::parse(url).is_err(), "{url}");
    }
    let plaintext = Signer::new(client()).method(SignatureMethod::Plaintext);
    let (sent, _) =
        play(Call::new(initiate(), Arc::new(Party::oauth1(plaintext))), &answer(200, FORM, CONFIRMED));
    assert_eq!(header(&sent.unwrap()).get("oauth_signature"), Some("cs&"));
}

#[test]
fn s_o1_02_a_retry_has_a_nonce_of_its_own() {
    let mut call = Call::new(initiate(), party());
    let mut world = World::new();
    let mut nonces = Vec::new();
    let mut event = Event::Go;
    let error = loop {
        match call.step(event, &world.env()) {
            Ok(Step::Send(request, _)) => {
                nonces.push(header(&request).get("oauth_nonce").unwrap().to_owned());
                event = Event::Failure(Failure::new(Sent::Maybe, FailureKind::Closed));
            }
            Ok(Step::Wait(time)) => {
                world.now = world.now + time;
                event = Event::Go;
            }
            Ok(_) => panic!("nothing was answered"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.reason(), Reason::ConnectionLost);
    assert!(nonces.len() == 2 && nonces[0] != nonces[1], "{nonces:?}");
}

#[test]
fn s_o1_05_an_unconfirmed_callback_is_refused() {
    for body in [
        "oauth_token=t&oauth_token_secret=s",
        "oauth_token=t&oauth_token_secret=s&oauth_callback_confirmed=false",
        "oauth_token=t&oauth_token_secret=s&oauth_callback_confirmed=",
        "oauth_token=t&oauth_token_secret=s&oauth_callback_confirmed=1",
    ] {
        let error = temporary(initiate(), body).unwrap_err();
        assert_eq!(
            (error.kind(), error.reason()),
            (ErrorKind::Protocol, Reason::CallbackNotConfirmed),
            "{body}"
        );
        let oob = TemporaryCredentialsRequest::out_of_band(endpoint("initiate"));
        assert_eq!(temporary(oob, body).unwrap_err().reason(), Reason::CallbackNotConfirmed);
    }
    assert!(
        temporary(initiate(), "oauth_token=t&oauth_token_secret=s&oauth_callback_confirmed=TRUE").is_ok()
    );
    // What is older than 1.0a is named so, and has no verifier.
    let redirect_uri = RedirectUri::parse("https://client.example/cb").unwrap();
    let legacy = TemporaryCredentialsRequest::legacy_1_0(endpoint("initiate"), Some(redirect_uri));
    let temporary = temporary(legacy, "oauth_token=t&oauth_token_secret=s").unwrap();
    let (url, pending) = AuthorizationRequest::new(endpoint("authorize")).start(temporary);
    assert!(
        url.as_str().ends_with("?oauth_token=t&oauth_callback=https%3A%2F%2Fclient.example%2Fcb"),
        "{url}"
    );
    assert!(pending.receive("/cb?oauth_token=t").is_ok());
}

#[test]
fn s_o1_05_a_callback_is_matched_with_the_credentials_that_were_sent() {
    let cases = [
        ("/cb?x=1&oauth_token=other&oauth_verifier=v", ErrorKind::Untrusted, Reason::StateMismatch),
        ("/cb?x=1&oauth_token=&oauth_verifier=v", ErrorKind::Untrusted, Reason::StateMismatch),
        ("/cb?x=1&oauth_verifier=v", ErrorKind::Untrusted, Reason::StateMismatch),
        ("/cb?x=1&oauth_token=TEMP&oauth_verifier=v", ErrorKind::Untrusted, Reason::StateMismatch),
        ("/cb?x=1&denied=other", ErrorKind::Untrusted, Reason::StateMismatch),
        ("/cb?x=1&oauth_token=temp", ErrorKind::Protocol, Reason::MissingParameter),
        ("/cb?x=1&oauth_token=temp&oauth_verifier=", ErrorKind::Protocol, Reason::MissingParameter),
        (
            "/cb?x=1&oauth_token=temp&oauth_verifier=a&oauth_verifier=b",
            ErrorKind::Protocol,
            Reason::DuplicateParameter,
        ),
        (
            "/cb?x=1&oauth_token=temp&oauth_token=temp&oauth_verifier=a",
            ErrorKind::Protocol,
            Reason::DuplicateParameter,
        ),
        ("/cb?x=1&oauth_token=temp&oauth_verifier=a%0d%0ab", ErrorKind::Protocol, Reason::Malformed),
        ("/other?x=1&oauth_token=temp&oauth_verifier=v", ErrorKind::Untrusted, Reason::RedirectUriMismatch),
        (
            "https://evil.example/cb?x=1&oauth_token=temp&oauth_verifier=v",
            ErrorKind::Untrusted,
            Reason::RedirectUriMismatch,
        ),
        ("/cb?oauth_token=temp&oauth_verifier=v", ErrorKind::Untrusted, Reason::RedirectUriMismatch),
        ("/cb?x=1#oauth_token=temp&oauth_verifier=v", ErrorKind::Untrusted, Reason::StateMismatch),
    ];
    for (callback, kind, reason) in cases {
        let error = start().1.receive(callback).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (kind, reason), "{callback}");
    }
    let form = Callback::form("oauth_token=temp&oauth_verifier=v");
    assert_eq!(start().1.receive(form).unwrap_err().reason(), Reason::ResponseModeMismatch);
    let long = format!("/cb?x=1&oauth_token=temp&oauth_verifier={}", "v".repeat(1 << 20));
    assert_eq!(start().1.receive(long).unwrap_err().reason(), Reason::TooLarge);
    // A listener tells a forged callback without ending the sign-in: one that an attacker began, for instance.
    let (_, pending) = start();
    assert!(!pending.matches(&Callback::from("/cb?oauth_token=attackers&oauth_verifier=v")));
    assert!(!pending.matches(&Callback::from("/cb?error=access_denied")));
    assert!(pending.matches(&Callback::from("/cb?denied=temp")));
    assert!(pending.matches(&Callback::from("/cb?oauth_token=temp")));
}

#[test]
fn s_o1_05_a_refusal_is_one_in_every_dialect() {
    for (query, code) in [
        ("denied=temp", "access_denied"),
        ("oauth_problem=user_refused&oauth_token=temp", "user_refused"),
        ("oauth_problem=permission_denied", "permission_denied"),
        ("error=access_denied", "access_denied"),
        ("oauth_token=temp&oauth_verifier=v&error=access_denied", "access_denied"),
    ] {
        let error = start().1.receive(format!("/cb?x=1&{query}")).unwrap_err();
        assert_eq!(
            (error.kind(), error.reason()),
            (ErrorKind::Denied, Reason::AuthorizationDenied),
            "{query}"
        );
        assert_eq!(error.response().unwrap().code().as_str(), code);
        assert_eq!(error.advice(), Advice::Reauthorize);
    }
}

#[test]
fn s_o1_06_a_pin_is_trimmed_and_bounded() {
    let oob = || TemporaryCredentialsRequest::out_of_band(endpoint("initiate"));
    let (sent, temporary) = play(Call::new(oob(), party()), &answer(200, FORM, CONFIRMED));
    assert_eq!(header(&sent.unwrap()).get("oauth_callback"), Some("oob"));
    let (_, pending) = AuthorizationRequest::new(endpoint("authorize")).start(temporary.unwrap());
    let received = pending.receive_pin(Verifier::parse("\t 758 2415 \r\n").unwrap()).unwrap();
    let call = Call::new(TokenCredentialsRequest::new(endpoint("token"), received), party());
    let (sent, _) = play(call, &answer(200, FORM, GRANTED));
    assert_eq!(header(&sent.unwrap()).get("oauth_verifier"), Some("758 2415"));
    for bad in ["", " \r\n", "12\r\n34", "1\0", &"1".repeat(1 << 20), &" ".repeat(1 << 20)] {
        let error = Verifier::parse(bad).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Usage, Reason::InvalidValue));
    }
    // Neither way ends in the other.
    let error = start().1.receive_pin(Verifier::parse("1").unwrap()).unwrap_err();
    assert_eq!(error.reason(), Reason::OutOfTurn);
    let (_, pending) = AuthorizationRequest::new(endpoint("a"))
        .start(super::three_legged::temporary(oob(), CONFIRMED).unwrap());
    let error = pending.receive("/cb?oauth_token=temp&oauth_verifier=v").unwrap_err();
    assert_eq!(error.reason(), Reason::RedirectUriMismatch);
}

#[test]
fn s_o1_05_a_sealed_sign_in_opens_for_its_own_server_and_client() {
    let keys = SealingKeys::new(SealingKey::new([7; 32]));
    let world = World::new();
    let request = AuthorizationRequest::new(endpoint("authorize"));
    for way in [
        initiate(),
        TemporaryCredentialsRequest::out_of_band(endpoint("i")),
        TemporaryCredentialsRequest::legacy_1_0(endpoint("i"), None),
    ] {
        let (_, pending) = request.start(temporary(way, CONFIRMED).unwrap());
        let sealed = pending.seal(&client(), &keys, &world.env()).unwrap();
        assert!(!sealed.expose().contains("temp"));
        assert!(
            PendingAuthorization::open(sealed.expose(), &request, &client(), &keys, &world.env()).is_ok()
        );
    }
    let sealed = start().1.seal(&client(), &keys, &world.env()).unwrap();
    let open = |request: &AuthorizationRequest, client: &ClientCredentials, world: &World| {
        PendingAuthorization::open(sealed.expose(), request, client, &keys, &world.env())
    };
    let received =
        open(&request, &client(), &world).unwrap().receive("/cb?x=1&oauth_token=temp&oauth_verifier=v");
    assert!(received.is_ok());
    let elsewhere = AuthorizationRequest::new(endpoint("elsewhere"));
    assert_eq!(open(&elsewhere, &client(), &world).unwrap_err().reason(), Reason::SealBroken);
    let other = ClientCredentials::new("other", "cs").unwrap();
    assert_eq!(open(&request, &other, &world).unwrap_err().reason(), Reason::SealBroken);
    let mut later = World::new();
    later.now = later.now + Duration::from_secs(601);
    assert_eq!(open(&request, &client(), &later).unwrap_err().reason(), Reason::PendingExpired);
}

#[test]
fn s_o1_05_a_verifier_is_sent_once_unless_nothing_was_sent() {
    let world = World::new();
    let mut call = Call::new(token_request(), party());
    assert!(matches!(call.step(Event::Go, &world.env()), Ok(Step::Send(_, demand)) if demand.fresh));
    let error =
        call.step(Event::Failure(Failure::new(Sent::Maybe, FailureKind::Closed)), &world.env()).unwrap_err();
    assert_eq!(error.reason(), Reason::OutcomeUnknown);
    assert_eq!(call.step(Event::Go, &world.env()).unwrap_err().reason(), Reason::OutOfTurn);
    let mut call = Call::new(token_request(), party());
    assert!(matches!(call.step(Event::Go, &world.env()), Ok(Step::Send(..))));
    let step = call.step(Event::Failure(Failure::new(Sent::Nothing, FailureKind::Connect)), &world.env());
    assert!(matches!(step, Ok(Step::Wait(_))));
    // A server that is busy saw the verifier.
    let mut call = Call::new(token_request(), party());
    assert!(matches!(call.step(Event::Go, &world.env()), Ok(Step::Send(..))));
    let mut busy = answer(503, FORM, "");
    busy.headers_mut().insert("retry-after", "1".parse().unwrap());
    let error = call.step(Event::Response(busy), &world.env()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Server);
}

#[test]
fn s_o1_08_no_secret_is_shown() {
    let temporary =
        temporary(initiate(), "oauth_token=canary&oauth_token_secret=canary&oauth_callback_confirmed=true")
            .unwrap();
    let mut shown = format!("{temporary:?}");
    let (url, pending) = AuthorizationRequest::new(endpoint("authorize")).start(temporary);
    shown += &format!("{url:?} {pending:?}");
    let received = pending.receive("/cb?x=1&oauth_token=canary&oauth_verifier=canary").unwrap();
    shown += &format!("{received:?}");
    let request = TokenCredentialsRequest::new(endpoint("token"), received);
    shown += &format!("{request:?}");
    let mut call = Call::new(request, party());
    shown += &format!("{call:?} {:?}", call.step(Event::Go, &World::new().env()));
    let xauth = TokenCredentialsRequest::xauth(endpoint("token"), "u", "canary").unwrap();
    shown += &format!("{xauth:?} {:?}", Verifier::parse("canary").unwrap());
    let body = "oauth_token=canary&oauth_token_secret=canary&oauth_token=canary";
    let error = token(&answer(200, FORM, body)).unwrap_err();
    shown += &format!("{error:?} {error}");
    let problem = "oauth_problem=x&oauth_token=canary&oauth_signature_base_string=canary";
    let error = token(&answer(401, FORM, problem)).unwrap_err();
    shown += &format!("{error:?} {error} {:?}", Problem::of(&answer(401, FORM, problem)));
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn s_o1_09_a_redirect_is_refused_and_nothing_is_signed_again() {
    for status in [301, 302, 303, 307, 308] {
        let mut response = answer(status, FORM, GRANTED);
        response.headers_mut().insert("location", "https://server.example/elsewhere".parse().unwrap());
        let error = token(&response).unwrap_err();
        assert_eq!(
            (error.kind(), error.reason()),
            (ErrorKind::Protocol, Reason::UnexpectedRedirect),
            "{status}"
        );
        let (_, outcome) = play(Call::new(initiate(), party()), &response);
        assert_eq!(outcome.unwrap_err().reason(), Reason::UnexpectedRedirect);
    }
}

#[test]
fn s_o1_10_credentials_are_read_whole_or_not_at_all() {
    for (media_type, body, reason) in [
        (FORM, "oauth_token=t", Reason::MissingParameter),
        (FORM, "oauth_token_secret=s", Reason::MissingParameter),
        (FORM, "oauth_token=&oauth_token_secret=s", Reason::MissingParameter),
        (FORM, "oauth_token=t&oauth_token=t&oauth_token_secret=s", Reason::DuplicateParameter),
        (FORM, "oauth_token=t&oauth_token_secret=s&o%61uth_token_secret=s", Reason::DuplicateParameter),
        (FORM, "oauth_token=t&oauth_token_secret=%zz", Reason::Malformed),
        (FORM, "oauth_token=t%0a&oauth_token_secret=s", Reason::Malformed),
        (FORM, "", Reason::MissingParameter),
        ("text/html", "<html>error</html>", Reason::UnexpectedMediaType),
        ("text/html", "<p>no&nbsp;&nbsp;&nbsp;</p>", Reason::UnexpectedMediaType),
        ("application/json", "[]", Reason::Malformed),
        ("application/json", "{\"oauth_token\":\"t\"}", Reason::MissingParameter),
        (
            "application/json",
            "{\"oauth_token\":\"t\",\"oauth_token\":\"u\",\"oauth_token_secret\":\"s\"}",
            Reason::DuplicateParameter,
        ),
        ("application/json", "{\"oauth_token\":1,\"oauth_token_secret\":\"s\"}", Reason::Malformed),
    ] {
        let error = token(&answer(200, media_type, body)).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Protocol, reason), "{body}");
    }
    let huge = format!("{GRANTED}&x={}", "x".repeat(64 << 10));
    assert_eq!(token(&answer(200, FORM, &huge)).unwrap_err().reason(), Reason::TooLarge);
    assert_eq!(
        token(&answer(200, FORM, "oauth_token=t&oauth_token_secret=")).unwrap().shared_secret().expose(),
        ""
    );
    // Cut short, a secret would be a shorter secret.
    let mut unframed = answer(200, FORM, GRANTED);
    unframed.extensions_mut().insert(Unframed::new());
    let error = token(&unframed).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Transport, Reason::Truncated));
}

#[test]
fn s_o1_10_what_is_forgiven_is_noted() {
    let json = r#" {"oauth_token":"tok","oauth_token_secret":"toksec","user_id":7,"name":"é","x":null}"#;
    for (status, media_type, body, quirks) in [
        (200, "text/html", GRANTED, vec![Quirk::MediaType]),
        (200, "", GRANTED, vec![Quirk::MediaType]),
        (
            200,
            "text/plain;charset=utf-8",
            " oauth_token=tok&oauth_token_secret=toksec\r\n",
            vec![Quirk::MediaType],
        ),
        (201, FORM, GRANTED, vec![Quirk::Status]),
        (200, "application/json", json, vec![Quirk::Json]),
        (200, FORM, json, vec![Quirk::Json]),
    ] {
        let token = token(&answer(status, media_type, body)).unwrap();
        assert_eq!((token.identifier().expose(), token.shared_secret().expose()), ("tok", "toksec"));
        assert_eq!(token.quirks(), quirks, "{body}");
        if body == json {
            assert_eq!(token.extra("user_id").map(|id| id.expose()), Some("7"));
        }
    }
}

#[test]
fn problems_are_data() {
    let body = "oauth_problem=timestamp_refused&oauth_acceptable_timestamps=1-2";
    for status in [200, 400, 401] {
        let error = token(&answer(status, FORM, body)).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::RequestDenied), "{status}");
        let response = error.response().unwrap();
        assert_eq!(response.code().as_str(), "timestamp_refused");
        assert_eq!(response.description(), Some("oauth_acceptable_timestamps=1-2"));
    }
    let mut challenged = answer(401, "text/plain", "no");
    let challenge = "OAuth oauth_problem=\"token_expired\", realm=\"x\", oauth_problem_advice=\"renew\"";
    challenged.headers_mut().insert("www-authenticate", challenge.parse().unwrap());
    let error = token(&challenged).unwrap_err();
    let response = error.response().unwrap();
    assert_eq!((response.code().as_str(), response.description()), ("token_expired", Some("renew")));
    for status in [400, 401, 403] {
        let error = token(&answer(status, "text/plain", "Invalid / expired Token")).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::RequestDenied));
        assert!(!error.to_string().contains("expired"));
    }
    assert_eq!(token(&answer(404, "", "")).unwrap_err().kind(), ErrorKind::Server);
    assert_eq!(token(&answer(500, FORM, GRANTED)).unwrap_err().reason(), Reason::ServerFailed);
}

#[test]
fn credentials_that_expire_are_renewed() {
    let body = format!("{GRANTED}&oauth_session_handle=sh%2B1&oauth_expires_in=3600");
    let credentials = token(&answer(200, FORM, &body)).unwrap();
    assert_eq!(credentials.expires_at(), Some(World::new().now + Duration::from_secs(3600)));
    let renewal = TokenCredentialsRequest::renew(endpoint("token"), &credentials).unwrap();
    let (sent, renewed) =
        play(Call::new(renewal, party()), &answer(200, FORM, "oauth_token=n&oauth_token_secret=ns"));
    let sent = sent.unwrap();
    assert_eq!(header(&sent).get("oauth_session_handle"), Some("sh+1"));
    let by = Signer::new(client()).token(credentials);
    assert_eq!(by.explain(&sent, &CryptoProvider::ring()).unwrap().is_right(), Some(true));
    let renewed = renewed.unwrap();
    assert_eq!(renewed.session_handle().map(|handle| handle.expose()), Some("sh+1"));
    let error = TokenCredentialsRequest::renew(endpoint("token"), &TokenCredentials::new("t", "s").unwrap())
        .unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Usage, Reason::MissingRefreshToken));
}

#[test]
fn xauth_sends_name_and_password_in_a_signed_form() {
    let request = TokenCredentialsRequest::xauth(endpoint("token"), "alice", "pä ss").unwrap();
    let (sent, token) = play(Call::new(request, party()), &answer(200, FORM, GRANTED));
    let sent = sent.unwrap();
    assert_eq!(sent.body(), "x_auth_mode=client_auth&x_auth_username=alice&x_auth_password=p%C3%A4+ss");
    assert_eq!(Signer::new(client()).explain(&sent, &CryptoProvider::ring()).unwrap().is_right(), Some(true));
    assert!(token.is_ok() && TokenCredentialsRequest::xauth(endpoint("token"), "", "x").is_err());
}

#[test]
fn what_the_protocol_sets_cannot_be_set_and_nobody_else_can_ask() {
    for name in ["oauth_callback", "oauth_token", "scope"] {
        let request = initiate().with_parameter("scope", "a").unwrap();
        assert_eq!(request.with_parameter(name, "b").unwrap_err().reason(), Reason::ReservedParameter);
    }
    assert_eq!(
        token_request().with_parameter("x_auth_mode", "b").unwrap_err().reason(),
        Reason::ReservedParameter
    );
    assert_eq!(initiate().with_parameter("", "b").unwrap_err().reason(), Reason::InvalidValue);
    let error = Call::anonymous(initiate()).step(Event::Go, &World::new().env()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::MissingClientAuthentication));
}
