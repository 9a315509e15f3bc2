//! Tokens that are bound to keys.

use bytes::Bytes;
use http::StatusCode;
use valetkey::{
    Client, ErrorKind, Reason, Session,
    crypto::{CryptoProvider, PrivateKey, SignatureAlgorithm, SigningKey},
};
use valetkey_http::Limits;

use crate::{
    Server,
    description::{Auth, Flow},
};

/// The userinfo endpoint, which takes tokens that are bound to keys.
async fn userinfo(client: &Client) -> String {
    let server = client.server().await.expect("metadata");
    server.endpoint("userinfo_endpoint").expect("an endpoint").as_str().to_owned()
}

/// The status of that endpoint.
async fn call(url: &str, session: &Session) -> StatusCode {
    let request = http::Request::get(url).body(Bytes::new()).expect("a request");
    session.send(request).await.expect("an answer").status()
}

#[tokio::test]
async fn s_dp_04_servers_bind_tokens_to_keys() {
    for (server, known) in Server::each(Flow::Dpop) {
        let builder = || server.known(known);
        let client = builder().dpop().build().await.expect("discovery");
        let userinfo = userinfo(&client).await;
        let session = server.sign_in(&client, "alice").await.expect("a sign-in");
        assert_eq!(call(&userinfo, &session).await, StatusCode::OK);
        let first = session.tokens().await.expect("tokens");
        assert!(first.access_token().is_bound() && first.key().is_some());
        let second = session.refresh().await.expect("a renewal");
        assert_ne!(first.access_token(), second.access_token());
        assert_eq!(first.key(), second.key());
        assert_eq!(call(&userinfo, &session).await, StatusCode::OK);

        // Another process goes on with the key of the record; without the key nothing goes on.
        let record = session.record().expect("tokens");
        let restored = builder().build().await.expect("discovery").restore(record).expect("its key");
        restored.refresh().await.expect("a renewal");
        assert_eq!(call(&userinfo, &restored).await, StatusCode::OK);
        let tokens = restored.tokens().await.expect("tokens");
        let bearer = format!("Bearer {}", tokens.access_token().expose());
        let request = http::Request::get(&userinfo).header("authorization", bearer);
        let request = request.body(Bytes::new()).expect("a request");
        let answer = server.backend.send(request, Limits::default()).await.expect("an answer");
        assert_ne!(answer.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn s_dp_04_servers_refuse_another_key() {
    let crypto = CryptoProvider::ring();
    let key = |algorithm| {
        let key = PrivateKey::generate(algorithm, &crypto).expect("a key");
        key.signing_key(algorithm, &crypto).expect("a key that signs")
    };
    for (server, known) in Server::each(Flow::Dpop) {
        let client = |key: &SigningKey| server.known(known).dpop_key(key.clone()).build();
        for algorithm in [SignatureAlgorithm::Es256, SignatureAlgorithm::Es384, SignatureAlgorithm::EdDsa] {
            let (ours, other) = (key(algorithm), key(algorithm));
            let first = client(&ours).await.expect("discovery");
            let session = server.sign_in(&first, "alice").await.expect("a sign-in");
            assert_eq!(call(&userinfo(&first).await, &session).await, StatusCode::OK, "{algorithm}");
            // The code is bound to the key, too.
            let (url, pending) = server.authorize(&first, "alice").start().await.expect("a sign-in");
            let callback = server.visit(url.as_str()).await;
            let stranger = client(&other).await.expect("discovery");
            let error = stranger.redeem(pending, callback).await.expect_err("another key");
            assert_eq!((error.kind(), error.reason()), (ErrorKind::Config, Reason::KeyMissing));
        }
    }
}

#[tokio::test]
async fn servers_bind_tokens_of_a_service() {
    for (server, known) in Server::each(Flow::Dpop).filter(|(_, known)| known.auth != Auth::None) {
        let client = server.known(known).dpop().build().await.expect("discovery");
        let session = client.client_credentials().scope("api:read").session().expect("a confidential client");
        let first = session.tokens().await.expect("tokens");
        assert!(first.access_token().is_bound());
        assert_eq!(session.refresh().await.expect("another").key(), first.key());
    }
}

#[tokio::test]
async fn s_tk_09_servers_bind_no_token_that_is_not_asked_to() {
    for (server, known) in Server::each(Flow::Dpop) {
        // A client that must have its tokens bound is refused without a proof.
        let client = server.known(known).build().await.expect("discovery");
        let error = server.sign_in(&client, "alice").await.expect_err("no proof");
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Denied, Reason::RequestDenied));
    }
}
