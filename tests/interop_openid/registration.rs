//! Clients that register themselves, and users who sign out.

use std::sync::Arc;

use valetkey::{
    ErrorKind, Reason, Registrar, Runtime,
    oauth2::endpoint::registration::{Registration, RegistrationMetadata},
    secret::AccessToken,
};

use crate::server::{CALLBACK, Server};

const BYE: &str = "http://127.0.0.1:9999/bye";

fn metadata() -> RegistrationMetadata {
    RegistrationMetadata::new()
        .with_redirect_uri(CALLBACK)
        .and_then(|metadata| metadata.with_post_logout_redirect_uri(BYE))
        .and_then(|metadata| metadata.with_token_endpoint_auth_method("client_secret_post"))
        .and_then(|metadata| metadata.with_localized("client_name", "fr", "Boutique"))
        .expect("metadata")
        .with_grant_type("authorization_code")
        .with_grant_type("refresh_token")
}

async fn registrar(server: &Server) -> Registrar {
    let runtime = Runtime::new(Arc::clone(&server.backend));
    Registrar::discover(runtime, &server.issuer).await.expect("discovery")
}

#[tokio::test]
async fn oidc_provider_registers_changes_and_deletes_a_client() {
    let Some(server) = Server::oidc_provider() else { return };
    let registrar = registrar(&server).await;
    let first = registrar.register(metadata()).await.expect("a registration");
    assert_eq!(first.metadata().text("application_type"), Some("native"));
    let first = Registration::parse(first.to_text().expose()).expect("as it was kept");

    let client =
        registrar.client(&first, Some(CALLBACK)).expect("a client").build().await.expect("discovery");
    let (url, pending) = client.authorize().scope("openid").start().await.expect("a sign-in");
    client.redeem(pending, server.visit(url.as_str()).await).await.expect("a session");

    let read = registrar.read(&first).await.expect("its registration");
    assert_eq!(read.metadata().redirect_uris(), [CALLBACK]);
    let named = metadata().with_client_name("Shop").expect("a name");
    let updated = registrar.update(&read, named).await.expect("another name");
    assert_eq!(updated.metadata().client_name(None), Some("Shop"));
    // The server changes the token with every update; the old one is worth nothing.
    assert!(registrar.read(&read).await.is_err());
    let read = registrar.read(&updated).await.expect("its registration");
    // It passes over names in other languages.
    assert_eq!(read.metadata().client_name(Some("fr")), Some("Shop"));

    registrar.delete(&read).await.expect("the end");
    let error = registrar.read(&read).await.expect_err("it is gone");
    assert_eq!(error.kind(), ErrorKind::Denied);
}

#[tokio::test]
async fn oidc_provider_registers_those_who_have_a_token() {
    let Some(server) = Server::named("oidc-provider with nonces") else { return };
    let registrar = registrar(&server).await;
    let error = registrar.register(metadata()).await.expect_err("a token is missing");
    assert_eq!(error.kind(), ErrorKind::Denied);
    let token = AccessToken::bearer("interop-registration-token").expect("a token");
    let registrar = registrar.with_initial_access_token(token);
    let registration = registrar.register(metadata()).await.expect("a registration");
    let bad = RegistrationMetadata::new().with_redirect_uri(CALLBACK).expect("a URI");
    let bad = bad.with_text("id_token_signed_response_alg", "ES999").expect("a text");
    let error = registrar.register(bad).await.expect_err("no such algorithm");
    let code = error.response().map(|response| response.code().as_str().to_owned());
    assert_eq!((error.reason(), code.as_deref()), (Reason::RequestDenied, Some("invalid_client_metadata")));
    registrar.delete(&registration).await.expect("the end");
}

#[tokio::test]
async fn s_lo_02_a_user_signs_out_at_oidc_provider_and_comes_back() {
    let Some(server) = Server::oidc_provider() else { return };
    let registrar = registrar(&server).await;
    let registration = registrar.register(metadata()).await.expect("a registration");
    let builder = registrar.client(&registration, Some(CALLBACK)).expect("a client");
    let client = builder.build().await.expect("discovery");
    let (url, pending) = client.logout().redirect_uri(BYE).start().await.expect("a logout");
    let callback = server.visit(url.as_str()).await;
    pending.expect("the browser comes back").receive(callback).expect("the state that was sent");
    registrar.delete(&registration).await.expect("the end");
}
