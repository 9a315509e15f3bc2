//! A service that calls an API in its own name, by the client credentials grant.

use std::error::Error;

use bytes::Bytes;
use valetkey::Client;
use valetkey_hyper::HyperBackend;
use valetkey_testkit::Provider;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // A provider of our own, so that nothing has to be set up.
    let provider = Provider::builder().real_clock().build();
    let _server = provider.serve().await?;
    let issuer = provider.issuer();

    let client = Client::builder(HyperBackend::new()?)
        .discover(&issuer)
        .id("service")
        .secret("service-secret")
        .api(&issuer)
        .build()
        .await?;

    // The session gets its token with the first request.
    let session = client.client_credentials().scope("read").session()?;
    let request = http::Request::get(provider.api("me")).body(Bytes::new())?;
    let response = session.send(request).await?;
    println!("the API answered {}: {}", response.status(), String::from_utf8_lossy(response.body()));

    let tokens = session.tokens().await?;
    let scope = tokens.scope().scope().map_or("nothing in particular", |scope| scope.as_str());
    println!("its token is good for: {scope}");

    session.refresh().await?;
    println!("the service has another token");
    Ok(())
}
