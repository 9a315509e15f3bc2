//! Signs a user in by OAuth 1.0a, calls an API in the user's name, and carries on with what was kept.
//!
//! The provider is part of this program and listens on loopback; with another one, the four URLs and the credentials
//! differ. A robot plays the user.

use std::error::Error;

use bytes::Bytes;
use valetkey::oauth1::{Client, ClientBuilder, ClientCredentials, TokenCredentials};
use valetkey_hyper::HyperBackend;
use valetkey_testkit::Provider;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let provider = Provider::builder().real_clock().build();
    let _server = provider.serve().await?;

    // By a callback, as a web application does it. Keep `pending` until the browser comes back.
    let client = builder(&provider)?.redirect_uri("https://client.test/cb").build()?;
    let (url, pending) = client.authorize().start().await?;
    println!("the user is sent to {url}");
    let callback = provider.visit(&url)?;
    let session = client.redeem(pending, &callback).await?;

    let photos = http::Request::get(provider.oauth1("api/photos?size=original")).body(Bytes::new())?;
    let answer = session.send(photos.clone()).await?;
    println!("the API answered {}: {}", answer.status(), String::from_utf8_lossy(answer.body()));
    assert_eq!(answer.status(), 200);

    // By a PIN, as a program does that no browser can come back to.
    let client = builder(&provider)?.build()?;
    let (url, pending) = client.authorize().start().await?;
    let pin = provider.pin(&url)?;
    println!("the user types {} digits", pin.len());
    let session = client.redeem_pin(pending, &pin).await?;

    // The credentials do not expire: keep them, and carry on with them another day.
    let kept = session.credentials().expect("of a user").to_text();
    let session = client.session(TokenCredentials::parse(kept.expose())?);
    assert_eq!(session.send(photos).await?.status(), 200);
    println!("and again with the credentials that were kept");
    Ok(())
}

fn builder(provider: &Provider) -> Result<ClientBuilder, Box<dyn Error>> {
    Ok(Client::builder(HyperBackend::builder().no_proxy().build()?)
        .credentials(ClientCredentials::new("dpf43f3p2l4k3l03", "kd94hf93k423kf44")?)
        .temporary_credentials(&provider.oauth1("request_token"))
        .authorization(&provider.oauth1("authorize"))
        .token_credentials(&provider.oauth1("access_token"))
        .api(&provider.oauth1("api")))
}
