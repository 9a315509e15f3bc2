//! Tokens that are given back.

use http::StatusCode;
use valetkey::{
    ErrorKind, Reason,
    secret::{RefreshToken, Secret},
};

use crate::{Server, description::Flow};

#[tokio::test]
async fn s_rv_01_and_al_8_servers_revoke_both_tokens() {
    for (server, client) in Server::each(Flow::Revocation) {
        let client = server.known(client).build().await.expect("discovery");
        let session = server.sign_in(&client, "alice").await.expect("a sign-in");
        let (record, tokens) = (session.record().expect("tokens"), session.tokens().await.expect("tokens"));
        assert_eq!(server.show(tokens.access_token()).await, StatusCode::OK);
        session.revoke().await.expect("an end");
        assert_eq!(server.show(tokens.access_token()).await, StatusCode::UNAUTHORIZED);
        let kept = client.restore(record).expect("this client's");
        let error = kept.refresh().await.expect_err("the refresh token is gone, too");
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::RefreshDenied));
        // What is gone, or never was, is no error.
        client.revoke(tokens.access_token()).await.expect("it is gone");
        client.revoke(Secret::new("nobody's")).await.expect("it never was");
        client.revoke(&RefreshToken::new("nobody's")).await.expect("it never was");
    }
}
