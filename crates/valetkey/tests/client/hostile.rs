//! A server, a browser or a machine that means ill: what leaves the client then, and what does not.

use std::{sync::Arc, time::Duration};

use valetkey::{
    Advice, Client, ErrorKind, Reason,
    seal::{SealingKey, SealingKeys},
};
use valetkey_proto::random::{RandomFailed, SecureRandom};
use valetkey_testkit::{Fault, Place, Provider, block_on, fault, faults};

use crate::{builder, client, get, sign_in};

/// Just longer than metadata is used without asking again.
const LATER: Duration = Duration::from_secs(601);

#[test]
fn s_net_03_no_redirect_is_followed_with_anything() {
    let places = [Place::Metadata, Place::Token, Place::Resource];
    let is_here = |fault: &&Fault| fault.name.contains("-redirect-") && places.contains(&fault.at);
    let rows: Vec<_> = faults().filter(is_here).collect();
    assert!(rows.len() >= 20, "{}", rows.len());
    for fault in rows {
        let provider = Provider::builder().fault(*fault).build();
        let outcome = block_on(async {
            let client = builder(&provider).build().await?;
            let (url, pending) = client.authorize().start().await?;
            let session = client.redeem(pending, provider.visit(&url).unwrap()).await?;
            session.send(get(provider.api("me"))).await
        });
        match fault.at {
            // To whoever calls an API, a redirect is an answer.
            Place::Resource => assert!(outcome.unwrap().status().is_redirection(), "{}", fault.name),
            _ => assert_eq!(outcome.unwrap_err().reason(), Reason::UnexpectedRedirect, "{}", fault.name),
        }
        assert_eq!(provider.count(fault.at), 1, "{}", fault.name);
        let seen = provider.transcript();
        assert_eq!(seen.last().unwrap().place(), fault.at, "{}: nothing left after it", fault.name);
    }
}

#[test]
fn s_net_08_what_a_program_sets_cannot_inject() {
    let provider = Provider::new();
    for hostile in ["a\r\nb: c", "a\0b", "a\u{2028}b", "a\"b", "a\\b", "a&scope=all", "a%0d%0ab", "ä b"] {
        let plain = || Client::builder(provider.clone()).random(provider.random());
        let url = format!("https://issuer.test/{hostile}");
        let is_url = hostile.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte));
        let set = || plain().discover("https://issuer.test").id("app");
        if !is_url {
            for builder in [set().discover(&url), set().redirect_uri(&url)] {
                assert_eq!(block_on(builder.build()).unwrap_err().kind(), ErrorKind::Config, "{hostile:?}");
            }
        }
        let host = format!("https://{hostile}.test/");
        assert!(is_url || block_on(set().api(&host).build()).is_err(), "{hostile:?}");

        let client =
            block_on(set().secret("app-secret").redirect_uri("https://client.test/cb").build()).unwrap();
        let (url, _) = block_on(client.authorize().parameter(hostile, hostile).start()).unwrap();
        assert!(url.as_str().bytes().all(|byte| byte.is_ascii_graphic()), "{url}");
        assert!(!url.as_str().contains("&scope="), "{url}");
        // The provider refuses what it does not know; what counts is how it came.
        let mark = provider.mark();
        let session = client.client_credentials().parameter(hostile, hostile).session().unwrap();
        drop(block_on(session.tokens()));
        let sent = provider.requests_since(mark);
        assert_eq!((sent[0].place(), sent[0].param(hostile)), (Place::Token, Some(hostile)));
        assert_eq!((sent[0].form().len(), sent[0].query().len()), (2, 0), "{hostile:?}");
    }
}

/// A source of randomness that has none to give.
#[derive(Debug)]
struct Dry;

impl SecureRandom for Dry {
    fn fill(&self, _: &mut [u8]) -> Result<(), RandomFailed> {
        Err(RandomFailed::new())
    }
}

