//! APIs that want more than the session's token has: the user is asked, and not for ever.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use valetkey::{
    BoxError, Client, ErrorKind, Reason, Result, Session, TokenKeeper, TokenRecord, blocking,
    oauth2::step_up::Operation,
    seal::{SealingKey, SealingKeys},
};
use valetkey_http::Response;
use valetkey_testkit::{OpenId, Place, Provider, block_on};

use crate::{builder, get};

fn provider() -> Provider {
    Provider::builder().openid(OpenId::new()).build()
}

fn client(provider: &Provider) -> Client {
    let keys = SealingKeys::new(SealingKey::new([7; 32]));
    block_on(builder(provider).sealing_keys(keys).build()).expect("the provider is well")
}

async fn sign_in(client: &Client, provider: &Provider, scope: &str) -> Session {
    let (url, pending) = client.authorize().scope(scope).start().await.unwrap();
    client.redeem(pending, &provider.visit(&url).unwrap()).await.unwrap()
}

/// Asks an API until it is content, as a program does; says how often the user was sent away. The sign-in is kept in a cookie.
async fn call(
    client: &Client,
    provider: &Provider,
    session: &mut Session,
    query: &str,
) -> (u32, Result<Response>) {
    let url = provider.api(&format!("demanding?{query}"));
    for trips in 0..10 {
        let response = session.send(get(&url)).await.unwrap();
        let next = match session.step_up(&response) {
            Ok(Some(next)) => next,
            Ok(None) => return (trips, Ok(response)),
            Err(error) => return (trips, Err(error)),
        };
        let (url, pending) = next.start().await.unwrap();
        let cookie = client.seal(pending).unwrap();
        let pending = client.unseal(cookie.expose()).unwrap();
        *session = client.redeem(pending, &provider.visit(&url).unwrap()).await.unwrap();
        // A program that keeps its sessions in a store has another one for each request.
        let kept = session.record().unwrap().to_text();
        *session = client.restore(TokenRecord::parse(kept.expose()).unwrap()).unwrap();
    }
    panic!("a loop");
}

