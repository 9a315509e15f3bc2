//! OAuth 2.0 against real servers, each described by a file: oidc-provider, Authlib, and those in `VALETKEY_SERVERS`.
//!
//! `tests/interop/up.sh -- cargo test -p valetkey-tests --test interop_oauth2` starts them and says in the
//! environment where they are. Without, each test says that it is skipped. A test runs with every server that has its
//! flow, and with every client that is described for it, and says so (`--nocapture`).

#![expect(clippy::print_stdout, reason = "a skipped test says so, and a failing one how far it got")]

#[path = "interop_oauth2/access_tokens.rs"]
mod access_tokens;
#[path = "interop/backend.rs"]
mod adapter;
#[path = "interop_oauth2/assertions.rs"]
mod assertions;
#[path = "interop/browser.rs"]
mod browser;
#[path = "interop/description.rs"]
mod description;
#[path = "interop_oauth2/device.rs"]
mod device;
#[path = "interop_oauth2/dpop.rs"]
mod dpop;
#[path = "interop_oauth2/exchange.rs"]
mod exchange;
#[path = "interop_oauth2/herd.rs"]
mod herd;
#[path = "interop_oauth2/introspection.rs"]
mod introspection;
#[path = "interop_oauth2/legacy.rs"]
mod legacy;
#[path = "interop_oauth2/revocation.rs"]
mod revocation;
#[path = "interop/server.rs"]
mod server;
#[path = "sharing/stores.rs"]
mod stores;
#[path = "interop_oauth2/wishes.rs"]
mod wishes;

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use valetkey::{
    Client, ClientBuilder, ErrorCode, ErrorKind, Reason,
    oauth2::{authorization::ResponseMode, client::ClientAuth, grant::RefreshTokenGrant},
    secret::{AccessToken, RefreshToken},
};
use valetkey_http::Limits;

use description::{Auth, Flow, Quirk};
use server::{SECRET, Server};

impl Server {
    fn authlib() -> Option<Self> {
        Self::named("Authlib")
    }

    /// Whether there is a user who refuses; what wants one is skipped aloud.
    fn has_refuser(&self) -> bool {
        let has = self.description.users.contains_key("deny");
        if !has {
            println!("skipped: {self} has no user who refuses");
        }
        has
    }

    /// What the resource that wants the scope `api:read` says to a token that no session holds.
    async fn show(&self, token: &AccessToken) -> StatusCode {
        let request = http::Request::get(self.api()).header("authorization", token.header());
        let request = request.body(Bytes::new()).expect("a request");
        self.backend.send(request, Limits::default()).await.expect("an answer").status()
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

    if server.has(Quirk::ReuseSparesTheFamily) {
        session.refresh().await.expect("the newer one is still good");
    } else {
        let error = session.refresh().await.expect_err("the family is dead");
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::RefreshDenied));
        assert_eq!(error.advice(), valetkey::Advice::Reauthorize);
    }
}

async fn reuse(client: &Client, used: &RefreshToken) -> valetkey::Error {
    let server = client.server().await.expect("metadata");
    let grant = RefreshTokenGrant::new(&server, used.clone()).expect("a token endpoint");
    client.call(grant).await.expect_err("a reuse is refused")
}

#[tokio::test]
async fn servers_sign_a_user_in() {
    for (server, client) in Server::each(Flow::Code) {
        let client = server.known(client).build().await.expect("discovery");
        let session = server.sign_in(&client, "alice").await.expect("a sign-in");
        assert_eq!(server.call_api(&session).await, StatusCode::OK);
        if let (Some(identity), Some(subject)) = (session.identity(), &server.user("alice").subject) {
            assert_eq!(identity.subject(), subject);
        }
    }
}

#[tokio::test]
async fn servers_refuse_as_the_user_does() {
    for (server, client) in Server::each(Flow::Code) {
        if !server.has_refuser() {
            continue;
        }
        let client = server.known(client).build().await.expect("discovery");
        let error = server.sign_in(&client, "deny").await.expect_err("the user refused");
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::AuthorizationDenied));
        assert_eq!(error.response().map(|response| response.code().clone()), Some(ErrorCode::AccessDenied));
    }
}

