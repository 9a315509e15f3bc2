//! Tokens for named APIs and details, and an API that wants more.

use bytes::Bytes;
use http::StatusCode;
use valetkey::{
    Client, ErrorCode, Reason, Session,
    oauth2::{
        AuthorizationDetails, ResourceIndicator,
        grant::{AuthorizationCodeGrant, RefreshTokenGrant},
        token::TokenResponse,
    },
    secret::AccessToken,
};

use crate::{
    Server,
    access_tokens::{api, read},
    description::{Flow, Quirk, Resource},
};

/// No server has it.
const UNKNOWN: &str = "https://unknown.example/api";

/// Signs a user in for this resource, if there is one, and these details.
async fn sign_in(
    server: &Server,
    client: &Client,
    resource: Option<&str>,
    details: Option<AuthorizationDetails>,
) -> valetkey::Result<Session> {
    let asked = server.authorize(client, "alice");
    let asked = match resource {
        Some(resource) => asked.resource(resource),
        None => asked,
    };
    let asked = match details {
        Some(details) => asked.authorization_details(details),
        None => asked,
    };
    server.go_through(client, "alice", asked).await
}

/// The status of a path of the server.
async fn call(server: &Server, session: &Session, path: &str) -> valetkey::Result<http::Response<Bytes>> {
    let request = http::Request::get(format!("{}{path}", server.base)).body(Bytes::new());
    session.send(request.expect("a request")).await
}

/// Whom the server says that a token is for.
async fn audience(client: &Client, token: &AccessToken) -> Vec<String> {
    let said = client.introspect(token).await.expect("an answer");
    said.active().expect("a good token").audience().map(str::to_owned).collect()
}

/// Demands a token for this resource alone, of its format.
async fn is_for(server: &Server, client: &Client, token: &AccessToken, resource: &Resource) {
    if resource.algorithm.is_some() {
        let claims = read(&api(server, &resource.name).await, token.expose()).await;
        assert!(claims.expect("a good token").audience().eq([&*resource.name]));
    } else {
        assert_ne!(token.expose().split('.').count(), 3, "{} has opaque tokens", resource.name);
        assert_eq!(audience(client, token).await, [&*resource.name]);
    }
}

#[tokio::test]
async fn s_ri_01_servers_give_tokens_for_the_api_that_is_named() {
    for (server, known) in Server::each(Flow::ResourceIndicators) {
        let client = server.known(known).build().await.expect("discovery");
        for resource in &server.description.resources {
            println!("{server}: {}", resource.name);
            let session = sign_in(&server, &client, Some(&resource.name), None).await.expect("a sign-in");
            let tokens = session.tokens().await.expect("tokens");
            is_for(&server, &client, tokens.access_token(), resource).await;
            // The name is none of the client's APIs: it is sent to those that the program said.
            if let Some(path) = &resource.api {
                let answer = call(&server, &session, path).await.expect("an answer");
                assert_eq!(answer.status(), StatusCode::OK);
            }
            let renewed = session.refresh().await.expect("a renewal");
            is_for(&server, &client, renewed.access_token(), resource).await;
        }
    }
}

#[tokio::test]
async fn s_ri_01_servers_refuse_an_api_that_they_do_not_know() {
    for (server, known) in Server::each(Flow::ResourceIndicators) {
        let client = server.known(known).build().await.expect("discovery");
        let error = sign_in(&server, &client, Some(UNKNOWN), None).await.expect_err("an unknown API");
        assert_eq!(error.reason(), Reason::AuthorizationDenied);
        assert_eq!(error.response().expect("an error").code(), &ErrorCode::InvalidTarget);
    }
    for (server, known) in Server::each(Flow::AccessTokens) {
        let service = server.known(known).build().await.expect("discovery");
        let own = service.client_credentials().resource(UNKNOWN).session().expect("a session");
        let error = own.tokens().await.expect_err("an unknown API");
        assert_eq!(error.response().expect("an error").code(), &ErrorCode::InvalidTarget);
    }
}

