//! OAuth 2.0 against real servers: oidc-provider and Authlib.
//!
//! `tests/interop/up.sh -- cargo test -p valetkey-tests --test interop_oauth2` starts them and says in the
//! environment where they are. Without, each test says that it is skipped.

#![expect(clippy::print_stdout, reason = "a skipped test says so, and a failing one how far it got")]

#[path = "interop_oauth2/access_tokens.rs"]
mod access_tokens;
#[path = "interop/backend.rs"]
mod adapter;
#[path = "interop_oauth2/assertions.rs"]
mod assertions;
#[path = "interop_oauth2/device.rs"]
mod device;
#[path = "interop_oauth2/dpop.rs"]
mod dpop;
#[path = "interop_oauth2/herd.rs"]
mod herd;
#[path = "interop_oauth2/introspection.rs"]
mod introspection;
#[path = "interop_oauth2/revocation.rs"]
mod revocation;
#[path = "interop/server.rs"]
mod server;

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use valetkey::{
    Client, ClientBuilder, ErrorCode, ErrorKind, Reason, Session,
    oauth2::{client::ClientAuth, grant::RefreshTokenGrant},
    secret::RefreshToken,
};
use valetkey_http::Limits;

use server::{Robot, SECRET, Server, WITH_NONCES, variable_of};

const SPECIAL_SECRET: &str = "p@ss:w/o+r%d &=\"?~{}";

impl Server {
    /// The status of an API that wants the scope `api:read`.
    async fn call_api(&self, session: &Session) -> StatusCode {
        let path = if self.robot == Robot::Page { "/api/whoami?scope=api:read" } else { "/oauth2/api" };
        let request =
            http::Request::get(format!("{}{path}", self.issuer)).body(Bytes::new()).expect("a request");
        session.send(request).await.expect("an answer").status()
    }
}

/// Sign-in, API, renewal, and the reuse that ends it all.
async fn whole_life(server: &Server, client: ClientBuilder) {
    let client = client.build().await.expect("discovery");
    let session = server.sign_in(&client, "alice").await.expect("a sign-in");
    assert_eq!(server.call_api(&session).await, StatusCode::OK);

    let first = session.tokens().await.expect("tokens");
    let second = session.refresh().await.expect("a renewal");
    assert_ne!(first.access_token(), second.access_token());
    let used = first.refresh_token().expect("a refresh token");
    assert_ne!(Some(used), second.refresh_token(), "the server rotates");
    assert_eq!(server.call_api(&session).await, StatusCode::OK);

    let error = reuse(&client, used).await;
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::RefreshDenied));
    assert_eq!(error.response().map(|response| response.code().clone()), Some(ErrorCode::InvalidGrant));
}

async fn reuse(client: &Client, used: &RefreshToken) -> valetkey::Error {
    let server = client.server().await.expect("metadata");
    let grant = RefreshTokenGrant::new(&server, used.clone()).expect("a token endpoint");
    client.call(grant).await.expect_err("a reuse is refused")
}

async fn refused_sign_in(server: &Server) {
    let client = server.client("basic").secret(SECRET).build().await.expect("discovery");
    let error = server.sign_in(&client, "deny").await.expect_err("the user refused");
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::AuthorizationDenied));
    assert_eq!(error.response().map(|response| response.code().clone()), Some(ErrorCode::AccessDenied));
}

async fn service(server: &Server) {
    let client = server.client("m2m").secret(SECRET).build().await.expect("discovery");
    let session = client.client_credentials().scope("api:read").session().expect("a confidential client");
    assert_eq!(server.call_api(&session).await, StatusCode::OK);
    let first = session.tokens().await.expect("tokens");
    assert_ne!(first.access_token(), session.refresh().await.expect("another").access_token());
    assert_eq!(server.call_api(&session).await, StatusCode::OK);

    let wrong = server.client("m2m").secret("wrong").build().await.expect("discovery");
    let session = wrong.client_credentials().session().expect("a confidential client");
    let error = session.tokens().await.expect_err("a wrong secret");
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::RequestDenied));
    assert_eq!(error.response().map(|response| response.code().clone()), Some(ErrorCode::InvalidClient));
}

#[tokio::test]
async fn oidc_provider_with_every_client_authentication() {
    let Some(server) = Server::oidc_provider() else { return };
    for (id, auth) in [
        ("basic", ClientAuth::secret_basic(SECRET)),
        ("basic-special", ClientAuth::secret_basic(SPECIAL_SECRET)),
        ("post", ClientAuth::secret_post(SECRET)),
        ("public", ClientAuth::none()),
    ] {
        println!("{id}");
        whole_life(&server, server.client(id).auth(auth)).await;
    }
    let native = server.client("native").redirect_uri("http://127.0.0.1:43210/cb");
    whole_life(&server, native).await;
}

