//! The metadata cache: asked once, kept for a while, kept longer through an outage.

use std::time::Duration;

use futures_util::future::join_all;
use valetkey::{
    Client, ErrorKind, Reason,
    oauth2::server::{Issuer, ServerMetadata},
};
use valetkey_testkit::{Place, Provider, WellKnown, block_on, fault};

use crate::{client, sign_in};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn s_md_06_metadata_is_asked_for_once_in_ten_minutes() {
    let provider = Provider::new();
    let client = client(&provider);
    for _ in 0..5 {
        sign_in(&client, &provider).unwrap();
    }
    assert_eq!(provider.count(Place::Metadata), 1);
    provider.advance(11 * MINUTE);
    block_on(join_all((0..100).map(|_| client.authorize().start())));
    assert_eq!(provider.count(Place::Metadata), 2, "a hundred callers, one request");
}

#[test]
fn s_md_06_an_outage_is_survived_for_a_day() {
    let provider = Provider::new();
    let client = client(&provider);
    provider.set_fault(fault("metadata-500"));
    provider.advance(11 * MINUTE);
    let before = provider.count(Place::Metadata);
    for _ in 0..10 {
        block_on(client.authorize().start()).unwrap();
    }
    let asked = provider.count(Place::Metadata) - before;
    assert!((1..=4).contains(&asked), "one try with its retries, then a pause: {asked}");
    provider.advance(2 * MINUTE);
    block_on(client.authorize().start()).unwrap();
    assert!(provider.count(Place::Metadata) > before + asked, "tried again after the pause");
    provider.advance(24 * 60 * MINUTE);
    let error = block_on(client.authorize().start()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Server, Reason::ServerFailed));
    provider.clear_faults();
    assert!(block_on(client.authorize().start()).is_err(), "the server is left alone for a minute");
    provider.advance(2 * MINUTE);
    block_on(client.authorize().start()).unwrap();
}

#[test]
fn s_md_01_metadata_that_turns_untrusted_is_not_survived() {
    let provider = Provider::new();
    let client = client(&provider);
    provider.set_fault(fault("metadata-issuer-other-host"));
    provider.advance(11 * MINUTE);
    let error = block_on(client.authorize().start()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Untrusted, Reason::IssuerMismatch));
}

#[test]
fn s_md_03_issuers_with_a_path_are_found_in_every_place() {
    for documents in [WellKnown::OpenIdConfiguration, WellKnown::OAuthAuthorizationServer] {
        let provider =
            Provider::builder().issuer("https://issuer.test/tenant").documents([documents]).build();
        sign_in(&client(&provider), &provider).unwrap();
    }
}

#[test]
fn a_server_without_a_document_is_written_down() {
    let provider = Provider::builder().documents([]).build();
    let server = ServerMetadata::new(Issuer::parse("https://issuer.test").unwrap())
        .with_authorization_endpoint("https://issuer.test/authorize")
        .and_then(|server| server.with_token_endpoint("https://issuer.test/token"))
        .unwrap();
    let client = Client::builder(provider.clone()).server(server).id("app").secret("app-secret");
    let client = block_on(client.redirect_uri("https://client.test/cb").build()).unwrap();
    sign_in(&client, &provider).unwrap();
    provider.advance(30 * 24 * 60 * MINUTE);
    sign_in(&client, &provider).unwrap();
    assert_eq!(provider.count(Place::Metadata), 0);
    let nowhere = Provider::builder().documents([]).build();
    let error =
        block_on(Client::builder(nowhere).discover("https://issuer.test").id("app").build()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Server, Reason::UnexpectedStatus));
}
