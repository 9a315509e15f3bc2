//! For which APIs the tokens of a client are, and what for: asked for by every way, kept through renewals, and sent nowhere
//! else.

use std::sync::{Arc, Mutex};

use valetkey::{
    Anomaly, Client, ErrorCode, ErrorKind, Reason, Session, SessionEvent, TokenRecord, blocking,
    crypto::{CryptoProvider, PrivateKey, SignatureAlgorithm},
    oauth2::{AuthorizationDetail, AuthorizationDetails, assertion::Assertion},
};
use valetkey_testkit::{Entry, Place, Provider, SERVICE_ACCOUNT, block_on, keys};

use crate::{builder, client, get};

const API: &str = "https://issuer.test/api";
const OTHER: &str = "urn:example:other";

fn details() -> AuthorizationDetails {
    let payment = AuthorizationDetail::new("payment").unwrap().with_action("initiate");
    let payment = payment.with_json("amount", r#"{"value":"1.50"}"#).unwrap();
    let accounts = AuthorizationDetail::new("accounts").unwrap();
    AuthorizationDetails::new().with(payment).unwrap().with(accounts).unwrap()
}

/// The resources of each request to these endpoints.
fn asked(provider: &Provider) -> Vec<Vec<String>> {
    let is_one = |entry: &&Entry| {
        matches!(entry.place(), Place::Authorize | Place::Token | Place::DeviceAuthorization)
    };
    let resources = |entry: &Entry| {
        let all = entry.query().iter().chain(entry.form());
        all.filter(|(name, _)| name == "resource").map(|(_, value)| value.clone()).collect()
    };
    provider.transcript().iter().filter(is_one).map(resources).collect()
}

async fn sign_in(client: &Client, provider: &Provider) -> valetkey::Result<Session> {
    let asked =
        client.authorize().scope("read").resource(API).resource(OTHER).authorization_details(details());
    let (url, pending) = asked.start().await?;
    client.redeem(pending, &provider.visit(&url).expect("the user approves")).await
}

/// What the provider says of the session's token.
async fn aud(client: &Client, session: &Session) -> Vec<String> {
    let token = session.tokens().await.unwrap().access_token().clone();
    let said = client.introspect(&token).await.unwrap();
    said.active().expect("a good token").audience().map(str::to_owned).collect()
}

#[test]
fn s_ri_01_a_sign_in_its_exchange_and_its_renewals_are_for_the_same_apis() {
    let provider = Provider::new();
    let client = client(&provider);
    block_on(async {
        let session = sign_in(&client, &provider).await.unwrap();
        assert_eq!(aud(&client, &session).await, [API, OTHER]);
        session.refresh().await.unwrap();
        assert_eq!(aud(&client, &session).await, [API, OTHER]);
        // Kept and restored, it still is.
        let text = session.record().unwrap().to_text();
        let restored = client.restore(TokenRecord::parse(text.expose()).unwrap()).unwrap();
        restored.refresh().await.unwrap();
        assert_eq!(aud(&client, &restored).await, [API, OTHER]);
        assert_eq!(restored.tokens().await.unwrap().requested().authorization_details(), Some(&details()));
    });
    let asked = asked(&provider);
    assert_eq!(
        (asked.len(), asked.iter().all(|resources| *resources == [API, OTHER])),
        (4, true),
        "{asked:?}"
    );
}

#[test]
fn s_ri_01_a_program_in_its_own_name_and_a_device_ask_for_apis_too() {
    let provider = Provider::builder().device_polls(0).build();
    let key = PrivateKey::parse(keys::es256().pem().as_bytes()).unwrap();
    let key = key.signing_key(SignatureAlgorithm::Es256, &CryptoProvider::ring()).unwrap();
    let client = client(&provider);
    let assertion = Assertion::new(key, SERVICE_ACCOUNT).unwrap().with_subject(SERVICE_ACCOUNT).unwrap();
    block_on(async {
        let own =
            client.client_credentials().resource(API).authorization_details(details()).session().unwrap();
        let bearer = client.jwt_bearer(assertion).resource(API).authorization_details(details());
        let device = client.device().scope("read").resource(API).authorization_details(details());
        let device = device.start().await.unwrap().wait().await.unwrap();
        for session in [own, bearer.session().unwrap(), device] {
            let first = session.tokens().await.unwrap();
            let second = session.refresh().await.unwrap();
            for tokens in [first, second] {
                assert_eq!(tokens.authorization_details(), Some(&details()));
                assert_eq!(tokens.requested().resources()[0].as_str(), API);
            }
            assert_eq!(aud(&client, &session).await, [API]);
        }
    });
    let asked = asked(&provider);
    assert!(asked.iter().all(|resources| *resources == [API]), "{asked:?}");
    assert_eq!(asked.len(), 7, "two of each, and the device's first");
}

#[test]
fn s_ri_01_what_is_no_resource_is_refused_before_anything_is_sent() {
    let provider = Provider::new();
    let client = client(&provider);
    let mark = provider.mark();
    for bad in ["https://issuer.test/#frag", "/api", "https://user@issuer.test/"] {
        let sign_in = block_on(client.authorize().resource(bad).start()).unwrap_err();
        let own = client.client_credentials().resource(bad).session().unwrap_err();
        let device = block_on(client.device().resource(bad).start()).unwrap_err();
        for error in [sign_in, own, device] {
            assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::InvalidUrl), "{bad}");
        }
    }
    provider.assert_quiet_since(mark);
}

