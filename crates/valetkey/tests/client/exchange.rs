//! Tokens for tokens, for SAML assertions, and by grants of the program's own.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use serde_json::Value;
use valetkey::{
    Client, ErrorCode, ErrorKind, Reason, Retry, Session, blocking,
    oauth2::{
        client::ClientAuth,
        grant::{TokenTypeIdentifier, TypedToken},
        token::TokenType,
    },
    secret::Secret,
    source,
};
use valetkey_testkit::{
    Dpop, Effect, Entry, Expect, Fault, Grant, OpenId, Place, Provider, ProviderBuilder, RegisteredClient,
    block_on, fault,
};

use crate::{client as app, get, sign_in};

const ALICE: &str = "eyJhbGciOi.YWxpY2U.c2ln";
const ROBOT: &str = "eyJhbGciOi.cm9ib3Q.c2ln";
const OTP: &str = "https://issuer.test/grants/otp";

fn provider() -> ProviderBuilder {
    let grants = [Grant::TokenExchange, Grant::SamlBearer, Grant::Extension(OTP.into())];
    Provider::builder()
        .client(RegisteredClient::confidential("gateway", "s3cret").grants(grants))
        .outside_token(ALICE, "alice")
        .outside_token(ROBOT, "robot")
}

fn builder(provider: &Provider) -> valetkey::ClientBuilder {
    let builder = Client::builder(provider.clone()).random(provider.random()).discover(&provider.issuer());
    builder.id("gateway").secret("s3cret").api(&provider.issuer())
}

fn gateway(provider: &Provider) -> Client {
    block_on(builder(provider).build()).expect("the provider is well")
}

fn jwt(token: &str) -> TypedToken {
    TypedToken::new(Secret::new(token), TokenTypeIdentifier::Jwt)
}

/// What the API says of whoever calls it.
fn me(session: &Session, provider: &Provider) -> Value {
    let response = block_on(session.send(get(provider.api("me")))).expect("an answer");
    assert_eq!(response.status(), 200);
    serde_json::from_slice(response.body()).expect("JSON")
}

fn token_requests(provider: &Provider) -> Vec<Entry> {
    provider.transcript().iter().filter(|entry| entry.place() == Place::Token).cloned().collect()
}

#[test]
fn every_exchange_has_a_subject_that_was_got_for_it() {
    let provider = provider().build();
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let subject = source::from_fn(move || {
        let token = [ALICE, ROBOT][counter.fetch_add(1, Ordering::Relaxed) % 2];
        async move { Ok(jwt(token)) }
    });
    let session =
        gateway(&provider).exchange(subject).audience("https://api.example").scope("read").session().unwrap();
    assert_eq!(
        (asked.load(Ordering::Relaxed), provider.count(Place::Token)),
        (0, 0),
        "not before it is needed"
    );
    assert_eq!(me(&session, &provider)["sub"], "alice");
    block_on(session.refresh()).unwrap();
    assert_eq!(me(&session, &provider)["sub"], "robot");
    // A token that an API refuses is renewed by another exchange.
    provider.revoke_access_tokens();
    assert_eq!(me(&session, &provider)["sub"], "alice");
    assert_eq!((asked.load(Ordering::Relaxed), provider.count(Place::Token)), (3, 3));
    let shown: Vec<_> = token_requests(&provider)
        .iter()
        .map(|entry| entry.param("subject_token").unwrap().to_owned())
        .collect();
    assert_eq!(shown, [ALICE, ROBOT, ALICE]);
    assert!(format!("{session:?}").contains("token exchange"));
}

#[test]
fn an_actor_acts_for_the_user_of_another_session() {
    let provider = provider().build();
    // The user's session is another client's, and so is the token that is exchanged.
    let user = sign_in(&app(&provider), &provider).unwrap();
    let session = gateway(&provider).exchange(user.clone()).actor(jwt(ROBOT)).session().unwrap();
    let said = me(&session, &provider);
    assert_eq!(
        (&said["sub"], &said["act"]["sub"], &said["client_id"]),
        (&"alice".into(), &"robot".into(), &"gateway".into())
    );
    // If the user's token is no longer good, the session that it is of renews it.
    block_on(user.refresh()).unwrap();
    block_on(session.refresh()).unwrap();
    let last = token_requests(&provider).pop().unwrap();
    let present = block_on(user.tokens()).unwrap();
    assert_eq!(last.param("subject_token"), Some(present.access_token().expose()));
    assert_eq!(last.param("subject_token_type"), Some(TokenTypeIdentifier::AccessToken.as_str()));
}

