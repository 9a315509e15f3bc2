//! Tokens for named APIs and details, and an API that wants more, at oidc-provider.

use bytes::Bytes;
use http::StatusCode;
use valetkey::{
    Client, ErrorCode, Reason, Session,
    oauth2::{
        AuthorizationDetail, AuthorizationDetails, ResourceIndicator,
        authorization::Callback,
        grant::{AuthorizationCodeGrant, RefreshTokenGrant},
        token::{TokenResponse, TokenSet},
    },
};

use crate::{SECRET, Server};

const OPAQUE: &str = "https://api.example.com/opaque";
const JWT: &str = "https://api.example.com/es256";

async fn client(server: &Server) -> Client {
    server.client("basic").secret(SECRET).build().await.expect("discovery")
}

fn payment(amount: Option<&str>) -> AuthorizationDetails {
    let payment = AuthorizationDetail::new("payment_initiation").expect("a type").with_action("initiate");
    let payment = match amount {
        Some(amount) => payment.with_json("instructedAmount", amount).expect("JSON"),
        None => payment,
    };
    AuthorizationDetails::new().with(payment).expect("not many")
}

async fn sign_in(
    server: &Server,
    client: &Client,
    resource: &str,
    details: Option<AuthorizationDetails>,
) -> valetkey::Result<Session> {
    let asked = client.authorize().scope("openid offline_access api:read").resource(resource);
    let asked = asked.parameter("prompt", "consent").parameter("login_hint", "alice");
    let asked = match details {
        Some(details) => asked.authorization_details(details),
        None => asked,
    };
    let (url, pending) = asked.start().await?;
    client.redeem(pending, server.visit(url.as_str()).await).await
}

/// Whether it has the form of a JWT.
fn is_jwt(tokens: &TokenSet) -> bool {
    tokens.access_token().expose().split('.').count() == 3
}

/// Whom the server says that a token is for.
async fn audience(client: &Client, tokens: &TokenSet) -> Vec<String> {
    let said = client.introspect(tokens.access_token()).await.expect("an answer");
    said.active().expect("a good token").audience().map(str::to_owned).collect()
}

#[tokio::test]
async fn s_ri_01_oidc_provider_gives_tokens_for_the_api_that_is_named() {
    let Some(server) = Server::oidc_provider() else { return };
    let client = client(&server).await;
    let session = sign_in(&server, &client, OPAQUE, None).await.expect("a sign-in");
    let tokens = session.tokens().await.expect("tokens");
    assert!(!is_jwt(&tokens));
    assert_eq!(audience(&client, &tokens).await, [OPAQUE]);
    // The name is none of the client's APIs: it is sent to those that the program said.
    assert_eq!(server.call_api(&session).await, StatusCode::OK);
    let renewed = session.refresh().await.expect("a renewal");
    assert_eq!(audience(&client, &renewed).await, [OPAQUE]);

    for resource in ["rs256", "es256", "eddsa"] {
        let resource = format!("https://api.example.com/{resource}");
        let session = sign_in(&server, &client, &resource, None).await.expect("a sign-in");
        assert!(is_jwt(&session.tokens().await.expect("tokens")), "{resource}");
        assert!(is_jwt(&session.refresh().await.expect("a renewal")), "{resource}");
    }
    let service = server.client("m2m").secret(SECRET).build().await.expect("discovery");
    let own = service.client_credentials().scope("api:read").resource(JWT).session().expect("a session");
    assert!(is_jwt(&own.tokens().await.expect("tokens")));
}

#[tokio::test]
async fn s_ri_01_oidc_provider_refuses_an_api_that_it_does_not_know() {
    let Some(server) = Server::oidc_provider() else { return };
    let client = client(&server).await;
    let unknown = "https://api.example.com/unknown";
    let error = sign_in(&server, &client, unknown, None).await.expect_err("an unknown API");
    assert_eq!(error.reason(), Reason::AuthorizationDenied);
    assert_eq!(error.response().expect("an error").code(), &ErrorCode::InvalidTarget);
    let service = server.client("m2m").secret(SECRET).build().await.expect("discovery");
    let own = service.client_credentials().resource(unknown).session().expect("a session");
    let error = own.tokens().await.expect_err("an unknown API");
    assert_eq!(error.response().expect("an error").code(), &ErrorCode::InvalidTarget);
}

