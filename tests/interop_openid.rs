//! OpenID Connect against real servers: oidc-provider and Authlib.
//!
//! `tests/interop/up.sh -- cargo test -p valetkey-tests --test interop_openid` starts them and says in the environment
//! where they are. Without, each test says that it is skipped.

#![expect(clippy::print_stdout, reason = "a skipped test says so, and a failing one how far it got")]

#[path = "interop/backend.rs"]
mod adapter;
#[path = "interop/browser.rs"]
mod browser;
#[path = "interop/description.rs"]
mod description;
#[path = "interop_openid/logout.rs"]
mod logout;
#[path = "interop_openid/registration.rs"]
mod registration;
#[path = "interop/server.rs"]
mod server;

use std::time::Duration;

use valetkey::{
    Client, ClientBuilder, ErrorKind, Reason, Session,
    crypto::{ContentEncryption, CryptoProvider, KeyManagement, PrivateKey, SignatureAlgorithm},
    jose::jwe::Decrypter,
    oauth2::{
        authorization::{ResponseMode, ResponseType},
        client::ClientAuth,
    },
};

use description::Flow;
use server::{SECRET, Server, variable_of};

fn client(server: &Server, id: &str) -> ClientBuilder {
    server.client(id).auth(ClientAuth::secret_basic(SECRET))
}

/// A client of everything that ring has not.
async fn client_of_all(
    server: &Server,
    id: &str,
    with: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> Client {
    let builder = client(server, id).crypto(valetkey_aws_lc::provider());
    with(builder).build().await.expect("discovery")
}

/// A private key of the clients, by its name.
fn private_key(kid: &str) -> PrivateKey {
    let folder = variable_of("VALETKEY_INTEROP_KEYS").expect("the keys");
    let set = std::fs::read(format!("{folder}/client.jwks.json")).expect("the keys");
    let set: serde_json::Value = serde_json::from_slice(&set).expect("JSON");
    let keys = set["keys"].as_array().expect("keys");
    let key = keys.iter().find(|key| key["kid"] == kid).expect("a key of this name");
    PrivateKey::parse(key.to_string().as_bytes()).expect("a key")
}

async fn signs_in_and_refreshes(server: &Server, client: &Client) -> Session {
    let session = server.sign_in(client, "alice").await.expect("a sign-in");
    let user = session.identity().expect("an identity");
    assert_eq!(user.key(), (server.issuer.as_str(), "alice"));
    session.refresh().await.expect("a renewal");
    let again = session.identity().expect("an identity");
    assert_eq!(again.key(), user.key());
    session
}

#[tokio::test]
async fn oidc_provider_signs_id_tokens_by_every_algorithm() {
    let Some(server) = Server::oidc_provider() else { return };
    for name in [
        "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "HS256",
        "HS384", "HS512",
    ] {
        println!("{name}");
        let algorithm = SignatureAlgorithm::parse(name).expect("an algorithm");
        let id = format!("idt-{}", name.to_lowercase());
        let client = client_of_all(&server, &id, |builder| builder.id_token_algorithm(algorithm)).await;
        signs_in_and_refreshes(&server, &client).await;
    }
    // On ring, whatever ring has; and by another algorithm than was agreed on there is no sign-in.
    let client = client(&server, "idt-es256").build().await.expect("discovery");
    let error = server.sign_in(&client, "alice").await.expect_err("another algorithm");
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Untrusted, Reason::AlgorithmMismatch));
}

#[tokio::test]
async fn oidc_provider_encrypts_id_tokens() {
    let Some(server) = Server::oidc_provider() else { return };
    let crypto = valetkey_aws_lc::provider();
    // As the server's documentation has it, OpenID Connect Core §10.2.
    let shared =
        CryptoProvider::ring().hash.digest(valetkey::crypto::HashAlgorithm::Sha256, SECRET.as_bytes());
    for (id, kid, algorithm, encryption) in [
        ("rsa-oaep", Some("rp-rsa-enc"), "RSA-OAEP", "A256GCM"),
        ("rsa-oaep-256", Some("rp-rsa-enc"), "RSA-OAEP-256", "A128CBC-HS256"),
        ("ecdh-es", Some("rp-p256-enc"), "ECDH-ES", "A128GCM"),
        ("ecdh-es-a256kw", Some("rp-p256-enc"), "ECDH-ES+A256KW", "A256CBC-HS512"),
        ("a256kw", None, "A256KW", "A256GCM"),
        ("dir", None, "dir", "A256GCM"),
    ] {
        println!("{algorithm} {encryption}");
        let algorithm = KeyManagement::parse(algorithm).expect("an algorithm");
        let encryption = ContentEncryption::parse(encryption).expect("an encryption");
        let decrypter = match kid {
            Some(kid) => Decrypter::private(&private_key(kid), algorithm, encryption, &crypto),
            None => Decrypter::secret(shared.as_ref(), algorithm, encryption, &crypto),
        };
        let decrypter = decrypter.expect("a decrypter");
        let id = format!("idt-enc-{id}");
        let client = client_of_all(&server, &id, |builder| builder.id_token_decrypter(decrypter)).await;
        signs_in_and_refreshes(&server, &client).await;
        // What is encrypted for somebody is read by nobody else.
        let client = client_of_all(&server, &id, |builder| builder).await;
        let error = server.sign_in(&client, "alice").await.expect_err("encrypted");
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Protocol, Reason::Malformed));
    }
}

