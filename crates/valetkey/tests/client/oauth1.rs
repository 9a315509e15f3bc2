//! OAuth 1.0a: the client and the session against a provider that verifies every signature anew.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use valetkey::{
    ErrorKind, Reason,
    oauth1::{Client, ClientBuilder, ClientCredentials, Session, TokenCredentials, Transmission},
    seal::{SealingKey, SealingKeys},
};
use valetkey_http::backend_fn;
use valetkey_proto::{crypto::CryptoProvider, oauth1::Signer};
use valetkey_testkit::{Place, Provider, User, block_on, oauth1};

use crate::get;

pub(crate) const CALLBACK: &str = "https://client.test/cb";

pub(crate) fn builder(provider: &Provider, key: &str, secret: &str) -> ClientBuilder {
    Client::builder(provider.clone())
        .random(provider.random())
        .credentials(ClientCredentials::new(key, secret).expect("credentials"))
        .temporary_credentials(&provider.oauth1("request_token"))
        .authorization(&provider.oauth1("authorize"))
        .token_credentials(&provider.oauth1("access_token"))
        .api(&provider.oauth1("api"))
}

pub(crate) fn known(provider: &Provider) -> ClientBuilder {
    builder(provider, "dpf43f3p2l4k3l03", "kd94hf93k423kf44")
}

pub(crate) fn by_callback(provider: &Provider) -> Client {
    known(provider).redirect_uri(CALLBACK).build().expect("a client")
}

pub(crate) fn sign_in(client: &Client, provider: &Provider) -> valetkey::Result<Session> {
    block_on(async {
        let (url, pending) = client.authorize().start().await?;
        let callback = provider.visit(&url).expect("the user gets through");
        client.redeem(pending, &callback).await
    })
}

pub(crate) fn photos(session: &Session, provider: &Provider) -> valetkey::Result<String> {
    let answer =
        block_on(session.send(get(provider.oauth1("api/photos?size=original&file=vacation%20%2b.jpg"))))?;
    assert_eq!(answer.status(), 200, "{:?}", answer.body());
    Ok(String::from_utf8_lossy(answer.body()).into_owned())
}

#[test]
fn a_user_signs_in_by_three_requests_and_the_api_knows_them() {
    let provider = Provider::new();
    let session = sign_in(&by_callback(&provider), &provider).unwrap();
    let body = photos(&session, &provider).unwrap();
    assert!(body.contains("\"alice\""), "{body}");
    let seen: Vec<_> = provider.transcript().iter().map(|entry| entry.place()).collect();
    let places =
        [Place::TemporaryCredentials, Place::OwnerAuthorization, Place::TokenCredentials, Place::Resource];
    assert_eq!(seen, places);
}

#[test]
fn s_o1_02_every_request_has_a_nonce_of_its_own() {
    let provider = Provider::new();
    let session = sign_in(&by_callback(&provider), &provider).unwrap();
    for _ in 0..20 {
        photos(&session, &provider).unwrap();
    }
    let transcript = provider.transcript();
    let mut nonces: Vec<_> =
        transcript.iter().filter_map(|entry| entry.oauth1_param("oauth_nonce")).collect();
    let all = nonces.len();
    nonces.sort_unstable();
    nonces.dedup();
    assert_eq!((nonces.len(), all), (22, 22));
}

#[test]
fn credentials_go_where_the_builder_says_even_if_they_are_hard_to_encode() {
    for transmission in [Transmission::Header, Transmission::Query] {
        let provider = Provider::new();
        let client = builder(&provider, "weird key+&=%", "sécret &=+%/~").redirect_uri(CALLBACK);
        let client = client.transmission(transmission).build().unwrap();
        photos(&sign_in(&client, &provider).unwrap(), &provider).unwrap();
    }
}

#[test]
fn a_user_carries_a_pin() {
    let provider = Provider::new();
    let client = known(&provider).build().unwrap();
    let session = block_on(async {
        let (url, pending) = client.authorize().start().await?;
        let pin = provider.pin(&url).expect("a PIN is shown");
        client.redeem_pin(pending, &format!(" {pin}\n")).await
    });
    photos(&session.unwrap(), &provider).unwrap();
}

#[test]
fn s_o1_06_a_wrong_pin_is_the_servers_no() {
    let provider = Provider::new();
    let client = known(&provider).build().unwrap();
    let error = block_on(async {
        let (url, pending) = client.authorize().start().await?;
        provider.pin(&url).expect("a PIN is shown");
        client.redeem_pin(pending, "000").await
    });
    let error = error.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::RequestDenied));
}

#[test]
fn s_o1_05_a_refusal_and_a_foreign_callback_send_nothing() {
    for denial in [oauth1::Denial::Problem, oauth1::Denial::Denied] {
        let provider = Provider::builder().oauth1(oauth1::Rules::default().denial(denial)).build();
        provider.set_user(User::refuses());
        let error = sign_in(&by_callback(&provider), &provider).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::AuthorizationDenied));
        assert_eq!(provider.count(Place::TokenCredentials), 0);
    }
    let provider = Provider::new();
    let client = by_callback(&provider);
    let (_, pending) = block_on(client.authorize().start()).unwrap();
    let foreign = format!("{CALLBACK}?oauth_token=of-somebody-else&oauth_verifier=v");
    let error = block_on(client.redeem(pending, foreign.as_str())).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Untrusted, Reason::StateMismatch));
    assert_eq!(provider.count(Place::TokenCredentials), 0);
}