#[test]
fn s_ri_01_an_api_that_the_server_does_not_know_is_an_error_with_its_code() {
    let provider = Provider::builder().resources([API]).build();
    let client = client(&provider);
    let own = client.client_credentials().resource(OTHER).session().unwrap();
    let error = block_on(own.tokens()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::RequestDenied));
    assert_eq!(error.response().unwrap().code(), &ErrorCode::InvalidTarget);
    let error = block_on(sign_in(&client, &provider)).unwrap_err();
    assert_eq!(error.response().unwrap().code(), &ErrorCode::InvalidTarget);
    let own = client.client_credentials().parameter("authorization_details", "[]").session().unwrap();
    assert!(block_on(own.tokens()).is_ok(), "none at all");
}

#[test]
fn s_ri_02_a_token_goes_to_the_api_that_it_was_asked_for_alone() {
    let provider = Provider::new();
    let client = block_on(builder(&provider).api("https://other.test").build()).unwrap();
    let session = |resources: &[&str]| {
        let own = client.client_credentials();
        resources.iter().fold(own, |own, resource| own.resource(*resource)).session().unwrap()
    };
    let goes_to_other = |session: &Session| {
        let mut request = get("https://other.test/api");
        let attached = block_on(session.attach(&mut request)).map(drop);
        let sent = block_on(session.send(get("https://other.test/api"))).map(drop);
        for outcome in [&attached, &sent] {
            let refused = outcome.as_ref().is_err_and(|error| error.reason() == Reason::OriginNotAllowed);
            assert!(outcome.is_ok() || refused, "{outcome:?}");
        }
        assert_eq!(attached.is_ok(), sent.is_ok());
        attached.is_ok()
    };
    // An address of one of the APIs: it alone.
    let bound = session(&[API]);
    assert!(!goes_to_other(&bound) && provider.count(Place::Elsewhere) == 0);
    assert_eq!(block_on(bound.send(get(provider.api("me")))).unwrap().status(), 200);
    block_on(bound.refresh()).unwrap();
    assert!(!goes_to_other(&bound), "renewing changes nothing");
    // None said, both said, or names that cannot be compared: wherever the program's APIs are.
    for resources in
        [&[][..], &[API, "https://other.test/v1"], &[OTHER], &["https://third.test"], &[API, OTHER]]
    {
        assert!(goes_to_other(&session(resources)), "{resources:?}");
    }
    // No resource adds an API to the client's.
    let error = block_on(session(&["https://evil.test"]).send(get("https://evil.test/"))).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Usage, Reason::OriginNotAllowed));
}

#[test]
fn rar_less_than_was_asked_for_is_a_note_and_no_error() {
    let events = Arc::new(Mutex::new(Vec::new()));
    for (narrows, noted) in [(false, 0), (true, 1)] {
        let provider = Provider::builder().narrows_details(narrows).build();
        let (seen, count) = (Arc::clone(&events), || events.lock().unwrap().len());
        let observer = move |event: &SessionEvent| {
            if matches!(event, SessionEvent::Anomaly(Anomaly::DetailsChanged)) {
                seen.lock().unwrap().push(());
            }
        };
        let client = block_on(builder(&provider).observer(observer).build()).unwrap();
        let session = block_on(sign_in(&client, &provider)).unwrap();
        let tokens = block_on(session.tokens()).unwrap();
        assert_eq!(tokens.authorization_details() == Some(&details()), !narrows);
        assert_eq!(tokens.requested().authorization_details(), Some(&details()));
        assert_eq!(count(), noted);
        block_on(session.refresh()).unwrap();
        assert_eq!(count(), noted, "a renewal that brings the same is nothing new");
        let token = block_on(session.tokens()).unwrap().access_token().clone();
        let said = block_on(client.introspect(&token)).unwrap();
        let granted = said.active().unwrap().authorization_details().unwrap();
        assert_eq!(granted.as_ref(), tokens.authorization_details());
    }
}

#[test]
fn s_bb_03_a_session_that_asks_for_less_gets_no_broader_token_of_another() {
    let provider = Provider::new();
    let client = client(&provider);
    let session = |scope: &str, resource: Option<&str>| {
        let own = client.client_credentials().scope(scope);
        resource.into_iter().fold(own, |own, resource| own.resource(resource)).session().unwrap()
    };
    let broad = session("read write admin", None);
    assert_eq!(block_on(broad.send(get(provider.api("admin")))).unwrap().status(), 200);
    // Nothing is shared by what was asked for: every session has a grant of its own.
    let narrow = session("read", Some(API));
    let [broad, narrow_tokens] = [&broad, &narrow].map(|session| block_on(session.tokens()).unwrap());
    assert_ne!(broad.access_token(), narrow_tokens.access_token());
    assert_eq!(narrow_tokens.scope().scope().map(valetkey::oauth2::Scope::as_str), Some("read"));
    assert_eq!(block_on(narrow.send(get(provider.api("admin")))).unwrap().status(), 403);
    assert_eq!(provider.count(Place::Token), 2);
}

#[test]
fn without_async_the_same_is_said() {
    let provider = Provider::new();
    let client = blocking::Client::from(client(&provider));
    let asked = client.authorize().scope("read").resource(API).authorization_details(details());
    let (url, pending) = asked.start().unwrap();
    let session = client.redeem(pending, provider.visit(&url).unwrap()).unwrap();
    assert_eq!(session.tokens().unwrap().authorization_details(), Some(&details()));
    let own = client.client_credentials().resource(API).authorization_details(details()).session().unwrap();
    assert_eq!(own.tokens().unwrap().requested().resources().len(), 1);
}
