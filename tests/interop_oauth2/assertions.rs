//! Clients that authenticate by assertion, and assertions as grants.

use http::StatusCode;
use valetkey::{
    BoxError, ErrorCode, RemoteSigner, Signing,
    crypto::{CryptoProvider, PrivateKey, RemoteKey, Signature, SignatureAlgorithm, SigningKey},
    oauth2::{
        assertion::Assertion,
        client::{AssertionKey, ClientAuth},
        server::Issuer,
    },
};

use crate::{
    Server,
    description::{Auth, Flow, KnownClient},
    whole_life,
};

/// Servers and clients with a key for ES256, and their names for it.
fn with_key(flow: Flow) -> impl Iterator<Item = (Server, &'static KnownClient, &'static str)> {
    Server::each(flow).filter_map(|(server, client)| {
        let is_asked = client.auth == Auth::PrivateKeyJwt && client.algorithm.as_deref() == Some("ES256");
        let kid = client.key.as_deref().filter(|_| is_asked)?;
        Some((server, client, kid))
    })
}

#[tokio::test]
async fn servers_take_what_a_key_elsewhere_has_signed() {
    for (server, client, kid) in with_key(Flow::Refresh) {
        let name = SigningKey::Remote(RemoteKey::new("kms/key", SignatureAlgorithm::Es256));
        let auth = ClientAuth::assertion(AssertionKey::new(name).with_kid(kid));
        let builder = server.known(client).auth(auth).signer(Elsewhere(client.signing_key()));
        whole_life(&server, builder).await;
    }
}

#[tokio::test]
async fn s_tk_06_servers_take_their_token_endpoint_as_the_audience_of_a_key_of_its_own() {
    for (server, client, _) in with_key(Flow::Refresh) {
        let metadata = server.known(client).build().await.expect("discovery").server().await;
        let endpoint = metadata.expect("metadata").token_endpoint().expect("an endpoint").as_str().to_owned();
        let issuer = Issuer::parse(&server.issuer).expect("an issuer");
        let key = client.assertion_key().with_audience_token_endpoint(&issuer, &endpoint).expect("held once");
        whole_life(&server, server.known(client).auth(ClientAuth::assertion(key))).await;
    }
}

#[tokio::test]
async fn servers_refuse_another_key() {
    let crypto = CryptoProvider::ring();
    for (server, client, kid) in with_key(Flow::ClientCredentials) {
        let key = PrivateKey::generate(SignatureAlgorithm::Es256, &crypto).expect("a key");
        let key = key.signing_key(SignatureAlgorithm::Es256, &crypto).expect("a key that signs");
        let auth = ClientAuth::assertion(AssertionKey::new(key).with_kid(kid));
        let client = server.known(client).auth(auth).build().await.expect("discovery");
        let session = client.client_credentials().session().expect("a confidential client");
        let error = session.tokens().await.expect_err("another key");
        assert_eq!(error.response().map(|response| response.code().clone()), Some(ErrorCode::InvalidClient));
    }
}

#[tokio::test]
async fn s_tk_05_servers_say_whose_assertions_they_do_not_take() {
    for (server, client) in Server::each(Flow::RefusedAssertion) {
        let client = server.known(client).build().await.expect("discovery");
        let session = client.client_credentials().scope("api:read").session().expect("a confidential client");
        let error = session.tokens().await.expect_err("not recommended");
        let response = error.response().expect("the server's words");
        assert_eq!(*response.code(), ErrorCode::InvalidClient, "{error}");
        assert!(response.description().is_some(), "{error}");
    }
}

#[tokio::test]
async fn al_12_servers_take_an_assertion_as_a_grant() {
    for (server, known) in Server::each(Flow::JwtBearer) {
        let assertion = Assertion::new(known.signing_key(), &known.id).expect("a key for JOSE");
        let assertion = assertion.with_kid(known.key.as_deref().expect("a key"));
        let assertion = assertion.with_subject("alice").expect("no other subject");
        let client = server.known(known).build().await.expect("discovery");
        let session = client.jwt_bearer(assertion).scope("api:read").session().expect("a scope");
        assert_eq!(server.call_api(&session).await, StatusCode::OK);
        let first = session.tokens().await.expect("tokens");
        let second = session.refresh().await.expect("another assertion");
        assert!(first.access_token() != second.access_token() && second.refresh_token().is_none());
        assert_eq!(server.call_api(&session).await, StatusCode::OK);
    }
}

/// A key that answers from a task of its own.
#[derive(Debug)]
struct Elsewhere(SigningKey);

#[async_trait::async_trait]
impl RemoteSigner for Elsewhere {
    async fn sign(&self, signing: &Signing) -> Result<Vec<u8>, BoxError> {
        let SigningKey::Local(signer) = self.0.clone() else { return Err("no key".into()) };
        let message = signing.message.clone();
        let (reply, answer) = futures_channel::oneshot::channel();
        std::thread::spawn(move || {
            let mut signature = Signature::new();
            reply.send(signer.sign(&message, &mut signature).map(|()| signature.as_ref().to_vec()))
        });
        Ok(answer.await??)
    }
}
