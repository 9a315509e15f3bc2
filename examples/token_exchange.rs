//! Token exchange: a workload's token, which the platform keeps fresh in a file, for a token of an API; and a user's
//! token together with the workload's, so that the API knows who acts for whom.

use std::{error::Error, fs};

use bytes::Bytes;
use valetkey::{Client, Session, oauth2::grant::TokenTypeIdentifier, source};
use valetkey_testkit::{Grant, Provider, RegisteredClient};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // A provider of our own, in this process, that trusts the platform's tokens.
    let gateway = RegisteredClient::confidential("gateway", "s3cret").grants([Grant::TokenExchange]);
    let provider = Provider::builder()
        .client(gateway)
        .outside_token("eyJhbGciOi.cG9kLTE.c2ln", "system:serviceaccount:shop:gateway")
        .outside_token("eyJhbGciOi.cG9kLTI.c2ln", "system:serviceaccount:shop:gateway")
        .build();
    let issuer = provider.issuer();
    let builder = Client::builder(provider.clone()).discover(&issuer).id("gateway").secret("s3cret");
    let client = builder.api(&issuer).build().await?;

    // The token of the pod. On Kubernetes it would be `source::File::kubernetes()`.
    let path = std::env::temp_dir().join(format!("valetkey-token-{}", std::process::id()));
    fs::write(&path, "eyJhbGciOi.cG9kLTE.c2ln\n")?;
    let workload = source::File::new(&path);
    let session = client.exchange(workload.clone()).audience("orders").scope("read").session()?;
    println!("the workload calls: {}", call(&session, &provider).await?);

    // The platform writes another one; the session reads it when it needs another token.
    fs::write(&path, "eyJhbGciOi.cG9kLTI.c2ln\n")?;
    session.refresh().await?;
    println!("and again with another token");

    // A user has signed in at another client. Her token is the subject, and the workload acts for her.
    let shop = Client::builder(provider.clone())
        .discover(&issuer)
        .id("app")
        .secret("app-secret")
        .redirect_uri("https://client.test/cb")
        .build()
        .await?;
    let (url, pending) = shop.authorize().scope("read").start().await?;
    let user = shop.redeem(pending, provider.visit(&url)?).await?;
    let both = client
        .exchange(user)
        .actor(workload)
        .requested_token_type(TokenTypeIdentifier::AccessToken)
        .session()?;
    println!("it acts for a user: {}", call(&both, &provider).await?);
    fs::remove_file(&path)?;
    Ok(())
}

async fn call(session: &Session, provider: &Provider) -> Result<String, Box<dyn Error>> {
    let request = http::Request::get(provider.api("me")).body(Bytes::new())?;
    let response = session.send(request).await?;
    Ok(String::from_utf8_lossy(response.body()).into_owned())
}
