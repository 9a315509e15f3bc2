//! Access tokens that are JWTs, read as an API reads them.

use std::sync::Arc;

use valetkey::{
    ClientBuilder, Reason, ResourceServer, ResourceServerBuilder, Session,
    crypto::SignatureAlgorithm,
    oauth2::protected_resource::{AccessTokenClaims, PresentedToken, Refusal},
};

use crate::{
    Server,
    description::{Flow, Resource},
};

/// The API of this name, which takes tokens of the server.
fn builder(server: &Server, resource: &str) -> ResourceServerBuilder {
    ResourceServer::builder(Arc::clone(&server.backend)).discover(&server.issuer).resource(resource)
}

pub(crate) async fn api(server: &Server, resource: &str) -> ResourceServer {
    builder(server, resource).build().await.expect("discovery")
}

/// The resources whose tokens are JWTs, and what signs these.
fn with_jwts(server: &Server) -> impl Iterator<Item = (&'static str, SignatureAlgorithm)> {
    let resources: &'static [Resource] = &server.description.resources;
    resources.iter().filter_map(|resource| {
        let algorithm = resource.algorithm.as_ref()?;
        Some((&*resource.name, SignatureAlgorithm::parse(algorithm).expect("it was looked at")))
    })
}

async fn session(client: ClientBuilder, resource: &str) -> Session {
    let client = client.build().await.expect("discovery");
    let grant = client.client_credentials().scope("api:read").resource(resource);
    grant.session().expect("a confidential client")
}

pub(crate) async fn read(api: &ResourceServer, token: &str) -> Result<AccessTokenClaims, Refusal> {
    api.verify_presented(&PresentedToken::bearer(token)).await
}

fn reason(outcome: Result<AccessTokenClaims, Refusal>) -> Reason {
    outcome.expect_err("a refusal").error().expect("a cause").reason()
}

#[tokio::test]
async fn s_jw_01_and_al_8_servers_make_tokens_that_an_api_reads() {
    for (server, known) in Server::each(Flow::AccessTokens) {
        for (name, algorithm) in with_jwts(&server) {
            println!("{server}: {name}");
            let of = |algorithm| builder(&server, name).algorithms([algorithm]).build();
            let api = of(algorithm).await.expect("discovery");
            let tokens = session(server.known(known), name).await.tokens().await.expect("tokens");
            let token = tokens.access_token().expose();
            let claims = read(&api, token).await.expect("a good token");
            assert_eq!((claims.issuer(), claims.client_id()), (&*server.issuer, &*known.id));
            assert!(claims.audience().eq([name]) && claims.require("api:read").is_ok());
            assert!(claims.expires_at() > claims.issued_at() && claims.confirmation().is_none());

            let other = self::api(&server, "https://other.example/api").await;
            assert_eq!(reason(read(&other, token).await), Reason::AudienceMismatch);
            let (signed, _) = token.rsplit_once('.').expect("a JWT");
            let forged = format!("{signed}.{}", "A".repeat(86));
            assert_eq!(reason(read(&api, &forged).await), Reason::SignatureInvalid);
            let others = [SignatureAlgorithm::Ps256, SignatureAlgorithm::Es256];
            let other = others.into_iter().find(|other| *other != algorithm).expect("two of them");
            let picky = of(other).await.expect("discovery");
            assert_eq!(reason(read(&picky, token).await), Reason::AlgorithmMismatch);
        }
    }
}

#[tokio::test]
async fn s_jw_10_an_id_token_and_an_opaque_token_are_no_tokens_for_an_api() {
    for (server, known) in Server::each(Flow::ResourceIndicators) {
        let client = server.known(known).build().await.expect("discovery");
        let opaque = server.description.resources.iter().find(|resource| resource.algorithm.is_none());
        let request = server.authorize(&client, "alice");
        let request = match opaque {
            Some(opaque) => request.resource(&opaque.name),
            None => request,
        };
        let session = server.go_through(&client, "alice", request).await.expect("a sign-in");
        // Even of an API that is called as the client.
        let api = api(&server, &known.id).await;
        let id_token = session.identity().expect("a user");
        assert_eq!(reason(read(&api, id_token.text().expose()).await), Reason::KindMismatch);
        if opaque.is_some() {
            let tokens = session.tokens().await.expect("tokens");
            assert_eq!(reason(read(&api, tokens.access_token().expose()).await), Reason::Malformed);
        } else {
            println!("skipped: {server} has no opaque tokens");
        }
    }
}

#[tokio::test]
async fn s_dp_01_servers_bind_a_jwt_and_an_api_wants_the_proof() {
    for (server, known) in Server::each(Flow::BoundAccessTokens) {
        for (name, _) in with_jwts(&server) {
            println!("{server}: {name}");
            let api = api(&server, name).await;
            let session = session(server.known(known).api(name).dpop(), name).await;
            let request = http::Request::get(format!("{name}/things?page=2")).body(());
            let mut request = request.expect("a request");
            session.attach(&mut request).await.expect("a token and a proof");
            let claims = api.verify(&request).await.expect("a good token");
            assert!(claims.confirmation().is_some_and(|bound| bound.key().is_some()));
            assert_eq!(reason(api.verify(&request).await), Reason::Replayed);
            let tokens = session.tokens().await.expect("tokens");
            assert_eq!(reason(read(&api, tokens.access_token().expose()).await), Reason::BindingMismatch);
        }
    }
}
