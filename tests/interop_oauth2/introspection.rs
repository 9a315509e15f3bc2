//! What a server says about tokens, as it is and signed.

use std::sync::Arc;

use valetkey::{
    ErrorCode, Registrar, Runtime,
    crypto::{ContentEncryption, CryptoProvider, KeyManagement, SignatureAlgorithm},
    jose::jwe::Decrypter,
    oauth2::{client::ClientAuth, endpoint::registration::RegistrationMetadata},
    secret::Secret,
};

use crate::{SECRET, Server, description::Flow};

/// Says what a token of the server's first user is, and what no token is.
async fn says_what_a_token_is(flow: Flow) {
    for (server, api) in Server::each(flow) {
        let known = &server.description.clients["basic"];
        let client = server.known(known).build().await.expect("discovery");
        let session = server.sign_in(&client, "alice").await.expect("a sign-in");
        let tokens = session.tokens().await.expect("tokens");
        let api = server.known(api);
        let is_signed = flow == Flow::SignedIntrospection;
        let api = if is_signed { api.introspection_algorithm(SignatureAlgorithm::Es256) } else { api };
        let api = api.build().await.expect("discovery");
        let said = api.introspect(tokens.access_token()).await.expect("an answer");
        let token = said.active().expect("a good token");
        assert!(token.scope().is_some_and(|scope| scope.contains("api:read")), "{token:?}");
        assert_eq!((token.client_id(), token.token_type()), (Some("basic"), Some("Bearer")));
        assert!(token.issuer().is_none_or(|issuer| issuer == &*server.issuer));
        assert!(token.expires_at() > token.issued_at() && token.subject().is_some() && !token.is_bound());
        let said = api.introspect(tokens.refresh_token().expect("a refresh token")).await;
        assert!(said.expect("an answer").is_active());
        assert!(!api.introspect(Secret::new("nobody's")).await.expect("an answer").is_active());

        session.revoke().await.expect("an end");
        assert!(!client.introspect(tokens.access_token()).await.expect("an answer").is_active());
    }
}

#[tokio::test]
async fn s_in_01_and_al_8_servers_say_what_a_token_is() {
    says_what_a_token_is(Flow::Introspection).await;
}

#[tokio::test]
async fn s_in_01_and_al_8_servers_sign_what_they_say_of_a_token() {
    says_what_a_token_is(Flow::SignedIntrospection).await;
}

#[tokio::test]
async fn servers_say_nothing_to_nobody() {
    for (server, api) in Server::each(Flow::Introspection) {
        let wrong = server.client(&api.id).auth(ClientAuth::secret_basic("wrong")).build().await;
        let error = wrong.expect("discovery").introspect(Secret::new("anything")).await;
        let error = error.expect_err("a wrong secret");
        assert_eq!(error.response().map(|refused| refused.code().clone()), Some(ErrorCode::InvalidClient));
    }
}

#[tokio::test]
async fn s_f2_10_oidc_provider_encrypts_what_it_says_for_who_registered_so() {
    let Some(server) = Server::oidc_provider() else { return };
    let runtime = Runtime::new(Arc::clone(&server.backend));
    let registrar = Registrar::discover(runtime, &server.issuer).await.expect("discovery");
    let metadata = RegistrationMetadata::new().with_grant_type("client_credentials");
    let metadata = metadata
        .with_json("redirect_uris", "[]")
        .and_then(|metadata| metadata.with_json("response_types", "[]"))
        .and_then(|metadata| metadata.with_text("introspection_signed_response_alg", "ES256"))
        .and_then(|metadata| metadata.with_text("introspection_encrypted_response_alg", "dir"))
        .and_then(|metadata| metadata.with_text("introspection_encrypted_response_enc", "A256GCM"))
        .expect("metadata");
    let registration = registrar.register(metadata).await.expect("a registration");
    let secret = registration.secret().expect("a secret").clone();
    let (algorithm, encryption) = (KeyManagement::Dir, ContentEncryption::A256Gcm);
    let decrypter = Decrypter::client_secret(&secret, algorithm, encryption, &CryptoProvider::ring());
    let api = registrar.client(&registration, None).expect("a client");
    let api = api.introspection_algorithm(SignatureAlgorithm::Es256);
    let api = api.introspection_decrypter(decrypter.expect("a key")).build().await.expect("discovery");

    let service = server.client("m2m").secret(SECRET).build().await.expect("discovery");
    let session = service.client_credentials().scope("api:read").session().expect("a client");
    let tokens = session.tokens().await.expect("tokens");
    let said = api.introspect(tokens.access_token()).await.expect("an answer");
    assert_eq!(said.active().expect("a good token").client_id(), Some("m2m"));
    assert!(!api.introspect(Secret::new("nobody's")).await.expect("an answer").is_active());
    registrar.delete(&registration).await.expect("the end");
}
