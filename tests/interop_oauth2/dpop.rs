//! Tokens that are bound to keys.

use bytes::Bytes;
use http::StatusCode;
use valetkey::{
    ErrorKind, Reason, Session,
    crypto::{CryptoProvider, PrivateKey, SignatureAlgorithm, SigningKey},
    oauth2::client::ClientAuth,
};
use valetkey_http::Limits;

use crate::{SECRET, Server, WITH_NONCES};

/// Where oidc-provider runs, or its issuer that demands nonces in proofs.
fn oidc_provider_with_dpop(demands_nonces: bool) -> Option<Server> {
    let server = Server::oidc_provider()?;
    let path = if demands_nonces { WITH_NONCES } else { "" };
    Some(Server { issuer: format!("{}{path}", server.issuer), ..server })
}

/// The status of the userinfo endpoint, which takes tokens that are bound to keys.
async fn call_userinfo(server: &Server, session: &Session) -> StatusCode {
    let request = http::Request::get(format!("{}/me", server.issuer)).body(Bytes::new()).expect("a request");
    session.send(request).await.expect("an answer").status()
}

#[tokio::test]
async fn s_dp_04_oidc_provider_binds_tokens_to_keys() {
    for demands_nonces in [false, true] {
        let Some(server) = oidc_provider_with_dpop(demands_nonces) else { return };
        for (id, auth) in [("dpop", ClientAuth::secret_basic(SECRET)), ("dpop-public", ClientAuth::none())] {
            println!("{id}, nonces: {demands_nonces}");
            let builder = || server.client(id).auth(auth.clone());
            let client = builder().dpop().build().await.expect("discovery");
            let session = server.sign_in(&client, "alice").await.expect("a sign-in");
            assert_eq!(call_userinfo(&server, &session).await, StatusCode::OK);
            let first = session.tokens().await.expect("tokens");
            assert!(first.access_token().is_bound() && first.key().is_some());
            let second = session.refresh().await.expect("a renewal");
            assert_ne!(first.access_token(), second.access_token());
            assert_eq!(first.key(), second.key());
            assert_eq!(call_userinfo(&server, &session).await, StatusCode::OK);

            // Another process goes on with the key of the record; without the key nothing goes on.
            let record = session.record().expect("tokens");
            let restored = builder().build().await.expect("discovery").restore(record).expect("its key");
            restored.refresh().await.expect("a renewal");
            assert_eq!(call_userinfo(&server, &restored).await, StatusCode::OK);
            let tokens = restored.tokens().await.expect("tokens");
            let bearer = format!("Bearer {}", tokens.access_token().expose());
            let request = http::Request::get(format!("{}/me", server.issuer)).header("authorization", bearer);
            let request = request.body(Bytes::new()).expect("a request");
            let answer = server.backend.send(request, Limits::default()).await.expect("an answer");
            assert_ne!(answer.status(), StatusCode::OK);
        }
    }
}

#[tokio::test]
async fn s_dp_04_oidc_provider_refuses_another_key() {
    let Some(server) = oidc_provider_with_dpop(false) else { return };
    let client = |key: &SigningKey| {
        server.client("dpop-public").auth(ClientAuth::none()).dpop_key(key.clone()).build()
    };
    let crypto = CryptoProvider::ring();
    let key = |algorithm| {
        let key = PrivateKey::generate(algorithm, &crypto).expect("a key");
        key.signing_key(algorithm, &crypto).expect("a key that signs")
    };
    for algorithm in [SignatureAlgorithm::Es256, SignatureAlgorithm::Es384, SignatureAlgorithm::EdDsa] {
        let (ours, other) = (key(algorithm), key(algorithm));
        let first = client(&ours).await.expect("discovery");
        let session = server.sign_in(&first, "alice").await.expect("a sign-in");
        assert_eq!(call_userinfo(&server, &session).await, StatusCode::OK, "{algorithm}");
        // The code is bound to the key, too.
        let request = first.authorize().scope("openid").parameter("login_hint", "alice");
        let (url, pending) = request.start().await.expect("a sign-in");
        let callback = server.visit(url.as_str()).await;
        let stranger = client(&other).await.expect("discovery");
        let error = stranger.redeem(pending, callback).await.expect_err("another key");
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::KeyMissing));
    }
}

#[tokio::test]
async fn oidc_provider_binds_tokens_of_a_service() {
    let Some(server) = oidc_provider_with_dpop(true) else { return };
    let client = server.client("dpop").secret(SECRET).dpop().build().await.expect("discovery");
    let session = client.client_credentials().scope("api:read").session().expect("a confidential client");
    let first = session.tokens().await.expect("tokens");
    assert!(first.access_token().is_bound());
    assert_eq!(session.refresh().await.expect("another").key(), first.key());
}

#[tokio::test]
async fn s_tk_09_oidc_provider_binds_no_token_that_is_not_asked_to() {
    let Some(server) = oidc_provider_with_dpop(false) else { return };
    // A client that must have its tokens bound is refused without a proof.
    let client = server.client("dpop").secret(SECRET).build().await.expect("discovery");
    let error = server.sign_in(&client, "alice").await.expect_err("no proof");
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::RequestDenied));
}
