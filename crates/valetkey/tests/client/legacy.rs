//! What is called legacy: passwords, and tokens that a browser brings.

use valetkey::{
    Client, ErrorCode, ErrorKind, Reason, Session, blocking,
    oauth2::authorization::{ResponseMode, ResponseType},
    secret::Secret,
};
use valetkey_testkit::{
    Dpop, Grant, OpenId, Place, Provider, ProviderBuilder, RegisteredClient, User, block_on, fault,
};

use crate::{client as app, get};

const PASSWORD: &str = "A3 ddj&3w é";

fn provider() -> ProviderBuilder {
    let old = RegisteredClient::confidential("old", "s3cret").redirect_uri("https://client.test/cb");
    Provider::builder().client(old.grants([Grant::Password, Grant::Implicit])).password("alice", PASSWORD)
}

fn builder(provider: &Provider) -> valetkey::ClientBuilder {
    let builder = Client::builder(provider.clone()).random(provider.random()).discover(&provider.issuer());
    builder.id("old").secret("s3cret").redirect_uri("https://client.test/cb").api(&provider.issuer())
}

fn old(provider: &Provider) -> Client {
    block_on(builder(provider).build()).expect("the provider is well")
}

fn status(session: &Session, provider: &Provider) -> u16 {
    block_on(session.send(get(provider.api("me")))).expect("an answer").status().as_u16()
}

#[test]
fn ol_17_a_user_signs_in_by_name_and_password_which_is_then_forgotten() {
    let provider = provider().build();
    let login = || old(&provider).legacy().password("alice", PASSWORD).scope("read").parameter("x", "1");
    assert!(!format!("{:?}", login()).contains("ddj"));
    let session = block_on(login().sign_in()).unwrap();
    assert_eq!(status(&session, &provider), 200);
    // It is renewed by the refresh token: the password is gone.
    provider.revoke_access_tokens();
    assert_eq!(status(&session, &provider), 200);
    let grants: Vec<_> = provider
        .transcript()
        .iter()
        .filter_map(|entry| entry.param("grant_type").map(str::to_owned))
        .collect();
    assert_eq!(grants, ["password", "refresh_token"]);
    assert!(!format!("{session:?} {:?}", session.record()).contains("ddj"));
    let record = session.record().unwrap().to_text();
    assert!(!record.expose().contains("ddj"));

    // Without a refresh token there is nothing to renew it with.
    let provider = self::provider().refresh_tokens(false).build();
    let session = block_on(old(&provider).legacy().password("alice", PASSWORD).sign_in()).unwrap();
    assert_eq!(block_on(session.refresh()).unwrap_err().reason(), Reason::MissingRefreshToken);
}

#[test]
fn s_az_02_a_password_is_sent_once_and_stands_in_no_error() {
    let provider = provider().build();
    let login = |password: &str| block_on(old(&provider).legacy().password("alice", password).sign_in());
    let error = login("canary").unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::RequestDenied));
    assert_eq!(error.response().map(|refused| refused.code()), Some(&ErrorCode::InvalidGrant));
    assert!(!format!("{error} {error:?}").contains("canary"));
    for name in ["token-dropped", "token-503", "token-500-html", "token-slow-head", "token-redirect-307"] {
        provider.set_fault(fault(name));
        let before = provider.count(Place::Token);
        let error = login(PASSWORD).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("ddj"), "{name}");
        assert_eq!(provider.count(Place::Token), before + 1, "{name}");
        assert_eq!(provider.count(Place::Elsewhere), 0);
        provider.clear_faults();
    }
    // Another client may not, and no other way of ours leads there.
    let error = block_on(app(&provider).legacy().password("alice", PASSWORD).sign_in()).unwrap_err();
    assert_eq!(error.response().map(|refused| refused.code()), Some(&ErrorCode::UnauthorizedClient));
    let error = app(&provider).client_credentials().parameter("grant_type", "password").session().unwrap();
    assert_eq!(block_on(error.tokens()).unwrap_err().reason(), Reason::ReservedParameter);
}

#[test]
fn a_password_brings_an_identity_if_that_is_asked_for() {
    let provider = provider().openid(OpenId::new()).build();
    let session =
        block_on(old(&provider).legacy().password("alice", PASSWORD).scope("openid").sign_in()).unwrap();
    assert_eq!(session.identity().unwrap().subject(), "alice");
}