#[test]
fn s_tk_22_another_scope_is_asked_for_and_the_old_one_kept() {
    let provider = Provider::new();
    let client = client(&provider);
    block_on(async {
        let mut session = sign_in(&client, &provider, "read").await;
        let (trips, answer) = call(&client, &provider, &mut session, "scope=write").await;
        assert_eq!((trips, answer.unwrap().body().as_ref()), (1, &br#"{"scope":"read write"}"#[..]));
        // An answer that wants nothing is no demand.
        let fine = session.send(get(provider.api("me"))).await.unwrap();
        assert!(session.step_up(&fine).unwrap().is_none());
    });
}

#[test]
fn s_tk_22_another_authentication_is_asked_for_and_no_token_renewed_for_it() {
    let provider = provider();
    let client = client(&provider);
    block_on(async {
        let mut session = sign_in(&client, &provider, "openid read").await;
        provider.advance(Duration::from_secs(400));
        let tokens = provider.count(Place::Token);
        let refused = session.send(get(provider.api("demanding?acr_values=phr&max_age=300"))).await.unwrap();
        assert_eq!(refused.status(), 401);
        assert_eq!(provider.count(Place::Token), tokens, "the token is not expired");

        let (trips, answer) = call(&client, &provider, &mut session, "acr_values=phr&max_age=300").await;
        assert_eq!((trips, answer.unwrap().status().as_u16()), (1, 200));
        let user = session.identity().unwrap();
        assert_eq!((user.subject(), user.acr().as_deref()), ("alice", Some("phr")));
        // Who is asked for a scope later is authenticated no less.
        let (trips, answer) = call(&client, &provider, &mut session, "acr_values=phr&scope=admin").await;
        assert_eq!((trips, answer.unwrap().status().as_u16()), (1, 200));
        assert_eq!(session.identity().unwrap().acr().as_deref(), Some("phr"));
    });
}

#[test]
fn s_tk_22_an_api_that_is_never_content_ends_in_an_error() {
    for (query, trips, reason) in [
        ("scope=write&always=1", 1, Reason::StepUpFutile),
        ("scope=read&always=1", 0, Reason::StepUpFutile),
        ("acr_values=phr&always=1", 1, Reason::StepUpFutile),
        ("acr_values=unheard-of", 1, Reason::AuthenticationMismatch),
        ("acr_values=unheard-of+phr&max_age=0&always=1", 2, Reason::StepUpExhausted),
        ("max_age=0&always=1", 2, Reason::StepUpExhausted),
    ] {
        let provider = provider();
        let client = client(&provider);
        block_on(async {
            let mut session = sign_in(&client, &provider, "openid read").await;
            let (asked, outcome) = call(&client, &provider, &mut session, query).await;
            let error = outcome.expect_err(query);
            assert_eq!((error.kind(), error.reason(), asked), (ErrorKind::Denied, reason, trips), "{query}");
            // The session is as good as before elsewhere.
            assert_eq!(session.send(get(provider.api("me"))).await.unwrap().status(), 200);
        });
    }
}

#[test]
fn s_tk_22_alternating_demands_of_one_operation_end_too() {
    let provider = provider();
    let client = client(&provider);
    block_on(async {
        let mut session = sign_in(&client, &provider, "openid").await;
        let mut trips = 0;
        for round in 0..10 {
            // The query is no part of the operation.
            let query = [format!("scope=s{round}&always=1"), "max_age=0&always=1".to_owned()];
            let url = provider.api(&format!("demanding?{}", query[round % 2]));
            let response = session.send(get(url)).await.unwrap();
            assert_eq!(response.status(), [403, 401][round % 2]);
            match session.step_up(&response) {
                Ok(next) => {
                    let (url, pending) = next.expect("a demand").start().await.unwrap();
                    session = client.redeem(pending, &provider.visit(&url).unwrap()).await.unwrap();
                    trips += 1;
                }
                Err(error) => assert_eq!(error.reason(), Reason::StepUpExhausted),
            }
        }
        assert_eq!(trips, 2);
        // Another operation has rounds of its own.
        let other = session.send(get(provider.api("demanding/other?scope=write"))).await.unwrap();
        assert!(session.step_up(&other).unwrap().is_some());
        // A sign-in of the program's own begins anew.
        let session = sign_in(&client, &provider, "openid").await;
        let response = session.send(get(provider.api("demanding?scope=write"))).await.unwrap();
        assert!(session.step_up(&response).unwrap().is_some());
    });
}

/// Keeps the last record in memory.
#[derive(Clone, Default)]
struct Shelf(Arc<Mutex<String>>);

#[async_trait::async_trait]
impl TokenKeeper for Shelf {
    async fn keep(&self, record: &TokenRecord) -> Result<(), BoxError> {
        record.to_text().expose().clone_into(&mut self.0.lock().unwrap());
        Ok(())
    }
}

#[test]
fn s_tk_22_what_succeeds_may_be_asked_for_again_another_time() {
    let provider = provider();
    let client = client(&provider);
    let shelf = Shelf::default();
    block_on(async {
        let mut session = sign_in(&client, &provider, "openid").await;
        // Five payments, each of which wants the user to have signed in within a minute.
        for payment in 0..5 {
            provider.advance(Duration::from_secs(61));
            let response = session.send(get(provider.api("demanding?max_age=60"))).await.unwrap();
            let next = session.step_up(&response).unwrap().unwrap_or_else(|| panic!("payment {payment}"));
            let (url, pending) = next.start().await.unwrap();
            session = client.redeem(pending, &provider.visit(&url).unwrap()).await.unwrap();
            session.keep(shelf.clone()).await.unwrap();
            assert!(shelf.0.lock().unwrap().contains("step_ups"));
            let response = session.send(get(provider.api("demanding?max_age=60"))).await.unwrap();
            assert_eq!(response.status(), 200);
            let kept = TokenRecord::parse(&shelf.0.lock().unwrap()).unwrap();
            assert!(!kept.tokens().requested().was_stepped_up(), "the keeper was told");
            session = client.restore(kept).unwrap();
        }
    });
}

#[test]
fn s_tk_22_answers_to_requests_of_ones_own_are_noted_or_counted_as_one() {
    let provider = provider();
    let client = client(&provider);
    let response = |name: &str| {
        let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{name}\"");
        let response = http::Response::builder().status(403).header("www-authenticate", challenge);
        response.body(Bytes::new()).unwrap()
    };
    block_on(async {
        let mut session = sign_in(&client, &provider, "openid").await;
        let mut noted = response("a");
        session.note(&http::Method::GET, &"https://issuer.test/a".parse().unwrap(), &mut noted).await;
        assert!(noted.extensions().get::<Operation>().is_some());
        for (name, asks) in [("a", true), ("b", true), ("c", false)] {
            let next = session.step_up(&response(name));
            assert_eq!(next.is_ok(), asks, "{name}");
            let Ok(Some(next)) = next else { continue };
            let (url, pending) = next.start().await.unwrap();
            session = client.redeem(pending, &provider.visit(&url).unwrap()).await.unwrap();
        }
        assert!(session.step_up(&noted).unwrap_err().reason() == Reason::StepUpFutile, "a was granted");
        // What an API says wrongly is its error, and a program in its own name has no user.
        let mut wrong = response("x");
        wrong
            .headers_mut()
            .insert("www-authenticate", "Bearer error=insufficient_scope, max_age=-1".parse().unwrap());
        let error = session.step_up(&wrong).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Protocol, Reason::Malformed));
        let own = client.client_credentials().session().unwrap();
        assert_eq!(own.step_up(&response("a")).unwrap_err().reason(), Reason::OutOfTurn);
        // What the API demands is not said otherwise.
        let next = session.step_up(&response("d")).unwrap_err();
        assert_eq!(next.reason(), Reason::StepUpExhausted);
        let session = sign_in(&client, &provider, "openid").await;
        let next = session.step_up(&response("d")).unwrap().unwrap();
        assert_eq!(next.scope("openid").start().await.unwrap_err().reason(), Reason::ReservedParameter);
    });
}

#[test]
fn without_async_a_step_up_is_a_sign_in_too() {
    let provider = Provider::new();
    let client = blocking::Client::from(client(&provider));
    let (url, pending) = client.authorize().scope("read").start().unwrap();
    let session = client.redeem(pending, provider.visit(&url).unwrap()).unwrap();
    let response = session.send(get(provider.api("admin"))).unwrap();
    let (url, pending) = session.step_up(&response).unwrap().expect("a demand").start().unwrap();
    let session = client.redeem(pending, provider.visit(&url).unwrap()).unwrap();
    let mut response = session.send(get(provider.api("admin"))).unwrap();
    assert_eq!(response.status(), 200);
    session.note(&http::Method::GET, &"https://issuer.test/api/admin".parse().unwrap(), &mut response);
}
