//! Access tokens that are JWTs, read as an API reads them.

use std::sync::Arc;

use valetkey::{
    Reason, ResourceServer, Session,
    crypto::SignatureAlgorithm,
    oauth2::protected_resource::{AccessTokenClaims, PresentedToken, Refusal},
};

use crate::{SECRET, Server};

/// The API whose tokens are signed by this algorithm.
fn resource(algorithm: &str) -> String {
    format!("https://api.example.com/{algorithm}")
}

/// The API of this name, which takes tokens of the server.
async fn api(server: &Server, resource: &str) -> ResourceServer {
    let builder = ResourceServer::builder(Arc::clone(&server.backend)).discover(&server.issuer);
    builder.resource(resource).build().await.expect("discovery")
}

async fn session(server: &Server, id: &str, resource: &str) -> Session {
    let client = server.client(id).secret(SECRET).api("https://api.example.com");
    let client = if id == "dpop" { client.dpop() } else { client };
    let client = client.build().await.expect("discovery");
    let grant = client.client_credentials().scope("api:read").parameter("resource", resource);
    grant.session().expect("a confidential client")
}

async fn read(api: &ResourceServer, token: &str) -> Result<AccessTokenClaims, Refusal> {
    api.verify_presented(&PresentedToken::bearer(token)).await
}

fn reason(outcome: Result<AccessTokenClaims, Refusal>) -> Reason {
    outcome.expect_err("a refusal").error().expect("a cause").reason()
}

#[tokio::test]
async fn s_jw_01_and_al_8_oidc_provider_makes_tokens_that_an_api_reads() {
    let Some(server) = Server::oidc_provider() else { return };
    for algorithm in ["rs256", "es256", "eddsa"] {
        let name = resource(algorithm);
        let api = api(&server, &name).await;
        let tokens = session(&server, "m2m", &name).await.tokens().await.expect("tokens");
        let token = tokens.access_token().expose();
        let claims = read(&api, token).await.expect("a good token");
        assert_eq!((claims.issuer(), claims.client_id()), (&*server.issuer, "m2m"));
        assert!(claims.audience().eq([&*name]) && claims.require("api:read").is_ok());
        assert!(claims.expires_at() > claims.issued_at() && claims.confirmation().is_none());

        let other = self::api(&server, &resource("other")).await;
        assert_eq!(reason(read(&other, token).await), Reason::AudienceMismatch);
        let (signed, _) = token.rsplit_once('.').expect("a JWT");
        let forged = format!("{signed}.{}", "A".repeat(86));
        assert_eq!(reason(read(&api, &forged).await), Reason::SignatureInvalid);
        let picky = ResourceServer::builder(Arc::clone(&server.backend)).discover(&server.issuer);
        let picky = picky.resource(&*name).algorithms([SignatureAlgorithm::Ps256]).build().await;
        let refused = read(&picky.expect("discovery"), token).await;
        assert_eq!(reason(refused), Reason::AlgorithmMismatch);
    }
}

#[tokio::test]
async fn s_jw_10_an_id_token_and_an_opaque_token_of_oidc_provider_are_no_tokens_for_an_api() {
    let Some(server) = Server::oidc_provider() else { return };
    let client = server.client("basic").secret(SECRET).build().await.expect("discovery");
    let session = server.sign_in(&client, "alice").await.expect("a sign-in");
    // Even of an API that is called as the client.
    let api = api(&server, "basic").await;
    let id_token = session.identity().expect("a user");
    assert_eq!(reason(read(&api, id_token.text().expose()).await), Reason::KindMismatch);
    let tokens = session.tokens().await.expect("tokens");
    assert_eq!(reason(read(&api, tokens.access_token().expose()).await), Reason::Malformed);
}

#[tokio::test]
async fn s_dp_01_oidc_provider_binds_a_jwt_and_an_api_wants_the_proof() {
    let Some(server) = Server::oidc_provider() else { return };
    let name = resource("es256");
    let api = api(&server, &name).await;
    let session = session(&server, "dpop", &name).await;
    let mut request = http::Request::get(format!("{name}/things?page=2")).body(()).expect("a request");
    session.attach(&mut request).await.expect("a token and a proof");
    let claims = api.verify(&request).await.expect("a good token");
    assert!(claims.confirmation().is_some_and(|bound| bound.key().is_some()));
    assert_eq!(reason(api.verify(&request).await), Reason::Replayed);
    let tokens = session.tokens().await.expect("tokens");
    assert_eq!(reason(read(&api, tokens.access_token().expose()).await), Reason::BindingMismatch);
}
