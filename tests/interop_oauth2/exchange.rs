//! Tokens for tokens (RFC 8693).

use http::StatusCode;
use valetkey::{
    Client, ErrorCode, ErrorKind, Reason, Session,
    oauth2::grant::{TokenTypeIdentifier, TypedToken},
    secret::Secret,
};

use crate::{
    Server,
    description::{Exchange, Flow, Quirk},
};

/// A client of the description, by its name.
async fn named(server: &Server, name: &str) -> Client {
    server.known(&server.description.clients[name]).build().await.expect("discovery")
}

/// What the server exchanges, and the user whose token it is.
async fn subject(server: &Server) -> (&'static Exchange, Session) {
    let exchange = server.description.exchange.as_ref().expect("it is described");
    let client = named(server, &exchange.subject).await;
    (exchange, server.sign_in(&client, "alice").await.expect("a sign-in"))
}

#[tokio::test]
async fn s_tx_01_servers_exchange_a_users_token_for_another() {
    for (server, known) in Server::each(Flow::Exchange) {
        let (described, user) = subject(&server).await;
        let client = server.known(known).build().await.expect("discovery");
        let exchange = client.exchange(user.clone()).requested_token_type(TokenTypeIdentifier::AccessToken);
        let mut exchange = exchange.scope("api:read");
        if let Some(actor) = &described.actor {
            let actor = named(&server, actor).await.client_credentials().session();
            exchange = exchange.actor(actor.expect("a confidential client"));
        }
        let exchange =
            described.audiences.iter().fold(exchange, |exchange, audience| exchange.audience(audience));

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
}

#[tokio::test]
async fn servers_exchange_nothing_that_they_do_not_know() {
    for (server, known) in Server::each(Flow::Exchange) {
        let client = server.known(known).build().await.expect("discovery");
        let token = |token_type| TypedToken::new(Secret::new("not-a-token"), token_type);
        let unknown = if server.has(Quirk::UnknownTokenIsInvalidGrant) {
            ErrorCode::InvalidGrant
        } else {
            ErrorCode::InvalidRequest
        };
        for (subject, code) in [
            (token(TokenTypeIdentifier::AccessToken), unknown),
            (token(TokenTypeIdentifier::Saml2), ErrorCode::InvalidRequest),
        ] {
            let error = client.exchange(subject).once().await.expect_err("it is not known");
            assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::RequestDenied));
            assert_eq!(error.response().map(|refused| refused.code().clone()), Some(code));
        }
        let (_, user) = subject(&server).await;
        let other = TokenTypeIdentifier::Other("urn:example:no-token-type".into());
        let error = client.exchange(user).requested_token_type(other).once().await.expect_err("no such type");
        assert_eq!(error.response().map(|refused| refused.code().clone()), Some(ErrorCode::InvalidRequest));
    }
}
