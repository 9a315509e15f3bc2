//! Tokens that are given back.

use bytes::Bytes;
use http::StatusCode;
use valetkey::{
    ClientBuilder, ErrorKind, Reason,
    oauth2::client::ClientAuth,
    secret::{RefreshToken, Secret},
};
use valetkey_http::Limits;

use crate::{SECRET, Server};

/// The status of an API for this token.
async fn shown(server: &Server, path: &str, token: &http::HeaderValue) -> StatusCode {
    let request = http::Request::get(format!("{}{path}", server.issuer));
    let request = request.header("authorization", token).body(Bytes::new()).expect("a request");
    server.backend.send(request, Limits::default()).await.expect("an answer").status()
}

async fn ends_a_session(server: &Server, client: ClientBuilder, api: &str) {
    let client = client.build().await.expect("discovery");
    let session = server.sign_in(&client, "alice").await.expect("a sign-in");
    let (record, tokens) = (session.record().expect("tokens"), session.tokens().await.expect("tokens"));
    assert_eq!(shown(server, api, tokens.access_token().header()).await, StatusCode::OK);
    session.revoke().await.expect("an end");
    assert_eq!(shown(server, api, tokens.access_token().header()).await, StatusCode::UNAUTHORIZED);
    let kept = client.restore(record).expect("this client's");
    let error = kept.refresh().await.expect_err("the refresh token is gone, too");
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::RefreshDenied));
    // What is gone, or never was, is no error.
    client.revoke(tokens.access_token()).await.expect("it is gone");
    client.revoke(Secret::new("nobody's")).await.expect("it never was");
    client.revoke(&RefreshToken::new("nobody's")).await.expect("it never was");
}

#[tokio::test]
async fn s_rv_01_and_al_8_oidc_provider_revokes_both_tokens() {
    let Some(server) = Server::oidc_provider() else { return };
    ends_a_session(&server, server.client("basic").secret(SECRET), "/api/whoami").await;
    ends_a_session(&server, server.client("public").auth(ClientAuth::none()), "/api/whoami").await;
}

#[tokio::test]
async fn s_rv_01_and_al_8_authlib_revokes_both_tokens() {
    let Some(server) = Server::authlib() else { return };
    ends_a_session(&server, server.client("post").auth(ClientAuth::secret_post(SECRET)), "/oauth2/api").await;
}
