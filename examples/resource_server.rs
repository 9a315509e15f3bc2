//! Both sides of an API: one that reads the tokens that it is shown, and a client that knows no more than the API's URL.
//!
//! The provider is in this process, and so is the API.

use std::error::Error;

use http::Request;
use valetkey::{Client, ProtectedResource, ResourceServer, Runtime, oauth2::protected_resource::Refusal};
use valetkey_testkit::{OpenId, Provider};

const API: &str = "https://issuer.test/api/me";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let provider =
        Provider::builder().openid(OpenId::new()).resource_metadata(true).jwt_access_tokens(API).build();
    let metadata = "https://issuer.test/.well-known/oauth-protected-resource/api/me";
    let api = ResourceServer::builder(provider.clone())
        .discover(&provider.issuer())
        .resource(API)
        .resource_metadata(metadata)
        .build()
        .await?;

    // A client has the API's URL and no token. The refusal says where the API describes itself.
    let refusal = handle(&api, &Request::get(API).body(())?).await.err().ok_or("there is no token")?;
    println!("{}: {}", refusal.status(), refusal.headers()["www-authenticate"].to_str()?);
    let runtime = Runtime::new(provider.clone());
    let described = ProtectedResource::challenged(runtime, API, &refusal.headers()).await?;
    println!("its server is {}", described.metadata().server(None)?);

    // With the server that it named, the client gets tokens that are for the API.
    let client: Client = described.client().id("service").secret("service-secret").build().await?;
    let session = client.client_credentials().scope("read").session()?;
    let mut request = Request::get(API).body(())?;
    session.attach(&mut request).await?;
    println!("200: {}", handle(&api, &request).await?);

    let session = client.client_credentials().scope("write").session()?;
    session.attach(&mut request).await?;
    let refusal = handle(&api, &request).await.err().ok_or("it is for something else")?;
    println!("{}: {}", refusal.status(), refusal.headers()["www-authenticate"].to_str()?);
    Ok(())
}

/// What the API answers to a request.
async fn handle(api: &ResourceServer, request: &Request<()>) -> Result<String, Refusal> {
    let claims = api.verify(request).await?;
    api.require(&claims, "read")?;
    Ok(format!("hello, {}", claims.subject()))
}
