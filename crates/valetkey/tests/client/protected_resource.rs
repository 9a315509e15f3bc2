//! From an API's URL to a session that is let in.

use valetkey::{
    Client, ErrorKind, ProtectedResource, Reason, Result, Runtime, Session, blocking,
    crypto::SignatureAlgorithm,
    jose::Jwks,
    oauth2::{
        endpoint::registration::RegistrationMetadata,
        protected_resource::{ResourceIdentifier, ResourceMetadata, ResourceMetadataRequest},
        server::{Issuer, MetadataSigner, ServerMetadata},
    },
};
use valetkey_http::{Addresses, Backend, Limits, Response};
use valetkey_testkit::{
    Dpop, Effect, Expect, Fault, Member, OpenId, Place, Provider, ProviderBuilder, block_on,
};

use crate::get;

const ME: &str = "https://issuer.test/api/me";

fn provider() -> ProviderBuilder {
    Provider::builder().resource_metadata(true)
}

fn runtime(provider: &Provider) -> Runtime {
    Runtime::new(provider.clone()).with_random(provider.random())
}

fn discover(provider: &Provider) -> Result<ProtectedResource> {
    block_on(ProtectedResource::discover(runtime(provider), ME))
}

fn session(api: &ProtectedResource, provider: &Provider) -> Result<Session> {
    let builder = api.client().id("app").secret("app-secret").redirect_uri("https://client.test/cb");
    block_on(async {
        let client = builder.build().await?;
        let (url, pending) = client.authorize().scope("read").start().await?;
        client.redeem(pending, provider.visit(&url).expect("the user approves")).await
    })
}

fn refused(provider: &Provider) -> Response {
    block_on(provider.send(get(ME), Limits::default())).unwrap()
}

#[test]
fn s_md_07_from_an_apis_url_or_its_refusal_to_a_session_that_it_lets_in() {
    let provider = provider().build();
    let refused = refused(&provider);
    assert_eq!(refused.status(), 401);
    let challenged = block_on(ProtectedResource::challenged(runtime(&provider), ME, refused.headers()));
    for api in [discover(&provider).unwrap(), challenged.unwrap()] {
        let session = session(&api, &provider).unwrap();
        assert_eq!(block_on(session.send(get(ME))).unwrap().status(), 200);
        let elsewhere = block_on(session.send(get("https://other.test/api/me"))).unwrap_err();
        assert_eq!(elsewhere.reason(), Reason::OriginNotAllowed);
    }
    assert_eq!(provider.count(Place::ResourceMetadata), 2);
    // An API that does not say where is asked at the well-known place.
    let silent = block_on(ProtectedResource::challenged(runtime(&provider), ME, &http::HeaderMap::new()));
    assert_eq!(silent.unwrap().metadata().resource().as_str(), ME);
    let blocking = blocking::ProtectedResource::discover(runtime(&provider), ME).unwrap();
    let client = blocking::Client::build(blocking.client().id("app").secret("app-secret")).unwrap();
    assert_eq!(client.server().unwrap().issuer().as_str(), "https://issuer.test");
    assert_eq!(provider.count(Place::Elsewhere), 0);
}

#[test]
fn s_md_08_a_refusal_that_names_another_place_leads_nowhere() {
    let provider = provider().build();
    for (url, reason) in [
        ("https://evil.test/doc", Reason::OriginNotAllowed),
        ("https://169.254.169.254/latest", Reason::AddressNotAllowed),
        ("http://issuer.test/doc", Reason::InsecureUrl),
        // Of another API on the same origin.
        ("https://issuer.test/.well-known/oauth-protected-resource/api/admin", Reason::IssuerMismatch),
    ] {
        let field = format!("Bearer resource_metadata=\"{url}\"").parse().unwrap();
        let headers = http::HeaderMap::from_iter([(http::header::WWW_AUTHENTICATE, field)]);
        let error = block_on(ProtectedResource::challenged(runtime(&provider), ME, &headers)).unwrap_err();
        assert_eq!(error.reason(), reason, "{url}");
    }
    assert_eq!(provider.count(Place::Elsewhere), 0);
}

#[test]
fn s_md_11_the_program_picks_and_the_api_must_know_the_server() {
    let provider = Provider::new();
    let resource = ResourceIdentifier::parse(ME).unwrap();
    let two = r#"{"resource":"https://issuer.test/api/me",
        "authorization_servers":["https://a.test","https://issuer.test"]}"#;
    let two = ResourceMetadata::parse(&resource, &two.into()).unwrap();
    let builder = || Client::builder(provider.clone()).id("app").for_resource(&two);
    let error = block_on(builder().build()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Usage, Reason::InvalidValue));
    assert!(block_on(builder().discover("https://issuer.test").build()).is_ok());
    let other = ServerMetadata::new(Issuer::parse("https://c.test").unwrap());
    for builder in [builder().discover("https://c.test"), builder().server(other)] {
        let error = block_on(builder.build()).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Untrusted, Reason::IssuerMismatch));
    }
    assert_eq!(provider.count(Place::Elsewhere), 0);
}