#[tokio::test]
async fn s_ri_01_one_sign_in_for_two_apis_gives_a_token_for_each() {
    for (server, known) in Server::each(Flow::ResourceIndicators) {
        let [one, other, ..] = &*server.description.resources else {
            println!("skipped: {server} has one resource");
            continue;
        };
        let client = server.known(known).build().await.expect("discovery");
        let asked = server.authorize(&client, "alice").resource(&one.name).resource(&other.name);
        let (url, pending) = asked.clone().start().await.expect("a URL");
        let callback = server.visit(url.as_str()).await;
        // A server may make tokens for one API each (RFC 8707 §2.2): the code's, and another by the refresh token.
        let metadata = client.server().await.expect("metadata");
        let resource = |of: &Resource| ResourceIndicator::parse(&of.name).expect("a resource");
        let received = pending.receive(callback).expect("a code");
        assert_eq!(received.requested().resources(), [resource(one), resource(other)]);
        let grant = AuthorizationCodeGrant::new(&metadata, received).expect("a grant");
        let grant = grant.with_resource(resource(one)).expect("a grant");
        let first: TokenResponse = client.call(grant).await.expect("tokens");
        is_for(&server, &client, first.access_token(), one).await;
        let refresh_token = first.refresh_token().expect("a refresh token").clone();
        let grant = RefreshTokenGrant::new(&metadata, refresh_token).expect("a grant");
        let grant = grant.with_resource(resource(other)).expect("a grant");
        let second: TokenResponse = client.call(grant).await.expect("tokens");
        is_for(&server, &client, second.access_token(), other).await;

        let both = server.go_through(&client, "alice", asked).await.expect("a sign-in");
        let both = audience(&client, both.tokens().await.expect("tokens").access_token()).await;
        if server.has(Quirk::NoTokenForTwoResources) {
            // Nobody but the server can know.
            assert!(both.is_empty(), "{both:?}");
        } else {
            assert!(both.contains(&one.name) && both.contains(&other.name), "{both:?}");
        }
    }
}

#[tokio::test]
async fn rar_servers_grant_details_and_say_so() {
    for (server, known) in Server::each(Flow::AuthorizationDetails) {
        let described = server.description.authorization_details.as_ref().expect("it is described");
        let details = |json| AuthorizationDetails::parse(json).expect("it was looked at");
        let (granted, refused) = (details(&described.granted), details(&described.refused));
        let resource = described.resource.as_deref();
        let client = server.known(known).build().await.expect("discovery");
        let kinds = client.server().await.expect("metadata").authorization_details_types();
        let kinds = kinds.expect("the server says which it knows");
        assert!(!granted.is_empty() && granted.iter().all(|one| kinds.iter().any(|kind| kind == one.kind())));

        let session = sign_in(&server, &client, resource, Some(granted.clone())).await.expect("a sign-in");
        let tokens = session.tokens().await.expect("tokens");
        assert_eq!(tokens.authorization_details(), Some(&granted));
        let said = client.introspect(tokens.access_token()).await.expect("an answer");
        let said = said.active().expect("a good token").authorization_details().expect("details");
        assert_eq!(said.as_ref(), Some(&granted));

        let error = sign_in(&server, &client, resource, Some(refused)).await.expect_err("a refusal");
        assert_eq!(error.response().expect("an error").code(), &ErrorCode::InvalidAuthorizationDetails);
    }
}

#[tokio::test]
async fn s_tk_22_apis_want_another_scope_and_get_it() {
    for (server, known) in Server::each(Flow::StepUp) {
        let step_up = server.description.step_up.as_ref().expect("it is described");
        let client = server.known(known).build().await.expect("discovery");
        let mut session = server.sign_in(&client, "alice").await.expect("a sign-in");
        let mut response = call(&server, &session, &step_up.api).await.expect("an answer");
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        let mut trips = 0;
        while let Some(next) = session.step_up(&response).expect("a step-up") {
            let next = server.describe(next, "alice");
            session = server.go_through(&client, "alice", next).await.expect("a sign-in");
            response = call(&server, &session, &step_up.api).await.expect("an answer");
            trips += 1;
        }
        assert_eq!((trips, response.status()), (1, StatusCode::OK));
        // What was there before still is.
        assert_eq!(server.call_api(&session).await, StatusCode::OK);
        if let Some(subject) = &server.user("alice").subject {
            assert_eq!(session.identity().expect("an identity").subject(), subject);
        }
        assert!(session.tokens().await.expect("tokens").refresh_token().is_some());

        // One that the server does not have is asked for once, and then no more.
        let response = call(&server, &session, &step_up.unknown).await.expect("an answer");
        let next = session.step_up(&response).expect("a step-up").expect("a demand");
        match server.go_through(&client, "alice", server.describe(next, "alice")).await {
            Ok(session) => {
                let response = call(&server, &session, &step_up.unknown).await.expect("an answer");
                let futile = session.step_up(&response).expect_err("a refusal");
                assert_eq!(futile.reason(), Reason::StepUpFutile);
            }
            Err(error) => assert_eq!(error.response().expect("an error").code(), &ErrorCode::InvalidScope),
        }
    }
}
