//! Tokens for tokens (RFC 8693) of oidc-provider.

use http::StatusCode;
use valetkey::{
    Client, ErrorCode, ErrorKind, Reason,
    oauth2::grant::{TokenTypeIdentifier, TypedToken},
    secret::Secret,
};

use crate::{SECRET, Server};

async fn exchanging(server: &Server) -> Client {
    server.client("exchange").secret(SECRET).build().await.expect("discovery")
}

#[tokio::test]
async fn s_tx_01_oidc_provider_exchanges_a_users_token_for_another() {
    let Some(server) = Server::oidc_provider() else { return };
    let user = server.client("basic").secret(SECRET).build().await.expect("discovery");
    let user = server.sign_in(&user, "alice").await.expect("a sign-in");
    let client = exchanging(&server).await;
    let own = client.client_credentials().session().expect("a confidential client");
    let exchange = client
        .exchange(user.clone())
        .actor(own)
        .requested_token_type(TokenTypeIdentifier::AccessToken)
        .audience("urn:one")
        .audience("urn:two")
        .scope("api:read");

    let issued = exchange.once().await.expect("a token");
    assert_eq!(*issued.issued_token_type(), TokenTypeIdentifier::AccessToken);
    assert!(issued.tokens().is_some() && issued.expires_at().is_some());
    let before = user.tokens().await.expect("tokens");
    assert_ne!(issued.token().expose(), before.access_token().expose());

    let session = exchange.session().expect("a session");
    assert_eq!(server.call_api(&session).await, StatusCode::OK);
    // The user's token is another one by then.
    user.refresh().await.expect("a renewal");
    session.refresh().await.expect("another exchange");
    assert_eq!(server.call_api(&session).await, StatusCode::OK);
}

#[tokio::test]
async fn oidc_provider_exchanges_nothing_that_it_does_not_know() {
    let Some(server) = Server::oidc_provider() else { return };
    let client = exchanging(&server).await;
    let token = |token_type| TypedToken::new(Secret::new("not-a-token"), token_type);
    for (subject, code) in [
        (token(TokenTypeIdentifier::AccessToken), ErrorCode::InvalidGrant),
        (token(TokenTypeIdentifier::Saml2), ErrorCode::InvalidRequest),
    ] {
        let error = client.exchange(subject).once().await.expect_err("it is not known");
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::RequestDenied));
        assert_eq!(error.response().map(|refused| refused.code().clone()), Some(code));
    }
    let own = client.client_credentials().session().expect("a confidential client");
    let jwt = client.exchange(own).requested_token_type(TokenTypeIdentifier::Jwt);
    let error = jwt.once().await.expect_err("no such type");
    assert_eq!(error.response().map(|refused| refused.code().clone()), Some(ErrorCode::InvalidRequest));
}
