//! What happens when a server changes the keys by which it signs: nothing that anybody would notice.
//!
//! The provider is in this process, and its time is virtual.

use std::{error::Error, time::Duration};

use valetkey::{Client, Result, Session};
use valetkey_testkit::{OpenId, Place, Provider};

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn Error>> {
    let provider = Provider::builder().openid(OpenId::new()).build();
    let client = Client::builder(provider.clone())
        .discover(&provider.issuer())
        .id("app")
        .secret("app-secret")
        .redirect_uri("https://client.test/cb")
        .build()
        .await?;
    let asked = || provider.count(Place::Keys);

    sign_in(&client, &provider).await?;
    sign_in(&client, &provider).await?;
    println!("two sign-ins: the keys were asked for {} time", asked());

    provider.rotate_keys();
    sign_in(&client, &provider).await?;
    println!("the server has new keys, and a third sign-in names one: asked for {} times", asked());

    // Names of keys can be made up. So that nobody can make the client ask and ask, it does so once in thirty seconds.
    provider.rotate_keys();
    let error = sign_in(&client, &provider).await.err().ok_or("it should not have asked")?;
    println!("new keys again, at once: {error}; asked for {} times", asked());
    provider.advance(Duration::from_secs(30));
    sign_in(&client, &provider).await?;
    println!("half a minute later: asked for {} times", asked());

    // Keys that the server has withdrawn verify nothing for longer than this.
    provider.advance(Duration::from_secs(600));
    sign_in(&client, &provider).await?;
    println!("ten minutes later: asked for {} times", asked());
    Ok(())
}

async fn sign_in(client: &Client, provider: &Provider) -> Result<Session> {
    let (url, pending) = client.authorize().scope("openid").start().await?;
    let callback = provider.visit(&url).expect("the user approves");
    client.redeem(pending, callback).await
}