#[tokio::test]
async fn oidc_provider_says_more_about_the_user() {
    let Some(server) = Server::oidc_provider() else { return };
    let plain = client(&server, "basic").build().await.expect("discovery");
    let session = signs_in_and_refreshes(&server, &plain).await;
    let info = session.user_info().await.expect("claims");
    assert_eq!((info.claims().sub().as_deref(), info.is_signed()), (Some("alice"), false));
    let info = session.user_info_by_form().await.expect("claims");
    assert_eq!(info.claims().sub().as_deref(), Some("alice"));

    let signed = client(&server, "ui-signed").user_info_algorithm(SignatureAlgorithm::Es256);
    let session = signs_in_and_refreshes(&server, &signed.build().await.expect("discovery")).await;
    let info = session.user_info().await.expect("claims");
    assert_eq!((info.claims().sub().as_deref(), info.is_signed()), (Some("alice"), true));

    let (algorithm, encryption) = (KeyManagement::RsaOaep, ContentEncryption::A256Gcm);
    let crypto = valetkey_aws_lc::provider();
    let decrypter =
        Decrypter::private(&private_key("rp-rsa-enc"), algorithm, encryption, &crypto).expect("a decrypter");
    let client = client_of_all(&server, "ui-enc", |builder| {
        builder.user_info_algorithm(SignatureAlgorithm::Rs256).user_info_decrypter(decrypter)
    });
    let session = signs_in_and_refreshes(&server, &client.await).await;
    let info = session.user_info().await.expect("claims");
    assert_eq!((info.claims().sub().as_deref(), info.is_signed()), (Some("alice"), true));
}

#[tokio::test]
async fn s_oi_12_user_info_that_should_be_signed_is() {
    let Some(server) = Server::oidc_provider() else { return };
    let client = client(&server, "basic").user_info_algorithm(SignatureAlgorithm::Es256).build().await;
    let session = server.sign_in(&client.expect("discovery"), "alice").await.expect("a sign-in");
    let error = session.user_info().await.expect_err("not signed");
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Untrusted, Reason::KindMismatch));
}

#[tokio::test]
async fn oidc_provider_brings_id_tokens_through_the_browser() {
    let Some(server) = Server::oidc_provider() else { return };
    let client = client(&server, "hybrid").redirect_uri("https://client.example/cb").build().await;
    let client = client.expect("discovery");
    let begin = |response_type| client.authorize().scope("openid").response_type(response_type);
    let (url, pending) = begin(ResponseType::CodeIdToken).start().await.expect("a sign-in");
    let session = client.redeem(pending, server.visit(url.as_str()).await).await.expect("a session");
    let user = session.identity().expect("an identity");
    assert_eq!(user.subject(), "alice");
    assert!(session.user_info().await.is_ok());

    let (url, pending) = begin(ResponseType::IdToken).start().await.expect("a sign-in");
    let user = client.identify(pending, server.visit(url.as_str()).await).await.expect("an identity");
    assert_eq!(user.subject(), "alice");

    // The same in a form.
    let request = begin(ResponseType::CodeIdToken).response_mode(ResponseMode::FormPost);
    let (url, pending) = request.start().await.expect("a sign-in");
    let session = client.redeem(pending, server.visit(url.as_str()).await).await.expect("a session");
    assert_eq!(session.identity().expect("an identity").subject(), "alice");
}

#[tokio::test]
async fn oidc_provider_posts_forms_and_names_users_in_pairs() {
    let Some(server) = Server::oidc_provider() else { return };
    let basic = client(&server, "basic").build().await.expect("discovery");
    let request = basic.authorize().scope("openid").response_mode(ResponseMode::FormPost);
    let (url, pending) = request.max_age(Duration::from_secs(60)).start().await.expect("a sign-in");
    let session = basic.redeem(pending, server.visit(url.as_str()).await).await.expect("a session");
    let user = session.identity().expect("an identity");
    assert!(user.authenticated_at().is_some(), "it was asked for");

    let pairwise = client(&server, "pairwise").build().await.expect("discovery");
    let session = server.sign_in(&pairwise, "alice").await.expect("a sign-in");
    let user = session.identity().expect("an identity");
    assert_eq!(user.subject().len(), 64, "nobody else knows the user by this");
    assert!(session.user_info().await.is_ok());
}

#[tokio::test]
async fn servers_sign_users_in() {
    for (server, client) in Server::each(Flow::Code) {
        let client = server.known(client).build().await.expect("discovery");
        let session = server.sign_in(&client, "alice").await.expect("a sign-in");
        let user = session.identity().expect("it was asked for");
        assert_eq!(user.issuer(), server.issuer);
        assert!(server.user("alice").subject.as_ref().is_none_or(|subject| user.subject() == subject));
        assert!(session.user_info().await.is_ok());
        assert_eq!(server.call_api(&session).await, http::StatusCode::OK);
    }
}