#[test]
fn s_net_10_a_server_that_an_api_names_is_asked_at_public_addresses() {
    let asked = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let backend = {
        let asked = std::sync::Arc::clone(&asked);
        valetkey_http::backend_fn(move |request: valetkey_http::Request, limits: Limits| {
            let host = request.uri().host().unwrap_or_default().to_owned();
            asked.lock().unwrap().push((host.clone(), limits.addresses));
            async move {
                let body = match host.as_str() {
                    "api.test" => {
                        r#"{"resource":"https://api.test","authorization_servers":["https://as.test"]}"#
                    }
                    _ => r#"{"issuer":"https://as.test"}"#,
                };
                let mut response = http::Response::new(bytes::Bytes::from_static(body.as_bytes()));
                response.headers_mut().insert("content-type", "application/json".parse().unwrap());
                Ok(response)
            }
        })
    };
    let api = block_on(ProtectedResource::discover(Runtime::new(backend), "https://api.test")).unwrap();
    // Saying which of those that the API has named does not make it the program's own.
    for builder in [api.client(), api.client().discover("https://as.test")] {
        block_on(builder.id("app").build()).unwrap();
        assert_eq!(asked.lock().unwrap().last(), Some(&("as.test".to_owned(), Addresses::Public)));
    }
    assert_eq!(asked.lock().unwrap()[0], ("api.test".to_owned(), Addresses::Any));
}

#[test]
fn s_dp_01_tokens_for_an_api_that_demands_it_are_bound() {
    let provider = provider().dpop(Dpop::Demanded).build();
    let api = discover(&provider).unwrap();
    assert!(api.metadata().demands_dpop());
    let session = session(&api, &provider).unwrap();
    assert!(block_on(session.tokens()).unwrap().access_token().is_bound());
    assert_eq!(block_on(session.send(get(ME))).unwrap().status(), 200);
}

#[test]
fn s_md_09_a_program_that_trusts_a_signer_believes_what_is_signed() {
    let provider = provider().signed_metadata(true).build();
    let keys = Jwks::parse(&provider.jwks()).unwrap();
    let signer = MetadataSigner::new("https://issuer.test", keys, &[SignatureAlgorithm::Rs256]);
    const EVIL: &[Member] = &[
        Member::Set("authorization_servers", b"[\"https://evil.test\"]"),
        Member::Set("token_endpoint", b"\"https://evil.test/token\""),
    ];
    for at in [Place::ResourceMetadata, Place::Metadata] {
        provider.add_fault(Fault::new("evil", at, Effect::Json(EVIL), Expect::Accepted));
    }
    let resource = ResourceIdentifier::parse(ME).unwrap();
    let request = ResourceMetadataRequest::new(&resource).unwrap();
    let believing = block_on(ProtectedResource::ask(runtime(&provider), request.clone())).unwrap();
    assert_eq!(believing.metadata().authorization_servers()[0].as_str(), "https://evil.test");
    let api = block_on(ProtectedResource::ask(runtime(&provider), request.signed_by(&signer))).unwrap();
    assert_eq!(api.metadata().authorization_servers()[0].as_str(), "https://issuer.test");
    let client = api.client().id("app").secret("app-secret").metadata_signer(signer).build();
    let server = block_on(block_on(client).unwrap().server()).unwrap();
    assert_eq!(server.token_endpoint().unwrap().as_str(), "https://issuer.test/token");
    assert_eq!(provider.count(Place::Elsewhere), 0);
}

#[test]
fn s_md_10_a_program_that_no_server_knows_registers_with_the_one_that_the_api_names() {
    let provider = provider().openid(OpenId::new()).build();
    let api = discover(&provider).unwrap();
    block_on(async {
        let registrar = api.registrar(None).await?;
        let metadata = RegistrationMetadata::new().with_redirect_uri("https://client.test/cb")?;
        let registration = registrar.register(metadata).await?;
        let client = registrar.client(&registration, Some("https://client.test/cb"))?;
        let client = client.for_resource(api.metadata()).build().await?;
        let (url, pending) = client.authorize().scope("read").start().await?;
        // Tokens are asked for this API alone (RFC 8707 §2), there and in exchange for the code.
        assert!(url.as_str().contains("&resource=https%3A%2F%2Fissuer.test%2Fapi%2Fme"), "{url}");
        let mark = provider.mark();
        let session = client.redeem(pending, provider.visit(&url).expect("the user approves")).await?;
        let sent = provider.requests_since(mark);
        assert!(sent.iter().any(|entry| {
            entry.place() == Place::Token && entry.param("resource") == Some("https://issuer.test/api/me")
        }));
        assert_eq!(session.send(get(ME)).await?.status(), 200);
        // If the API names another server, the registration is not shown to it.
        let other =
            r#"{"resource":"https://issuer.test/api/me","authorization_servers":["https://evil.test"]}"#;
        let other = ResourceMetadata::parse(api.metadata().resource(), &other.into())?;
        let client = registrar.client(&registration, None)?.for_resource(&other).build().await;
        assert_eq!(client.unwrap_err().reason(), Reason::IssuerMismatch);
        assert_eq!(
            api.registrar(Some("https://evil.test")).await.unwrap_err().reason(),
            Reason::IssuerMismatch
        );
        Ok::<(), valetkey::Error>(())
    })
    .unwrap();
    assert_eq!(provider.count(Place::Elsewhere), 0);
}