#[tokio::test]
async fn s_ri_01_one_sign_in_at_oidc_provider_for_two_apis_gives_a_token_for_each() {
    let Some(server) = Server::oidc_provider() else { return };
    let client = client(&server).await;
    let asked = client.authorize().scope("openid offline_access api:read").resource(OPAQUE).resource(JWT);
    let asked = asked.parameter("prompt", "consent").parameter("login_hint", "alice");
    let (url, pending) = asked.clone().start().await.expect("a URL");
    let callback: Callback = server.visit(url.as_str()).await;
    // This server makes a token for one API (RFC 8707 §2.2): the code's, and another by the refresh token.
    let metadata = client.server().await.expect("metadata");
    let resource = |text| ResourceIndicator::parse(text).expect("a resource");
    let received = pending.receive(callback).expect("a code");
    assert_eq!(received.requested().resources(), [resource(OPAQUE), resource(JWT)]);
    let grant =
        AuthorizationCodeGrant::new(&metadata, received).expect("a grant").with_resource(resource(OPAQUE));
    let first: TokenResponse = client.call(grant.expect("a grant")).await.expect("tokens");
    let refresh_token = first.refresh_token().expect("a refresh token").clone();
    let grant =
        RefreshTokenGrant::new(&metadata, refresh_token).expect("a grant").with_resource(resource(JWT));
    let second: TokenResponse = client.call(grant.expect("a grant")).await.expect("tokens");
    let is_jwt = |response: &TokenResponse| response.access_token().expose().split('.').count() == 3;
    assert!(!is_jwt(&first) && is_jwt(&second));

    let (url, pending) = asked.start().await.expect("a URL");
    let both = client.redeem(pending, server.visit(url.as_str()).await).await.expect("a sign-in");
    // Of a token for both, this one makes a token for neither; nobody but it can know.
    assert!(audience(&client, &both.tokens().await.expect("tokens")).await.is_empty());
}

#[tokio::test]
async fn rar_oidc_provider_grants_details_and_says_so() {
    let Some(server) = Server::oidc_provider() else { return };
    let client = client(&server).await;
    let kinds = client.server().await.expect("metadata").authorization_details_types();
    assert_eq!(kinds, Some(vec!["payment_initiation".to_owned()]));
    let details = payment(Some(r#"{"currency":"EUR","amount":"123.50"}"#));
    let session = sign_in(&server, &client, OPAQUE, Some(details.clone())).await.expect("a sign-in");
    let tokens = session.tokens().await.expect("tokens");
    assert_eq!(tokens.authorization_details(), Some(&details));
    let said = client.introspect(tokens.access_token()).await.expect("an answer");
    let granted = said.active().expect("a good token").authorization_details().expect("details");
    assert_eq!(granted.as_ref(), Some(&details));

    let error = sign_in(&server, &client, OPAQUE, Some(payment(None))).await.expect_err("no amount");
    assert_eq!(error.response().expect("an error").code(), &ErrorCode::InvalidAuthorizationDetails);
}

#[tokio::test]
async fn s_tk_22_an_api_of_oidc_provider_wants_another_scope_and_gets_it() {
    let Some(server) = Server::oidc_provider() else { return };
    let client = client(&server).await;
    let mut session = server.sign_in(&client, "alice").await.expect("a sign-in");
    let call = |scope: &str| {
        let url = format!("{}/api/whoami?scope={scope}", server.issuer);
        http::Request::get(url).body(Bytes::new()).expect("a request")
    };
    let mut response = session.send(call("api:write")).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    let mut trips = 0;
    while let Some(next) = session.step_up(&response).expect("a step-up") {
        let next = next.parameter("prompt", "consent").parameter("login_hint", "alice");
        let (url, pending) = next.start().await.expect("a URL");
        session = client.redeem(pending, server.visit(url.as_str()).await).await.expect("a sign-in");
        response = session.send(call("api:write")).await.expect("an answer");
        trips += 1;
    }
    assert_eq!((trips, response.status()), (1, StatusCode::OK));
    // What was there before still is.
    assert_eq!(server.call_api(&session).await, StatusCode::OK);
    assert_eq!(session.identity().expect("an identity").subject(), "alice");
    assert!(session.tokens().await.expect("tokens").refresh_token().is_some());

    // One that the server does not have is asked for once, and then no more.
    let response = session.send(call("nonsense")).await.expect("an answer");
    let next = session.step_up(&response).expect("a step-up").expect("a demand");
    let (url, pending) = next.parameter("prompt", "consent").start().await.expect("a URL");
    match client.redeem(pending, server.visit(url.as_str()).await).await {
        Ok(session) => {
            let response = session.send(call("nonsense")).await.expect("an answer");
            assert_eq!(session.step_up(&response).expect_err("a refusal").reason(), Reason::StepUpFutile);
        }
        Err(error) => assert_eq!(error.response().expect("an error").code(), &ErrorCode::InvalidScope),
    }
}