#[tokio::test]
async fn servers_post_what_they_answer() {
    for (server, client) in Server::each(Flow::FormPost) {
        let client = server.known(client).build().await.expect("discovery");
        let request = server.authorize(&client, "alice").response_mode(ResponseMode::FormPost);
        let (url, pending) = request.start().await.expect("a sign-in");
        let callback = server.visit(url.as_str()).await;
        client.redeem(pending, callback).await.expect("a session");
    }
}

#[tokio::test]
async fn servers_rotate_refresh_tokens_with_every_client_authentication() {
    for (server, client) in Server::each(Flow::Refresh) {
        whole_life(&server, server.known(client)).await;
    }
}

#[tokio::test]
async fn servers_know_a_service() {
    for (server, known) in Server::each(Flow::ClientCredentials) {
        let client = server.known(known).build().await.expect("discovery");
        let session = client.client_credentials().scope("api:read").session().expect("a confidential client");
        assert_eq!(server.call_api(&session).await, StatusCode::OK);
        let first = session.tokens().await.expect("tokens");
        assert_ne!(first.access_token(), session.refresh().await.expect("another").access_token());
        assert_eq!(server.call_api(&session).await, StatusCode::OK);

        if known.auth == Auth::SecretBasic {
            let wrong =
                server.client(&known.id).secret(format!("{SECRET}0")).build().await.expect("discovery");
            let session = wrong.client_credentials().session().expect("a confidential client");
            let error = session.tokens().await.expect_err("a wrong secret");
            assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::RequestDenied));
            let code = error.response().map(|response| response.code().clone());
            assert_eq!(code, Some(ErrorCode::InvalidClient));
        }
    }
}

#[tokio::test]
async fn servers_let_a_token_expire_and_it_is_renewed() {
    for (server, client) in Server::each(Flow::ShortLived) {
        let client = server.known(client).build().await.expect("discovery");
        let session = server.sign_in(&client, "alice").await.expect("a sign-in");
        assert_eq!(server.call_api(&session).await, StatusCode::OK);
        let old = session.tokens().await.expect("tokens");
        // The token of this client lives for two seconds, by the server's own clock.
        server.backend.sleep(Duration::from_millis(2500)).await;
        let request = http::Request::get(server.api());
        let request = request.header("authorization", old.access_token().header()).body(Bytes::new());
        let answer =
            server.backend.send(request.expect("a request"), Limits::default()).await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert!(answer.headers()["www-authenticate"].to_str().expect("text").contains("invalid_token"));
        // The session knows, and renews it.
        assert_eq!(server.call_api(&session).await, StatusCode::OK);
        assert_ne!(session.tokens().await.expect("tokens").access_token(), old.access_token());
    }
}

#[tokio::test]
async fn a_private_ca_must_be_known() {
    for (server, client) in Server::each(Flow::PrivateCa) {
        let server = Server { backend: adapter::backend(None), ..server };
        let error = server.known(client).build().await.expect_err("the CA is not known");
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Transport, Reason::Unreachable));
        assert_eq!(error.was_sent(), Some(valetkey_http::Sent::Nothing));
    }
}

#[tokio::test]
async fn t5_oidc_provider_decodes_basic_credentials_and_authlib_does_not() {
    let (Some(decodes), Some(does_not)) = (Server::oidc_provider(), Server::authlib()) else { return };
    for (server, is_taken) in [(decodes, true), (does_not, false)] {
        assert_ne!(server.has(Quirk::BasicIsNotDecoded), is_taken);
        let secret = server.description.clients["basic-special"].secret.as_deref().expect("one of its own");
        let client = server.client("basic-special").auth(ClientAuth::secret_basic(secret)).build().await;
        let outcome = server.sign_in(&client.expect("discovery"), "alice").await;
        let refusal = outcome.err().and_then(|error| Some(error.response()?.code().clone()));
        assert_eq!(refusal, (!is_taken).then_some(ErrorCode::InvalidClient));
    }
}