#[test]
fn s_o1_05_an_unconfirmed_callback_ends_the_sign_in() {
    let rules = oauth1::Rules::default().confirmation(oauth1::Confirmation::LeftOut);
    let provider = Provider::builder().oauth1(rules).build();
    let error = block_on(by_callback(&provider).authorize().start()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Protocol, Reason::CallbackNotConfirmed));
}

#[test]
fn a_server_before_revision_a_is_signed_in_at_if_that_was_asked_for() {
    let rules = oauth1::Rules::default().verifier(false).confirmation(oauth1::Confirmation::LeftOut);
    let provider = Provider::builder().oauth1(rules).build();
    assert_eq!(
        sign_in(&by_callback(&provider), &provider).unwrap_err().reason(),
        Reason::CallbackNotConfirmed
    );
    let client = known(&provider).redirect_uri(CALLBACK).legacy_1_0().build().unwrap();
    photos(&sign_in(&client, &provider).unwrap(), &provider).unwrap();
}

#[test]
fn a_parameter_of_the_providers_goes_where_it_was_set() {
    let provider = Provider::new();
    let client = by_callback(&provider);
    let request = client.authorize().provider_parameter("x_auth_access_type", "read").parameter("lang", "de");
    let (url, _) = block_on(request.start()).unwrap();
    assert!(url.as_str().ends_with("&lang=de") && !url.as_str().contains("x_auth"), "{url:?}");
    let asked = &provider.transcript()[0];
    assert_eq!(asked.param("x_auth_access_type"), Some("read"));
    assert!(asked.param("lang").is_none());
    let reserved = client.authorize().provider_parameter("oauth_callback", "oob");
    let error = block_on(reserved.start()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Usage, Reason::ReservedParameter));
}

#[test]
fn s_rs_01_nothing_is_signed_for_another_origin() {
    let provider = Provider::new();
    let session = sign_in(&by_callback(&provider), &provider).unwrap();
    let before = provider.transcript().len();
    for url in ["https://evil.test/oauth1/api/photos", "http://issuer.test/oauth1/api", "/oauth1/api"] {
        let error = block_on(session.send(get(url))).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Usage, Reason::OriginNotAllowed), "{url}");
    }
    assert_eq!(provider.transcript().len(), before);
}

#[test]
fn a_client_signs_for_itself_alone() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let backend = backend_fn({
        let seen = Arc::clone(&seen);
        move |request, _| {
            seen.lock().unwrap().push(request);
            async { Ok(http::Response::new(Bytes::new())) }
        }
    });
    let credentials = ClientCredentials::new("dpf43f3p2l4k3l03", "kd94hf93k423kf44").unwrap();
    let client =
        Client::builder(backend).credentials(credentials.clone()).api("https://api.test").build().unwrap();
    let session = client.two_legged();
    block_on(session.send(get("https://api.test/photos?size=original"))).unwrap();
    assert!(session.credentials().is_none());
    let request = seen.lock().unwrap().pop().unwrap();
    let explanation = Signer::new(credentials).explain(&request, &CryptoProvider::ring()).unwrap();
    assert_eq!(explanation.is_right(), Some(true));
    assert!(explanation.parameters().all(|(name, _)| name != "oauth_token"));
}

#[test]
fn a_session_carries_on_in_another_process() {
    let provider = Provider::new();
    let session = sign_in(&by_callback(&provider), &provider).unwrap();
    let kept = session.credentials().unwrap().to_text();
    let again = by_callback(&provider).session(TokenCredentials::parse(kept.expose()).unwrap());
    photos(&again, &provider).unwrap();
}

#[test]
fn a_sign_in_travels_sealed_between_processes() {
    let provider = Provider::new();
    let keys = || SealingKeys::new(SealingKey::new([7; 32]));
    let first = known(&provider).redirect_uri(CALLBACK).sealing_keys(keys()).build().unwrap();
    let second = known(&provider).redirect_uri(CALLBACK).sealing_keys(keys()).build().unwrap();
    let (url, pending) = block_on(first.authorize().start()).unwrap();
    let cookie = first.seal(pending).unwrap();
    let callback = provider.visit(&url).unwrap();
    let session = block_on(second.redeem(second.unseal(cookie.expose()).unwrap(), &callback)).unwrap();
    photos(&session, &provider).unwrap();
    let error = by_callback(&provider).unseal(cookie.expose()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::InvalidKey));
}

#[test]
fn s_o1_08_nothing_shows_a_secret() {
    let provider = Provider::new();
    let client = by_callback(&provider);
    let session = sign_in(&client, &provider).unwrap();
    let token = session.credentials().unwrap();
    let shown = format!("{client:?} {session:?} {:?} {:?}", known(&provider), client.authorize());
    for secret in ["kd94hf93k423kf44", token.identifier().expose(), token.shared_secret().expose()] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn a_builder_says_what_is_wrong_or_missing() {
    let provider = Provider::new();
    let error = Client::builder(provider.clone()).build().unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::InvalidValue));
    let error =
        known(&provider).temporary_credentials("http://issuer.test/request_token").build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    let bare = ClientCredentials::new("key", "secret").unwrap();
    let bare = Client::builder(provider.clone()).credentials(bare).build().unwrap();
    let error = block_on(bare.authorize().start()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::MissingEndpoint));
    let error =
        block_on(by_callback(&provider).authorize().parameter("oauth_token", "x").start()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Usage, Reason::ReservedParameter));
    assert_eq!(provider.count(Place::TemporaryCredentials), 0);
}