#[test]
fn s_tx_01_a_token_that_is_no_access_token_reaches_no_api() {
    let provider = provider().build();
    let client = gateway(&provider);
    let ticket = client.exchange(jwt(ALICE)).requested_token_type(TokenTypeIdentifier::Jwt);
    let issued = block_on(ticket.once()).unwrap();
    assert!(issued.tokens().is_none() && *issued.token_type() == TokenType::NotApplicable);
    // It goes on to the next exchange.
    let session = client.exchange(issued.token()).session().unwrap();
    assert_eq!(me(&session, &provider)["sub"], "alice");

    let session = ticket.session().unwrap();
    let error = block_on(session.send(get(provider.api("me")))).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Protocol, Reason::UnsupportedTokenType));
    assert!(session.bearer().is_none() && session.record().is_none());
    assert_eq!(provider.count(Place::Resource), 1, "the one before");
}

#[test]
fn s_tx_02_tokens_go_to_the_server_that_was_chosen_and_into_no_error() {
    let provider = provider().build();
    let exchange =
        gateway(&provider).exchange(jwt("canary-subject")).actor(jwt("canary-actor")).parameter("x", "1");
    assert!(!format!("{exchange:?} {:?}", gateway(&provider)).contains("canary"));
    let error = block_on(exchange.once()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::RequestDenied));
    assert!(!format!("{error} {error:?}").contains("canary"));
    for entry in provider.transcript() {
        assert_eq!(entry.param("subject_token").is_some(), entry.place() == Place::Token);
    }
    for name in ["exchange-redirect-307", "exchange-html", "exchange-invalid-target", "exchange-dropped"] {
        provider.set_fault(fault(name));
        let error = block_on(exchange.once()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"), "{name}");
        assert_eq!(provider.count(Place::Elsewhere), 0);
    }
}

#[test]
fn a_target_that_is_not_served_is_named_as_such() {
    let provider = provider().fault(fault("exchange-invalid-target")).build();
    let exchange = gateway(&provider).exchange(jwt(ALICE)).audience("https://unknown.example");
    let error = block_on(exchange.once()).unwrap_err();
    assert_eq!(error.response().map(|refused| refused.code()), Some(&ErrorCode::InvalidTarget));
}

#[test]
fn a_source_that_fails_fails_the_session_and_not_for_ever() {
    let provider = provider().build();
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let subject = source::from_fn(move || {
        let first = counter.fetch_add(1, Ordering::Relaxed) == 0;
        async move {
            let error = || {
                valetkey::Error::new(ErrorKind::Store, Reason::SourceFailed).with_detail("the vault is shut")
            };
            if first { Err(error()) } else { Ok(jwt(ALICE)) }
        }
    });
    let session = gateway(&provider).exchange(subject).session().unwrap();
    for _ in 0..3 {
        let error = block_on(session.tokens()).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Store, Reason::SourceFailed));
    }
    assert_eq!(
        (asked.load(Ordering::Relaxed), provider.count(Place::Token)),
        (1, 0),
        "not asked at once again"
    );
    provider.advance(std::time::Duration::from_secs(2));
    assert_eq!(me(&session, &provider)["sub"], "alice");
}

#[test]
fn tokens_that_are_exchanged_for_are_bound_to_the_sessions_key() {
    let provider = provider().dpop(Dpop::Demanded).build();
    let client = block_on(builder(&provider).dpop().build()).unwrap();
    let session = client.exchange(jwt(ALICE)).session().unwrap();
    assert_eq!(me(&session, &provider)["sub"], "alice");
    assert!(block_on(session.tokens()).unwrap().access_token().is_bound());
}

#[test]
fn only_clients_that_may_exchange_do() {
    let provider = provider().build();
    let error = block_on(app(&provider).exchange(jwt(ALICE)).once()).unwrap_err();
    assert_eq!(error.response().map(|refused| refused.code()), Some(&ErrorCode::UnauthorizedClient));
    let error = gateway(&provider).exchange(jwt(ALICE)).scope("a\"b").session().unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::InvalidValue));
}