#[test]
fn ol_16_a_browser_brings_a_token_and_no_code_is_exchanged() {
    let provider = provider().build();
    let client = old(&provider);
    let (url, pending) = block_on(client.legacy().implicit().scope("read").start()).unwrap();
    assert!(url.as_str().contains("response_type=token&") && !url.as_str().contains("code_challenge"));
    let callback = provider.visit(&url).unwrap();
    assert!(callback.starts_with("https://client.test/cb#access_token="), "{callback}");
    let session = block_on(client.redeem(pending, &callback)).unwrap();
    assert_eq!((status(&session, &provider), provider.count(Place::Token)), (200, 0));
    let tokens = block_on(session.tokens()).unwrap();
    assert_eq!(tokens.scope().scope().map(|scope| scope.as_str()), Some("read"));
    assert_eq!(block_on(session.refresh()).unwrap_err().reason(), Reason::MissingRefreshToken);

    // A pending sign-in that was sealed is the same one.
    let (url, pending) = block_on(client.legacy().implicit().start()).unwrap();
    let callback = provider.visit(&url).unwrap();
    let foreign = callback.replace("state=", "state=x");
    assert!(!pending.matches(&foreign.as_str().into()) && pending.matches(&callback.as_str().into()));
    assert_eq!(block_on(client.redeem(pending, &foreign)).unwrap_err().reason(), Reason::StateMismatch);
}

#[test]
fn ol_16_a_user_who_refuses_is_heard_in_the_fragment() {
    let provider = provider().user(User::refuses()).build();
    let client = old(&provider);
    let (url, pending) = block_on(client.legacy().implicit().start()).unwrap();
    let error = block_on(client.redeem(pending, provider.visit(&url).unwrap())).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::AuthorizationDenied));
}

#[test]
fn s_az_01_a_code_that_was_asked_for_is_never_answered_with_a_token() {
    let provider = provider().build();
    let client = old(&provider);
    for answer in
        ["/cb#access_token=t&token_type=Bearer&state=S", "/cb?access_token=t&token_type=Bearer&state=S"]
    {
        let (url, pending) = block_on(client.authorize().start()).unwrap();
        assert!(url.as_str().contains("response_type=code&"));
        let state = url.as_str().split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
        let error = block_on(client.redeem(pending, answer.replace("=S", &format!("={state}")))).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Untrusted, Reason::UnexpectedToken));
    }
    assert_eq!(provider.count(Place::Token) + provider.count(Place::Resource), 0);
    // Nor does a parameter change what is asked for, or a mode lead around the fragment.
    for name in ["response_type", "response_mode"] {
        let error = block_on(client.authorize().parameter(name, "token").start()).unwrap_err();
        assert_eq!(error.reason(), Reason::ReservedParameter, "{name}");
    }
    for mode in [ResponseMode::Query, ResponseMode::FormPost] {
        let error = block_on(client.legacy().implicit().response_mode(mode).start()).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Usage, Reason::InvalidValue));
    }
    assert_eq!(ResponseType::default(), ResponseType::Code);
}

#[test]
fn a_token_that_a_browser_brings_is_refused_where_tokens_are_bound() {
    let provider = provider().dpop(Dpop::Offered).build();
    let client = block_on(builder(&provider).dpop().build()).unwrap();
    let (url, pending) = block_on(client.legacy().implicit().start()).unwrap();
    let error = block_on(client.redeem(pending, provider.visit(&url).unwrap())).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Untrusted, Reason::TokenNotBound));
}

#[test]
fn legacy_ways_go_without_async() {
    let provider = provider().build();
    let client = blocking::Client::build(builder(&provider)).unwrap();
    let login = client.legacy().password("alice", Secret::new(PASSWORD)).scope("read").parameter("x", "1");
    assert_eq!(login.sign_in().unwrap().send(get(provider.api("me"))).unwrap().status(), 200);
    let (url, pending) = client.legacy().implicit().start().unwrap();
    let session = client.redeem(pending, provider.visit(&url).unwrap()).unwrap();
    assert_eq!(session.send(get(provider.api("me"))).unwrap().status(), 200);
}