#[test]
fn s_net_09_without_randomness_no_user_is_sent_away() {
    let provider = Provider::new();
    let keys = SealingKeys::new(SealingKey::new([7; 32]));
    let well = client(&provider);
    let dry = block_on(builder(&provider).sealing_keys(keys).random(Arc::new(Dry)).build()).unwrap();
    let mark = provider.mark();
    let error = block_on(dry.authorize().start()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::RandomFailed));
    let (_, pending) = block_on(well.authorize().start()).unwrap();
    assert_eq!(dry.seal(pending).unwrap_err().reason(), Reason::RandomFailed);
    provider.assert_quiet_since(mark);
}

#[test]
fn s_az_12_a_sign_in_is_ended_by_the_browser_that_began_it() {
    let provider = Provider::new();
    let keys = SealingKeys::new(SealingKey::new([7; 32]));
    let client = block_on(builder(&provider).sealing_keys(keys).build()).unwrap();
    block_on(async {
        let (attackers_url, attackers) = client.authorize().start().await.unwrap();
        let (_, victims) = client.authorize().start().await.unwrap();
        let (_attackers_cookie, victims_cookie) =
            (client.seal(attackers).unwrap(), client.seal(victims).unwrap());
        // The victim follows the attacker's link, and comes back with the cookie of another sign-in or none.
        let callback = provider.visit(&attackers_url).unwrap();
        let mark = provider.mark();
        let pending = client.unseal(victims_cookie.expose()).unwrap();
        assert_eq!(client.redeem(pending, &callback).await.unwrap_err().reason(), Reason::StateMismatch);
        assert_eq!(client.unseal("").unwrap_err().reason(), Reason::SealBroken);
        provider.assert_quiet_since(mark);
    });
}

#[test]
fn s_tk_16_a_refresh_token_goes_to_its_issuer_alone() {
    for name in ["metadata-issuer-other-host", "metadata-token-endpoint-http", "metadata-redirect-307"] {
        let provider = Provider::new();
        let session = sign_in(&client(&provider), &provider).unwrap();
        provider.advance(LATER);
        provider.set_fault(fault(name));
        let tokens = provider.count(Place::Token);
        let error = block_on(session.refresh()).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Untrusted | ErrorKind::Protocol), "{name}: {error}");
        assert_eq!((provider.count(Place::Token), provider.count(Place::Elsewhere)), (tokens, 0), "{name}");
        // The token was not used, so that it is good once the document is.
        provider.clear_faults();
        provider.advance(Duration::from_secs(2));
        block_on(session.refresh()).unwrap();
    }
}

#[test]
fn s_tk_17_a_refused_refresh_is_one_request_and_no_loop() {
    let provider = Provider::new();
    let session = sign_in(&client(&provider), &provider).unwrap();
    let tokens = block_on(session.tokens()).unwrap();
    provider.set_fault(fault("invalid-grant"));
    let mark = provider.mark();
    for hours in [0, 1, 100] {
        let error = block_on(session.refresh()).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::RefreshDenied));
        assert_eq!(error.advice(), Advice::Reauthorize);
        provider.advance(Duration::from_secs(hours));
    }
    assert_eq!(provider.requests_since(mark).len(), 1, "asked once, and never again");
    assert_eq!(block_on(session.tokens()).unwrap(), tokens, "what is there may still be good");
}

#[test]
fn t6_a_refresh_sends_what_a_refresh_is_made_of() {
    let provider = Provider::new();
    let session = sign_in(&client(&provider), &provider).unwrap();
    let request = http::Request::post(provider.api("me")).header("content-type", "application/json");
    let request = request.body(bytes::Bytes::from_static(b"{\"secret\":\"of the call\"}")).unwrap();
    drop(block_on(session.send(request)));
    let mark = provider.mark();
    block_on(session.refresh()).unwrap();
    let sent = provider.requests_since(mark);
    let names: Vec<_> = sent[0].form().iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((sent.len(), names), (1, vec!["grant_type", "refresh_token"]));
}