#[test]
fn saml_assertions_are_exchanged_once_each() {
    let provider = provider().build();
    let assertions = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&assertions);
    let identity_provider = source::from_fn(move || {
        let token = [ALICE, ROBOT][counter.fetch_add(1, Ordering::Relaxed) % 2];
        async move { Ok(TypedToken::new(Secret::new(token), TokenTypeIdentifier::Saml2)) }
    });
    let session = gateway(&provider).saml_bearer(identity_provider).scope("read").session().unwrap();
    assert_eq!(me(&session, &provider)["sub"], "alice");
    // An assertion whose answer is lost is not shown again: the next one is another.
    provider.set_fault(fault("token-dropped").times(1));
    let error = block_on(session.refresh()).unwrap_err();
    assert_eq!(error.reason(), Reason::OutcomeUnknown);
    let shown: Vec<_> =
        token_requests(&provider).iter().map(|entry| entry.param("assertion").unwrap().to_owned()).collect();
    assert_eq!(shown, [ALICE, ROBOT]);
}

#[test]
fn a_client_may_say_who_it_is_by_a_saml_assertion() {
    let provider = provider().build();
    let builder = Client::builder(provider.clone()).discover(&provider.issuer()).id("gateway");
    let client = block_on(builder.auth(ClientAuth::saml_assertion("PHNhbWw")).build()).unwrap();
    // The provider here knows no such assertions.
    let error = block_on(client.client_credentials().session().unwrap().tokens()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    let request = token_requests(&provider).pop().unwrap();
    assert_eq!(request.param("client_assertion"), Some("PHNhbWw"));
    assert_eq!(request.param("client_id"), Some("gateway"));
}

#[test]
fn a_grant_of_ones_own_is_asked_once_or_again() {
    let provider = provider().build();
    let client = gateway(&provider);
    let own = || {
        client
            .extension_grant(OTP)
            .secret("otp", Secret::new("canary"))
            .parameter("device", "12")
            .scope("read")
    };
    assert!(!format!("{:?}", own()).contains("canary"));
    let session = block_on(own().sign_in()).unwrap();
    assert_eq!(me(&session, &provider)["scope"], "read");
    block_on(session.refresh()).unwrap();
    let grants = |provider: &Provider| -> Vec<String> {
        token_requests(provider).iter().map(|entry| entry.param("grant_type").unwrap().to_owned()).collect()
    };
    assert_eq!(grants(&provider), [OTP, "refresh_token"]);
    let session = own().session().unwrap();
    block_on(session.tokens()).unwrap();
    block_on(session.refresh()).unwrap();
    assert_eq!(grants(&provider)[2..], [OTP, OTP]);

    // Who signs in is verified.
    let known = self::provider().openid(OpenId::new()).build();
    let session = block_on(gateway(&known).extension_grant(OTP).scope("openid").sign_in()).unwrap();
    assert_eq!(session.identity().unwrap().subject(), "alice");

    // One that says so may be sent again.
    const LOST: Fault = Fault::new("lost", Place::Token, Effect::Drop, Expect::Accepted);
    provider.set_fault(LOST.times(1));
    assert_eq!(block_on(own().sign_in()).unwrap_err().reason(), Reason::OutcomeUnknown);
    provider.set_fault(LOST.times(1));
    block_on(own().retry(Retry::REPEATABLE).sign_in()).unwrap();

    for bad in ["", "password", "a b"] {
        let error = client.extension_grant(bad).session().unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Usage, Reason::InvalidValue), "{bad:?}");
    }
    let error = own().parameter("otp", "2").session().unwrap_err();
    assert_eq!(error.reason(), Reason::ReservedParameter);
}

#[test]
fn all_of_it_goes_without_async() {
    let provider = provider().build();
    let client = blocking::Client::build(builder(&provider)).unwrap();
    let request = || http::Request::get(provider.api("me")).body(Bytes::new()).unwrap();
    let exchange = client
        .exchange(jwt(ALICE))
        .actor(jwt(ROBOT))
        .audience("a")
        .requested_token_type(TokenTypeIdentifier::AccessToken);
    assert_eq!(exchange.scope("read").session().unwrap().send(request()).unwrap().status(), 200);
    assert_eq!(client.saml_bearer(jwt(ALICE)).session().unwrap().send(request()).unwrap().status(), 200);
    let own = client.extension_grant(OTP).secret("otp", Secret::new("1")).retry(Retry::NEVER);
    assert_eq!(own.sign_in().unwrap().send(request()).unwrap().status(), 200);
}