#[tokio::test]
async fn oidc_provider_ends_the_family_after_a_reuse() {
    let Some(server) = Server::oidc_provider() else { return };
    let client = server.client("basic").secret(SECRET).build().await.expect("discovery");
    let session = server.sign_in(&client, "alice").await.expect("a sign-in");
    let used = session.tokens().await.expect("tokens");
    session.refresh().await.expect("a renewal");
    reuse(&client, used.refresh_token().expect("a refresh token")).await;
    let error = session.refresh().await.expect_err("the family is dead");
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::RefreshDenied));
    assert_eq!(error.advice(), valetkey::Advice::Reauthorize);
}

#[tokio::test]
async fn oidc_provider_refuses_as_the_user_does() {
    let Some(server) = Server::oidc_provider() else { return };
    refused_sign_in(&server).await;
}

#[tokio::test]
async fn oidc_provider_knows_a_service() {
    let Some(server) = Server::oidc_provider() else { return };
    service(&server).await;
}

#[tokio::test]
async fn oidc_provider_lets_a_token_expire_and_renews_it() {
    let Some(server) = Server::oidc_provider() else { return };
    let client = server.client("basic-short").secret(SECRET).build().await.expect("discovery");
    let session = server.sign_in(&client, "alice").await.expect("a sign-in");
    assert_eq!(server.call_api(&session).await, StatusCode::OK);
    let old = session.tokens().await.expect("tokens");
    // The token of this client lives for two seconds, by the server's own clock.
    server.backend.sleep(Duration::from_millis(2500)).await;
    let request = http::Request::get(format!("{}/api/whoami", server.issuer));
    let request = request.header("authorization", old.access_token().header()).body(Bytes::new());
    let answer =
        server.backend.send(request.expect("a request"), Limits::default()).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert!(answer.headers()["www-authenticate"].to_str().expect("text").contains("invalid_token"));
    // The session knows, and renews it.
    assert_eq!(server.call_api(&session).await, StatusCode::OK);
    assert_ne!(session.tokens().await.expect("tokens").access_token(), old.access_token());
}

#[tokio::test]
async fn oidc_provider_over_tls_with_a_private_ca() {
    let (Some(issuer), Some(keys)) = (variable_of("VALETKEY_OP_TLS"), variable_of("VALETKEY_INTEROP_KEYS"))
    else {
        return;
    };
    let ca = std::fs::read(format!("{keys}/ca.pem")).expect("the CA's certificate");
    let backend = adapter::backend(Some(ca));
    let server = Server { issuer, backend, robot: Robot::Page };
    whole_life(&server, server.client("basic").secret(SECRET)).await;

    let server = Server { backend: adapter::backend(None), ..server };
    let error = server.client("basic").build().await.expect_err("the CA is not known");
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Transport, Reason::Unreachable));
    assert_eq!(error.was_sent(), Some(valetkey_http::Sent::Nothing));
}

#[tokio::test]
async fn authlib_with_every_client_authentication() {
    let Some(server) = Server::authlib() else { return };
    for (id, auth) in [
        ("basic", ClientAuth::secret_basic(SECRET)),
        ("basic-special", ClientAuth::secret_basic_raw(SPECIAL_SECRET)),
        ("post", ClientAuth::secret_post(SECRET)),
        ("public", ClientAuth::none()),
    ] {
        println!("{id}");
        whole_life(&server, server.client(id).auth(auth)).await;
    }
}

#[tokio::test]
async fn t5_authlib_does_not_decode_basic_credentials() {
    let Some(server) = Server::authlib() else { return };
    let encoded = server.client("basic-special").auth(ClientAuth::secret_basic(SPECIAL_SECRET));
    let error =
        server.sign_in(&encoded.build().await.expect("discovery"), "alice").await.expect_err("not decoded");
    assert_eq!(error.response().map(|response| response.code().clone()), Some(ErrorCode::InvalidClient));
}

#[tokio::test]
async fn authlib_refuses_as_the_user_does() {
    let Some(server) = Server::authlib() else { return };
    refused_sign_in(&server).await;
}

#[tokio::test]
async fn authlib_knows_a_service() {
    let Some(server) = Server::authlib() else { return };
    service(&server).await;
}
